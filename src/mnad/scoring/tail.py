"""The upper tail of a sample as a generalised Pareto distribution (peaks over threshold).

Pickands (1975): what exceeds a high cut follows it whatever the sample follows. It says how rare a
value is that the sample never reached, and which value is as rare as one asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SHARE = 0.1
"""Share of a sample that is taken as its tail."""
HEAVIEST = 0.5
"""Largest shape: beyond it the excesses have no variance and the fit says nothing."""


@dataclass(frozen=True)
class Tail:
    """What lies above a cut.

    Attributes:
        cut: where the tail begins.
        share: of the sample above the cut, 0..1.
        scale: of the excesses, above 0.
        shape: 0 is exponential, above 0 heavier, below 0 it ends at cut - scale / shape.
    """

    cut: float
    share: float
    scale: float
    shape: float

    def log10_survival(self, values: ArrayLike) -> Floats:
        """Log10 of the share at or above each of `values`, for values above the cut."""
        excess = np.maximum(np.asarray(values, np.float64) - self.cut, 0) / self.scale
        if self.shape == 0:
            log = -excess
        else:
            with np.errstate(divide="ignore"):
                log = -np.log1p(np.maximum(self.shape * excess, -1)) / self.shape
        return np.asarray(np.log10(self.share) + log / np.log(10))

    def quantile(self, survival: ArrayLike) -> Floats:
        """The value that the share `survival`, 0..`share`, exceeds; inverse of the above."""
        log = np.log(np.asarray(survival, np.float64) / self.share)
        if self.shape == 0:
            return np.asarray(self.cut - self.scale * log)
        return np.asarray(self.cut + self.scale / self.shape * np.expm1(-self.shape * log))

    def foretold(self, count: int) -> Tail:
        """What the next excess follows, if this was fitted to `count` of them.

        A scale estimated from few may be far too small, and a value foretold by it far too low. The
        next exponential excess over the mean of `count` is F-distributed, whatever the scale: it
        exceeds x means with a chance of (1 + x / count)^-count, a tail of the shape 1 / count. So
        that much is added to any shape.
        """
        return replace(self, shape=self.shape + 1 / count)

    def drawn(self, count: int, rng: np.random.Generator) -> Tail:
        """One of the tails that may lie behind this one, if it was fitted to `count` excesses."""
        return replace(self, scale=self.scale * count / rng.gamma(count))


def fit_tail(
    sample: ArrayLike, share: float = SHARE, lightest: float = -0.5, heaviest: float = HEAVIEST
) -> Tail:
    """Fit the largest values of a sample by probability-weighted moments.

    Hosking and Wallis (1987): for small samples closer than maximum likelihood, and closed.

    Args:
        sample: (n,), at least 2 values.
        share: of the sample that is its tail.
        lightest: least shape; 0 keeps the tail from ending.
        heaviest: largest shape.
    """
    values = np.sort(np.asarray(sample, np.float64))
    cut = float(np.quantile(values, 1 - share))
    excess = values[values > cut] - cut
    count = len(excess)
    # Half of the sample or more may be one value, as in footage in which nothing moves.
    real = count / len(values) if count else 0.5 / len(values)
    if count < 2:
        return Tail(cut, real, max(float(excess.sum()), 1e-12), 0.0)
    first = float(excess.mean())
    weight = 1 - (np.arange(1, count + 1) - 0.35) / count
    second = float((weight * excess).mean())
    shape = 2 - first / max(first - 2 * second, 1e-12)
    bounded = float(np.clip(shape, lightest, heaviest))
    # With its shape bounded, the scale is the one that keeps the mean excess.
    return Tail(cut, real, max(first * (1 - bounded), 1e-12), bounded)
