"""Fewer frames per second than a source has, always at the same distance from each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median

from mnad.errors import UsageError
from mnad.video.source import FOLDER_RATE, Frame, Source, open_source, without_rate


def step_of(rate: Fraction | float | None, wanted: float | None) -> int:
    """Of how many frames one is taken, so that about `wanted` per second are; 1 takes all.

    A whole number, because a prediction depends on how far apart its frames are.

    Args:
        rate: frames per second of the source; None is taken as 25.
        wanted: frames per second; None for all.

    Raises:
        UsageError: `wanted` is not above 0.
    """
    if wanted is None:
        return 1
    if not wanted > 0:
        raise UsageError(f"rate is {wanted:g}; give frames per second above 0.")
    return max(1, round(float(rate or FOLDER_RATE) / wanted))


class Thin:
    """Says which frames to take; goes by their times, so lost frames do not put it out of step.

    Args:
        rate: frames per second of the source; None is taken as 25.
        wanted: frames per second to take about; None for all.
    """

    def __init__(self, rate: Fraction | float | None, wanted: float | None) -> None:
        step = step_of(rate, wanted)
        # Half a frame early is in time: clocks of cameras are not exact.
        self._apart = 0.0 if step == 1 else (step - 0.5) / float(rate or FOLDER_RATE)
        self._last: float | None = None

    def takes(self, seconds: float | Fraction) -> bool:
        """Whether to take the frame at `seconds`."""
        now = float(seconds)
        if self._last is not None and self._last <= now < self._last + self._apart:
            return False
        self._last = now
        return True


MOST_STEPS = 3.5
"""Usual steps between two frames that follow on each other. Walkers of Ped2, 10 frames/s, and one
longer step that windows reach over: of 3, a false alarm in 1 clip of 16, of 4 in 4, of 6 in all."""


class Breaks:
    """Says before which frames others are missing, by how far apart frames usually are.

    A stall, frames that were damaged or left out: to a network that expects the next frame all
    that moves has leapt, and what looks over the hole calls it an anomaly. Where nothing says what
    is usual, a lasting change of the frame rate is no hole for longer than it takes to become so.

    Args:
        step: seconds between frames that a network knows, at most what is usual; None where there
            is no such network.
    """

    def __init__(self, step: float | None = None) -> None:
        self._known = float("inf") if step is None else step
        self._steps: deque[float] = deque(maxlen=15)
        self._last: float | None = None

    def before(self, seconds: float | Fraction) -> bool:
        """Whether frames are missing between the one at `seconds` and the one before."""
        now = float(seconds)
        if self._last is None:
            self._last = now
            return False
        step, self._last = now - self._last, now
        broken = step > MOST_STEPS * min(self._known, self.usual)
        self._steps.append(step)
        return broken

    @property
    def usual(self) -> float:
        """Seconds between frames, the median of the last ones; infinite before the second."""
        return median(self._steps) if self._steps else float("inf")


def thinned(source: Source, wanted: float | None) -> Iterator[Frame]:
    """The frames of a source that are looked at, at about `wanted` frames per second."""
    thin = Thin(source.rate, wanted)
    return (frame for frame in source if thin.takes(frame.seconds))


def taken_rate(path: Path, wanted: float | None, rate: Fraction | None = None) -> float:
    """Frames per second that are taken of a source.

    Args:
        path: the source, see `open_source`.
        wanted: frames per second to take about; None for all.
        rate: of a folder of images or a NumPy file, which do not say it.
    """
    if without_rate(path):
        own = rate or FOLDER_RATE
    else:
        with open_source(path) as source:
            own = source.rate or FOLDER_RATE
    return float(own / step_of(own, wanted))
