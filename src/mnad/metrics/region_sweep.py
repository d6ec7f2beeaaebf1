"""RBDC and TBDC of anomaly maps whose regions are extracted anew at every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError, UsageError
from mnad.metrics.maps import Map
from mnad.metrics.region import ALPHA, BETA, RegionMetrics, area_to_one, box_iou, check_rates
from mnad.metrics.region_maps import (
    Floats,
    Labels,
    checked_tracks,
    components,
    smoothed,
    tracks_in,
)

Overlap = Literal["box", "mask"]


class RegionSweep:
    """RBDC and TBDC of maps, their regions extracted anew at every threshold.

    At each threshold a ground-truth region is found if a region of the frame has an IoU of at least
    `beta` with it, and a region that has it with none is a false positive. A lower threshold may
    lose regions again, since they grow and merge. The curve is therefore the best rate at no more
    false positives, over the thresholds from the highest down to the last before the false
    positives first exceed one a frame; it goes on flat to 1 (`fpr_reached` tells from where) and is
    integrated by trapezoids.

    Args:
        thresholds: any order, taken as float32 like the maps; `frame_thresholds` gives a fair
            choice. A few hundred are enough.
        overlap: ``box``: IoU of bounding boxes; ``mask``: of the pixels themselves.
        sigma: of a Gaussian over each map, in pixels; 0 = none.
        min_area: components below it are left out, in pixels.
        alpha: as for `mnad.metrics.region.region_metrics`.
        beta: likewise.
        most_frames: how many frames will be added at most. A threshold that has made more false
            positives than that cannot count any more, nor can lower ones: they are left out from
            there on, which changes nothing but the time it takes.
    """

    def __init__(
        self,
        thresholds: ArrayLike,
        *,
        overlap: Overlap = "box",
        sigma: float = 0.0,
        min_area: int = 1,
        alpha: float = ALPHA,
        beta: float = BETA,
        most_frames: int | None = None,
    ) -> None:
        check_rates(alpha, beta)
        if overlap not in ("box", "mask"):
            raise UsageError(f"overlap is {overlap!r}; say box or mask.")
        self._thresholds = np.unique(np.asarray(thresholds, np.float32))[::-1]
        if self._thresholds.size == 0 or not np.isfinite(self._thresholds).all():
            raise UsageError("Thresholds must be finite numbers, one or more.")
        self._overlap, self._sigma, self._min_area = overlap, sigma, min_area
        self._alpha, self._beta = alpha, beta
        self._false = np.zeros(len(self._thresholds), np.int64)
        self._regions = np.zeros(len(self._thresholds), np.int64)
        # Of each track its boxes, and how many of them are found at each threshold.
        self._lengths: dict[tuple[str, float], int] = {}
        self._found: dict[tuple[str, float], NDArray[np.int64]] = {}
        self._frames, self._most = 0, most_frames
        self._open = len(self._thresholds)

    def add(self, clip: str, values: ArrayLike, tracks: ArrayLike | None) -> None:
        """Take in a frame whose ground truth is pixels.

        Args:
            clip: its clip; tracks of different clips are different.
            values: its map, (H, W), high = abnormal.
            tracks: (H, W), 0 or the number of the track plus 1 (`track_maps`), or a bool mask,
                which is one track; None: none.

        Raises:
            MnadError: a bad map, or tracks of another size or that are no whole numbers.
        """
        found = smoothed(values, self._sigma)
        if tracks is None:
            self._sweep(clip, found, [], np.zeros((0, 4)), None)
            return
        truth = checked_tracks(tracks)
        if truth.shape != found.shape:
            raise MnadError(
                f"A map of the shape {found.shape} meets tracks of {truth.shape}; resize the map "
                "first, and say how."
            )
        names, boxes = tracks_in(truth)
        self._sweep(clip, found, names, np.array(boxes).reshape(-1, 4), truth)

    def add_boxes(self, clip: str, values: ArrayLike, boxes: ArrayLike) -> None:
        """Take in a frame whose ground truth is boxes.

        Args:
            clip: as for `add`.
            values: likewise.
            boxes: (n, 5) rows ``track, xmin, ymin, xmax, ymax``, the last pixel included.

        Raises:
            MnadError: a bad map, rows of another form, a box that ends before it starts, a track
                with two boxes.
            UsageError: overlap by mask, which boxes cannot have.
        """
        if self._overlap == "mask":
            raise UsageError("Boxes have no mask: use the overlap by box, or give tracks.")
        rows = np.asarray(boxes, np.float64)
        rows = rows if rows.size else np.zeros((0, 5))
        if rows.ndim != 2 or rows.shape[1] != 5 or not np.isfinite(rows).all():
            raise MnadError(
                f"Boxes have the shape {rows.shape}; give finite rows track, xmin, …, ymax."
            )
        if (rows[:, 3:] < rows[:, 1:3]).any():
            raise MnadError(
                f"Clip {clip!r} has a box that ends before it starts; rows are track, xmin, ymin, "
                "xmax, ymax."
            )
        names, times = np.unique(rows[:, 0], return_counts=True)
        if (times > 1).any():
            raise MnadError(
                f"Clip {clip!r} has two boxes of track {names[times > 1][0]:g} in a frame; give "
                "each its own track."
            )
        self._sweep(clip, smoothed(values, self._sigma), rows[:, 0].tolist(), rows[:, 1:], None)

    def _sweep(
        self, clip: str, found: Map, names: Sequence[float], boxes: Floats, tracks: Labels | None
    ) -> None:
        if self._frames == self._most:
            raise UsageError(f"There are more than the {self._most} frames that were announced.")
        self._frames += 1
        own = [(clip, name) for name in names]
        for track in own:
            self._lengths[track] = self._lengths.get(track, 0) + 1
            self._found.setdefault(track, np.zeros(len(self._thresholds), np.int64))
        highest, before, regions, false = found.max(), 0, 0, 0
        hit: list[bool] = []
        for at, threshold in enumerate(self._thresholds[: self._open]):
            if threshold > highest:
                continue
            fired = found >= threshold
            count = int(np.count_nonzero(fired))
            # As many pixels as at the threshold before are the same ones.
            if count > before:
                before = count
                labels, places = components(fired, self._min_area)
                if self._overlap == "mask" and tracks is not None:
                    iou = _mask_iou(labels, len(places), tracks, names)
                else:
                    iou = box_iou(places, boxes)
                hits = iou >= self._beta
                hit, regions = [bool(one.any()) for one in hits.T], len(places)
                false = int((~hits.any(axis=1)).sum())
            self._regions[at] += regions
            self._false[at] += false
            for track, is_found in zip(own, hit, strict=True):
                self._found[track][at] += is_found
        if self._most is not None:
            over = np.flatnonzero(self._false[: self._open] > self._most)
            self._open = int(over[0]) if over.size else self._open

    def value(self) -> RegionMetrics:
        """What came of the frames so far."""
        fpr = self._false / max(self._frames, 1)
        last = int(np.argmax(fpr > 1)) if (fpr > 1).any() else len(fpr)
        regions = sum(self._lengths.values())
        rbdc = tbdc = None
        if regions:
            found = np.array(list(self._found.values()))
            lengths = np.array(list(self._lengths.values()))[:, None]
            rbdc = _best(fpr[:last], found.sum(axis=0)[:last] / regions)
            tbdc = _best(fpr[:last], (found / lengths >= self._alpha).mean(axis=0)[:last])
        return RegionMetrics(
            rbdc,
            tbdc,
            regions,
            len(self._lengths),
            int(self._regions[min(self._open, len(fpr) - 1)]),
            self._frames,
            float(fpr[:last].max(initial=0)),
            0,
        )


def frame_thresholds(highest: ArrayLike, count: int = 200) -> Floats:
    """Thresholds for `RegionSweep`: evenly spaced ranks among the highest values of the frames.

    At the q-quantile of these a share 1 - q of the frames has a region, so that they cover the
    false positives from none to about one a frame.

    Args:
        highest: (n,) highest value of each map, after smoothing; no label is needed.
        count: how many at most.

    Raises:
        MnadError: a value that is NaN or infinite.
        UsageError: no value, or a count below 1.
    """
    values = np.asarray(highest, np.float64).ravel()
    if values.size == 0 or count < 1:
        raise UsageError("Give the highest value of one map or more, and a count of 1 or more.")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise MnadError(
            f"There are {bad.size} highest values that are NaN or infinite, the first at position "
            f"{bad[0]}; correct the maps first."
        )
    return np.unique(np.quantile(values, np.linspace(0, 1, count), method="nearest"))


def _best(fpr: Floats, rate: Floats) -> float:
    """Area under the best rate at no more false positives; the path begins at (0, 0)."""
    order = np.lexsort((rate, fpr))
    best = np.maximum.accumulate(rate[order])
    return area_to_one(np.concatenate([[0.0], fpr[order]]), np.concatenate([[0.0], best]))


def _mask_iou(labels: Labels, count: int, tracks: Labels, names: Sequence[float]) -> Floats:
    """IoU of the pixels of `count` regions with those of the named tracks, (n, m)."""
    number = np.zeros(int(tracks.max()) + 1, np.int64)
    for m, name in enumerate(names, start=1):
        number[int(name) + 1] = m
    width = len(names) + 1
    joint = np.bincount(
        (labels * width + number[tracks]).ravel(), minlength=(count + 1) * width
    ).reshape(count + 1, width)
    areas = joint.sum(axis=1, keepdims=True) + joint.sum(axis=0, keepdims=True)
    return np.asarray((joint / np.maximum(areas - joint, 1))[1:, 1:])
