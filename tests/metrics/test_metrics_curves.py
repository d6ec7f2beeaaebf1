from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from mnad.metrics.curves import GRID, MOST_STEPS, pooled_curves
from mnad.metrics.pairs import draws


def some_clips(frames: int, ties: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    labels = {f"{i}": (rng.random(frames) < 0.4).astype(int) for i in range(4)}
    labels["one class"] = np.ones(frames, int)
    return labels, {c: np.round(rng.normal(0.8 * y, 1), ties) for c, y in labels.items()}


@pytest.mark.parametrize(("frames", "ties"), [(40, 1), (3000, 6)])
def test_the_areas_are_auc_and_average_precision(frames: int, ties: int) -> None:
    labels, scores = some_clips(frames, ties)
    y, s = np.concatenate([*labels.values()]), np.concatenate([*scores.values()])
    found = pooled_curves(labels, scores, replicates=10)
    assert found is not None
    assert auc(found.fpr, found.tpr) == pytest.approx(roc_auc_score(y, s), abs=1e-12)
    area = (np.diff(found.recall, prepend=0) * found.precision).sum()
    assert area == pytest.approx(average_precision_score(y, s), abs=1e-12)
    assert len(found.recall) <= MOST_STEPS and found.recall[-1] == 1
    assert (np.diff(found.recall) > 0).all()


def test_the_bands_against_frames_repeated_by_hand() -> None:
    labels, scores = some_clips(30, 1)
    found = pooled_curves(labels, scores, replicates=60, seed=3)
    assert found is not None and found.roc_band is not None and found.pr_band is not None
    rows = []
    for count in draws(5, 60, 3):
        y = np.concatenate([np.tile(labels[c], n) for c, n in zip(labels, count, strict=True)])
        s = np.concatenate([np.tile(scores[c], n) for c, n in zip(labels, count, strict=True)])
        if y.all():
            continue
        fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
        on_roc = []
        for x in GRID:
            same = tpr[np.isclose(fpr, x, rtol=0, atol=1e-12)]
            after = int(np.argmax(fpr > x))
            share = (x - fpr[after - 1]) / (fpr[after] - fpr[after - 1] or 1)
            between = tpr[after - 1] + share * (tpr[after] - tpr[after - 1])
            on_roc.append(same.max() if same.size else between)
        precision, recall, _ = precision_recall_curve(y, s)
        precision, recall = precision[::-1][1:], recall[::-1][1:]  # from the highest score down
        on_pr = []
        for x in GRID:
            reached = np.flatnonzero((recall >= x - 1e-9) & (recall > 0))
            on_pr.append(precision[reached[0]])
        rows.append((on_roc, on_pr))
    low, high = np.quantile(np.array(rows), [0.025, 0.975], axis=0)
    np.testing.assert_allclose([found.roc_band.low, found.pr_band.low], low, atol=1e-9)
    np.testing.assert_allclose([found.roc_band.high, found.pr_band.high], high, atol=1e-9)


def test_one_clip_has_no_band_and_one_class_no_curve() -> None:
    single = pooled_curves({"a": [0, 1, 1]}, {"a": [0.2, 0.1, 0.4]})
    assert single is not None and single.roc_band is None and single.pr_band is None
    assert pooled_curves({"a": [1, 1]}, {"a": [0.2, 0.1]}) is None
