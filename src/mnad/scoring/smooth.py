"""Causal smoothing: what is told of a frame depends on it and on frames before it only."""

from __future__ import annotations

from collections import deque
from statistics import median

SECONDS = 0.5
"""Half a second: flicker of a frame or two vanishes, a reaction is not felt to be late."""


class CausalMedian:
    """Median of the values of the last so many seconds.

    Args:
        seconds: length of the span.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._span = seconds
        self._values: deque[tuple[float, float]] = deque()

    def push(self, seconds: float, value: float) -> float:
        """Take in the value of the frame at `seconds`; returns the median of the span.

        Of an even number of values it is the mean of the two in the middle. After a gap in time
        it starts anew by itself.
        """
        values = self._values
        values.append((seconds, value))
        # Half a millisecond for the rounding of times: 0.5 s of 10 frames/s are always 5 frames.
        while values[0][0] <= seconds - self._span + 5e-4:
            values.popleft()
        return median(v for _, v in values)


class Sustained:
    """What the values of the last so many seconds all reached: their minimum.

    A value stands for the time since the one before it, as a frame does for the event machine
    (`mnad.events.machine`): at 10 values/s two of them last 0.2 s.

    Args:
        seconds: length of the span, above 0; a value just when it begins lies before it.
    """

    def __init__(self, seconds: float) -> None:
        self._span = seconds
        self._values: deque[tuple[float, float]] = deque()

    def push(self, seconds: float, value: float) -> float:
        """Take in a value; returns the minimum, or -inf while the span is not yet filled."""
        values = self._values
        values.append((seconds, value))
        begin = seconds - self._span + 5e-4
        # The last one at or before the beginning is kept: it says that the span is filled.
        while len(values) > 1 and values[1][0] <= begin:
            values.popleft()
        if values[0][0] > begin:
            return float("-inf")
        return min(v for t, v in values if t > begin)
