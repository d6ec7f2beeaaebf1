"""Region- and track-based detection (Ramachandra & Jones, Street Scene, WACV 2020): RBDC, TBDC.

Ground truth and detections are boxes in frames; the rules are those of the script of Georgescu et
al. (PAMI 2021), confirmed by Ramachandra. `mnad.metrics.region_maps` gets boxes from maps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError, UsageError

ALPHA = 0.1
"""Share of the boxes of a track that have to be found."""

BETA = 0.1
"""Intersection over union from which on a detection finds a ground-truth box."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegionMetrics:
    """Areas under detection rate over false positives per frame, from 0 to 1.

    Attributes:
        rbdc: of regions, 0..1; None without a ground-truth region.
        tbdc: of tracks, likewise.
        regions: ground-truth boxes.
        tracks: how many tracks they form.
        detections: how many, or of a sweep how many at the lowest threshold; of one that left
            thresholds out, how many at the first of them until then.
        frames: test frames, normal and abnormal.
        fpr_reached: highest false positive rate up to 1 that was seen; from there to 1 the curves
            are taken to be flat.
        tied: detections whose score another has too. Their order, that of the input, moves the
            result.
    """

    rbdc: float | None
    tbdc: float | None
    regions: int
    tracks: int
    detections: int
    frames: int
    fpr_reached: float
    tied: int


def region_metrics(
    tracks: Mapping[str, ArrayLike],
    detections: Mapping[str, ArrayLike],
    frames: int,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
) -> RegionMetrics:
    """RBDC and TBDC of scored boxes.

    Detections are taken by falling score, equal ones in the order given (not as one step). One
    finds every ground-truth box of its frame with an IoU of at least `beta`; a box that was found
    before adds nothing; without any such box it is a false positive. A track is found once a share
    `alpha` of its boxes is. The curves begin at (0, 0), keep what lies at FPR <= 1, go on flat to
    1, and are integrated by trapezoids.

    Args:
        tracks: clip to (n, 6) rows ``track, frame, xmin, ymin, xmax, ymax``; at most one row for a
            frame of a track. A clip without tracks may be left out.
        detections: clip to (n, 6) rows ``frame, xmin, ymin, xmax, ymax, score``. Boxes include
            their last pixel (+1 in areas). Frames count from the same number in both.
        frames: of the whole test set, those of clips without tracks too.
        alpha: above 0, at most 1.
        beta: likewise.

    Raises:
        MnadError: rows of another form, values that are NaN or infinite, a box that ends before it
            starts, a track with two boxes in a frame.
        UsageError: `frames`, `alpha` or `beta` out of range.
    """
    check_rates(alpha, beta)
    if not 1 <= frames < math.inf:
        raise UsageError(f"There are {frames} test frames; count all, normal and abnormal.")
    truth = _Truth(tracks, alpha)
    rows = [(clip, row) for clip, own in detections.items() for row in _rows(own, clip, False)]
    scores = np.array([row[5] for _, row in rows])
    fp, found, reached = [0], [0], [0]
    for at in np.argsort(-scores, kind="stable"):
        clip, row = rows[at]
        hits = truth.at(clip, row[0], row[1:5], beta)
        truth.mark(hits)
        fp.append(fp[-1] + (len(hits) == 0))
        found.append(truth.found)
        reached.append(truth.reached)
    fpr = np.array(fp) / frames
    regions, count = len(truth.boxes), len(truth.lengths)
    _, times = np.unique(scores, return_counts=True)
    return RegionMetrics(
        area_to_one(fpr, np.array(found) / regions) if regions else None,
        area_to_one(fpr, np.array(reached) / count) if regions else None,
        regions,
        count,
        len(rows),
        frames,
        float(fpr[fpr <= 1].max()),
        int(times[times > 1].sum()),
    )


def area_to_one(fpr: Floats, rate: Floats) -> float:
    """Area by trapezoids over FPR 0..1 of a curve that is cut there, or flat up to there.

    Args:
        fpr: (n,) ascending from 0, may exceed 1.
        rate: (n,).
    """
    kept = fpr <= 1
    x, y = np.append(fpr[kept], 1.0), np.append(rate[kept], rate[kept][-1])
    return float((np.diff(x) * (y[1:] + y[:-1])).sum() / 2)


def box_iou(boxes: ArrayLike, others: ArrayLike) -> Floats:
    """Intersection over union of boxes that include their last pixel.

    Args:
        boxes: (n, 4) rows ``xmin, ymin, xmax, ymax``.
        others: (m, 4).

    Returns:
        (n, m), 0..1.
    """
    a = np.asarray(boxes, np.float64).reshape(-1, 1, 4)
    b = np.asarray(others, np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + 1
    inner = np.maximum(sides, 0).prod(axis=2)
    areas = [(x[..., 2:] - x[..., :2] + 1).prod(axis=2) for x in (a, b)]
    return np.asarray(inner / (areas[0] + areas[1] - inner))


def check_rates(alpha: float, beta: float) -> None:
    """Refuse shares out of range.

    Raises:
        UsageError: one that is not above 0 and at most 1.
    """
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not 0 < value <= 1:
            raise UsageError(f"{name} is {value}; it must be above 0 and at most 1.")


class _Truth:
    """Ground-truth boxes by clip and frame, and which of them were found."""

    def __init__(self, tracks: Mapping[str, ArrayLike], alpha: float) -> None:
        self.boxes: list[Floats] = []
        self.lengths: dict[tuple[str, float], int] = {}
        self.found = self.reached = 0
        self._alpha = alpha
        self._of: list[tuple[str, float]] = []
        self._marked: set[int] = set()
        self._in_frame: dict[tuple[str, float], list[int]] = {}
        self._count: dict[tuple[str, float], int] = {}
        for clip, own in tracks.items():
            seen = set()
            for row in _rows(own, clip, True):
                if (row[0], row[1]) in seen:
                    raise MnadError(
                        f"Clip {clip!r} has two boxes of track {row[0]:g} in frame {row[1]:g}; "
                        "give each its own track."
                    )
                seen.add((row[0], row[1]))
                track = (clip, float(row[0]))
                self._in_frame.setdefault((clip, float(row[1])), []).append(len(self.boxes))
                self.boxes.append(row[2:])
                self._of.append(track)
                self.lengths[track] = self.lengths.get(track, 0) + 1

    def at(self, clip: str, frame: float, box: Floats, beta: float) -> list[int]:
        """Ground-truth boxes that a detection finds."""
        own = self._in_frame.get((clip, float(frame)), [])
        if not own:
            return []
        iou = box_iou(box, [self.boxes[i] for i in own])[0]
        return [i for i, value in zip(own, iou, strict=True) if value >= beta]

    def mark(self, hits: list[int]) -> None:
        for i in hits:
            if i in self._marked:
                continue
            self._marked.add(i)
            self.found += 1
            track, length = self._of[i], self.lengths[self._of[i]]
            before = self._count.get(track, 0)
            self._count[track] = before + 1
            self.reached += before / length < self._alpha <= (before + 1) / length


def _rows(values: ArrayLike, clip: str, truth: bool) -> Floats:
    """Rows of six finite numbers, whose boxes do not end before they start."""
    what = "tracks" if truth else "detections"
    form = "track, frame, xmin, ymin, xmax, ymax" if truth else "frame, xmin, …, ymax, score"
    rows = np.asarray(values, np.float64)
    if rows.size == 0:
        return np.zeros((0, 6))
    rows = np.atleast_2d(rows)
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise MnadError(f"Clip {clip!r} has {what} of the shape {rows.shape}; give rows {form}.")
    if not np.isfinite(rows).all():
        raise MnadError(f"Clip {clip!r} has {what} with NaN or infinite values; correct them.")
    numbers, boxes = (rows[:, :2], rows[:, 2:]) if truth else (rows[:, :1], rows[:, 1:5])
    if (numbers % 1 != 0).any():
        raise MnadError(f"Clip {clip!r} has {what} whose frame or track is no whole number.")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        raise MnadError(
            f"Clip {clip!r} has {what} with a box that ends before it starts; rows are {form}."
        )
    return rows
