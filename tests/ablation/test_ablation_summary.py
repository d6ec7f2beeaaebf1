"""Means over seeds by hand, and a row with another weight against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mnad.ablation.summary import FACTS, difference, numbers, over_seeds, row_numbers

FOUR = ("per_clip_minmax_micro", "whole_set_minmax_micro", "causal_micro", "macro")


def protocols(first: float) -> dict[str, float]:
    return {name: first + 0.01 * place for place, name in enumerate(FOUR)}


def evaluated() -> dict[str, object]:
    rng = np.random.default_rng(0)
    detail = {}
    for clip in "ab":
        label = (np.arange(12) >= 6).astype(int)
        detail[clip] = {
            "label": label.tolist(),
            "psnr": (30 - 2 * label + rng.normal(0, 2, 12)).tolist(),
            "distance": (0.1 + 0.05 * label + rng.normal(0, 0.05, 12)).tolist(),
        }
    return {
        "auc": protocols(0.9),
        "protocol": {"memory": {"share_of_frames_that_updated": 0.25}},
        "parts": {"psnr": protocols(0.8), "distance": protocols(0.6), "camera": protocols(0.7)},
        "frames_detail": detail,
    }


def test_mean_and_spread_by_hand() -> None:
    found = over_seeds({1: 0.9, 2: 0.8, 3: 0.94, 4: None})
    assert found["mean"] == pytest.approx(0.88)
    # Deviations 0.02, -0.08, 0.06: their squares add up to 0.0104, halved as there are three.
    assert found["sd"] == pytest.approx(0.0052**0.5)
    assert (found["min"], found["max"], found["n"]) == (0.8, 0.94, 3)
    assert found["by_seed"] == {"1": 0.9, "2": 0.8, "3": 0.94, "4": None}


def test_one_seed_has_no_spread_and_none_has_no_mean() -> None:
    assert over_seeds({2: 0.5})["sd"] is None and over_seeds({2: 0.5})["mean"] == 0.5
    assert over_seeds({1: None})["mean"] is None and over_seeds({})["n"] == 0


def test_the_difference_is_taken_seed_by_seed() -> None:
    row = {seed: {"auc": value} for seed, value in ((1, 0.9), (2, 0.7), (3, 0.5))}
    other = {seed: {"auc": value} for seed, value in ((1, 0.8), (2, 0.65), (4, 0.1))}
    found = difference(row, other)  # type: ignore[arg-type]
    assert found["mean"] == pytest.approx(0.075) and found["n"] == 2
    assert found["sd"] == pytest.approx(0.05 / 2**0.5)


def test_a_row_has_the_numbers_of_its_score() -> None:
    result = evaluated()
    plain = numbers(result, None, None, None)
    assert (plain["auc"], plain["whole_set"], plain["causal"]) == pytest.approx((0.9, 0.91, 0.92))
    assert plain["macro"] == pytest.approx(0.93)
    assert (plain["psnr_alone"], plain["distance_alone"]) == (0.8, 0.6)
    assert plain["camera"] == pytest.approx(0.72)
    assert plain["items_unused"] is None and plain["updated"] is None
    facts = {name: 0.5 for name in FACTS}
    assert numbers(result, facts, None, None)["updated"] == 0.25
    assert numbers(result, None, 1.0, None)["auc"] == 0.8
    assert numbers(result, None, 0.0, None)["causal"] == pytest.approx(0.62)
    assert row_numbers({1: plain, 2: plain})["auc"]["mean"] == pytest.approx(0.9)


def test_another_weight_is_equation_16_on_the_stored_parts() -> None:
    result = evaluated()
    scores, labels = [], []
    for one in result["frames_detail"].values():  # type: ignore[attr-defined]
        psnr, distance = np.array(one["psnr"]), np.array(one["distance"])
        normal = (psnr - psnr.min()) / np.ptp(psnr)
        far = (distance - distance.min()) / np.ptp(distance)
        scores += (0.3 * (1 - normal) + 0.7 * far).tolist()
        labels += one["label"]
    found = numbers(result, None, 0.3, None)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["causal"] is None  # without a reference there are no ranks
