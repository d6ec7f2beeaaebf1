"""Does a frame cost the same after 100,000 others?

    OMP_NUM_THREADS=1 python benchmarks/constancy.py MODEL CLIP [--frames N] [--runtime NAME]
        [--threshold SCORE] [--json FILE]

The frames of a real clip go again and again through all that detect does to a file (window, score,
events, table, report) but decoding, overlay and clips of events. Measured is the processor time of
the whole process and its resident memory. Other programs on the machine slow it too, so that at the
end of each tenth the frames go by turns to the old stream and to one that has just begun: the ratio
of the two costs is what tells.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from script import run
from tqdm import tqdm

from mnad.detector import Detector
from mnad.video.source import FOLDER_RATE, Frame, open_source
from mnad.watch.options import WatchOptions
from mnad.watch.watcher import Watcher
from mnad.writing import require_folder

PARTS = 10
TURNS, TURN = 20, 50
"""At the end of each tenth: frames of the old stream, then of a new one, so often."""


class Pushed:
    """Frames over and over, pushed into a watcher."""

    def __init__(
        self, watcher: Watcher, pixels: Sequence[NDArray[np.uint8]], rate: Fraction
    ) -> None:
        self._watcher, self._pixels, self._rate = watcher, pixels, rate
        self._count = 0

    def push(self, frames: int) -> float:
        """Processor time in ms of each of the next frames."""
        cpu = time.process_time()
        for index in range(self._count, self._count + frames):
            seen = self._pixels[index % len(self._pixels)]
            self._watcher.push(Frame(seen, index, index / self._rate))
        self._count += frames
        return 1e3 * (time.process_time() - cpu) / frames


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--threshold", type=float, help="without it the model's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)

    detector = Detector.load(given.model, "cpu", runtime=given.runtime)
    network = detector.model.config.network
    with open_source(given.clip, network.channels) as source:
        pixels = [frame.pixels for frame in source]
        rate = source.rate or FOLDER_RATE
    options = WatchOptions(overlay=False, clips=False, threshold=given.threshold)
    cost: list[float] = []
    ratio: list[float] = []
    memory: list[float] = []
    length = given.frames // PARTS
    with tempfile.TemporaryDirectory() as out:
        with Watcher(detector, Path(out, "old"), given.clip.stem, rate, options) as watcher:
            old = Pushed(watcher, pixels, rate)
            for part in tqdm(range(PARTS)):
                cost.append(old.push(length - TURNS * TURN))
                with Watcher(detector, Path(out, f"{part}"), "new", rate, options) as fresh:
                    new = Pushed(fresh, pixels, rate)
                    new.push(TURN)  # its first window, and what is set up once
                    turns = [(old.push(TURN), new.push(TURN)) for _ in range(TURNS)]
                ratio.append(float(np.median([ours / theirs for ours, theirs in turns])))
                memory.append(resident())
        scored, events = watcher.frames, len(watcher.events)
    result: dict[str, Any] = {
        "frames": scored,
        "events": events,
        "cpu_ms_per_frame_by_tenth": [round(ms, 3) for ms in cost],
        "old_over_new_by_tenth": [round(one, 4) for one in ratio],
        "resident_mib_by_tenth": [round(mib, 1) for mib in memory],
        "model": f"width {network.width:g}, {network.image_width}x{network.height}",
        "runtime": given.runtime,
        "clip": given.clip.name,
        "machine": {"python": platform.python_version(), "cpus": os.cpu_count()},
    }
    print(json.dumps(result, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    run(main)
