"""Fewer frames per second than a source has, always at the same distance from each other."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from math import floor, inf
from pathlib import Path
from statistics import fmean, median

from mnad.errors import UsageError
from mnad.video.source import FOLDER_RATE, Frame, Source, open_source, without_rate

_LOG = logging.getLogger("mnad")
HOLE = 2.5
"""Usual steps between two frames that are no longer one step."""
SLOWER = 1.21
"""Times the step that a network knows, the mean of the last ones, from which on it is lost: a fifth
slower, and what time stamps are rounded by."""
SLOWER_ONCE = 1.15
"""The same of a source that is thinned for it."""
_LATELY = 15
_BURST = 5
"""Steps that are looked at as one."""
_OTHER = 1.15
"""Times the rate that was known, from which on it is another one."""


def step_of(rate: Fraction | float | None, wanted: float | None, known: float | None = None) -> int:
    """Of how many frames one is taken, so that about `wanted` per second are; 1 takes all.

    A whole number, because a prediction depends on how far apart its frames are.

    Args:
        rate: frames per second of the source; None is taken as 25.
        wanted: frames per second; None for all.
        known: frames per second that a network knows; it overrides `wanted`. As few frames are
            taken as leave a rate that is no more than `SLOWER_ONCE` times lower.

    Raises:
        UsageError: `wanted` is not above 0.
    """
    if wanted is None:
        return 1
    if not wanted > 0:
        raise UsageError(f"rate is {wanted:g}; give frames per second above 0.")
    own = float(rate or FOLDER_RATE)
    step = round(own / wanted) if known is None else floor(SLOWER_ONCE * own / known)
    return max(1, step)


class Thin:
    """Says which frames to take; goes by their times, so lost frames do not put it out of step.

    What a source declares is believed until its frames tell otherwise: many cameras declare
    nothing, and one that falls to a few frames at night goes on declaring what it gives by day.

    Args:
        rate: frames per second of the source; None is taken as 25.
        wanted: frames per second to take about; None for all.
        known: see `step_of`.
    """

    def __init__(
        self, rate: Fraction | float | None, wanted: float | None, known: float | None = None
    ) -> None:
        self._wanted, self._known = wanted, known
        self._last: float | None = None
        self._times: deque[float] = deque(maxlen=_LATELY)
        self._set(float(rate or FOLDER_RATE))

    def _set(self, own: float) -> None:
        self._own, step = own, step_of(own, self._wanted, self._known)
        # Half a frame early is in time: clocks of cameras are not exact.
        self._apart = 0.0 if step == 1 else (step - 0.5) / own

    def _measure(self, now: float) -> None:
        """Another rate than was known holds once it has lasted for some frames."""
        if self._times and now < self._times[-1]:
            self._times.clear()
        self._times.append(now)
        if len(self._times) < _LATELY:
            return
        # Over several steps, as frames may come in bursts; the median, as some may be missing.
        ends = zip(self._times, islice(self._times, _BURST, None), strict=False)
        step = median(later - earlier for earlier, later in ends) / _BURST
        if step > 0 and not 1 / _OTHER < step * self._own < _OTHER:
            self._set(1 / step)

    def takes(self, seconds: float | Fraction) -> bool:
        """Whether to take the frame at `seconds`; to be asked of every frame, in order."""
        now = float(seconds)
        if self._wanted is not None:
            self._measure(now)
        if self._last is not None and self._last <= now < self._last + self._apart:
            return False
        self._last = now
        return True


class Breaks:
    """Says before which frames others are missing, by how far apart frames usually are.

    A stall, frames that were damaged or left out: to a network that expects the next frame all
    that moves has leapt, and what looks over the hole calls it an anomaly. So it does where frames
    come more slowly than it knows, each leap a little one. Of sixteen normal clips of Ped2, by a
    network that knows ten frames a second, none reaches the threshold with one frame missing, 4 do
    with two, 10 with three, all with five. With every eighth frame missing 1 % of the frames reach
    it; with every fourth 12 %, every third 69 %, every second all (`benchmarks/holes.py`).

    Without a `step`, a lasting change of the frame rate counts as holes only until the new rate has
    become the usual one.

    Args:
        step: seconds between frames that a network knows, at most what is usual; None where there
            is no such network.
        window: frames that it looks at, which span one usual step and a half more at most.
    """

    def __init__(self, step: float | None = None, window: int = 2) -> None:
        self._known = inf if step is None else step
        self._most = max(window + 0.5, SLOWER * (window - 1))
        self._steps: deque[float] = deque(maxlen=_LATELY)
        self._whole: deque[float] = deque(maxlen=_LATELY)  # those that are no holes
        self._spanned: deque[float] = deque(maxlen=window - 1)  # those since the last break
        self._last: float | None = None

    def before(self, seconds: float | Fraction) -> bool:
        """Whether frames are missing between the one at `seconds` and those before."""
        now = float(seconds)
        if self._last is None:
            self._last = now
            return False
        step, self._last = now - self._last, now
        if step < 0:  # as of a camera that was started anew: nothing follows on what was
            self._spanned.clear()
            return True
        usual = min(self._known, self.usual)
        self._steps.append(step)
        hole = step > HOLE * usual
        if not hole:
            self._whole.append(step)
            self._spanned.append(step)
        broken = hole or sum(self._spanned) > self._most * usual or self._slow
        if broken:
            self._spanned.clear()
        return broken

    @property
    def _slow(self) -> bool:
        return len(self._whole) == _LATELY and self.lately > SLOWER * self._known

    @property
    def lately(self) -> float:
        """Seconds between frames, the mean of the last steps that are no holes."""
        return fmean(self._whole) if self._whole else self.usual

    @property
    def usual(self) -> float:
        """Seconds between frames, the median of the last ones; infinite before the second."""
        return median(self._steps) if self._steps else inf


class Pace:
    """What of a source a network is given: which frames, and where it has to begin anew.

    Args:
        rate: frames per second of the source; None is taken as 25.
        wanted: frames per second to take about; None for all.
        known: frames per second that the network knows; None where that is not known.
        window: frames that it looks at.
    """

    def __init__(
        self,
        rate: Fraction | float | None,
        wanted: float | None,
        known: float | None,
        window: int,
    ) -> None:
        self._thin = Thin(rate, wanted, known)
        self._breaks = Breaks(None if known is None else 1 / known, window)
        self._single = window == 1

    def takes(self, seconds: float | Fraction) -> bool:
        """Whether the frame at `seconds` is looked at."""
        return self._thin.takes(seconds)

    def breaks_before(self, seconds: float | Fraction) -> bool:
        """Whether frames are missing before one that is looked at; of a window of one never."""
        return not self._single and self._breaks.before(seconds)

    @property
    def step(self) -> float:
        """Seconds between the frames that were looked at lately."""
        return max(self._breaks.usual, self._breaks.lately)


def thinned(source: Source, wanted: float | None) -> Iterator[Frame]:
    """The frames of a source that are looked at, at about `wanted` frames per second."""
    thin = Thin(source.rate, wanted)
    return (frame for frame in source if thin.takes(frame.seconds))


def say_what_is_assumed(
    paths: Sequence[Path], wanted: float | None, known: float | None = None
) -> None:
    """Tell of folders of images, whose rate nobody gave, that not all of them are looked at.

    Args:
        paths: sources.
        wanted: frames per second to take about; None for all.
        known: see `step_of`.
    """
    step = step_of(FOLDER_RATE, wanted, known)
    folders = [path for path in paths if without_rate(path)]
    if folders and step > 1:
        _LOG.warning(
            "%s%s: images do not say their rate; taken as %d per second, of which one in %d is "
            "looked at. Where they come at another, give --folder_rate.",
            folders[0],
            f" and {len(folders) - 1} more" if len(folders) > 1 else "",
            FOLDER_RATE,
            step,
        )


def given_rate(given: float, paths: Sequence[Path]) -> Fraction:
    """The frames per second that somebody gave for folders of images.

    Raises:
        UsageError: it is out of range, or there are none among `paths`.
    """
    if not 0.001 <= given <= 1000:
        raise UsageError(f"folder_rate is {given:g}; give frames per second, 0.001 to 1000.")
    if not any(map(without_rate, paths)):
        raise UsageError(
            "folder_rate is for folders of images that are read as files, and there are none among "
            "the sources; leave it out: a video or camera has its own."
        )
    return Fraction(given).limit_denominator(1001)


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
