"""Video-level detection: one label and one score for each whole clip.

Scores are taken as they are: scaling each clip to 0..1 by itself would take away what tells one
clip from another. How the frames of a clip become one number is told with the result, and none of
the ways grows with the length of the clip by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mnad.errors import MnadError
from mnad.metrics.frame import causal_micro
from mnad.metrics.scores import Array, ClipValues, checked_scores

TOP = 20
"""One frame in so many, at least one, is averaged by ``top_5_percent``."""


def _mean(scores: Array) -> float:
    # Rounding may put a mean beyond all of its values: clips of one and the same score would
    # then be ranked by their length.
    return float(np.clip(scores.mean(), scores.min(), scores.max()))


def _top(scores: Array) -> float:
    return _mean(np.sort(scores)[-math.ceil(len(scores) / TOP) :])


POOLINGS: dict[str, Callable[[Array], float]] = {
    "mean": _mean,
    "max": lambda scores: float(scores.max()),
    "top_5_percent": _top,
}
"""The mean of all scores; the highest; the mean of the ceil(T / 20) highest."""


@dataclass(frozen=True)
class VideoMetrics:
    """AUC over clips; None where all clips are of one class.

    Attributes:
        auc: by pooling (`POOLINGS`).
        length_auc: control: AUC of the number of scored frames alone. Far from 0.5, either way, the
            clips can be told apart by their length, and a pooling that favours long or short clips
            measures that.
        clips: how many.
        abnormal: how many of them are labelled 1.
    """

    auc: dict[str, float | None]
    length_auc: float | None
    clips: int
    abnormal: int


def video_metrics(labels: Mapping[str, int], scores: ClipValues) -> VideoMetrics:
    """AUC of clips by each pooling of their frame scores.

    Args:
        labels: clip to 0 or 1 (1 = abnormal).
        scores: clip to (T,) scores, high = abnormal, not scaled by clip; T may differ.

    Raises:
        MnadError: other clips in one than in the other, a label other than 0 and 1, scores that are
            NaN or infinite.
    """
    checked = checked_scores(scores)
    for clip in [*checked, *labels]:
        if clip not in labels or clip not in checked:
            has, lacks = ("scores", "label") if clip in checked else ("a label", "scores")
            raise MnadError(f"Clip {clip!r} has {has} but no {lacks}; give the same clips to both.")
        if labels[clip] not in (0, 1):
            raise MnadError(
                f"Clip {clip!r} has the label {labels[clip]}; use 1 for abnormal, 0 for normal."
            )

    def auc(of: Callable[[Array], float]) -> float | None:
        truth = {clip: [label] for clip, label in labels.items()}
        return causal_micro(truth, {clip: [of(s)] for clip, s in checked.items()}).auc

    return VideoMetrics(
        {name: auc(pooled) for name, pooled in POOLINGS.items()},
        auc(lambda s: float(len(s))),
        len(labels),
        sum(int(label) for label in labels.values()),
    )
