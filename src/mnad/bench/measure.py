"""The measurements of one row, each a few seconds long."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.config import ModelConfig, TrainConfig
from mnad.detector import Detector
from mnad.errors import MnadError
from mnad.models.folder import Model, build_network
from mnad.runtime.runtime import Runtime
from mnad.scoring.scorer import updated
from mnad.scoring.stream import Scorer
from mnad.scoring.together import Together
from mnad.scoring.windows import Windows
from mnad.stream import FrameScore, LiveStream
from mnad.training.loop import Fitter
from mnad.watch.files import detect_source
from mnad.watch.options import WatchOptions

SECONDS, LEAST, MOST = 1.0, 3, 100
"""A measurement goes on for so long, for at least and at most so many times."""
FILE_SECONDS, FILE_FRAMES = 2.0, 8
"""A file is scored up to its end, or for so long and so many frames."""
SIDES = {"cpu": 1536, "cuda": 8192}
"""Of the matrices of the product that is taken for the machine's peak."""

Frames = NDArray[np.uint8]


def repeated(do: Callable[[], object], device: torch.device) -> list[float]:
    """Seconds of each run; the first one, after others had the machine, does not count."""
    times: list[float] = []
    while len(times) < MOST + 1 and (len(times) < LEAST + 1 or sum(times[1:]) < SECONDS):
        began = _now(device)
        do()
        times.append(_now(device) - began)
    return times[1:]


def network_alone(runtime: Runtime, frames: Frames, streams: int) -> dict[str, Any]:
    """`Runtime.score` on one window of each of S streams."""
    batch = _windows(runtime, frames, streams)
    return {"seconds": repeated(lambda: runtime.score(batch), runtime.device)}


def memory_update(runtime: Runtime, frames: Frames, streams: int) -> dict[str, Any]:
    """What scoring takes and what the update after it takes, if every frame updates the memory.

    At test time only regular frames do, and which these are depends on the model.
    """
    assert runtime.items is not None
    batch = _windows(runtime, frames, streams)
    gate = torch.ones(streams, dtype=torch.bool, device=runtime.device)
    items = runtime.items.repeat(streams, 1, 1)
    times: dict[str, list[float]] = {"scored": [], "updated": []}

    def step() -> None:
        nonlocal items
        began = _now(runtime.device)
        query, _ = runtime.score(batch, items)
        scored = _now(runtime.device)
        items = updated(runtime.method, query, gate, items)
        times["scored"].append(scored - began)
        times["updated"].append(_now(runtime.device) - scored)

    repeated(step, runtime.device)
    return {name: found[1:] for name, found in times.items()}


def _windows(runtime: Runtime, frames: Frames, streams: int) -> Tensor:
    length = runtime.network.window
    starts = [number % (len(frames) - length + 1) for number in range(streams)]
    stacked = np.stack([frames[start : start + length] for start in starts])
    return torch.from_numpy(stacked).to(runtime.device)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def end_to_end(
    model: Model,
    runtime: Runtime,
    video: Path,
    work: Path,
    threshold: float | None,
    everything: bool,
) -> dict[str, Any]:
    """From an H.264 file to scores and events, with overlay and clips or without.

    Args:
        model: what `runtime` computes.
        runtime: that scores.
        video: the file.
        work: folder for the results, which are removed.
        threshold: score from which on a frame is abnormal, 0..1; None for the model's own.
        everything: overlay and clips.

    Returns:
        ``frames`` and ``seconds`` between the first run that was scored and the last, and what it
        takes ``besides``: to open, to fill the window, to finish videos, report and plot.
    """
    detector = _Timed(model, runtime)
    out = Path(mkdtemp(dir=work))
    options = WatchOptions(overlay=everything, clips=everything, threshold=threshold)
    began = time.perf_counter()
    try:
        found = detect_source(detector, video, out, options, progress=False)
        whole = time.perf_counter() - began
    finally:
        shutil.rmtree(out, ignore_errors=True)
    if found.error and found.error != str(_ENOUGH):
        raise MnadError(found.error)
    # What an engine prepares for the first batch is not a matter of the frames, if there are more.
    first, last = detector.began[1 if len(detector.began) > 2 else 0], detector.began[-1]
    seconds = last.seconds - first.seconds
    return {
        "frames": last.scored - first.scored,
        "seconds": seconds,
        "besides": whole - seconds,
        "events": found.events,
    }


def training(config: ModelConfig, frames: Frames, device: torch.device, precision: str) -> Fitter:
    """What trains a fresh network on the windows of some frames."""
    torch.manual_seed(0)
    windows = Windows([frames], ["frames"], config.network.window)
    train = TrainConfig(epochs=1, precision=precision)  # type: ignore[arg-type]
    return Fitter(windows, config, train, build_network(config).to(device).train())


def training_steps(fitter: Fitter) -> dict[str, Any]:
    """Whole steps: forward, losses, pseudo-anomalies if any, backward, Adam, memory update."""
    batch = fitter.windows.batch(range(fitter.train.batch_size)).to(fitter.device)
    along = next(fitter.pseudo_batches(0, 1, 1))
    return {
        "windows": len(batch),
        "seconds": repeated(lambda: fitter.step(batch, along), fitter.device),
    }


def matrix_product(device: torch.device) -> dict[str, Any]:
    """GFLOP/s of the fastest of some products of two large fp32 matrices; on CUDA in bf16 too."""
    side = SIDES[device.type]
    left, right = (torch.rand(side, side, device=device) for _ in range(2))

    def gflops(a: Tensor, b: Tensor) -> float:
        return 2 * side**3 / 1e9 / min(repeated(lambda: a @ b, device))

    found = {"gflops": gflops(left, right)}
    if device.type == "cuda":
        found["bf16_gflops"] = gflops(left.bfloat16(), right.bfloat16())
    return found


_ENOUGH = MnadError("long enough")


class _Began(NamedTuple):
    """When frames were given to be scored, and how many were scored before; from the first on."""

    seconds: float
    scored: int


class _Timed(Detector):
    """A detector that knows when it was given each frame, and breaks off when it has enough."""

    def __init__(self, model: Model, runtime: Runtime) -> None:
        super().__init__(model, runtime=runtime)
        self.began: list[_Began] = []

    def stream(
        self, threshold: float | None = None, rate: Fraction | float | None = None
    ) -> LiveStream:
        at = self.threshold if threshold is None else threshold
        return _TimedStream(self, self.model, self._scorer, at, rate)


class _TimedStream(LiveStream):
    def __init__(
        self,
        detector: _Timed,
        model: Model,
        scorer: Scorer | Together,
        threshold: float | None,
        rate: Fraction | float | None,
    ) -> None:
        super().__init__(model, scorer, threshold, rate)
        self._began, self._first = detector.began, model.config.network.window - 1

    def push_run(
        self, fitted: Sequence[Frames], seconds: Sequence[float]
    ) -> list[FrameScore | None]:
        began = _Began(time.perf_counter(), max(0, self._stream.pushed - self._first))
        if began.scored == 0:
            self._began.clear()
        self._began.append(began)
        frames, took = began.scored, began.seconds - self._began[0].seconds
        if frames > FILE_FRAMES and took > FILE_SECONDS:
            raise _ENOUGH
        return super().push_run(fitted, seconds)
