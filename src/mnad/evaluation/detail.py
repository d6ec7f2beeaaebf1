"""What a report tells beyond the numbers, taken from the result of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mnad.metrics.curves import Curves, pooled_curves

APART = 25
"""Frames of one clip nearer to each other than this show the same thing."""
MOST = 6
"""Frames shown of each kind."""
MOST_OF_A_CLIP = 2
"""Of them, at most so many are of one clip."""


class Chosen(NamedTuple):
    """The score that a report follows frame by frame.

    Attributes:
        key: of a clip's entry in ``frames_detail``; its values lie in 0..1.
        protocol: in which it is measured.
    """

    key: str
    protocol: str


class Moment(NamedTuple):
    """A frame that was ranked wrongly.

    Attributes:
        clip: its name.
        frame: its number in the clip, from 0.
        position: among the scored frames of the clip.
        score: as chosen.
        wrong: share of the frames of the other class that its score is on the wrong side of, ties
            counted half; None where there are none.
    """

    clip: str
    frame: int
    position: int
    score: float
    wrong: float | None


def chosen_score(result: Mapping[str, Any]) -> Chosen:
    """The causal score, as that is what a camera would have had.

    A model that was never shown normal footage has none; then it is the one scaled over the whole
    set, which looks ahead. Of a single part the causal score is the negated PSNR in decibels;
    scaled over the whole set it ranks all frames as before, and lies in 0..1 as the others do.
    """
    causal = [clip["score"] for clip in result["frames_detail"].values()]
    if any(scores is None for scores in causal):
        return Chosen("whole_set", "whole_set_minmax_micro")
    if any(not 0 <= score <= 1 for scores in causal for score in scores):
        return Chosen("whole_set", "causal_micro")
    return Chosen("score", "causal_micro")


def curves_of(result: Mapping[str, Any]) -> dict[str, Curves]:
    """ROC and precision-recall curves in the chosen and the paper's protocol, where defined."""
    detail = result["frames_detail"]
    labels = {name: clip["label"] for name, clip in detail.items()}
    found: dict[str, Curves] = {}
    for key, protocol in (chosen_score(result), Chosen("per_clip", "per_clip_minmax_micro")):
        curves = pooled_curves(labels, {name: clip[key] for name, clip in detail.items()})
        if curves is not None:
            found[protocol] = curves
    return found


def worst_moments(
    result: Mapping[str, Any], most: int = MOST, apart: int = APART, of_a_clip: int = MOST_OF_A_CLIP
) -> tuple[list[Moment], list[Moment]]:
    """The normal frames with the highest and the abnormal ones with the lowest chosen score.

    Args:
        result: of an evaluation.
        most: of each kind.
        apart: least number of frames between two of one clip and kind.
        of_a_clip: most of one clip and kind.

    Returns:
        False alarms and misses, the worst first.
    """
    key = chosen_score(result).key
    rows = [
        (clip, frame, position, score, label)
        for clip, d in result["frames_detail"].items()
        for position, (frame, score, label) in enumerate(
            zip(d["index"], d[key], d["label"], strict=True)
        )
    ]
    scores = {label: np.sort([r[3] for r in rows if r[4] == label]) for label in (0, 1)}
    kinds: list[list[Moment]] = []
    for label in (0, 1):
        sign = 1 if label else -1
        taken: list[Moment] = []
        for clip, frame, position, score, _ in sorted(
            (r for r in rows if r[4] == label), key=lambda r: sign * r[3]
        ):
            same = [m.frame for m in taken if m.clip == clip]
            if len(same) >= of_a_clip or any(abs(frame - other) < apart for other in same):
                continue
            others = scores[1 - label]
            below = np.searchsorted(others, score, "left") + np.searchsorted(others, score, "right")
            share = float(below) / 2 / len(others) if len(others) else None
            wrong = None if share is None else 1 - share if label else share
            taken.append(Moment(clip, frame, position, score, wrong))
            if len(taken) == most:
                break
        kinds.append(taken)
    return kinds[0], kinds[1]
