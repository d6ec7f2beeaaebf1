from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mnad.metrics.damage import clip_damage


def some_clips(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Four clips with ties; the third is wholly abnormal, the fourth wholly normal."""
    rng = np.random.default_rng(seed)
    labels = {"a": rng.integers(0, 2, 30), "b": rng.integers(0, 2, 20)}
    labels |= {"c": np.ones(10, int), "d": np.zeros(15, int)}
    scores = {c: np.round(rng.normal(0.6 * y, 1), 1) for c, y in labels.items()}
    return labels, scores


def auc_of(labels: dict[str, np.ndarray], scores: dict[str, np.ndarray]) -> float:
    return float(
        roc_auc_score(np.concatenate([*labels.values()]), np.concatenate([*scores.values()]))
    )


def test_damage_by_ranking_each_clip_perfectly_and_by_taking_it_out() -> None:
    labels, scores = some_clips()
    whole = auc_of(labels, scores)
    found = clip_damage(labels, scores)
    assert found is not None and list(found) == list(labels)
    for clip, damage in found.items():
        y = labels[clip]
        perfect = scores | {clip: np.where(y == 1, 1e6, -1e6)}
        assert damage.damage == pytest.approx(auc_of(labels, perfect) - whole, abs=1e-12)
        hits = scores | {clip: np.where(y == 1, 1e6, scores[clip])}
        assert damage.missed == pytest.approx(auc_of(labels, hits) - whole, abs=1e-12)
        quiet = scores | {clip: np.where(y == 0, -1e6, scores[clip])}
        assert damage.false_alarms == pytest.approx(auc_of(labels, quiet) - whole, abs=1e-12)
        rest = {c: v for c, v in labels.items() if c != clip}
        assert damage.without == pytest.approx(auc_of(rest, {c: scores[c] for c in rest}))
    assert found["c"].false_alarms == found["d"].missed == 0


def test_a_single_clip_costs_all_that_is_lost_and_nothing_is_left_without_it() -> None:
    labels, scores = {"a": np.array([0, 0, 1, 1])}, {"a": np.array([0.1, 0.4, 0.35, 0.8])}
    found = clip_damage(labels, scores)
    assert found is not None
    assert found["a"].damage == pytest.approx(1 - 0.75)
    assert found["a"].without is None


def test_without_one_class_there_is_no_damage() -> None:
    assert clip_damage({"a": [1, 1]}, {"a": [0.1, 0.2]}) is None
