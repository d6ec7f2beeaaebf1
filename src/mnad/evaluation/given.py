"""Scores of anyone's method against labels, in every protocol, with what belongs beside them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from mnad.errors import MnadError
from mnad.evaluation.score_files import Floats, Frames, Series, Truth
from mnad.evaluation.summary import (
    RULES,
    intervals,
    labels_digest,
    measure,
    per_clip_table,
    plain,
    single,
)
from mnad.metrics.controls import blind_scores
from mnad.metrics.scores import checked_scores
from mnad.metrics.video import video_metrics


class Matched(NamedTuple):
    """The scored frames of a clip, (T,) each: numbers, scores, labels, places among all frames."""

    frames: Frames
    scores: Floats
    labels: Floats
    places: Frames


def evaluate_scores(
    scores: Mapping[str, Series],
    truth: Truth,
    *,
    first_frame: int = 0,
    low_is_abnormal: bool = False,
) -> dict[str, Any]:
    """Measure scores in every protocol.

    Args:
        scores: clip to its scores.
        truth: labels of the same clips, per frame or per clip.
        first_frame: number of the first scored frame of each clip whose scores are not numbered.
        low_is_abnormal: turn the sign.

    Returns:
        What `mnad.score_file` documents.

    Raises:
        MnadError: scores and labels that do not belong together, or scores that are no numbers.
    """
    _same_clips(scores, truth.clips)
    sign = -1.0 if low_is_abnormal else 1.0
    whole = [name for name, series in truth.clips.items() if series.whole]
    if whole and len(whole) < len(truth.clips):
        raise MnadError(f"Clip {whole[0]} has one label but others one per frame; use one kind.")
    checked = {
        n: sign * s for n, s in checked_scores({n: s.values for n, s in scores.items()}).items()
    }
    clips = {
        name: _matched(name, series, checked[name], truth.clips[name], first_frame)
        for name, series in scores.items()
    }
    labels = {name: clip.labels for name, clip in clips.items()}
    given = {name: clip.scores for name, clip in clips.items()}
    of_clip = {name: int(y[0]) for name, y in labels.items() if (y == y[0]).all()}
    result = {
        "clips": len(clips),
        "frames": sum(len(clip.frames) for clip in clips.values())
        + sum(_unscored(clip, truth.clips[name]) for name, clip in clips.items()),
        "scored_frames": sum(len(y) for y in labels.values()),
        "abnormal_frames": int(sum(y.sum() for y in labels.values())),
        "constant_clips": [name for name, s in given.items() if (s == s[0]).all()],
        "frame": None if whole else _frame_level(clips, labels, given),
        "video": asdict(video_metrics(of_clip, given)) if len(of_clip) == len(clips) else None,
        "protocol": {
            "label_source": truth.source,
            "labels_sha256": labels_digest(labels if not whole else _per_clip(of_clip)),
            "labels_are": "of whole clips" if whole else "of frames",
            "warnings": list(truth.warnings),
            "first_frame": first_frame,
            "low_is_abnormal": low_is_abnormal,
            "macro_rule": "mean of per-clip AUC; one-class clips skipped; padded: with them, a "
            "normal frame scored 0 and an abnormal one scored 1 added to each clip",
            **RULES,
            "versions": {
                "mnad": version("mnad"),
                "numpy": np.__version__,
                "scikit-learn": version("scikit-learn"),
                "python": platform.python_version(),
            },
        },
    }
    out: dict[str, Any] = plain(result)
    return out


def _frame_level(
    clips: Mapping[str, Matched], labels: dict[str, Floats], given: dict[str, Floats]
) -> dict[str, Any]:
    main = single(given)
    # Those of the scored ones among all frames of a clip, as `mnad.evaluation.frames` has them.
    blind = {
        name: {key: every[c.places] for key, every in blind_scores(c.places[-1] + 1, n).items()}
        for n, (name, c) in enumerate(clips.items())
    }
    controls = {
        **{key: {name: own[key] for name, own in blind.items()} for key in ("constant", "random")},
        "frame_index": {name: clip.frames.astype(np.float64) for name, clip in clips.items()},
        "clip_id": {
            name: np.full(len(clip.frames), float(number))
            for number, (name, clip) in enumerate(clips.items())
        },
    }
    return {
        **measure(labels, main),
        "auc_interval_95": intervals(labels, main),
        "macro": per_clip_table(labels, main),
        "controls": {n: measure(labels, single(part))["auc"] for n, part in controls.items()},
    }


def _per_clip(of_clip: dict[str, int]) -> dict[str, Floats]:
    return {name: np.array([float(label)]) for name, label in of_clip.items()}


def _same_clips(scores: Mapping[str, Series], labels: Mapping[str, Series]) -> None:
    for one, other, has, lacks in (
        (scores, labels, "scores", "labels"),
        (labels, scores, "labels", "scores"),
    ):
        missing = [name for name in one if name not in other]
        if missing:
            raise MnadError(
                f"There are {has} but no {lacks} for clip {_some(missing)}; the {lacks} name "
                f"{_some(list(other))}: give the same clips to both."
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _matched(name: str, series: Series, scores: Floats, labels: Series, first: int) -> Matched:
    """Scores and labels of a clip by frame number."""
    count = len(scores)
    frames = series.frames if series.frames is not None else np.arange(first, first + count)
    if labels.whole:
        return Matched(frames, scores, np.full(count, float(labels.values)), np.arange(count))
    numbers = labels.frames if labels.frames is not None else np.arange(len(labels.values))
    known = dict(zip(numbers.tolist(), labels.values.tolist(), strict=True))
    strange = [n for n in frames.tolist() if n not in known]
    if series.frames is None and (strange or len(numbers[numbers >= first]) != count):
        raise MnadError(
            f"Clip {name} has {count} scores from frame {first} on but labels of {len(numbers)} "
            "frames: say first_frame if the first frames have no score, or number the scores in a "
            "CSV file with the header clip,frame,score."
        )
    if strange:
        raise MnadError(
            f"Clip {name} has a score of frame {strange[0]} but no label of it; its labels are of "
            f"frames {numbers.min()} to {numbers.max()}: frames count from 0."
        )
    found = np.array([known[n] for n in frames.tolist()])
    return Matched(frames, scores, found, np.searchsorted(numbers, frames))


def _unscored(clip: Matched, labels: Series) -> int:
    return 0 if labels.whole else labels.values.size - len(clip.frames)
