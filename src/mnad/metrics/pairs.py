"""Pairs of an abnormal and a normal frame, clip by clip: what every ranking is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.metrics.scores import Array, ClipValues, check_by_clip, check_same_frames, checked_scores

Pair = tuple[NDArray[np.bool_], Array]
"""Labels and scores of one clip, (T,) each."""


def checked_pairs(labels: ClipValues, scores: ClipValues) -> dict[str, Pair]:
    """Labels and scores of each clip, in the order of the scores.

    Raises:
        MnadError: no mappings, labels and scores that differ in clips or lengths, labels other than
            0 and 1, scores that are NaN or infinite.
    """
    s = checked_scores(scores)
    check_by_clip(labels, "labels")
    y = {clip: np.asarray(v) for clip, v in labels.items()}
    check_same_frames(s, y, "scores", "labels")
    for clip, v in y.items():
        if not np.isin(v, (0, 1)).all():
            raise MnadError(
                f"Clip {clip!r} has labels other than 0 and 1; use 1 for abnormal, 0 for normal."
            )
    return {clip: (y[clip].astype(bool), s[clip]) for clip in s}


def pairs_won(pairs: Sequence[Pair]) -> Array:
    """How many pairs of frames are ranked rightly, ties counted half.

    Args:
        pairs: of n clips.

    Returns:
        (n, n): in row i and column j the pairs of an abnormal frame of clip i and a normal one of
        clip j in which the abnormal one has the higher score.
    """
    return np.array([[_won(s[y], t[~z]) for z, t in pairs] for y, s in pairs])


def check_replicates(replicates: int) -> None:
    """Refuse a bootstrap of nothing.

    Raises:
        UsageError: fewer than one.
    """
    if not replicates >= 1:
        raise UsageError(f"replicates is {replicates}; it is a number of draws, 1 or more.")


def draws(clips: int, replicates: int, seed: int) -> NDArray[np.int64]:
    """How often each clip is drawn in each bootstrap replicate, (replicates, clips)."""
    share = np.full(clips, 1 / clips)
    counts: NDArray[np.int64] = np.random.default_rng(seed).multinomial(
        clips, share, size=replicates
    )
    return counts


def _won(abnormal: Array, normal: Array) -> float:
    known = np.sort(normal)
    below = np.searchsorted(known, abnormal, side="left")
    return float((below + np.searchsorted(known, abnormal, side="right")).sum() / 2)
