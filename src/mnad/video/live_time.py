"""Time of live sources: when a frame was, when to wait, and when a thread is stuck."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

# FFmpeg looks at its timeouts ten times a second; what is later than this is stuck.
_MARGIN = 5.0
# Time stamps that run ahead of the clock by more are a jump of the sender's clock.
_JUMP = 10.0
_AHEAD = 30.0
# How far back a source that is connected to again starts.
_REPEATED = 60


class Clock:
    """Time since the first frame; it only rises.

    Attributes:
        seconds: of the latest frame.
        running: whether there has been a frame.
    """

    def __init__(self) -> None:
        self.seconds = Fraction(0)
        self.running = False
        self._same = False
        self._pts: Fraction | None = None
        self._arrived = 0.0

    def interrupt(self) -> None:
        """The next time stamp has another origin."""
        self._same = False

    def repeats(self, pts: Fraction | None) -> bool:
        """Whether a source that keeps its origin sends a frame again after an interruption."""
        if self._same or pts is None or self._pts is None:
            return False
        return self._pts - _REPEATED < pts <= self._pts

    def at(self, pts: Fraction | None, arrived: float) -> Fraction:
        """Time of the next frame.

        Args:
            pts: its time stamp in seconds, or None.
            arrived: when it came, on the monotonic clock.
        """
        if self.running:
            passed = arrived - self._arrived
            step = Fraction(0)
            if self._same and pts is not None and self._pts is not None:
                step = pts - self._pts
            if not 0 < step <= passed + _JUMP:
                step = Fraction(max(1, round(passed * 1_000_000)), 1_000_000)
            self.seconds += step
        self.running = self._same = True
        self._pts, self._arrived = pts, arrived
        return self.seconds


class Abandoned(BaseException):
    """The thread that reads is no longer wanted and must end, whatever it is doing."""


class Pulse:
    """Signs of life of a reading thread, and the word that it shall end.

    A call into FFmpeg may block where no timeout of its own reaches (in the resolution of a name,
    in a driver). So before each the thread says until when it will be back.
    """

    def __init__(self) -> None:
        self._end = threading.Event()
        self._due = float("inf")

    def beat(self, seconds: float) -> None:
        """Say that the next call takes at most so long.

        Raises:
            Abandoned: the thread shall end.
        """
        if self._end.is_set():
            raise Abandoned
        self._due = time.monotonic() + seconds + _MARGIN

    def sleep(self, seconds: float) -> None:
        """Wait, but not on when the thread shall end.

        Raises:
            Abandoned: the thread shall end.
        """
        self.beat(seconds)
        self._end.wait(seconds)
        self.beat(0)

    def end(self) -> None:
        """Tell the thread to end."""
        self._end.set()

    @property
    def overdue(self) -> bool:
        """Whether the thread is stuck."""
        return time.monotonic() > self._due


class Pacer:
    """Holds frames back until their time, counted from the first."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._began: tuple[Fraction, float] | None = None

    def wait(self, pts: Fraction) -> None:
        """Return when it is time for the frame with this time stamp.

        Raises:
            Abandoned: the thread shall end.
        """
        now = time.monotonic()
        if self._began is None or not -_AHEAD < _early(pts, now, *self._began) < _AHEAD:
            self._began = pts, now
        self._pulse.sleep(max(0.0, _early(pts, now, *self._began)))


def _early(pts: Fraction, now: float, first: Fraction, began: float) -> float:
    return float(pts - first) - (now - began)
