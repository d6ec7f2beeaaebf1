"""RBDC and TBDC of anomaly maps: regions from maps, tracks from masks, and two sweeps.

Regions of a map at a threshold are the 8-connected components of its pixels at or above it, after a
Gaussian of `sigma` pixels (0 = none), without those below `min_area` pixels. Two ways to a curve:

* `RegionSweep` extracts them anew at every threshold, as Street Scene does; the default for maps.
* `detections_of` extracts them once, at one threshold, and scores each by its highest value, for
  `mnad.metrics.region.region_metrics`: the form of Georgescu et al.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError, UsageError
from mnad.metrics.maps import Map, checked_map, checked_mask
from mnad.metrics.region import ALPHA, BETA, RegionMetrics, area_to_one, box_iou, check_rates

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Overlap = Literal["box", "mask"]


def smoothed(values: ArrayLike, sigma: float = 0.0) -> Map:
    """A map after a Gaussian of `sigma` pixels, mirrored at the border."""
    found = checked_map(values)
    if sigma < 0:
        raise UsageError(f"sigma is {sigma}; it is in pixels, 0 or more.")
    if sigma == 0:
        return found
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(found, sigma))


def components(fired: NDArray[np.bool_], min_area: int = 1) -> tuple[Labels, Floats]:
    """8-connected components.

    Args:
        fired: (H, W).
        min_area: smaller components are left out.

    Returns:
        (H, W), 0 or the number of the component from 1 on; and (n, 4) of their boxes
        ``xmin, ymin, xmax, ymax``, the last pixel included.
    """
    if min_area < 1:
        raise UsageError(f"min_area is {min_area}; it is in pixels, 1 or more.")
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        fired.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    kept = stats[:, cv2.CC_STAT_AREA] >= min_area
    kept[0] = False
    if not kept[1:].all():
        number = np.zeros(count, np.int32)
        number[kept] = np.arange(1, kept.sum() + 1)
        labels = number[labels]
    left, top, width, height = stats[kept, :4].T.astype(np.float64)
    boxes = np.stack([left, top, left + width - 1, top + height - 1], axis=1)
    return np.asarray(labels, np.int32), boxes


def detections_of(
    values: ArrayLike, frame: int, threshold: float, *, sigma: float = 0.0, min_area: int = 1
) -> Floats:
    """Regions of a map at one threshold, each scored by its highest value (after smoothing).

    Args:
        values: (H, W), high = abnormal.
        frame: its number, for the rows.
        threshold: pixels at or above it fire.
        sigma: see the module.
        min_area: likewise.

    Returns:
        (n, 6) rows ``frame, xmin, ymin, xmax, ymax, score``.
    """
    from scipy.ndimage import maximum

    found = smoothed(values, sigma)
    labels, boxes = components(found >= threshold, min_area)
    scores = maximum(found, labels, np.arange(1, len(boxes) + 1)) if len(boxes) else np.zeros(0)
    return np.column_stack([np.full(len(boxes), float(frame)), boxes, scores])


def track_maps(masks: Iterable[ArrayLike]) -> Iterator[Labels]:
    """Tracks of a clip that has pixel masks but no track ids, frame by frame.

    The 8-connected components of a frame are linked with those of the frame before: pairs that
    share pixels are taken by falling overlap (equal ones by the lower track, then the component
    that is higher up), each component and each track once. A component without a partner begins a
    track; a track without one has ended, also where it only pauses.

    Args:
        masks: (H, W) each, 1 = abnormal, all of one size, in order.

    Yields:
        (H, W): 0, or the number of the track plus 1; numbers begin at 0 in each clip.
    """
    before: Labels | None = None
    begun = 0
    for mask in masks:
        shape = np.asarray(mask).shape if before is None else before.shape
        labels, boxes = components(checked_mask(mask, shape))
        track = np.zeros(len(boxes) + 1, np.int32)
        if before is not None:
            taken = set()
            pairs, shared = np.unique(
                np.stack([before, labels])[:, (before > 0) & (labels > 0)],
                axis=1,
                return_counts=True,
            )
            for i in np.lexsort((pairs[1], pairs[0], -shared)):
                old, new = pairs[:, i]
                if old not in taken and track[new] == 0:
                    track[new] = old
                    taken.add(old)
        for new in range(1, len(track)):
            if track[new] == 0:
                begun += 1
                track[new] = begun
        before = track[labels]
        yield before


def track_boxes(maps: Iterable[Labels]) -> Floats:
    """Rows ``track, frame, xmin, ymin, xmax, ymax`` of the tracks of a clip, frames from 0.

    Args:
        maps: (H, W) each: 0, or the number of the track plus 1, as `track_maps` yields them.
    """
    rows = [
        (track, float(frame), *box)
        for frame, labels in enumerate(maps)
        for track, box in zip(*_tracks_in(labels), strict=True)
    ]
    rows.sort(key=lambda row: row[:2])
    return np.array(rows, np.float64).reshape(-1, 6)


def _tracks_in(labels: Labels) -> tuple[list[float], list[tuple[float, ...]]]:
    """Numbers and boxes of the tracks of a frame."""
    from scipy.ndimage import find_objects

    found = [(n, place) for n, place in enumerate(find_objects(labels)) if place is not None]
    boxes = [(x.start, y.start, x.stop - 1, y.stop - 1) for _, (y, x) in found]
    return [float(n) for n, _ in found], [tuple(map(float, box)) for box in boxes]


class RegionSweep:
    """RBDC and TBDC of maps, their regions extracted anew at every threshold.

    At each threshold a ground-truth region is found if a region of the frame has an IoU of at least
    `beta` with it, and a region that has it with none is a false positive. A lower threshold may
    lose regions again, since they grow and merge. The curve is therefore the best rate at no more
    false positives, over the thresholds from the highest down to the last before the false
    positives first exceed one a frame; it goes on flat to 1 (`fpr_reached` tells from where) and is
    integrated by trapezoids.

    Args:
        thresholds: any order; `frame_thresholds` gives a fair choice. A few hundred are enough.
        overlap: ``box``: IoU of bounding boxes; ``mask``: of the pixels themselves.
        sigma: see the module.
        min_area: likewise.
        alpha: as for `mnad.metrics.region.region_metrics`.
        beta: likewise.
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
    ) -> None:
        check_rates(alpha, beta)
        if overlap not in ("box", "mask"):
            raise UsageError(f"overlap is {overlap!r}; say box or mask.")
        self._thresholds = np.unique(np.asarray(thresholds, np.float64))[::-1]
        if self._thresholds.size == 0 or not np.isfinite(self._thresholds).all():
            raise UsageError("Thresholds must be finite numbers, one or more.")
        self._overlap, self._sigma, self._min_area = overlap, sigma, min_area
        self._alpha, self._beta = alpha, beta
        self._false = np.zeros(len(self._thresholds), np.int64)
        self._regions = np.zeros(len(self._thresholds), np.int64)
        # Of each track its boxes, and how many of them are found at each threshold.
        self._lengths: dict[tuple[str, float], int] = {}
        self._found: dict[tuple[str, float], NDArray[np.int64]] = {}
        self._frames = 0

    def add(self, clip: str, values: ArrayLike, tracks: Labels | None) -> None:
        """Take in a frame whose ground truth is pixels.

        Args:
            clip: its clip; tracks of different clips are different.
            values: its map, (H, W), high = abnormal.
            tracks: (H, W), 0 or the number of the track plus 1 (`track_maps`); None: none.

        Raises:
            MnadError: a bad map, or tracks of another size.
        """
        found = smoothed(values, self._sigma)
        if tracks is None:
            self._sweep(clip, found, [], np.zeros((0, 4)), None)
            return
        if tracks.shape != found.shape:
            raise MnadError(
                f"A map of the shape {found.shape} meets tracks of {tracks.shape}; resize the map "
                "first, and say how."
            )
        names, boxes = _tracks_in(tracks)
        self._sweep(clip, found, names, np.array(boxes).reshape(-1, 4), tracks)

    def add_boxes(self, clip: str, values: ArrayLike, boxes: ArrayLike) -> None:
        """Take in a frame whose ground truth is boxes.

        Args:
            clip: as for `add`.
            values: likewise.
            boxes: (n, 5) rows ``track, xmin, ymin, xmax, ymax``, the last pixel included.

        Raises:
            MnadError: a bad map, or rows of another form.
            UsageError: overlap by mask, which boxes cannot have.
        """
        if self._overlap == "mask":
            raise UsageError("Boxes have no mask: use the overlap by box, or give tracks.")
        rows = np.asarray(boxes, np.float64)
        rows = rows if rows.size else np.zeros((0, 5))
        if rows.ndim != 2 or rows.shape[1] != 5 or not np.isfinite(rows).all():
            raise MnadError(
                f"Boxes have the shape {rows.shape}; give finite rows track, xmin, ymin, xmax, ymax."
            )
        self._sweep(clip, smoothed(values, self._sigma), rows[:, 0].tolist(), rows[:, 1:], None)

    def _sweep(
        self, clip: str, found: Map, names: Sequence[float], boxes: Floats, tracks: Labels | None
    ) -> None:
        self._frames += 1
        own = [(clip, name) for name in names]
        for track in own:
            self._lengths[track] = self._lengths.get(track, 0) + 1
            self._found.setdefault(track, np.zeros(len(self._thresholds), np.int64))
        highest = found.max()
        for at, threshold in enumerate(self._thresholds):
            if threshold > highest:
                continue
            labels, regions = components(found >= threshold, self._min_area)
            self._regions[at] += len(regions)
            if self._overlap == "mask" and tracks is not None:
                iou = _mask_iou(labels, len(regions), tracks, names)
            else:
                iou = box_iou(regions, boxes)
            hits = iou >= self._beta
            self._false[at] += int((~hits.any(axis=1)).sum())
            for track, hit in zip(own, hits.any(axis=0), strict=True):
                self._found[track][at] += int(hit)

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
            int(self._regions[-1]),
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
    """
    values = np.asarray(highest, np.float64).ravel()
    if values.size == 0 or count < 1:
        raise UsageError("Give the highest value of one map or more, and a count of 1 or more.")
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
