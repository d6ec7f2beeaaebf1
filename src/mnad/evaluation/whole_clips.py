"""The numbers of an evaluation whose labels are of whole clips (PHANTOM, Something-Something)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnad.evaluation.clips import ClipScores
from mnad.evaluation.frames import has
from mnad.evaluation.summary import RULES, PerClip, arrays
from mnad.metrics.frame import bootstrap_auc
from mnad.metrics.video import POOLINGS, video_metrics

CONTROLS = (
    *("constant", "random", "mean_intensity"),
    *("squared_difference", "squared_difference_block"),
)
"""The number of a frame or of its clip is no control of clips: their length is."""


def raw_parts(
    clips: Sequence[ClipScores], causal: PerClip | None, camera: PerClip | None
) -> dict[str, PerClip]:
    """Scores that mean the same in every clip, high = abnormal.

    Args:
        clips: the parts of their frames.
        causal: the combined score by ranks among normal frames; None without.
        camera: the smoothed score for cameras; None without.
    """
    parts: dict[str, PerClip] = {} if causal is None else {"combined": causal}
    parts["psnr"] = {name: -values for name, values in arrays(clips, "psnr").items()}
    if has(clips, "distance"):
        parts["distance"] = arrays(clips, "distance")
    if camera is not None:
        parts |= {"peak": arrays(clips, "peak"), "camera": camera}
    return parts


def clip_numbers(
    labels: PerClip, parts: Mapping[str, PerClip], controls: Mapping[str, PerClip]
) -> dict[str, Any]:
    """AUC over clips, by each pooling of each score.

    Args:
        labels: of the scored frames, all the same within a clip.
        parts: of `raw_parts`.
        controls: control scores of the same frames.
    """
    truth = {name: int(own[0]) for name, own in labels.items()}
    measured = {name: video_metrics(truth, part) for name, part in parts.items()}
    first = next(iter(measured.values()))
    pooled = {
        name: {
            clip: {p: of(np.asarray(s)) for p, of in POOLINGS.items()} for clip, s in part.items()
        }
        for name, part in parts.items()
    }
    main = next(iter(parts))
    return {
        "abnormal_clips": first.abnormal,
        "video_auc": {name: one.auc for name, one in measured.items()},
        "video_auc_interval_95": {p: _interval(truth, pooled[main], p) for p in POOLINGS},
        "length_auc": first.length_auc,
        "controls": {name: video_metrics(truth, controls[name]).auc for name in CONTROLS},
        "clip_scores": {
            clip: {
                "label": truth[clip],
                "frames": len(labels[clip]),
                **{name: pooled[name][clip] for name in parts},
            }
            for clip in truth
        },
    }


def _interval(
    truth: Mapping[str, int], pooled: Mapping[str, Mapping[str, float]], pooling: str
) -> list[float] | None:
    found = bootstrap_auc(
        {clip: [label] for clip, label in truth.items()},
        {clip: [values[pooling]] for clip, values in pooled.items()},
    )
    return None if found is None else [found.low, found.high]


CLIP_RULES = {
    "unit": "whole clips: one label and one score each",
    "pooling": "mean of all frame scores of a clip, the highest, the mean of the highest 5 % (at "
    "least one); raw scores, never scaled by clip, which would take away what tells one clip from "
    "another",
    "length_auc": "AUC of the number of scored frames alone",
    "interval_rule": RULES["interval_rule"],
}
"""What stands in the protocol in place of the rules of frame AUC."""
