"""What of a site's footage a model is learnt from."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.video.cache import Filter, mapped
from mnad.video.thin import SLOWER_ONCE, step_of
from mnad.watch.footage import Segment, read_index

_LOG = logging.getLogger("mnad")
SLOWEST = 1.4
"""How many times slower than usual footage may be and is still learnt from: a model of the rest
knows it (`mnad.video.thin.SLOWER`)."""
HALF = 2.3
"""How many times lower than the median a rate may be for the model to be made for it. What half of
ten frames a second gives was measured (`benchmarks/cameras.md`), what fewer give was not."""
LOWEST_SHARE = 0.2
"""Share of the time that must have a lower rate for the model to be made for it."""


def load_footage(
    folder: Path,
    normal_events: Collection[str],
    filters: Callable[[], Filter] | None = None,
    limit_bytes: int = 2 << 30,
) -> tuple[list[NDArray[np.uint8]], float]:
    """The footage to learn from: segments without anomalies but those that are known as normal.

    Where the camera's rate falls to half for a fifth of the time, as at night, all of it is taken
    at that rate, which the model then knows by day too. Segments that are still too slow for it are
    left out: such frames will not be scored, and their leaps would be learnt.

    Args:
        folder: of a `Footage`.
        normal_events: ids of events that a person called normal.
        filters: makes what each frame of a clip goes through, one for each clip.
        limit_bytes: how much to hold in memory at most, over all clips; the rest is mapped from
            disk, as hours of footage do not fit.

    Returns:
        Clips (T, h, w, c) uint8, segments that follow on each other joined, and the number of
        frames per second that a model of them knows: the mean, or a little less where some of them
        have fewer.

    Raises:
        MnadError: there is none, or no room on disk.
    """
    segments = list(read_index(folder))
    good = [set(segment.events) <= set(normal_events) for segment in segments]
    usable = [segment for segment, ok in zip(segments, good, strict=True) if ok]
    base = usual_rate(usable)
    steps = {segment.name: _step(segment, base) for segment in usable}
    slow = [one for one in usable if SLOWEST * one.rate / steps[one.name] < base]
    if slow:
        _LOG.warning(
            "%s: %.0f s of footage have too few frames per second for a model of the others: they "
            "are left out.",
            folder,
            sum(segment.seconds for segment in slow),
        )
        good = [ok and segment not in slow for segment, ok in zip(segments, good, strict=True)]
    parts: list[list[NDArray[np.uint8]]] = []
    for number, segment in enumerate(segments):
        if not good[number]:
            continue
        try:
            frames = np.load(folder / segment.name, mmap_mode="r")[:: steps[segment.name]]
        except FileNotFoundError:  # the camera goes on: the ring dropped it just now
            good[number] = False
            continue
        except (OSError, EOFError, ValueError) as error:  # as after a power cut
            _LOG.warning("%s is damaged (%s): it is left out.", folder / segment.name, error)
            good[number] = False
            continue
        if parts and number and good[number - 1] and segment.follows:
            parts[-1].append(frames)
        else:
            parts.append([frames])
    if not parts:
        told = told_of(folder, normal_events)
        what = f"; {told:.0f} s have events: mark those that are normal (mnad mark)" * (told > 0)
        raise MnadError(f"{folder} holds no normal footage to learn from{what}.")
    used = [segment for segment, ok in zip(segments, good, strict=True) if ok]
    mean = sum(len(frames) for part in parts for frames in part) / sum(one.seconds for one in used)
    rate = min(mean, SLOWER_ONCE * base)
    clips = []
    for part in parts:
        shape = (sum(map(len, part)), *part[0].shape[1:])
        frames = _filtered(part, rate, filters and filters())
        if (size := math.prod(shape)) > limit_bytes:
            clips.append(mapped(frames, folder, shape[1:], folder))
            continue
        limit_bytes -= size
        clips.append(np.fromiter(frames, np.dtype((np.uint8, shape[1:])), shape[0]))
    return clips, rate


def told_of(folder: Path, normal_events: Collection[str]) -> float:
    """Seconds of footage that are left out, as something was told in it that nobody called normal.

    Args:
        folder: of a `Footage`.
        normal_events: ids of events that a person called normal.
    """
    known = set(normal_events)
    return sum(one.seconds for one in read_index(folder) if not set(one.events) <= known)


def usual_rate(segments: Sequence[Segment]) -> float:
    """Frames per second that a model of these segments is of; 0 of none."""
    median = _lowest_of(segments, 0.5)
    return _lowest_of([one for one in segments if HALF * one.rate >= median], LOWEST_SHARE)


def _lowest_of(segments: Sequence[Segment], share: float) -> float:
    """The rate that so much of the time has at most."""
    if not segments:
        return 0.0
    ordered = sorted(segments, key=lambda segment: segment.rate)
    elapsed = np.cumsum([segment.seconds for segment in ordered])
    return ordered[int(np.searchsorted(elapsed, share * elapsed[-1]))].rate


def _step(segment: Segment, base: float) -> int:
    return step_of(segment.rate, base, base)


def _filtered(
    part: Sequence[NDArray[np.uint8]], rate: float, last: Filter | None
) -> Iterator[NDArray[np.uint8]]:
    for number, frame in enumerate(frame for segment in part for frame in segment):
        yield frame if last is None else last(frame, number / rate)
