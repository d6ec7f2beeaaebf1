"""Causal smoothing: what is told of a frame depends on it and on frames before it only."""

from __future__ import annotations

from collections import deque
from math import exp

import numpy as np
from numpy.typing import ArrayLike, NDArray

SECONDS = 0.25
"""A quarter second: flicker of a frame or two fades, a reaction is not felt to be late."""


def newest_weight(since: float, span: float) -> float:
    """Weight 0..1 of the newest value in a running mean.

    Args:
        since: seconds since the value before.
        span: seconds in which a value's weight falls to 1/e.
    """
    return 1 - exp(-max(0.0, since) / span)


class CausalMean:
    """Mean of the values so far, each of which counts less the older it is.

    Every value tells a little of what is abnormal, so that their mean tells it better than the one
    in the middle would (benchmarks/smoothing.py); scores in 0..1 are bounded, so that none of them
    outweighs the others.

    Args:
        seconds: after which a value counts 1/e of what it counted; also the mean delay.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._span = seconds
        self._last = 0.0
        self._mean = self._weight = 0.0

    def push(self, seconds: float, value: float) -> float:
        """Take in the value of the frame at `seconds`; returns the mean.

        The first value counts whole, and after a gap in time what was before it next to nothing.
        """
        fade = exp(-max(0.0, seconds - self._last) / self._span)
        self._last = seconds
        self._weight = fade * self._weight + 1.0
        # Not a sum over a sum, which differs in its last digits for values that are all equal: an
        # AUC ranks these too.
        self._mean += (value - self._mean) / self._weight
        return self._mean


def causal_mean(
    seconds: ArrayLike, values: ArrayLike, span: float = SECONDS
) -> NDArray[np.float64]:
    """`CausalMean` of all frames of a clip (n,), at their `seconds` (n,)."""
    mean = CausalMean(span)
    pairs = zip(np.asarray(seconds).tolist(), np.asarray(values).tolist(), strict=True)
    return np.array([mean.push(t, v) for t, v in pairs], np.float64)


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
