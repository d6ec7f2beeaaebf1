"""Regions from anomaly maps, tracks from masks.

Regions of a map at a threshold are the 8-connected components of its pixels at or above it, after a
Gaussian of `sigma` pixels (0 = none), without those below `min_area` pixels. Two ways to a curve:

* `mnad.metrics.region_sweep.RegionSweep` extracts them anew at every threshold, as Street Scene
  does; the default for maps.
* `detections_of` extracts them once, at one threshold, and scores each by its highest value, for
  `mnad.metrics.region.region_metrics`: the form of Georgescu et al.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError, UsageError
from mnad.metrics.maps import Map, checked_map, checked_mask

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]


def smoothed(values: ArrayLike, sigma: float = 0.0) -> Map:
    """A map after a Gaussian of `sigma` pixels, mirrored at the border."""
    found = checked_map(values)
    if not 0 <= sigma < math.inf:
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
    from scipy.ndimage import find_objects

    if min_area < 1:
        raise UsageError(f"min_area is {min_area}; it is in pixels, 1 or more.")
    image = fired.astype(np.uint8)
    # Where next to nothing fires there is next to nothing to look through.
    left, top, width, height = cv2.boundingRect(image)
    left, top = left // 2 * 2, top // 2 * 2  # numbers go by blocks of 2 x 2
    inside = (slice(top, top + height + 1), slice(left, left + width + 1))
    count, part = cv2.connectedComponents(image[inside], connectivity=8, ltype=cv2.CV_32S)
    if min_area > 1:
        kept = np.bincount(part.ravel(), minlength=count) >= min_area
        kept[0] = False
        number = np.zeros(count, np.int32)
        number[kept] = np.arange(1, kept.sum() + 1)
        part, count = number[part], int(kept.sum()) + 1
    labels = np.zeros(fired.shape, np.int32)
    labels[inside] = part
    # Not OpenCV's statistics, which take several times as long as the labels.
    places = find_objects(part, count - 1)
    boxes = [
        (left + x.start, top + y.start, left + x.stop - 1, top + y.stop - 1) for y, x in places
    ]
    return labels, np.array(boxes, np.float64).reshape(-1, 4)


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

    Raises:
        MnadError: a bad map.
        UsageError: a threshold that is NaN, or another argument out of range.
    """
    from scipy.ndimage import maximum

    if math.isnan(threshold):
        raise UsageError("The threshold is NaN; give a number.")
    found = smoothed(values, sigma)
    labels, boxes = components(found >= np.float32(threshold), min_area)
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

    Raises:
        MnadError: a mask of another shape or with other values.
    """
    before: Labels | None = None
    begun = 0
    for number, mask in enumerate(masks):
        shape = np.asarray(mask).shape
        if len(shape) != 2 or (before is not None and shape != before.shape):
            raise MnadError(
                f"Mask {number} of a clip has the shape {shape}; give masks (H, W), all of one "
                "size."
            )
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


def checked_tracks(tracks: ArrayLike) -> Labels:
    """Track numbers of a frame as int32; of a bool mask what is True is track 0.

    Args:
        tracks: (H, W): 0, or the number of the track plus 1.

    Raises:
        MnadError: not two-dimensional, or values that are no whole numbers from 0 on.
    """
    found = np.asarray(tracks)
    if found.ndim != 2 or found.dtype.kind not in "bui" or (found.size and found.min() < 0):
        raise MnadError(
            f"Tracks are {found.dtype} of the shape {found.shape}; give whole numbers, (H, W): 0, "
            "or the number of the track plus 1."
        )
    return found.astype(np.int32, copy=False)


def track_boxes(maps: Iterable[ArrayLike]) -> Floats:
    """Rows ``track, frame, xmin, ymin, xmax, ymax`` of the tracks of a clip, frames from 0.

    Args:
        maps: (H, W) each: 0, or the number of the track plus 1, as `track_maps` yields them.
    """
    rows = [
        (track, float(frame), *box)
        for frame, labels in enumerate(maps)
        for track, box in zip(*tracks_in(labels), strict=True)
    ]
    rows.sort(key=lambda row: row[:2])
    return np.array(rows, np.float64).reshape(-1, 6)


def tracks_in(labels: ArrayLike) -> tuple[list[float], list[tuple[float, ...]]]:
    """Numbers and boxes of the tracks of a frame, 0 or the number plus 1 at each pixel."""
    from scipy.ndimage import find_objects

    places = find_objects(checked_tracks(labels))
    found = [(n, place) for n, place in enumerate(places) if place is not None]
    boxes = [(x.start, y.start, x.stop - 1, y.stop - 1) for _, (y, x) in found]
    return [float(n) for n, _ in found], [tuple(map(float, box)) for box in boxes]
