"""Per-region overlap: AU-PRO of MVTec AD, AU-sPRO of MVTec LOCO AD, image AUROC.

At a threshold, PRO is the mean share of each region that fires (Bergmann et al., IJCV 2021), and
sPRO counts a region as covered once its saturation area is (Bergmann et al., IJCV 2022, eq. 2).
Either is drawn over the share of firing pixels among all pixels that are defect-free, those of good
images included, and its area to an FPR limit is divided by the limit.

All thresholds count, not a choice of them: sPRO(t) = min(TP / s, 1) is the share of the s highest
values of the region that fire, so that every pixel has a fixed weight (1/s or none) and both curves
are sums over pixels in the order of their values. Memory is bounded as in `mnad.metrics.tally`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mnad.errors import MnadError, UsageError
from mnad.metrics.maps import Map, checked_map, checked_mask, checked_pair
from mnad.metrics.tally import BUFFER, CELLS, Area, Tally, area

LIMITS = (0.01, 0.05, 0.1, 0.3, 1.0)
"""FPR limits of the LOCO benchmark; it ranks by 0.05, MVTec AD by 0.3."""

Kind = Literal["good", "logical", "structural"]


class Defect(NamedTuple):
    """One defect of an image: of LOCO one PNG, which may have several connected parts.

    Attributes:
        mask: (H, W), 1 = defect.
        saturation_threshold: pixels, or with `relative_saturation` a share of the defect's area
            (0..1], as in ``defects_config.json``.
        relative_saturation: whether it is a share.
    """

    mask: ArrayLike
    saturation_threshold: float
    relative_saturation: bool

    def saturation(self, area: int) -> int:
        """Pixels from which on the defect counts as covered: at most `area`, at least 1.

        A share is rounded down, as in the owners' script (7 pixels at 0.5: 3), which divides by 0
        where that gives none.

        Raises:
            UsageError: a threshold that is not above 0, NaN or infinite, or a share above 1.
        """
        most = 1 if self.relative_saturation else sys.float_info.max
        if not 0 < self.saturation_threshold <= most:
            raise UsageError(
                f"A saturation threshold is {self.saturation_threshold}; give pixels above 0, or a "
                "share above 0 and at most 1."
            )
        if self.relative_saturation:
            return max(int(self.saturation_threshold * area), 1)
        return min(max(int(self.saturation_threshold), 1), area)


class _Overlap:
    """How much of the regions fires, over how many of the defect-free pixels.

    Args:
        cells: as of `mnad.metrics.tally.Tally`.
        buffer: likewise.

    Attributes:
        regions: how many there were so far.
    """

    def __init__(self, cells: int = CELLS, buffer: int = BUFFER) -> None:
        self.regions = 0
        self._free, self._covered = Tally(cells, buffer), Tally(cells, buffer)

    def _add_region(self, values: Map, saturation: int) -> None:
        self.regions += 1
        highest = np.partition(values, values.size - saturation)[values.size - saturation :]
        self._covered.add(highest, np.full(saturation, 1 / saturation))

    def _area(self, limit: float) -> Area:
        if not 0 < limit <= 1:
            raise UsageError(f"An FPR limit is {limit}; it must be above 0 and at most 1.")
        return area(self._free, self._covered, limit)


class Pro(_Overlap):
    """AU-PRO of MVTec AD; regions are the 8-connected components of the masks.

    Arguments and attributes are those of `_Overlap`.
    """

    def add(self, values: ArrayLike, mask: ArrayLike | None) -> None:
        """Take in an image.

        Args:
            values: its map, (H, W), high = abnormal, as large as the mask.
            mask: (H, W), 1 = abnormal; None for a good image.

        Raises:
            MnadError: see `mnad.metrics.maps`.
        """
        from scipy.ndimage import label

        found, truth = checked_pair(values, mask)
        self._free.add(found[~truth])
        parts, count = label(truth, np.ones((3, 3)))
        for number in range(1, count + 1):
            inside = found[parts == number]
            self._add_region(inside, inside.size)

    def area(self, limit: float = 0.3) -> Area:
        """AU-PRO to an FPR limit, divided by it; None without regions or defect-free pixels."""
        return self._area(limit)


class Spro(_Overlap):
    """AU-sPRO of MVTec LOCO AD; regions are the defects as given, connected or not.

    Arguments and attributes are those of `Pro`.
    """

    def add(self, values: ArrayLike, defects: Sequence[Defect]) -> None:
        """Take in an image.

        Args:
            values: its map, (H, W), high = abnormal, as large as the masks.
            defects: none for a good image. Pixels that no defect covers are defect-free.

        Raises:
            MnadError: see `mnad.metrics.maps`; a defect with an empty mask.
            UsageError: a saturation threshold out of its range.
        """
        found = checked_map(values)
        free = np.ones(found.shape, np.bool_)
        regions = []
        for defect in defects:
            mask = checked_mask(defect.mask, found.shape)
            if not mask.any():
                raise MnadError(
                    "A defect has an empty mask; leave it out, or give its image as good."
                )
            inside = found[mask]
            regions.append((inside, defect.saturation(inside.size)))
            free &= ~mask
        self._free.add(found[free])
        for inside, saturation in regions:
            self._add_region(inside, saturation)

    def area(self, limit: float = 0.05) -> Area:
        """AU-sPRO to an FPR limit, divided by it; None without defects or defect-free pixels."""
        return self._area(limit)


@dataclass(frozen=True)
class LocoMetrics:
    """Of one object of MVTec LOCO AD; each dictionary has ``logical``, ``structural``, ``mean``.

    Attributes:
        image_auroc: good images against those of the subset, by the highest value of their maps;
            ties count half. (The owners' script counts ties wrongly: two good and two bad images
            of one and the same score have 0.5 here, 0.75 there.)
        au_spro: FPR limit to AU-sPRO.
        error_bound: FPR limit to how far that can be off at most; 0 = exact.
        images: how many good, logical and structural ones.
    """

    image_auroc: dict[str, float | None]
    au_spro: dict[float, dict[str, float | None]]
    error_bound: dict[float, float]
    images: dict[str, int]


class Loco:
    """Both subsets of an object of MVTec LOCO AD in one pass: each with all good images."""

    def __init__(self) -> None:
        self._subsets = {name: Spro() for name in ("logical", "structural")}
        self._highest: dict[str, list[float]] = {"good": [], "logical": [], "structural": []}

    def add(self, values: ArrayLike, kind: Kind, defects: Sequence[Defect] = ()) -> None:
        """Take in a test image; as `Spro.add`.

        Raises:
            MnadError: as `Spro.add`; a good image with defects, or another without.
            UsageError: another kind.
        """
        if kind not in self._highest:
            raise UsageError(f"An image is of kind {kind!r}; say good, logical or structural.")
        if (kind == "good") != (len(defects) == 0):
            raise MnadError(f"An image of kind {kind!r} has {len(defects)} defects; correct one.")
        found = checked_map(values)
        for name, subset in self._subsets.items():
            if kind in ("good", name):
                subset.add(found, defects)
        self._highest[kind].append(float(found.max()))

    def value(self, limits: Iterable[float] = LIMITS) -> LocoMetrics:
        """What came of the images so far."""
        limits = tuple(limits)
        good = self._highest["good"]
        image = {name: image_auroc(good, self._highest[name]) for name in self._subsets}
        areas = {limit: {n: s.area(limit) for n, s in self._subsets.items()} for limit in limits}
        spro = {limit: {n: a.value for n, a in found.items()} for limit, found in areas.items()}
        return LocoMetrics(
            image | {"mean": _mean(image)},
            {limit: found | {"mean": _mean(found)} for limit, found in spro.items()},
            {limit: max(a.bound for a in found.values()) for limit, found in areas.items()},
            {kind: len(values) for kind, values in self._highest.items()},
        )


def image_auroc(good: ArrayLike, abnormal: ArrayLike) -> float | None:
    """P(s+ > s-) + P(s+ = s-) / 2 of image scores; None where there are none of one kind.

    Args:
        good: scores of the good images, any number.
        abnormal: scores of the others.

    Raises:
        MnadError: a score that is NaN or infinite.
    """
    ok, bad = (np.asarray(s, np.float64).ravel() for s in (good, abnormal))
    if not (np.isfinite(ok).all() and np.isfinite(bad).all()):
        raise MnadError("An image score is NaN or infinite; correct it first.")
    if ok.size == 0 or bad.size == 0:
        return None
    from sklearn.metrics import roc_auc_score

    labels = np.repeat([0, 1], [ok.size, bad.size])
    return float(roc_auc_score(labels, np.concatenate([ok, bad])))


def _mean(found: dict[str, float | None]) -> float | None:
    values = [value for value in found.values() if value is not None]
    return float(np.mean(values)) if len(values) == len(found) else None
