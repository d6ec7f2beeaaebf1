"""ROC and precision-recall curves of pooled frames, with bootstrap bands by clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnad.metrics.confidence import check_confidence
from mnad.metrics.pairs import check_replicates, checked_pairs, draws
from mnad.metrics.scores import Array, ClipValues

MOST_STEPS = 1000
"""Of a precision-recall curve; finer ones are merged, which leaves the area as it is."""

GRID = np.linspace(0, 1, 101)
"""Where the bands are given."""


@dataclass(frozen=True, eq=False)
class Band:
    """Pointwise bootstrap percentiles of a curve over the replicates that held both classes.

    Attributes:
        x: (n,) false positive rates or recalls, rising from 0 to 1.
        low: (n,) of the true positive rate or the precision.
        high: (n,) likewise.
    """

    x: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Curves:
    """Both curves of one score.

    Attributes:
        fpr: (m,) false positive rates, rising from 0 to 1.
        tpr: (m,) true positive rates; the trapezoid under them is the AUC.
        recall: (k,) where each step of the precision-recall curve ends, rising to 1.
        precision: (k,) height of the step that ends there; the sum of the steps is the average
            precision.
        roc_band: None with fewer than two clips, or where no replicate holds both classes.
        pr_band: likewise.
    """

    fpr: Array
    tpr: Array
    recall: Array
    precision: Array
    roc_band: Band | None
    pr_band: Band | None


def pooled_curves(
    labels: ClipValues,
    scores: ClipValues,
    *,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> Curves | None:
    """ROC and precision-recall curve of all frames, whole clips drawn for the bands.

    The draws are those of `mnad.metrics.frame.bootstrap_auc` for the same seed.

    Args:
        labels: clip to (T,) of 0 and 1.
        scores: clip to (T,) scores, already normalised if the protocol wants it.
        confidence: share of the replicates inside the band at each point, 0..1.
        replicates: number of draws, 1 or more.
        seed: of the draws.

    Returns:
        None where a class is missing.

    Raises:
        MnadError: as for `mnad.metrics.frame.causal_micro`.
        UsageError: `confidence` or `replicates` out of range.
    """
    check_confidence(confidence)
    check_replicates(replicates)
    pairs = list(checked_pairs(labels, scores).values())
    y = np.concatenate([y for y, _ in pairs])
    if y.all() or not y.any():
        return None
    from sklearn.metrics import roc_curve

    s = np.concatenate([s for _, s in pairs])
    fpr, tpr, _ = roc_curve(y, s)
    ranked = _Ranked(y, s, np.repeat(np.arange(len(pairs)), [len(y) for y, _ in pairs]))
    recall, precision = _steps(*ranked.counts(np.ones(len(pairs))))
    roc_band, pr_band = None, None
    if len(pairs) > 1:
        lines = [ranked.on_grid(count) for count in draws(len(pairs), replicates, seed)]
        whole = [line for line in lines if line is not None]
        if whole:
            ends = [(1 - confidence) / 2, (1 + confidence) / 2]
            low, high = np.quantile(np.stack(whole), ends, axis=0)  # (2, n) each
            roc_band = Band(GRID, low[0], high[0])
            pr_band = Band(GRID, low[1], high[1])
    return Curves(fpr, tpr, recall, precision, roc_band, pr_band)


class _Ranked:
    """The frames from the highest score down, sorted once for all replicates."""

    def __init__(self, y: NDArray[np.bool_], s: Array, clip: NDArray[np.int64]) -> None:
        order = np.argsort(-s, kind="stable")
        self._y, self._clip = y[order], clip[order]
        # Frames of one score come in together.
        self._last = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)

    def counts(self, of_clip: NDArray[np.generic]) -> tuple[Array, Array]:
        """True and false positives at each distinct score, clips counted so often each."""
        weight = np.asarray(of_clip, np.float64)[self._clip]
        hits = np.cumsum(weight * self._y)[self._last]
        return hits, np.cumsum(weight)[self._last] - hits

    def on_grid(self, of_clip: NDArray[np.generic]) -> Array | None:
        """(2, n): true positive rate and precision on the grid; None without one class."""
        hits, alarms = self.counts(of_clip)
        if hits[-1] == 0 or alarms[-1] == 0:
            return None
        tpr = np.interp(GRID, np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1]))
        # The first score low enough to reach the recall; at recall 0 the first that hits.
        wanted = np.maximum(GRID * hits[-1] - 1e-9, hits[-1] * 1e-9)
        at = np.searchsorted(hits, wanted)
        return np.stack((tpr, hits[at] / (hits[at] + alarms[at])))


def _steps(hits: Array, alarms: Array) -> tuple[Array, Array]:
    """Recall and precision of the steps, at most `MOST_STEPS`."""
    rises = np.flatnonzero(np.diff(np.append(0, hits)) > 0)
    recall = hits[rises] / hits[-1]
    precision = hits[rises] / (hits[rises] + alarms[rises])
    if len(recall) <= MOST_STEPS:
        return recall, precision
    area = np.cumsum(np.diff(np.append(0, recall)) * precision)
    ends = np.unique(np.linspace(0, len(recall) - 1, MOST_STEPS).round().astype(int))
    merged = recall[ends]
    return merged, np.diff(np.append(0, area[ends])) / np.diff(np.append(0, merged))
