"""Pixel metrics against brute-force sweeps over every threshold."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from mnad.errors import MnadError, UsageError
from mnad.metrics.pixel import DualPixelCriterion, PixelCriterion, PixelRoc, UcsdCriterion

Array = NDArray[Any]
KINDS: list[Callable[[], Any]] = [PixelRoc, UcsdCriterion, DualPixelCriterion]


def random_set(seed: int, frames: int = 10, levels: int = 25) -> tuple[Array, Array]:
    """Maps on few levels, so with ties; every third frame normal."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((frames, 9, 11), bool)
    for number in range(frames):
        if number % 3:
            top, left = rng.integers(0, 5, 2)
            masks[number, top : top + rng.integers(1, 5), left : left + rng.integers(1, 5)] = True
    maps = rng.integers(0, levels, masks.shape) + masks * rng.integers(0, levels, (frames, 1, 1))
    return maps.astype(np.float32), masks


def fed(metric: Any, maps: Array, masks: Array) -> Any:
    for one, mask in zip(maps, masks, strict=True):
        metric.add(one, mask)
    return metric.value()


def swept(
    maps: Array, masks: Array, share: tuple[int, int], beta: tuple[int, int] | None
) -> tuple[float, float]:
    """AUC and EER by firing at every threshold, frame by frame, in whole numbers."""
    points = [(0.0, 0.0)]
    for t in sorted(set(maps.ravel().tolist()), reverse=True):
        found = alarms = 0
        for one, mask in zip(maps, masks, strict=True):
            fired = one >= t
            if not mask.any():
                alarms += int(fired.any())
                continue
            right = int((fired & mask).sum())
            hit = right * share[1] >= share[0] * int(mask.sum())
            if beta is not None:
                hit &= right * beta[1] >= beta[0] * int(fired.sum())
            found += int(hit)
        abnormal = int(masks.any(axis=(1, 2)).sum())
        points.append((alarms / (len(maps) - abnormal), found / abnormal))
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))
    for (x, y), (v, w) in itertools.pairwise(points):
        if v + w >= 1:
            along = (1 - x - y) / (v + w - x - y)
            return area, x + along * (v - x)
    raise AssertionError("a sweep ends where everything fires")


def test_worked_examples_of_the_ucsd_criterion() -> None:
    metric = UcsdCriterion()
    one, mask = np.zeros((4, 5)), np.zeros((4, 5), bool)
    mask[:2] = True
    one[:2] = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05]).reshape(2, 5)
    metric.add(one, mask)
    assert metric.scores == pytest.approx([0.6])
    assert metric.value() == PixelCriterion(None, None, None, 1, 1)

    metric = UcsdCriterion()
    for value, abnormal in ((0.6, True), (0.2, True), (0.3, False), (0.1, False)):
        metric.add(np.full((2, 2), value), np.full((2, 2), abnormal))
    assert metric.value().auc == pytest.approx(0.75)
    assert metric.value().rate_of_detection == pytest.approx(1 - 0.5)


def test_forty_percent_is_not_missed_by_rounding() -> None:
    # Of 5, 10, 15, … pixels exactly 2, 4, 6, … must fire; 0.4 is a little more than 0.4.
    for area in range(5, 200, 5):
        metric = UcsdCriterion()
        metric.add(np.arange(area)[None], np.ones((1, area), bool))
        assert metric.scores == [area - area * 2 // 5]


@pytest.mark.parametrize("seed", range(6))
def test_ucsd_criterion_against_a_sweep(seed: int) -> None:
    maps, masks = random_set(seed)
    found = fed(UcsdCriterion(), maps, masks)
    auc, eer = swept(maps, masks, (2, 5), None)
    assert found.auc == pytest.approx(auc, abs=1e-12)
    assert found.eer_interpolated == pytest.approx(eer, abs=1e-12)
    assert found.rate_of_detection == pytest.approx(1 - eer, abs=1e-12)
    assert (found.frames, found.abnormal) == (10, 6)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("beta", "exact"), [(0.1, (1, 10)), (0.3, (3, 10)), (1.0, (1, 1))])
def test_dual_pixel_criterion_against_a_sweep(
    seed: int, beta: float, exact: tuple[int, int]
) -> None:
    maps, masks = random_set(seed, levels=(6, 25, 1000)[seed % 3])
    found = fed(DualPixelCriterion(beta=beta), maps, masks)
    auc, eer = swept(maps, masks, (2, 5), exact)
    assert found.auc == pytest.approx(auc, abs=1e-12)
    assert found.eer_interpolated == pytest.approx(eer, abs=1e-12)


def test_the_dual_criterion_is_the_harder_one() -> None:
    # Everything fires at once: all of the mask is hit, and 4 of 100 pixels are right.
    one, mask = np.ones((10, 10)), np.zeros((10, 10), bool)
    mask[0, :4] = True
    maps, masks = np.stack([one, one * 0]), np.stack([mask, mask & False])
    assert fed(UcsdCriterion(), maps, masks).auc == 1
    assert fed(DualPixelCriterion(), maps, masks).auc == 0
    assert fed(DualPixelCriterion(beta=0.04), maps, masks).auc == 1


@pytest.mark.parametrize("seed", range(4))
def test_pixel_auroc_against_scikit_learn(seed: int) -> None:
    maps, masks = random_set(seed)
    found = fed(PixelRoc(), maps, masks)
    expected = roc_auc_score(masks.ravel(), maps.ravel())
    assert found.auroc == pytest.approx(expected, abs=1e-12)
    assert (found.error_bound, found.frames, found.pixels) == (0, 10, maps.size)
    assert found.abnormal == masks.sum()
    coarse = fed(PixelRoc(cells=8, buffer=50), maps, masks)
    assert coarse.error_bound > 0
    assert abs(coarse.auroc - expected) <= coarse.error_bound


def test_a_value_can_be_asked_for_in_between() -> None:
    maps, masks = random_set(1)
    metric = PixelRoc(cells=8, buffer=50)
    for one, mask in zip(maps, masks, strict=True):
        metric.add(one, mask)
        metric.value()
    assert metric.value().pixels == maps.size


def test_constant_maps_are_chance_and_one_class_has_no_number() -> None:
    mask = np.zeros((3, 4), bool)
    mask[0] = True
    roc = PixelRoc(cells=4, buffer=4)
    for _ in range(5):
        roc.add(np.full((3, 4), 0.3), mask)
    assert (roc.value().auroc, roc.value().error_bound) == (0.5, 0)
    for empty in (None, mask & False):
        alone = PixelRoc()
        alone.add(np.full((3, 4), 0.3), empty)
        assert alone.value().auroc is None
    for kind in (UcsdCriterion, DualPixelCriterion):
        for only in (mask, mask & False):
            metric = kind()
            metric.add(np.full((3, 4), 0.3), only)
            assert metric.value().auc is metric.value().rate_of_detection is None
        assert kind().value().auc is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused(kind: Callable[[], Any]) -> None:
    mask = np.zeros((3, 4), bool)
    for values, truth, says in (
        (np.zeros((6, 8)), mask, "resize the map to the mask first"),
        (np.zeros((3, 4, 1)), mask, "one number per pixel"),
        (np.zeros((0, 4)), mask, "one number per pixel"),
        (np.full((3, 4), np.nan), mask, "12 values that are NaN"),
        (np.full((3, 4), 1e300), mask, "too large for float32"),
        (np.zeros((3, 4)), np.full((3, 4), 128), "made binary first"),
        (np.zeros((3, 4)), np.array([[0, 255, 254, 0]] * 3), "made binary first"),
    ):
        metric = kind()
        with pytest.raises(MnadError, match=says):
            metric.add(values, truth)
        assert metric.value().frames == 0


def test_masks_of_bytes_are_the_same_as_of_bool() -> None:
    maps, masks = random_set(2)
    expected = fed(PixelRoc(), maps, masks)
    assert fed(PixelRoc(), maps, masks.astype(np.uint8)) == expected
    assert fed(PixelRoc(), maps, masks.astype(np.uint8) * 255) == expected


@pytest.mark.parametrize("value", [0, -0.1, 1.5, np.nan, np.inf])
def test_shares_out_of_range(value: float) -> None:
    with pytest.raises(UsageError, match="share is"):
        UcsdCriterion(value)
    with pytest.raises(UsageError, match="beta is"):
        DualPixelCriterion(beta=value)


def test_ped2_masks(data: Path) -> None:
    """The official masks as their own maps are perfect; a constant map is chance."""
    roc, ucsd = PixelRoc(), UcsdCriterion()
    constant = PixelRoc()
    with np.load(data / "ped2" / "pixel_masks.npz") as clips:
        for name in ("Test001", "Test012"):
            for mask in clips[name]:
                roc.add(mask, mask)
                ucsd.add(mask, mask)
                constant.add(np.zeros(mask.shape), mask)
    assert roc.value().auroc == ucsd.value().auc == 1.0
    assert constant.value().auroc == 0.5
    # Clip 1: 61 to 180; clip 12: 88 to 180.
    assert (ucsd.value().frames, ucsd.value().abnormal) == (360, 120 + 93)
