"""A clip streamed once through a detector, as a camera would, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.detector import Detector
from mnad.events.event import Event, Observed
from mnad.events.machine import EventConfig, EventMachine
from mnad.models.builtin import resolve
from mnad.models.folder import CONFIG, WEIGHTS
from mnad.models.normal import NORMAL
from mnad.stream import FrameScore

Floats = NDArray[np.float64]


class Watched(NamedTuple):
    """Of n frames that were scored; arrays (n,).

    Attributes:
        frames: their numbers.
        score: the causal score.
        peak: the same before its ranks and mean.
        psnr: dB, low = abnormal.
        events: that ended, with start, end and peak.
    """

    frames: NDArray[np.int64]
    score: Floats
    peak: Floats
    psnr: Floats
    events: list[dict[str, Any]]


def watch_clip(
    detector: Detector,
    name: str,
    frames: Iterable[NDArray[np.uint8]],
    rate: float,
    each: Callable[[NDArray[np.uint8], FrameScore | None], None] = lambda pixels, found: None,
) -> Watched:
    """Score a clip with a memory of its own.

    Args:
        detector: with a threshold.
        name: of the clip.
        frames: (H, W, c) uint8, of all of it.
        rate: frames per second; of more than the detector looks at, some are passed over.
        each: is told of every frame, and of its score or None while the first window fills.
    """
    assert detector.threshold is not None
    stream = detector.stream(rate=rate)
    machine = EventMachine(EventConfig(detector.threshold), name, None)
    scored: list[FrameScore] = []
    messages: list[Event] = []
    count = 0
    for count, pixels in enumerate(frames, 1):
        found = stream.push(pixels, (count - 1) / rate)
        each(pixels, found)
        if found is not None:
            scored.append(found)
            seen = Observed(found.index, found.index / rate, found.score, found.boxes)
            messages += machine.push(seen)
    messages += machine.close(count / rate)
    return Watched(
        np.array([one.index for one in scored], np.int64),
        np.array([one.score for one in scored]),
        np.array([one.peak for one in scored]),
        np.array([one.psnr for one in scored]),
        [
            {"start": m.start, "end": m.end, "peak": m.peak_score}
            for m in messages
            if m.phase == "end"
        ],
    )


def reaches(watched: Watched, labels: NDArray[np.uint8], rate: float) -> bool:
    """Whether an event overlaps an abnormal frame; labels (T,) of 0 and 1 of the whole clip."""
    times = np.flatnonzero(labels) / rate
    return any(((times >= e["start"]) & (times <= e["end"])).any() for e in watched.events)


def digests(model: Path) -> dict[str, str]:
    """SHA-256 of the files of a model: what a result is of."""
    files = [resolve(model) / name for name in (CONFIG, WEIGHTS, NORMAL)]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
