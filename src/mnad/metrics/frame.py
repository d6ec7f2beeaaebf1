"""Frame-level detection metrics in four named protocols; scores from any detector will do.

A score is higher for a more abnormal frame; label 1 is abnormal, 0 normal. Labels and scores come
per clip, as mappings from a clip's name to one value per scored frame. The protocols differ in how
scores of different clips are made comparable, which alone moves a result by ten points:

* F1 `per_clip_minmax_micro`: every part min-max scaled within its clip (looks ahead; the MNAD
  paper's number).
* F2 `whole_set_minmax_micro`: every part min-max scaled over the whole test set (looks ahead).
* F3 `causal_micro`: the scores as they are (no look-ahead if they were made without).
* F4 `macro`: the mean of the clips' own values.

"Micro" means that the frames of all clips are pooled before ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError
from mnad.metrics.confidence import check_confidence
from mnad.metrics.pairs import check_replicates, checked_pairs, draws, pairs_won
from mnad.metrics.scores import Array, ClipValues, per_clip_minmax, whole_set_minmax


@dataclass(frozen=True)
class FrameMetrics:
    """How well scores rank abnormal frames above normal ones; None where a class is missing.

    Attributes:
        auc: area under the ROC curve, 0..1: P(s+ > s-) + P(s+ = s-) / 2.
        eer_interpolated: equal error rate, 0..1: the false positive rate where the ROC curve,
            its points joined by straight lines, meets FPR = 1 - TPR. (The variant that takes the
            FPR at the nearest ROC point calls a constant score perfect.)
        ap: average precision, 0..1: the step sum over recall, not the trapezoid.
        frames: number of scored frames.
        abnormal: how many of them are labelled 1.
    """

    auc: float | None
    eer_interpolated: float | None
    ap: float | None
    frames: int
    abnormal: int


@dataclass(frozen=True)
class MacroMetrics:
    """Means over clips. Clips of one class have no ROC curve: they are left out and named.

    Attributes:
        auc: mean AUC of the clips with both classes; None without such a clip.
        eer_interpolated: mean of their equal error rates.
        ap: mean of their average precisions.
        padded_auc: mean over all clips of `padded_auc`, the rule of Georgescu et al. and UBnormal;
            None where a score is not in 0..1, as the rule wants them.
        one_class: the clips left out, in the order given.
        per_clip: every clip's own metrics.
    """

    auc: float | None
    eer_interpolated: float | None
    ap: float | None
    padded_auc: float | None
    one_class: tuple[str, ...]
    per_clip: dict[str, FrameMetrics]


@dataclass(frozen=True)
class Interval:
    """A bootstrap percentile interval.

    Attributes:
        low: lower end, 0..1.
        high: upper end, 0..1.
        confidence: share of the replicates between them, 0..1.
        replicates: how many were drawn.
        undefined: how many of those held one class only and were left out.
    """

    low: float
    high: float
    confidence: float
    replicates: int
    undefined: int


def per_clip_minmax_micro(
    labels: ClipValues, *parts: ClipValues, weights: Sequence[float] = (1.0,)
) -> FrameMetrics:
    """F1: pooled metrics of `per_clip_minmax` scores (the MNAD paper's protocol).

    Args:
        labels: clip to (T,) of 0 and 1.
        parts: as for `per_clip_minmax`; for MNAD the negated PSNR and the distance.
        weights: one per part; for MNAD (lambda, 1 - lambda).

    Raises:
        MnadError: labels and scores that differ in clips or lengths, labels other than 0 and 1,
            scores that are NaN or infinite.
        UsageError: not one weight per part.
    """
    return causal_micro(labels, per_clip_minmax(*parts, weights=weights))


def whole_set_minmax_micro(
    labels: ClipValues, *parts: ClipValues, weights: Sequence[float] = (1.0,)
) -> FrameMetrics:
    """F2: pooled metrics of `whole_set_minmax` scores; otherwise as `per_clip_minmax_micro`."""
    return causal_micro(labels, whole_set_minmax(*parts, weights=weights))


def causal_micro(labels: ClipValues, scores: ClipValues) -> FrameMetrics:
    """F3: pooled metrics of the scores as they are.

    Args:
        labels: clip to (T,) of 0 and 1.
        scores: clip to (T,) scores.

    Raises:
        MnadError: as for `per_clip_minmax_micro`.
    """
    pairs = checked_pairs(labels, scores).values()
    return _rank(np.concatenate([y for y, _ in pairs]), np.concatenate([s for _, s in pairs]))


def macro(labels: ClipValues, scores: ClipValues) -> MacroMetrics:
    """F4: means of the clips' own metrics, whatever the normalisation of the scores.

    Arguments and errors are those of `causal_micro`.
    """
    pairs = checked_pairs(labels, scores)
    per_clip = {clip: _rank(y, s) for clip, (y, s) in pairs.items()}
    scaled = all(s.min() >= 0 and s.max() <= 1 for _, s in pairs.values())
    return MacroMetrics(
        auc=_mean([m.auc for m in per_clip.values()]),
        eer_interpolated=_mean([m.eer_interpolated for m in per_clip.values()]),
        ap=_mean([m.ap for m in per_clip.values()]),
        padded_auc=_mean([padded_auc(y, s) for y, s in pairs.values()]) if scaled else None,
        one_class=tuple(clip for clip, m in per_clip.items() if m.auc is None),
        per_clip=per_clip,
    )


def padded_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """AUC of a clip after a normal frame scored 0 and an abnormal one scored 1 are added.

    The rule of Georgescu et al. and UBnormal. A clip of one class then scores next to 1 whatever
    the detector did: it loses half a pair for each of its frames that is as high as the added one,
    such as the lowest of a wholly abnormal clip that is min-max scaled.

    Args:
        labels: (T,) of 0 and 1.
        scores: (T,) in 0..1.

    Raises:
        MnadError: labels other than 0 and 1, not one score for each, or one outside 0..1.
    """
    from sklearn.metrics import roc_auc_score

    y, s = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise MnadError(
            f"There are labels of the shape {y.shape} and scores of {s.shape}; give one of each "
            "per frame, (T,)."
        )
    if not np.isin(y, (0, 1)).all():
        raise MnadError("There are labels other than 0 and 1; use 1 for abnormal, 0 for normal.")
    bad = np.flatnonzero(~((s >= 0) & (s <= 1)))
    if bad.size:
        raise MnadError(
            f"There are {bad.size} scores outside 0..1, the first at position {bad[0]}; scale them "
            "first, as by mnad.metrics.scores.minmax."
        )
    return float(roc_auc_score(np.r_[0, y, 1], np.r_[0.0, s, 1.0]))


def bootstrap_auc(
    labels: ClipValues,
    scores: ClipValues,
    *,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """Percentile interval of the pooled AUC, whole clips drawn with replacement.

    Frames of a clip depend on each other; an interval over frames would be far too narrow.

    Args:
        labels: clip to (T,) of 0 and 1.
        scores: clip to (T,) scores, already normalised if the protocol wants it.
        confidence: share of the replicates inside, 0..1.
        replicates: number of draws, 1 or more.
        seed: of the draws.

    Returns:
        None with fewer than two clips, or where the AUC itself is undefined.

    Raises:
        MnadError: as for `causal_micro`.
        UsageError: `confidence` or `replicates` out of range.
    """
    check_confidence(confidence)
    check_replicates(replicates)
    pairs = list(checked_pairs(labels, scores).values())
    abnormal = np.array([y.sum() for y, _ in pairs])
    normal = np.array([(~y).sum() for y, _ in pairs])
    if len(pairs) < 2 or abnormal.sum() == 0 or normal.sum() == 0:
        return None
    # The AUC of any multiset of clips is a quadratic form in their counts, so the frames are
    # compared once, not once per replicate.
    won = pairs_won(pairs)
    counts = draws(len(pairs), replicates, seed)
    compared = (counts @ abnormal) * (counts @ normal)
    defined = compared > 0
    if not defined.any():
        return None
    drawn = counts[defined]
    auc = ((drawn @ won) * drawn).sum(axis=1) / compared[defined]
    low, high = np.quantile(auc, [(1 - confidence) / 2, (1 + confidence) / 2])
    undefined = int(replicates - defined.sum())
    return Interval(float(low), float(high), confidence, replicates, undefined)


def _rank(y: NDArray[np.bool_], s: Array) -> FrameMetrics:
    frames, abnormal = len(y), int(y.sum())
    if abnormal in (0, frames):
        return FrameMetrics(None, None, None, frames, abnormal)
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    fpr, tpr, _ = roc_curve(y, s)
    return FrameMetrics(
        float(roc_auc_score(y, s)),
        interpolated_eer(fpr, tpr),
        float(average_precision_score(y, s)),
        frames,
        abnormal,
    )


def interpolated_eer(fpr: Array, tpr: Array) -> float:
    """Where a ROC curve from (0, 0), its points joined by straight lines, meets FPR = 1 - TPR.

    Args:
        fpr: (n,) false positive rates along the curve.
        tpr: (n,) true positive rates.
    """
    gap = fpr + tpr - 1
    after = int(np.argmax(gap >= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]))


def _mean(values: list[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return float(np.mean(defined)) if defined else None
