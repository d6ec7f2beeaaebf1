"""Pixel-level detection: AUROC, the criterion of UCSD, the dual-pixel criterion. All streamed.

A map is (H, W), high = abnormal, taken as float32; a mask is (H, W), of the same size (a map of
another size is refused: resize it yourself, and say how). Frames whose mask is empty are normal.
Each of the three takes one frame at a time with `add` and tells what came of it with `value`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from mnad.errors import UsageError
from mnad.metrics.frame import causal_micro, interpolated_eer
from mnad.metrics.maps import Map, Mask, checked_pair
from mnad.metrics.tally import BUFFER, CELLS, Tally, area

SHARE = 0.4
"""Share of the abnormal pixels that have to fire (Mahadevan et al. 2010; Li et al. 2014)."""

BETA = 0.1
"""Share of the firing pixels that have to be abnormal (Sabokrou et al.; other values are used)."""


@dataclass(frozen=True)
class PixelAuroc:
    """How well pixels are ranked, all pixels of all frames pooled.

    Attributes:
        auroc: 0..1, ties counted half; None without pixels of both classes.
        error_bound: the AUROC of the float32 maps differs from `auroc` by this at most; 0 = exact.
        frames: how many were added.
        pixels: how many.
        abnormal: how many of them.
    """

    auroc: float | None
    error_bound: float
    frames: int
    pixels: int
    abnormal: int


class PixelRoc:
    """Pixel AUROC of any number of frames in less than 1 GB.

    Exact up to 16 million pixels of each class, or a million distinct values; beyond that within a
    bound, about 1e-6, that is told (`mnad.metrics.tally`).

    Args:
        cells: distinct values that are kept of each class.
        buffer: pixels of each class that are kept before they are counted.
    """

    def __init__(self, cells: int = CELLS, buffer: int = BUFFER) -> None:
        self._normal, self._abnormal = Tally(cells, buffer), Tally(cells, buffer)
        self._frames = 0

    def add(self, values: ArrayLike, mask: ArrayLike | None) -> None:
        """Take in a frame.

        Args:
            values: the map, (H, W).
            mask: (H, W), 1 = abnormal; None for a frame without.

        Raises:
            MnadError: see `mnad.metrics.maps`.
        """
        found, truth = checked_pair(values, mask)
        self._frames += 1
        if truth.any():
            self._abnormal.add(found[truth])
            self._normal.add(found[~truth])
        else:
            self._normal.add(found)

    def value(self) -> PixelAuroc:
        """What came of the frames so far."""
        found = area(self._normal, self._abnormal)
        abnormal = int(self._abnormal.total)
        pixels = int(self._normal.total) + abnormal
        return PixelAuroc(found.value, found.bound, self._frames, pixels, abnormal)


@dataclass(frozen=True)
class PixelCriterion:
    """A ROC over frames in which a frame is found only if the right pixels fire.

    Attributes:
        auc: 0..1; None where there are no frames of one class.
        eer_interpolated: where the ROC curve, its points joined by straight lines, first meets
            FPR = 1 - TPR.
        rate_of_detection: 1 - EER.
        frames: how many were added.
        abnormal: how many of them have a mask that is not empty.
    """

    auc: float | None
    eer_interpolated: float | None
    rate_of_detection: float | None
    frames: int
    abnormal: int


class UcsdCriterion:
    """Pixel-level criterion of UCSD (Mahadevan et al., CVPR 2010; Li et al., PAMI 2014).

    At threshold t a pixel fires if its value is t or higher. An abnormal frame is found if at least
    `share` of its abnormal pixels fire; a normal frame is a false alarm if any pixel fires. What
    fires beside the mask of an abnormal frame does not count. That is the ordinary ROC of one score
    a frame: of an abnormal one the k-th highest value in the mask, k = ceil(share x its area), of a
    normal one the highest value. (On UCSD Ped1 only the clips that have masks are to be added.)

    Args:
        share: above 0, at most 1; taken as the decimal it is written as.
    """

    def __init__(self, share: float = SHARE) -> None:
        self._share = _fraction(share, "share")
        self.scores: list[float] = []
        self.labels: list[int] = []

    def add(self, values: ArrayLike, mask: ArrayLike | None) -> None:
        """Take in a frame; as `PixelRoc.add`."""
        found, truth = checked_pair(values, mask)
        abnormal = bool(truth.any())
        self.labels.append(int(abnormal))
        at = _kth_highest(found[truth], self._share) if abnormal else float(found.max())
        self.scores.append(at)

    def value(self) -> PixelCriterion:
        """What came of the frames so far."""
        frames, abnormal = len(self.labels), sum(self.labels)
        if abnormal in (0, frames):
            return PixelCriterion(None, None, None, frames, abnormal)
        found = causal_micro({"all": self.labels}, {"all": self.scores})
        assert found.eer_interpolated is not None
        eer = found.eer_interpolated
        return PixelCriterion(found.auc, eer, 1 - eer, frames, abnormal)


class DualPixelCriterion:
    """Dual-pixel criterion (Sabokrou et al.): as `UcsdCriterion`, and most of what fires is right.

    An abnormal frame is found if also at least `beta` of the pixels that fire in it are abnormal.
    A lower threshold can lose a frame again, so that no score a frame can stand for it: thresholds
    are swept, all distinct values of all maps. The area is by trapezoids from point to point in the
    order of falling thresholds, and the EER where that line first meets FPR = 1 - TPR. Of an
    abnormal frame the thresholds are kept at which it is found or lost, mostly two.

    Args:
        share: as for `UcsdCriterion`.
        beta: above 0, at most 1.
    """

    def __init__(self, share: float = SHARE, beta: float = BETA) -> None:
        self._share, self._beta = _fraction(share, "share"), _fraction(beta, "beta")
        # Rows: threshold, change of the false alarms, change of the frames found.
        self._turns: list[tuple[float, int, int]] = []
        self._normal = self._abnormal = 0

    def add(self, values: ArrayLike, mask: ArrayLike | None) -> None:
        """Take in a frame; as `PixelRoc.add`."""
        found, truth = checked_pair(values, mask)
        if not truth.any():
            self._normal += 1
            self._turns.append((float(found.max()), 1, 0))
            return
        self._abnormal += 1
        self._turns += self._turns_of(found, truth)

    def _turns_of(self, found: Map, truth: Mask) -> list[tuple[float, int, int]]:
        """Where an abnormal frame is found and lost as the threshold falls."""
        area = int(truth.sum())
        # With more than area / beta pixels firing, fewer than beta of them can be abnormal.
        reach = min(math.floor(area / self._beta) + 1, found.size)
        at = np.flatnonzero(found.ravel() >= _nth_highest(found, reach))
        order = at[np.argsort(found.ravel()[at])[::-1]]
        values, right = found.ravel()[order], np.cumsum(truth.ravel()[order])
        # Only the last of equal values has all that fire at it before it.
        last = np.flatnonzero(np.concatenate([values[1:] != values[:-1], [True]]))
        hits = right[last] * self._beta.denominator >= (last + 1) * self._beta.numerator
        hits &= values[last] <= _kth_highest(found[truth], self._share)
        changes = np.diff(hits.astype(np.int64), prepend=0)
        return [(float(values[last[i]]), 0, int(changes[i])) for i in np.flatnonzero(changes)]

    def value(self) -> PixelCriterion:
        """What came of the frames so far."""
        frames = self._normal + self._abnormal
        if self._normal == 0 or self._abnormal == 0:
            return PixelCriterion(None, None, None, frames, self._abnormal)
        at, alarms, found = (np.array(column) for column in zip(*self._turns, strict=True))
        order = np.argsort(-at, kind="stable")
        at = at[order]
        last = np.concatenate([at[1:] != at[:-1], [True]])
        fpr, tpr = (
            np.concatenate([[0.0], np.cumsum(changes[order])[last] / of])
            for changes, of in ((alarms, self._normal), (found, self._abnormal))
        )
        auc = float((np.diff(fpr) * (tpr[1:] + tpr[:-1])).sum() / 2)
        eer = interpolated_eer(fpr, tpr)
        return PixelCriterion(auc, eer, 1 - eer, frames, self._abnormal)


def _kth_highest(values: Map, share: Fraction) -> float:
    return _nth_highest(values, math.ceil(share * values.size))


def _nth_highest(values: Map, n: int) -> float:
    return float(np.partition(values, values.size - n, axis=None)[values.size - n])


def _fraction(value: float, name: str) -> Fraction:
    """The decimal that a float is written as: 0.4 of 10 pixels are 4, whatever its last bits."""
    if not 0 < value <= 1:
        raise UsageError(f"{name} is {value}; it must be above 0 and at most 1.")
    return Fraction(str(float(value)))
