"""AU-PRO and AU-sPRO against the owners' worked numbers and a threshold-by-threshold sweep."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from mnad.errors import MnadError, UsageError
from mnad.metrics.pro import Defect, Loco, Pro, Spro, image_auroc

Array = NDArray[Any]


def worked() -> tuple[Array, Array, Array]:
    """Two images of 10 x 10, one with a defect in its first two rows."""
    bad, good, mask = np.zeros((10, 10)), np.zeros((10, 10)), np.zeros((10, 10), bool)
    mask[:2] = True
    bad[0, :4], bad[0, 4:6], bad[5, 5] = 0.9, 0.5, 0.7
    good[2, 2], good[7, 7] = 0.8, 0.6
    return bad, mask, good


def areas(metric: Any, limits: tuple[float, ...]) -> list[float]:
    found = [metric.area(limit) for limit in limits]
    assert all(one.bound == 0 for one in found)
    return [one.value for one in found]


def test_worked_example_of_au_spro() -> None:
    bad, mask, good = worked()
    metric = Spro()
    metric.add(bad, [Defect(mask, 5, False)])
    metric.add(good, [])
    expected = [0.8, 0.933333, 0.988889, 0.996667]
    assert areas(metric, (0.01, 0.05, 0.3, 1)) == pytest.approx(expected, abs=5e-7)


def test_worked_example_of_au_pro() -> None:
    bad, mask, good = worked()
    metric = Pro()
    metric.add(bad, mask)
    metric.add(good, None)
    expected = [0.274576, 0.389689, 0.6425]
    assert areas(metric, (0.05, 0.3, 1)) == pytest.approx(expected, abs=5e-7)


def swept(images: list[tuple[Array, list[tuple[Array, int]]]], limit: float) -> float:
    """Area under mean sPRO over FPR by thresholding whole images at every value."""
    values = sorted({float(v) for one, _ in images for v in one.ravel()}, reverse=True)
    fpr, spro = [0.0], [0.0]
    for t in values:
        fired_free = free = 0
        shares = []
        for one, defects in images:
            anywhere = np.zeros(one.shape, bool)
            for mask, saturation in defects:
                anywhere |= mask
                shares.append(min(int((one[mask] >= t).sum()) / saturation, 1.0))
            free += int((~anywhere).sum())
            fired_free += int((one[~anywhere] >= t).sum())
        fpr.append(fired_free / free)
        spro.append(float(np.mean(shares)))
    fine = np.interp(limit, fpr, spro)
    # numpy.interp takes the last of equal abscissae; so does the definition.
    x = [v for v in fpr if v <= limit] + [limit]
    y = [w for v, w in zip(fpr, spro, strict=True) if v <= limit] + [float(fine)]
    pairs = zip(zip(x, y, strict=True), zip(x[1:], y[1:], strict=True), strict=False)
    return sum((c - a) * (b + d) / 2 for (a, b), (c, d) in pairs) / limit


def random_images(seed: int) -> list[tuple[Array, list[Defect]]]:
    rng = np.random.default_rng(seed)
    images = []
    for number in range(6):
        one = rng.integers(0, 40, (8, 9)).astype(np.float32)
        defects = []
        for _ in range(number % 3):
            mask = rng.random((8, 9)) < 0.15
            mask[tuple(rng.integers(0, 8, 2))] = True
            relative = bool(rng.integers(0, 2))
            threshold = float(rng.choice([0.3, 0.5, 1.0])) if relative else int(rng.integers(1, 30))
            one[mask] += rng.integers(0, 20)
            defects.append(Defect(mask, threshold, relative))
        images.append((one, defects))
    return images


def saturation_of(defect: Defect) -> int:
    area = int(np.sum(defect.mask))
    if defect.relative_saturation:
        return max(int(np.floor(defect.saturation_threshold * area)), 1)
    return min(int(defect.saturation_threshold), area)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_au_spro_against_a_sweep(seed: int, limit: float) -> None:
    images = random_images(seed)
    metric = Spro()
    for one, defects in images:
        metric.add(one, defects)
    plain = [
        (one, [(np.asarray(d.mask), saturation_of(d)) for d in defects]) for one, defects in images
    ]
    assert metric.regions == 6
    assert metric.area(limit).value == pytest.approx(swept(plain, limit), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_au_pro_against_a_sweep(seed: int) -> None:
    images = random_images(seed)
    metric, plain = Pro(), []
    for one, defects in images:
        mask = np.any([np.zeros(one.shape, bool), *(np.asarray(d.mask) for d in defects)], axis=0)
        parts, count = label(mask, np.ones((3, 3)))
        plain.append((one, [(parts == n, int((parts == n).sum())) for n in range(1, count + 1)]))
        metric.add(one, mask)
    assert metric.regions == sum(len(regions) for _, regions in plain) > 6
    for limit in (0.05, 0.3, 1.0):
        assert metric.area(limit).value == pytest.approx(swept(plain, limit), abs=1e-12)


def test_bounded_memory_stays_within_its_bound() -> None:
    exact, coarse = Spro(), Spro(cells=12, buffer=40)
    for one, defects in random_images(3):
        for metric in (exact, coarse):
            metric.add(one, defects)
    for limit in (0.05, 0.3, 1.0):
        found, known = coarse.area(limit), exact.area(limit)
        assert found.value is not None and known.value is not None and found.bound > 0
        assert abs(found.value - known.value) <= found.bound


@pytest.mark.parametrize(
    ("threshold", "relative", "area", "expected"),
    [(0.5, True, 7, 3), (0.1, True, 7, 1), (5, False, 20, 5), (30, False, 20, 20), (1, True, 9, 9)],
)
def test_saturation(threshold: float, relative: bool, area: int, expected: int) -> None:
    assert Defect(np.ones((1, 1)), threshold, relative).saturation(area) == expected


def test_a_component_of_diagonal_neighbours_is_one_region() -> None:
    metric = Pro()
    metric.add(np.zeros((3, 3)), np.eye(3, dtype=bool))
    assert metric.regions == 1


def test_image_auroc_counts_ties_half() -> None:
    assert image_auroc([0.5, 0.5], [0.5, 0.5]) == 0.5
    assert image_auroc([0.5, 0.2], [0.5, 0.9]) == 0.875
    assert image_auroc([], [0.5]) is image_auroc([0.1], []) is None
    with pytest.raises(MnadError, match="NaN"):
        image_auroc([np.nan], [1])


def test_loco_subsets_each_have_the_good_images() -> None:
    rng = np.random.default_rng(5)
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:4] = True
    images = [
        (rng.random((6, 6)).astype(np.float32), kind)
        for kind in ["good"] * 3 + ["logical"] * 2 + ["structural"] * 4
    ]
    loco = Loco()
    for one, kind in images:
        loco.add(one, kind, [] if kind == "good" else [Defect(mask, 2, False)])  # type: ignore[arg-type]
    found = loco.value((0.05, 1.0))
    assert found.images == {"good": 3, "logical": 2, "structural": 4}
    for name in ("logical", "structural"):
        own, labels, highest = Spro(), [], []
        for one, kind in images:
            if kind in ("good", name):
                own.add(one, [] if kind == "good" else [Defect(mask, 2, False)])
                labels.append(int(kind == name))
                highest.append(one.max())
        assert found.au_spro[0.05][name] == own.area(0.05).value
        assert found.image_auroc[name] == pytest.approx(roc_auc_score(labels, highest))
    for values in (found.au_spro[1.0], found.image_auroc):
        pair = values["logical"], values["structural"]
        assert values["mean"] == pytest.approx(np.mean([v for v in pair if v is not None]))
    assert set(found.error_bound.values()) == {0}


def test_missing_classes_have_no_number() -> None:
    loco = Loco()
    loco.add(np.zeros((2, 2)), "good")
    loco.add(np.ones((2, 2)), "logical", [Defect(np.eye(2), 1, False)])
    found = loco.value((0.05,))
    # One step to FPR 2/6, sPRO 1: a straight line of slope 3, as all of the image has one value.
    assert found.au_spro[0.05]["logical"] == pytest.approx(0.05 * 3 / 2)
    assert found.au_spro[0.05]["structural"] is found.au_spro[0.05]["mean"] is None
    assert found.image_auroc == {"logical": 1.0, "structural": None, "mean": None}
    only = Pro()
    only.add(np.zeros((2, 2)), np.ones((2, 2)))
    assert only.area(0.3).value is None


def test_what_is_refused() -> None:
    mask = np.eye(3, dtype=bool)
    for metric in (Pro(), Spro()):
        with pytest.raises(UsageError, match="FPR limit"):
            metric.area(0)
    with pytest.raises(MnadError, match="resize the map"):
        Pro().add(np.zeros((6, 6)), mask)
    with pytest.raises(MnadError, match="resize the map"):
        Spro().add(np.zeros((6, 6)), [Defect(mask, 1, False)])
    with pytest.raises(MnadError, match="empty mask"):
        Spro().add(np.zeros((3, 3)), [Defect(mask & False, 1, False)])
    outside = [
        (0, False),
        (-1, True),
        (1.5, True),
        *((x, r) for x in (nan, inf) for r in (False, True)),
    ]
    for threshold, relative in outside:
        with pytest.raises(UsageError, match="saturation threshold"):
            Spro().add(np.zeros((3, 3)), [Defect(mask, threshold, relative)])
    with pytest.raises(MnadError, match="good"):
        Loco().add(np.zeros((3, 3)), "good", [Defect(mask, 1, False)])
    with pytest.raises(MnadError, match="'logical' has 0 defects"):
        Loco().add(np.zeros((3, 3)), "logical")
    with pytest.raises(UsageError, match="of kind"):
        Loco().add(np.zeros((3, 3)), "broken")  # type: ignore[arg-type]
