"""How unusual a frame's parts are among the parts of normal frames: the causal score.

The paper's score (eq. 16-17) scales each part by its extremes over the finished clip, which a
camera does not have. Here each part is put on the scale of its rank among normal frames: of a PSNR
or distance, the *survival* is the share of normal frames that look at least as abnormal. The two
are joined by their weighted geometric mean (eq. 16 in logarithms), because beyond the sample every
rank is next to 1 and only the logarithm still tells far from farther.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TAIL = 0.1
"""Share of the normal sample that fits the exponential tail."""


@dataclass(frozen=True)
class Reference:
    """Parts of normal frames.

    Attributes:
        psnr: (n,) dB.
        distance: (n,), NaN for a model without memory.
        error_peak: squared error of images in 0..1 that next to no pixel of them exceeds.
    """

    psnr: Floats
    distance: Floats
    error_peak: float

    def causal_score(self, psnr: ArrayLike, distance: ArrayLike, lambda_score: float) -> Floats:
        """Scores in 0..1 that need no look-ahead; high = abnormal.

        With s the joint share of normal frames at least as abnormal, the score is x / (1 + x),
        x = -log10 s: 0.5 for one frame in 10, 0.75 for one in 1,000.

        Args:
            psnr: (n,) dB.
            distance: (n,); NaN without memory.
            lambda_score: weight of the PSNR part, 0..1.
        """
        return squash(self.surprise(psnr, distance, lambda_score))

    def surprise(self, psnr: ArrayLike, distance: ArrayLike, lambda_score: float) -> Floats:
        """The weighted sum of both parts' -log10 survival, 0 and more."""
        of_psnr = -log10_survival(-self.psnr, -np.asarray(psnr, float))
        distances = np.asarray(distance, float)
        if np.isnan(distances).any() or np.isnan(self.distance).any():
            return of_psnr
        of_distance = -log10_survival(self.distance, distances)
        return lambda_score * of_psnr + (1 - lambda_score) * of_distance


def squash(surprise: Floats) -> Floats:
    """Map a surprise of 0 and more to 0..1."""
    return surprise / (1 + surprise)


def log10_survival(normal: ArrayLike, values: ArrayLike) -> Floats:
    """Log10 of the share of `normal` at or above each of `values`, strictly falling in the tail.

    Below the 90th percentile it is the interpolated empirical survival; above, an exponential tail
    whose mean is the mean excess of the sample, so that values beyond the sample still differ.

    Args:
        normal: (n,) at least 2 values, high = abnormal.
        values: (m,).
    """
    sample = np.sort(np.asarray(normal, np.float64))
    x = np.asarray(values, np.float64)
    cut = float(np.quantile(sample, 1 - TAIL))
    excess = sample[sample > cut] - cut
    scale = max(float(excess.mean()) if len(excess) else 0.0, 1e-12)
    # The i-th smallest of n has (n - i) of the sample above it; half-way between 0 and 1 at ends.
    share = (len(sample) - np.arange(len(sample)) - 0.5) / len(sample)
    body = np.interp(x, sample, np.log10(np.maximum(share, TAIL)))
    tail = np.log10(TAIL) - np.maximum(x - cut, 0) / scale * np.log10(np.e)
    return np.where(x > cut, tail, body)
