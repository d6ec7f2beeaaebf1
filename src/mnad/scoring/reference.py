"""How unusual a frame's parts are among the parts of normal frames: the causal score.

The paper's score (eq. 16-17) scales each part by its extremes over the finished clip, which a
camera does not have. Here each part is put on the scale of its rank among normal frames: of a
value, the *survival* is the share of normal frames that look at least as abnormal. Its -log10 is
the *surprise*, because beyond the sample every rank is next to 1 and only the logarithm still
tells far from farther.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.scoring.light import Span
from mnad.scoring.peaks import half
from mnad.scoring.tail import Tail, fit_tail

Floats = NDArray[np.float64]


class Rank:
    """Survival of values among a normal sample, strictly falling beyond it too.

    Below the 90th percentile it is the interpolated empirical survival; above, a generalised Pareto
    tail that is not allowed to end, so that values beyond the sample still differ.

    Args:
        normal: (n,) at least 2 values, high = abnormal.
    """

    def __init__(self, normal: ArrayLike) -> None:
        sample = np.sort(np.asarray(normal, np.float64))
        self._tail: Tail = fit_tail(sample, lightest=0.0)
        # The i-th smallest of n has n - i at or above it, less a half as it stands for a step.
        # Of equal ones the first counts: all of them are at or above.
        self._values, first = np.unique(sample, return_index=True)
        share = (len(sample) - first - 0.5) / len(sample)
        self._log = np.log10(np.maximum(share, self._tail.share))

    def surprise(self, values: ArrayLike) -> Floats:
        """-Log10 of the survival of each of `values` (m,); 0 and more."""
        x = np.asarray(values, np.float64)
        body = np.interp(x, self._values, self._log)
        return -np.where(x > self._tail.cut, self._tail.log10_survival(x), body)


@dataclass(frozen=True, eq=False)
class Reference:
    """Parts of normal frames.

    Attributes:
        psnr: (n,) dB.
        distance: (n,), NaN for a model without memory.
        peak: (n,) error of the most unusual block (`mnad.scoring.peaks`).
        block: side of a block as large as what moves, in pixels of the frames of the network.
        usual: (rows, columns) float32, what is usual in training frames for blocks half as large.
        by_place: whether these are measured against that; else against the contrast around them.
        error_peak: squared error of images in 0..1 that next to no pixel of them exceeds.
        level: (h, w) float32, what the smoothed error of each pixel, against the contrast unless
            by place, hardly ever exceeds (`mnad.scoring.where`).
        floor: the least level that counts.
        light: what mean and contrast of normal frames span (`mnad.scoring.light`); None if unknown.
        noise: standard deviation in grey levels of that of the noisiest normal frame
            (`mnad.scoring.noise`); None if unknown.
        weight: of the peak in the score for cameras, 0..1; the rest is the distance's.
    """

    psnr: Floats
    distance: Floats
    peak: Floats
    block: int
    usual: NDArray[np.float32]
    by_place: bool
    error_peak: float
    level: NDArray[np.float32]
    floor: float
    light: Span | None = None
    noise: float | None = None
    weight: float = 1.0

    @property
    def side(self) -> int:
        """Rows and columns of the blocks that are looked at."""
        return half(self.block) if self.by_place else self.block

    @property
    def against(self) -> NDArray[np.float32] | None:
        """What the blocks are measured against: (rows, columns), or None for the contrast."""
        return self.usual if self.by_place else None

    def widened(self, other: Reference) -> Reference:
        """The same with all light and noise that was normal in the other footage, if known."""
        light, noise = self.light, self.noise
        return replace(
            self,
            light=light if light is None else light.widened(other.light),
            noise=noise if noise is None or other.noise is None else max(noise, other.noise),
        )

    def score(self, peak: ArrayLike, distance: ArrayLike) -> Floats:
        """The score of single frames for cameras, 0..1, high = abnormal; needs no look-ahead.

        With s the share of normal frames that are at least as unusual, it is x / (1 + x),
        x = -log10 s: 0.5 for one frame in 10, 0.75 for one in 1,000. How unusual a frame is, its
        peak says; with a weight below 1 the mean surprise of peak and distance, so weighted.

        Args:
            peak: (m,).
            distance: (m,); looked at with a weight below 1 only.
        """
        return squash(self._rank.surprise(self._unusual(peak, distance)))

    def causal_score(self, psnr: ArrayLike, distance: ArrayLike, lambda_score: float) -> Floats:
        """The paper's two parts made causal, 0..1: as `score`, of the weighted mean surprise.

        Args:
            psnr: (m,) dB.
            distance: (m,); NaN without memory.
            lambda_score: weight of the PSNR part, 0..1.
        """
        of_psnr = Rank(-self.psnr).surprise(-np.asarray(psnr, np.float64))
        distances = np.asarray(distance, np.float64)
        if np.isnan(distances).any() or np.isnan(self.distance).any():
            return squash(of_psnr)
        of_distance = Rank(self.distance).surprise(distances)
        return squash(lambda_score * of_psnr + (1 - lambda_score) * of_distance)

    def _unusual(self, peak: ArrayLike, distance: ArrayLike) -> Floats:
        if self.weight == 1:
            return np.asarray(peak, np.float64)
        of_peak, of_distance = self._ranks
        surprise = of_peak.surprise(peak), of_distance.surprise(distance)
        return self.weight * surprise[0] + (1 - self.weight) * surprise[1]

    @cached_property
    def _ranks(self) -> tuple[Rank, Rank]:
        return Rank(self.peak), Rank(self.distance)

    @cached_property
    def _rank(self) -> Rank:
        return Rank(self._unusual(self.peak, self.distance))


def squash(surprise: Floats) -> Floats:
    """Map a surprise of 0 and more to 0..1."""
    return surprise / (1 + surprise)
