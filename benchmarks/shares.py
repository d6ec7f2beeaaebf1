"""What of a frame's processor time goes to the network, and what to all that comes after it?

    OMP_NUM_THREADS=1 python benchmarks/shares.py VIDEO [--model MODEL | --width W --height H
        --image_width W] [--runtimes torch,openvino,openvino-int8] [--rounds N] --json FILE

The frames of a real clip, decoded before, go through all that detect does to a file but overlay and
clips of events, one step after the other in one thread. The processor time of the process is booked
to the innermost step that it is spent in. A network that is not given is untrained; it knows how
the beginning of the video scores, so that one frame in ten is abnormal and has boxes. Each runtime
has its turn in each round; the median of the rounds is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from script import run
from tqdm.auto import tqdm

from mnad import __version__
from mnad.bench.machine import machine
from mnad.bench.prepare import make
from mnad.bench.run import EVENTS
from mnad.config import NetworkConfig
from mnad.detector import Detector
from mnad.models.folder import load_model
from mnad.runtime.pick import load_runtime
from mnad.scoring.stream import Scorer
from mnad.stream import LiveStream
from mnad.video.source import Frame, open_source
from mnad.watch.options import WatchOptions
from mnad.watch.watcher import Watcher
from mnad.writing import require_folder

STEPS = {
    "resize": (LiveStream, "fitted"),
    "light, noise, shake": (LiveStream, "_as_usual"),
    "errors of blocks": (Scorer, "_score"),
    "rank, map, boxes": (LiveStream, "_scored"),
    "events, table": (Watcher, "show"),
}
"""Methods whose own time is booked under a name; that of the network is the runtime's `score`."""
AFTER = ("errors of blocks", "rank, map, boxes", "events, table", "the rest")


class Booked:
    """Processor time of the process by the innermost step that it was spent in."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._now, self._since = "the rest", time.process_time()

    def step(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        """`do`, whose time is booked under a name."""

        def booked(*given: Any, **named: Any) -> Any:
            before = self._turn_to(name)
            try:
                return do(*given, **named)
            finally:
                self._turn_to(before)

        return booked

    def _turn_to(self, name: str) -> str:
        now = time.process_time()
        self.seconds[self._now] += now - self._since
        before, self._now, self._since = self._now, name, now
        return before

    def begin(self) -> None:
        """Forget what was booked."""
        self._turn_to("the rest")
        self.seconds.clear()

    def end(self, frames: int) -> dict[str, float]:
        """Milliseconds a frame by step."""
        self._turn_to("the rest")
        return {name: 1e3 * spent / frames for name, spent in self.seconds.items()}


def one_round(
    book: Booked, detector: Detector, frames: Sequence[Frame], rate: Any, threshold: float | None
) -> dict[str, float]:
    """Milliseconds a frame by step, after a first pass that does not count."""
    options = WatchOptions(overlay=False, clips=False, threshold=threshold)
    with TemporaryDirectory() as out:
        for name in ("cold", "counts"):
            with Watcher(detector, Path(out) / name, "clip", rate, options) as watcher:
                book.begin()
                for pair in watcher.scored(iter(frames)):
                    watcher.show(pair)
                found = book.end(len(frames))
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("video", type=Path)
    asked.add_argument("--model")
    asked.add_argument("--width", type=float, default=0.25)
    asked.add_argument("--height", type=int, default=256)
    asked.add_argument("--image_width", type=int, default=256)
    asked.add_argument("--runtimes", default="torch,openvino,openvino-int8")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--json", type=Path, required=True)
    given = asked.parse_args()
    require_folder(given.json)
    torch.set_num_threads(1)
    book = Booked()
    for name, (owner, method) in STEPS.items():
        setattr(owner, method, book.step(name, getattr(owner, method)))
    with TemporaryDirectory() as work:
        network = NetworkConfig(
            channels=1, width=given.width, height=given.height, image_width=given.image_width
        )
        answer = make(
            {
                "folder": f"{work}/model",
                "model": given.model,
                "network": asdict(network),
                "video": str(given.video),
                "threads": 1,
            }
        )
        detectors = {}
        for name in given.runtimes.split(","):
            answer({"runtime": name})
            model, runtime = load_runtime(f"{work}/model", "cpu", name)
            runtime.score = book.step("network", runtime.score)  # type: ignore[method-assign]
            detectors[name] = Detector(model, runtime=runtime)
        own = load_model(f"{work}/model")
    threshold = EVENTS if own.calibration is None else None
    with open_source(given.video, own.config.network.channels) as source:
        frames, rate = list(source), source.rate
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in detectors}
    for _ in tqdm(range(given.rounds)):
        for name, detector in detectors.items():
            rounds[name].append(one_round(book, detector, frames, rate, threshold))
    result = {
        "protocol": " ".join(str(__doc__).partition("FILE\n")[2].split()),
        "mnad": __version__,
        "machine": machine(),
        "command": "OMP_NUM_THREADS=1 python benchmarks/shares.py VIDEO --rounds N --json FILE",
        "model": given.model,
        "network": asdict(own.config.network),
        "frames": len(frames),
        "rows": {name: row(found) for name, found in rounds.items()},
        "rounds": rounds,
    }
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, found in result["rows"].items():
        print(name, json.dumps(found))


def row(rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians: milliseconds a frame by step, and what follows on the network as a share of all."""
    names = ("network", *STEPS, "the rest")
    share = [sum(one[name] for name in AFTER) / sum(one.values()) for one in rounds]
    return {
        "ms": {name: round(statistics.median(one[name] for one in rounds), 3) for name in names},
        "after_network": round(statistics.median(share), 4),
        "after_network_each": [round(one, 4) for one in share],
    }


if __name__ == "__main__":
    run(main)
