"""The numbers of an evaluation: four protocols, every part, the controls, the facts beside them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnad.metrics.damage import clip_damage
from mnad.metrics.frame import FrameMetrics, bootstrap_auc, causal_micro, macro
from mnad.metrics.scores import per_clip_minmax, whole_set_minmax
from mnad.scoring.smooth import causal_mean

if TYPE_CHECKING:
    from mnad.evaluation.clips import ClipScores
    from mnad.scoring.reference import Reference

Floats = NDArray[np.float64]
PerClip = Mapping[str, Floats]

RULES = {
    "eer_rule": "interpolated on the ROC curve",
    "ap_rule": "step sum",
    "interval_rule": "95 % bootstrap over clips, 2,000 draws, seed 0",
}
"""Of frame-level numbers, for the protocol beside them."""
PROTOCOLS = ("per_clip_minmax_micro", "whole_set_minmax_micro", "causal_micro", "macro")


@dataclass(frozen=True)
class Scores:
    """One detector's scores of every clip, in the normalisations that the protocols need.

    Attributes:
        per_clip: each part min-max scaled within its clip, then joined.
        whole_set: each part min-max scaled over the whole set, then joined.
        causal: made without look-ahead; None where that cannot be had.
    """

    per_clip: PerClip
    whole_set: PerClip
    causal: PerClip | None


def single(part: PerClip, sign: float = 1.0) -> Scores:
    """The scores of one part alone, which is causal as it is; `sign` -1 where low = abnormal."""
    score = {clip: sign * values for clip, values in part.items()}
    return Scores(per_clip_minmax(score), whole_set_minmax(score), score)


def combined(
    psnr: PerClip, distance: PerClip | None, weight: float, reference: Reference | None
) -> Scores:
    """The combined score: eq. 16 with each normalisation, and by ranks among normal frames.

    A part alone, without memory or with a weight of 1, is causal as it is.
    """
    if distance is None or weight == 1:
        return single(psnr, -1.0)
    parts = ({clip: -values for clip, values in psnr.items()}, distance)
    weights = (weight, 1 - weight)
    causal = None
    if reference is not None:
        causal = {clip: reference.causal_score(psnr[clip], distance[clip], weight) for clip in psnr}
    return Scores(
        per_clip_minmax(*parts, weights=weights),
        whole_set_minmax(*parts, weights=weights),
        causal,
    )


def camera_scores(clips: Sequence[ClipScores], reference: Reference) -> dict[str, Floats]:
    """The score for cameras: of single frames among normal ones, with a causal mean."""
    single = {clip.name: reference.score(clip.peak, clip.distance) for clip in clips}
    return {clip.name: causal_mean(clip.seconds, single[clip.name]) for clip in clips}


def measure(labels: PerClip, scores: Scores) -> dict[str, dict[str, float | None]]:
    """AUC, EER and AP of a detector in the four protocols: ``{"auc": {protocol: value}, …}``."""
    pooled: list[FrameMetrics | None] = [
        causal_micro(labels, scores.per_clip),
        causal_micro(labels, scores.whole_set),
        causal_micro(labels, scores.causal) if scores.causal is not None else None,
    ]
    of_clips = macro(labels, scores.per_clip)
    values: dict[str, dict[str, float | None]] = {"auc": {}, "eer": {}, "ap": {}}
    for name, found in zip(PROTOCOLS, [*pooled, of_clips], strict=True):
        values["auc"][name] = found.auc if found else None
        values["eer"][name] = found.eer_interpolated if found else None
        values["ap"][name] = found.ap if found else None
    return values


def per_clip_table(labels: PerClip, scores: Scores) -> dict[str, Any]:
    """What stands behind the macro figure: every clip's AUC and frame counts, one-class clips."""
    found = macro(labels, scores.per_clip)
    return {
        "auc": found.auc,
        "padded_auc": found.padded_auc,
        "one_class_clips": list(found.one_class),
        "clips": {
            name: {"auc": m.auc, "normal": m.frames - m.abnormal, "abnormal": m.abnormal}
            for name, m in found.per_clip.items()
        },
    }


def damages(labels: PerClip, scores: Scores) -> dict[str, Any]:
    """What each clip costs the pooled AUC, by protocol (`mnad.metrics.damage`); None without."""
    found: dict[str, Any] = {}
    pooled = (scores.per_clip, scores.whole_set, scores.causal)
    for name, score in zip(PROTOCOLS, pooled, strict=False):
        of_clips = None if score is None else clip_damage(labels, score)
        found[name] = of_clips and {clip: asdict(one) for clip, one in of_clips.items()}
    return found


def intervals(labels: PerClip, scores: Scores) -> dict[str, list[float] | None]:
    """95 % bootstrap intervals by clip of the pooled AUC."""
    found: dict[str, list[float] | None] = {}
    for name, score in (
        ("per_clip_minmax_micro", scores.per_clip),
        ("causal_micro", scores.causal),
    ):
        interval = bootstrap_auc(labels, score) if score is not None else None
        found[name] = None if interval is None else [interval.low, interval.high]
    return found


def arrays(clips: Sequence[ClipScores], field: str) -> dict[str, Floats]:
    """One field of every clip as float64 arrays."""
    return {clip.name: np.asarray(getattr(clip, field), np.float64) for clip in clips}


def labels_digest(labels: PerClip) -> str:
    """sha256 of the names of the clips, in order, each followed by its labels, a byte a frame."""
    digest = hashlib.sha256()
    for name, own in labels.items():
        digest.update(name.encode() + own.astype(np.uint8).tobytes())
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Numbers that JSON can hold: NaN and infinity become null, arrays lists."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
