from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from mnad.errors import MnadError, UsageError
from mnad.metrics.curves import pooled_curves
from mnad.metrics.frame import (
    bootstrap_auc,
    causal_micro,
    macro,
    padded_auc,
    per_clip_minmax_micro,
    whole_set_minmax_micro,
)
from mnad.metrics.scores import (
    minmax,
    per_clip_minmax,
    whole_set_minmax,
)

Array = NDArray[np.float64]

SCORES: dict[str, list[float]] = {"1": [1, 2, 3, 4], "2": [10, 11, 12, 13]}
LABELS = {"1": [0, 0, 1, 1], "2": [0, 0, 0, 1]}
NORMAL = SCORES | {"3": [0.10, 0.11, 0.12, 0.13]}, LABELS | {"3": [0, 0, 0, 0]}
ABNORMAL = SCORES | {"3": [20.0, 21, 22, 23]}, LABELS | {"3": [1, 1, 1, 1]}
SINGLE = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]

PSNR, DISTANCE = [30, 32, 28, 36], [0.2, 0.1, 0.4, 0.1]


def pairwise_auc(labels: NDArray[np.int64], scores: Array) -> float:
    """P(s+ > s-) + P(s+ = s-) / 2, pair by pair."""
    won = 0.0
    for s in scores[labels == 1]:
        for t in scores[labels == 0]:
            won += 1.0 if s > t else 0.5 if s == t else 0.0
    return won / (int((labels == 1).sum()) * int((labels == 0).sum()))


def random_clips(
    seed: int, clips: int = 6, levels: int = 8
) -> tuple[dict[str, Array], dict[str, NDArray[np.int64]]]:
    """Scores on few levels, so with many ties, and labels; clip 0 is wholly normal."""
    rng = np.random.default_rng(seed)
    scores: dict[str, Array] = {}
    labels: dict[str, NDArray[np.int64]] = {}
    for c in range(clips):
        n = int(rng.integers(5, 40))
        labels[str(c)] = rng.integers(0, 2, n) * (c > 0)
        scores[str(c)] = (rng.integers(0, levels, n) + labels[str(c)] + c % 3).astype(np.float64)
    return scores, labels


def eq_16(psnr: ArrayLike, distance: ArrayLike) -> np.ndarray:
    """Of one clip with lambda 0.6."""
    negated = {"a": -np.asarray(psnr, np.float64)}
    return per_clip_minmax(negated, {"a": distance}, weights=(0.6, 0.4))["a"]


def test_worked_example_of_the_normality_score() -> None:
    np.testing.assert_allclose(eq_16(PSNR, DISTANCE), [0.583333, 0.3, 1, 0], atol=5e-7)


def test_minmax() -> None:
    assert minmax([3, 5, 4]).tolist() == [0, 1, 0.5]
    assert minmax([2.5, 2.5]).tolist() == [0, 0]


def test_constant_parts_add_nothing() -> None:
    assert eq_16([30, 30], [0.1, 0.2]) == pytest.approx([0, 0.4])
    assert eq_16([30, 20], [0.1, 0.1]) == pytest.approx([0, 0.6])
    assert eq_16([100], [0.0]) == pytest.approx([0])


@pytest.mark.parametrize(
    ("scores", "labels", "raw", "whole", "per_clip"),
    [
        (SCORES, LABELS, 0.6, 0.6, 0.966667),
        (*NORMAL, 0.777778, 0.777778, 0.907407),
        (*ABNORMAL, 0.828571, 0.828571, 0.8),
    ],
)
def test_worked_examples_of_the_protocols(
    scores: dict[str, list[float]],
    labels: dict[str, list[int]],
    raw: float,
    whole: float,
    per_clip: float,
) -> None:
    assert causal_micro(labels, scores).auc == pytest.approx(raw, abs=5e-7)
    assert whole_set_minmax_micro(labels, scores).auc == pytest.approx(whole, abs=5e-7)
    assert per_clip_minmax_micro(labels, scores).auc == pytest.approx(per_clip, abs=5e-7)
    result = macro(labels, scores)
    assert result.auc == 1.0
    assert result.one_class == tuple(c for c in scores if c == "3")


def test_worked_example_of_eer_and_average_precision() -> None:
    result = causal_micro({"a": SINGLE[1]}, {"a": SINGLE[0]})
    assert result.auc == pytest.approx(0.75)
    assert result.ap == pytest.approx(0.833333, abs=5e-7)
    assert result.eer_interpolated == pytest.approx(0.5)
    assert (result.frames, result.abnormal) == (4, 2)


def test_worked_examples_of_the_padded_rule() -> None:
    result = macro({"a": [0, 1], "b": [1, 1]}, {"a": [0.8, 0.2], "b": [0.1, 0.2]})
    assert result.padded_auc == pytest.approx((0.75 + 1) / 2)
    assert padded_auc([0, 1], [0.8, 0.2]) == 0.75
    assert padded_auc([1] * 150, np.linspace(0.1, 1, 150)) == 1.0
    assert padded_auc([0] * 7, np.linspace(0, 0.9, 7)) == 1.0
    # 60 normal frames, 120 abnormal ones, of 7,200 pairs 6,480 won: as by the closed form.
    y, s = np.repeat([0, 1, 1], [60, 12, 108]), np.repeat([0.5, 0.4, 0.6], [60, 12, 108])
    assert padded_auc(y, s) == pytest.approx(0.902452, abs=5e-7)


@pytest.mark.parametrize("seed", range(5))
def test_the_padded_rule_counts_ties_with_the_added_frames_half(seed: int) -> None:
    """Scores that are min-max scaled have a 0 and a 1 of their own."""
    rng = np.random.default_rng(seed)
    labels = {"a": rng.integers(0, 2, 30), "0": np.zeros(30, int), "1": np.ones(30, int)}
    labels["a"][:2] = 1, 0
    scores = {clip: np.array([0, 1, *rng.uniform(0, 1, 28).round(1)]) for clip in labels}
    padded = [roc_auc_score([0, *labels[clip], 1], [0, *scores[clip], 1]) for clip in labels]
    assert max(padded) < 1
    assert macro(labels, scores).padded_auc == pytest.approx(np.mean(padded), abs=1e-12)


def test_of_scores_beyond_0_to_1_there_is_no_padded_number() -> None:
    assert macro({"a": [0, 1]}, {"a": [0.5, 1.5]}).padded_auc is None
    assert macro({"a": [0, 1]}, {"a": [-0.5, 0.5]}).padded_auc is None


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [5, -3], "2 scores outside 0..1, the first at position 0"),
        ([0, 1], [0.5, np.nan], "1 scores outside 0..1, the first at position 1"),
        ([0, 2], [0.5, 0.5], "labels other than 0 and 1"),
        ([0, 1], [0.5], r"shape \(2,\) and scores of \(1,\)"),
        ([[0, 1]], [[0.5, 0.5]], "one of each"),
    ],
)
def test_what_the_padded_rule_refuses(labels: ArrayLike, scores: ArrayLike, message: str) -> None:
    with pytest.raises(MnadError, match=message):
        padded_auc(labels, scores)


@pytest.mark.parametrize("seed", range(8))
def test_auc_against_all_pairs(seed: int) -> None:
    scores, labels = random_clips(seed)
    y, s = np.concatenate([*labels.values()]), np.concatenate([*scores.values()])
    assert set(s[y == 1]) & set(s[y == 0]), "no ties: the test would miss how they count"
    pooled = pairwise_auc(y, s)
    assert causal_micro(labels, scores).auc == pytest.approx(pooled, abs=1e-12)
    result = macro(labels, scores)
    both = [c for c, y in labels.items() if 0 < y.sum() < len(y)]
    own = [pairwise_auc(labels[c], scores[c]) for c in both]
    assert result.auc == pytest.approx(np.mean(own), abs=1e-12)
    assert set(result.one_class) == set(labels) - set(both) >= {"0"}
    assert result.per_clip["0"].auc is None


@pytest.mark.parametrize("seed", range(8))
def test_eer_is_on_both_lines(seed: int) -> None:
    scores, labels = random_clips(seed)
    y, s = np.concatenate([*labels.values()]), np.concatenate([*scores.values()])
    # Walk the ROC by thresholds and bisect, along the broken line, for FPR = 1 - TPR.
    points = [(0.0, 0.0)]
    for threshold in sorted(set(s.tolist()), reverse=True):
        fired = s >= threshold
        points.append((float(fired[y == 0].mean()), float(fired[y == 1].mean())))
    low, high = 0.0, float(len(points) - 1)
    for _ in range(60):
        middle = (low + high) / 2
        i = min(int(middle), len(points) - 2)
        a, b = np.array(points[i]), np.array(points[i + 1])
        fpr, tpr = a + (middle - i) * (b - a)
        low, high = (middle, high) if fpr + tpr < 1 else (low, middle)
    assert causal_micro(labels, scores).eer_interpolated == pytest.approx(fpr, abs=1e-9)


def test_perfect_inverted_and_constant_scores() -> None:
    labels = {"a": [0, 0, 0, 1]}
    perfect = causal_micro(labels, {"a": [1, 2, 3, 4]})
    assert (perfect.auc, perfect.eer_interpolated, perfect.ap) == (1, 0, 1)
    inverted = causal_micro(labels, {"a": [4, 3, 2, 1]})
    assert (inverted.auc, inverted.eer_interpolated, inverted.ap) == (0, 1, 0.25)
    constant = causal_micro(labels, {"a": [7, 7, 7, 7]})
    assert (constant.auc, constant.eer_interpolated, constant.ap) == (0.5, 0.5, 0.25)


def test_two_parts_are_eq_16() -> None:
    scores, labels = random_clips(3)
    rng = np.random.default_rng(0)
    psnr = {c: rng.normal(30, 3, len(s)) for c, s in scores.items()}
    negated = {c: -p for c, p in psnr.items()}
    weights = (0.6, 0.4)
    for clip, combined in per_clip_minmax(negated, scores, weights=weights).items():
        expected = 0.6 * (1 - minmax(psnr[clip])) + 0.4 * minmax(scores[clip])
        np.testing.assert_allclose(combined, expected, atol=1e-15)
    pooled = np.concatenate([*psnr.values()]), np.concatenate([*scores.values()])
    whole = whole_set_minmax(negated, scores, weights=weights)
    expected = 0.6 * (1 - minmax(pooled[0])) + 0.4 * minmax(pooled[1])
    np.testing.assert_allclose(np.concatenate([*whole.values()]), expected, atol=1e-15)
    assert [len(s) for s in whole.values()] == [len(s) for s in scores.values()]
    f2 = whole_set_minmax_micro(labels, negated, scores, weights=weights).auc
    y = np.concatenate([*labels.values()])
    assert f2 == pytest.approx(pairwise_auc(y, expected), abs=1e-12)


def test_parts_are_matched_by_name_not_by_order() -> None:
    reordered = dict(reversed(SCORES.items()))
    combined = whole_set_minmax(SCORES, reordered, weights=(0.5, 0.5))
    for clip, score in whole_set_minmax(SCORES).items():
        assert combined[clip] == pytest.approx(score)
    swapped = causal_micro(dict(reversed(LABELS.items())), SCORES)
    assert swapped == causal_micro(LABELS, SCORES)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_number(label: int) -> None:
    labels = {"1": [label] * 4, "2": [label] * 4}
    for result in (causal_micro(labels, SCORES), macro(labels, SCORES)):
        assert (result.auc, result.eer_interpolated, result.ap) == (None, None, None)
    assert bootstrap_auc(labels, SCORES) is None


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ({"a": [0, 1, 1]}, {"a": [1.0, 2.0]}, r"'a' has scores of the shape \(2,\) but labels"),
        ({"a": [[0, 1]]}, {"a": [1.0, 2.0]}, r"'a' has .* labels of \(1, 2\)"),
        ({"a": [0, 1]}, {"a": [[1.0, 2.0]]}, "'a' .* one number per frame"),
        ({"a": [0, 1]}, {"a": [1.0, np.nan]}, "'a' has 1 .* NaN or infinite, .* position 1"),
        ({"a": [0, 1]}, {"a": [np.inf, 1.0]}, "'a' has 1 .* NaN or infinite, .* position 0"),
        ({"a": [0, 2]}, {"a": [1.0, 2.0]}, "'a' has labels other than 0 and 1"),
        ({"a": [0, 1]}, {"a": [1.0, 2.0], "b": [1.0]}, "'b' has scores but no labels"),
        ({"a": [0, 1], "b": [1]}, {"a": [1.0, 2.0]}, "'b' has labels but no scores"),
        ({"a": []}, {"a": []}, "'a' .* one number per frame"),
        ({}, {}, "no clip"),
        ([0, 1], {"a": [1.0, 2.0]}, "labels are list; give them by clip"),
        ({"a": [0, 1]}, np.array([1.0, 2.0]), "scores are ndarray; give them by clip"),
        ({"a": [0, 1]}, [1.0, 2.0], "scores are list; give them by clip"),
    ],
)
def test_bad_input_names_the_clip(labels: Any, scores: Any, message: str) -> None:
    for protocol in (per_clip_minmax_micro, whole_set_minmax_micro, causal_micro, macro):
        with pytest.raises(MnadError, match=message):
            protocol(labels, scores)
    with pytest.raises(MnadError, match=message):
        bootstrap_auc(labels, scores)


def test_bad_parts() -> None:
    with pytest.raises(MnadError, match="'2' has values of the first part but no"):
        per_clip_minmax(SCORES, {"1": SCORES["1"]}, weights=(0.5, 0.5))
    with pytest.raises(UsageError, match="2 parts and 1 weights"):
        whole_set_minmax(SCORES, SCORES)
    with pytest.raises(MnadError, match="values of the first part of the shape"):
        eq_16([1, 2], [1, 2, 3])


def test_bootstrap_against_pooling_the_drawn_clips() -> None:
    scores, labels = random_clips(1, clips=5)
    names, replicates, seed = list(scores), 200, 4
    counts = np.random.default_rng(seed).multinomial(5, [0.2] * 5, size=replicates)
    drawn = []
    for row in counts:
        chosen = [name for name, count in zip(names, row, strict=True) for _ in range(count)]
        y = np.concatenate([labels[c] for c in chosen])
        if 0 < y.sum() < len(y):
            drawn.append(pairwise_auc(y, np.concatenate([scores[c] for c in chosen])))
    interval = bootstrap_auc(labels, scores, confidence=0.9, replicates=replicates, seed=seed)
    assert interval is not None
    expected = np.quantile(drawn, [0.05, 0.95])
    assert [interval.low, interval.high] == pytest.approx(expected.tolist(), abs=1e-12)
    assert (interval.replicates, interval.undefined) == (replicates, replicates - len(drawn))


def test_bootstrap_of_equal_clips_is_a_point_and_of_one_clip_none() -> None:
    labels = {c: SINGLE[1] for c in "abc"}
    interval = bootstrap_auc(labels, {c: SINGLE[0] for c in "abc"})
    assert interval is not None
    assert interval.low == pytest.approx(0.75)
    assert interval.high == pytest.approx(0.75)
    assert bootstrap_auc({"a": SINGLE[1]}, {"a": SINGLE[0]}) is None


@pytest.mark.parametrize(
    "bad", [{"confidence": 95}, {"confidence": np.nan}, {"replicates": -1}, {"replicates": 0}]
)
def test_a_bootstrap_out_of_range_is_refused(bad: dict[str, Any]) -> None:
    for bootstrap in (bootstrap_auc, pooled_curves):
        with pytest.raises(UsageError, match=f"{next(iter(bad))} is"):
            bootstrap(LABELS, SCORES, **bad)


def test_ped2_labels(data: Path) -> None:
    from scipy.io import loadmat

    lengths = [180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180]
    labels = {}
    ranges = loadmat(data / "ped2" / "ped2.mat", squeeze_me=True)["gt"]
    for number, (length, clip) in enumerate(zip(lengths, ranges, strict=True), start=1):
        y = np.zeros(length, dtype=np.int64)
        for start, end in np.reshape(clip, (2, -1)).T:
            y[start - 1 : end] = 1
        labels[f"{number:02d}"] = y
    constant = {clip: np.zeros(len(y)) for clip, y in labels.items()}
    result = causal_micro(labels, constant)
    assert (result.frames, result.abnormal, result.auc) == (2010, 1648, 0.5)
    assert macro(labels, constant).one_class == ("08", "09", "10", "11")
    predicted = {clip: y[4:] for clip, y in labels.items()}
    result = causal_micro(predicted, {clip: s[4:] for clip, s in constant.items()})
    assert (result.frames, result.abnormal) == (1962, 1620)
