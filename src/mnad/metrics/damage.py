"""What each clip costs a pooled AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnad.metrics.pairs import checked_pairs, pairs_won
from mnad.metrics.scores import ClipValues


@dataclass(frozen=True)
class Damage:
    """What one clip costs the pooled AUC; all shares are of all pairs of the set.

    Attributes:
        damage: by how much the pooled AUC would rise, 0..1, were this clip ranked perfectly: its
            abnormal frames above all normal frames of the set, its normal ones below all abnormal
            ones. A pair of two clips that is ranked wrongly counts for both.
        missed: the part of it that is due to the clip's abnormal frames.
        false_alarms: the part that is due to its normal frames; pairs within the clip count in
            both parts.
        without: the pooled AUC of all other clips, 0..1; None where they lack a class.
    """

    damage: float
    missed: float
    false_alarms: float
    without: float | None


def clip_damage(labels: ClipValues, scores: ClipValues) -> dict[str, Damage] | None:
    """The damage of every clip.

    Args:
        labels: clip to (T,) of 0 and 1.
        scores: clip to (T,) scores, already normalised if the protocol wants it.

    Returns:
        In the order of the scores; None where the pooled AUC is undefined.

    Raises:
        MnadError: as for `mnad.metrics.frame.causal_micro`.
    """
    pairs = checked_pairs(labels, scores)
    abnormal = np.array([y.sum() for y, _ in pairs.values()], dtype=np.float64)
    normal = np.array([(~y).sum() for y, _ in pairs.values()], dtype=np.float64)
    compared = abnormal.sum() * normal.sum()
    if compared == 0:
        return None
    won = pairs_won(list(pairs.values()))
    lost = np.outer(abnormal, normal) - won
    found: dict[str, Damage] = {}
    for i, clip in enumerate(pairs):
        missed, alarms, within = lost[i].sum(), lost[:, i].sum(), lost[i, i]
        rest = (abnormal.sum() - abnormal[i]) * (normal.sum() - normal[i])
        kept = won.sum() - won[i].sum() - won[:, i].sum() + won[i, i]
        found[clip] = Damage(
            float((missed + alarms - within) / compared),
            float(missed / compared),
            float(alarms / compared),
            float(kept / rest) if rest else None,
        )
    return found
