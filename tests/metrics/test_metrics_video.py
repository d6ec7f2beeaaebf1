"""Whole clips: pooling by hand, the control of their length, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mnad.errors import MnadError
from mnad.metrics.video import POOLINGS, video_metrics


def test_pooling_by_hand() -> None:
    scores = np.arange(40.0)[::-1]
    assert {name: pooled(scores) for name, pooled in POOLINGS.items()} == {
        "mean": 19.5,
        "max": 39.0,
        "top_5_percent": 38.5,
    }
    # 41 frames: the three highest; a single frame is its own top.
    assert POOLINGS["top_5_percent"](np.arange(41.0)) == 39.0
    assert POOLINGS["top_5_percent"](np.array([3.0])) == 3.0


def test_auc_of_pooled_scores_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = {str(n): int(n % 3 == 0) for n in range(30)}
    scores = {c: rng.normal(labels[c] * 0.3, 1, rng.integers(5, 60)) for c in reversed(labels)}
    found = video_metrics(labels, scores)
    y = [labels[clip] for clip in scores]
    for name, pooled in POOLINGS.items():
        expected = roc_auc_score(y, [pooled(s) for s in scores.values()])
        assert found.auc[name] == pytest.approx(expected, abs=1e-12)
    lengths = [len(s) for s in scores.values()]
    assert found.length_auc == pytest.approx(roc_auc_score(y, lengths), abs=1e-12)
    assert (found.clips, found.abnormal) == (30, 10)


def test_length_alone_separates_and_the_mean_does_not_see_it() -> None:
    found = video_metrics(
        {"a": 0, "b": 1, "c": 1}, {"a": np.ones(5), "b": np.ones(9), "c": np.ones(8)}
    )
    assert found.length_auc == 1.0
    assert set(found.auc.values()) == {0.5}


@pytest.mark.parametrize("score", [0.1, 0.7, 1 / 3])
def test_one_score_everywhere_is_chance_whatever_the_lengths(score: float) -> None:
    """Their sums round by their length: 6 frames of 0.1 have the mean 0.09999999999999999."""
    labels = {str(length): int(length > 40) for length in range(2, 80)}
    found = video_metrics(labels, {clip: np.full(int(clip), score) for clip in labels})
    assert set(found.auc.values()) == {0.5}


def test_one_class_has_no_number() -> None:
    found = video_metrics({"a": 1, "b": 1}, {"a": [1.0], "b": [2.0]})
    assert set(found.auc.values()) == {None} and found.length_auc is None


def test_what_is_refused() -> None:
    with pytest.raises(MnadError, match="'b' has scores but no label"):
        video_metrics({"a": 0}, {"a": [1.0], "b": [1.0]})
    with pytest.raises(MnadError, match="'b' has a label but no scores"):
        video_metrics({"a": 0, "b": 1}, {"a": [1.0]})
    with pytest.raises(MnadError, match="has the label 2"):
        video_metrics({"a": 2}, {"a": [1.0]})
    with pytest.raises(MnadError, match="NaN"):
        video_metrics({"a": 0}, {"a": [np.nan]})
