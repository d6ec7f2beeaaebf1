"""Whether the scores of normal frames still are what they were when the camera was calibrated.

A two-sample Kolmogorov-Smirnov test on a sliding window (Raab et al. 2020, KSWIN): unlike ADWIN,
which compares means, it also sees a change of spread, and it needs nothing but the sorted normal
scores. Scores of neighbouring frames are alike, which no such test forgives. So the window holds
one score in 20 seconds, and what likeness remains there is counted: n scores with autocorrelation
time t weigh as much as n / t independent ones (t by the initial positive sequence of Geyer 1992,
Practical Markov chain Monte Carlo). The reference has the same autocorrelation time in seconds, so
short calibration footage makes the test as doubtful as it should be.

Two hours of a night are unlike a day and a night, and yet nothing has changed. So parts of the
reference that are unlike the whole of it, by the same test, count as normal themselves: the window
is measured against the band that their distribution functions and that of the whole span, which
holds those of all mixtures of them, as at dusk.
"""

from __future__ import annotations

from collections import deque
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.camera.change import Change
from mnad.errors import MnadError

SPACING = 20.0
"""Seconds between two scores of the window."""

WINDOW, EVERY = 360, 30
"""Scores in the window (two hours), and how many come in between two tests."""

ALPHA = 1e-5
"""Chance of a false alarm per test; 144 tests, overlapping, make a day."""

LEAST = 0.2
"""Distance of the distributions, 0..1, below which it is not worth a person's time."""

FEWEST, MOST = 3, 12
"""Parts that a reference is looked at in, from large ones to small ones; at most more where they
would be longer than the window."""

ENOUGH = 2000
"""Scores that tell the autocorrelation time of a part."""

SILENCE = 86_400.0
"""Seconds before it is said again."""


class Drift:
    """Watches the scores below the threshold; it asks for calibration and changes nothing.

    Args:
        reference: (n,) normal scores, 0..1, one per frame, in the order of time.
        rate: frames per second of the footage that gave them.
        threshold: scores from here on are anomalies and left out, here and there.

    Raises:
        MnadError: no reference score lies below the threshold.
    """

    def __init__(self, reference: ArrayLike, rate: float, threshold: float) -> None:
        scores = np.asarray(reference, np.float64)
        scores = scores[scores < threshold]
        if not len(scores):
            raise MnadError(
                f"no normal score lies below the threshold {threshold:g}: calibrate the model."
            )
        self._reference = np.sort(scores)
        self._threshold = threshold
        self._span = len(scores) / rate
        self._low, self._high = _band(scores, max(MOST, ceil(self._span / (WINDOW * SPACING))))
        self._window: deque[float] = deque(maxlen=WINDOW)
        self._last = self._told = -np.inf
        self._new = 0

    def push(self, score: float, seconds: float) -> Change | None:
        """Take in the score of a frame.

        Args:
            score: 0..1, high = abnormal; NaN for none.
            seconds: since the start of the source.

        Returns:
            A request to calibrate again; at most one a day.
        """
        if not score < self._threshold or seconds - self._last < SPACING:
            return None
        self._last = seconds
        self._window.append(score)
        self._new += 1
        if len(self._window) < WINDOW or self._new < EVERY:
            return None
        self._new = 0
        recent = np.array(self._window)
        distance = self._distance(recent)
        if distance < max(LEAST, self._limit(recent)) or seconds - self._told < SILENCE:
            return None
        self._told = seconds
        return Change("drift", "start", seconds)

    def _distance(self, recent: NDArray[np.float64]) -> float:
        """How far the distribution function leaves the band, 0..1."""
        both = np.concatenate([recent, self._reference])
        share = _shares(np.sort(recent), both)
        at = np.searchsorted(self._reference, both, side="right")
        return float(max((share - self._high[at]).max(), (self._low[at] - share).max()))

    def _limit(self, recent: NDArray[np.float64]) -> float:
        time = autocorrelation_time(recent)
        n = len(recent) / time
        m = max(min(self._span / (SPACING * time), len(self._reference)), 1.0)
        return _by_chance(n, m)


def _band(
    scores: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the distribution functions of a series (n,) and of its parts span.

    Args:
        scores: in the order of time.
        most: parts that it is cut into, about.

    Returns:
        Least and greatest share, (n + 1,) each: below all scores, and at each of the sorted ones.
        Parts count that differ from the whole by more than chance makes them.
    """
    ordered = np.sort(scores)
    whole = _shares(ordered, ordered)
    low, high = whole.copy(), whole.copy()
    count = FEWEST
    while count < 2 * most:
        for part in np.array_split(scores, min(count, len(scores))):
            some = part[:: ceil(len(part) / ENOUGH)]
            time = autocorrelation_time(some) * len(part) / len(some)
            share = _shares(np.sort(part), ordered)
            chance = _by_chance(len(part) / time, len(scores) / time)
            if np.abs(share - whole).max() >= chance:
                np.minimum(low, share, out=low)
                np.maximum(high, share, out=high)
        count *= 2
    return np.append(0.0, low), np.append(0.0, high)


def _by_chance(n: float, m: float) -> float:
    """Distance that n and m independent scores of one distribution seldom have."""
    return float(np.sqrt(-np.log(ALPHA / 2) / 2 * (n + m) / (n * m)))


def _shares(ordered: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The empirical distribution function of a sorted sample."""
    return np.searchsorted(ordered, at, side="right") / len(ordered)


def autocorrelation_time(series: ArrayLike) -> float:
    """Steps after which a stationary series (n,) is as good as new; 1 and more.

    1 + 2 * (sum of the autocorrelations), up to where a pair of neighbouring ones sums to 0 or
    less.
    """
    x = np.asarray(series, np.float64)
    x = x - x.mean()
    power = float(x @ x)
    if power == 0:
        return 1.0
    correlations = np.correlate(x, x, "full")[len(x) - 1 :] / power
    pairs = correlations[: len(x) // 2 * 2].reshape(-1, 2).sum(1)
    ends = np.flatnonzero(pairs <= 0)
    return max(1.0, 2 * float(pairs[: ends[0] if len(ends) else None].sum()) - 1)
