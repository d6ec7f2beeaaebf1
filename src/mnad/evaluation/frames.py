"""The numbers of an evaluation whose labels are of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnad.datasets.clip import Clip
from mnad.evaluation.clips import ClipScores, Intake
from mnad.evaluation.summary import (
    PerClip,
    Scores,
    arrays,
    damages,
    intervals,
    measure,
    per_clip_table,
    single,
)
from mnad.metrics.controls import control_scores


def frame_numbers(
    clips: Sequence[ClipScores],
    labels: PerClip,
    main: Scores,
    camera: PerClip | None,
    controls: Mapping[str, PerClip],
) -> dict[str, Any]:
    """AUC, EER and AP in the four protocols, of the whole score, each part and the controls.

    Args:
        clips: the parts of their frames.
        labels: of the scored frames.
        main: the combined score.
        camera: the score for cameras; None without.
        controls: of `controls_of`.
    """
    parts = {"psnr": measure(labels, single(arrays(clips, "psnr"), -1.0))["auc"]}
    parts["distance"] = dict.fromkeys(parts["psnr"])
    if has(clips, "distance"):
        parts["distance"] = measure(labels, single(arrays(clips, "distance")))["auc"]
    if camera is not None:
        parts["peak"] = measure(labels, single(arrays(clips, "peak")))["auc"]
        parts["camera"] = measure(labels, single(camera))["auc"]
    return {
        **measure(labels, main),
        "auc_interval_95": intervals(labels, main),
        "parts": parts,
        "controls": {
            name: measure(labels, single(score))["auc"] for name, score in controls.items()
        },
        "macro": per_clip_table(labels, main),
        "damage": damages(labels, main),
    }


def has(clips: Sequence[ClipScores], field: str) -> bool:
    """Whether a part is a number; NaN stands for one that the model does not have."""
    first = getattr(clips[0], field)[0]
    return bool(first == first)


def controls_of(
    clips: Sequence[ClipScores], by_name: Mapping[str, Clip], intake: Intake
) -> dict[str, dict[str, Any]]:
    """The control scores of the scored frames: control to clip to (T,)."""
    scores: dict[str, dict[str, Any]] = {}
    for number, clip in enumerate(clips):
        frames = intake.frames(by_name[clip.name].path)
        whole = control_scores((frame.pixels for frame in frames), number)
        for name, values in whole.items():
            scores.setdefault(name, {})[clip.name] = values[clip.index]
    return scores
