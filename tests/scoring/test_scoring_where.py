from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from mnad.scoring.where import (
    AREA,
    BUSY,
    GAP,
    GROW,
    MOST,
    SIGMA,
    NormalLevel,
    Region,
    Where,
    paper_map,
    smooth,
)

Map = NDArray[np.float32]


def noise(*shape: int, seed: int = 0) -> Map:
    return np.random.default_rng(seed).exponential(0.001, shape).astype(np.float32)


def flat(height: int = 100, width: int = 100) -> Map:
    return np.zeros((height, width), np.float32)


def test_smoothing_is_a_gaussian_of_the_same_total() -> None:
    error = noise(64, 80)
    expected = ndimage.gaussian_filter(error, 3.0, mode="mirror", truncate=4)
    np.testing.assert_allclose(smooth(error, 3.0), expected, rtol=1e-3, atol=1e-7)
    dot = flat()
    dot[50, 50] = 1
    assert smooth(dot, 3.0).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("frames", "quantile"), [(5, 0.999), (200, 0.95), (250, 0.9)])
def test_normal_level_is_the_exact_quantile_of_each_pixel(frames: int, quantile: float) -> None:
    errors = noise(frames, 24, 32)
    learnt = NormalLevel(quantile=quantile)
    for error in errors:
        learnt.push(error)
    smoothed = np.array([smooth(error, SIGMA * 24) for error in errors])
    level = learnt.level()
    expected = np.quantile(smoothed, quantile, axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(level, expected)
    assert (smoothed > level).mean(0).max() <= 1 - quantile + 1e-9
    assert learnt.floor() == pytest.approx(np.quantile(level, 1 - BUSY))


def test_normal_level_keeps_only_the_highest_and_needs_a_frame() -> None:
    learnt = NormalLevel(quantile=0.5, keep=3)
    errors = noise(50, 16, 16)
    for error in errors:
        learnt.push(error)
    smoothed = np.sort([smooth(error, SIGMA * 16) for error in errors], axis=0)
    np.testing.assert_array_equal(learnt.level(), smoothed[-3])
    with pytest.raises(ValueError):
        NormalLevel().level()


def test_a_still_scene_has_a_floor_above_zero() -> None:
    assert NormalLevel().push(flat()).floor() > 0


def test_heat_is_one_where_the_error_is_as_high_as_normal_gets() -> None:
    normal = noise(60, 60) + 0.01
    error = noise(60, 60, seed=1)
    smoothed = smooth(error, SIGMA * 60)
    heat = Where(normal, 0.012).map(error)
    np.testing.assert_allclose(heat, smoothed / np.maximum(normal, 0.012), rtol=1e-5)
    assert heat.dtype == np.float32
    np.testing.assert_allclose(Where(smoothed, 1e-6).map(error), 1, rtol=1e-5)
    np.testing.assert_allclose(Where(None, 0.5).map(error), smoothed / 0.5, rtol=1e-5)


def test_a_flickering_tree_is_damped_and_the_same_error_elsewhere_is_shown() -> None:
    rng = np.random.default_rng(3)
    tree = (slice(5, 25), slice(10, 30))  # 4 % of the picture
    learnt = NormalLevel()
    for _ in range(120):
        error = rng.exponential(0.0002, (100, 100)).astype(np.float32)
        if rng.random() < 0.3:
            error[tree] += 0.04
        learnt.push(error)
    where = Where(learnt.level(), learnt.floor())
    error = rng.exponential(0.0002, (100, 100)).astype(np.float32)
    error[tree] += 0.04
    assert where.map(error).max() < 1.2
    assert where.boxes(where.map(error), 1.5) == ()
    error[60:80, 60:80] += 0.04
    (found,) = where.boxes(where.map(error), 1.5)
    assert found.left < 0.6 and found.right > 0.8 and found.top < 0.6 and found.bottom > 0.8
    assert found.left > 0.5 and found.top > 0.5
    # Unlearnt, the tree is as hot as the other.
    assert len(where.boxes(Where(None, learnt.floor()).map(error), 1.5)) == 2


def test_what_the_mask_hides_neither_shows_nor_bleeds() -> None:
    mask = np.ones((80, 80), np.float32)
    mask[:, :40] = 0
    calm, loud = noise(80, 80), noise(80, 80)
    loud[:, :40] = 100.0
    where = Where(None, 0.001, mask)
    np.testing.assert_array_equal(where.map(calm), where.map(loud))
    assert not where.map(loud)[:, :40].any()
    # An even error stays even up to the edge: it is not diluted by what is hidden.
    even = where.map(np.full((80, 80), 0.003, np.float32))
    np.testing.assert_allclose(even[:, 40:], 3, rtol=1e-3)
    for error in (calm, loud):
        level = NormalLevel(mask).push(error).level()
        assert not level[:, :40].any() and level.max() < 0.01
    hidden = np.pad(np.ones((80, 4), np.float32), ((0, 0), (0, 76)))
    steady = NormalLevel(hidden).push(np.full((80, 80), 0.003, np.float32))
    assert steady.floor() == pytest.approx(0.003, rel=1e-3)  # 95 % of the picture do not count


def test_boxes_of_hand_made_maps() -> None:
    heat = flat(100, 200)
    heat[10:20, 30:50] = 1.5
    heat[60:90, 100:104] = 3.0
    assert Where.boxes(heat) == (
        Region(0.5, 0.6, 0.52, 0.9, 3.0),
        Region(0.15, 0.1, 0.25, 0.2, 1.5),
    )
    assert Where.boxes(heat, at=2.0) == (Region(0.5, 0.6, 0.52, 0.9, 3.0),)
    assert Where.boxes(heat, at=3.5) == ()
    assert Where.boxes(flat()) == ()
    assert Where.boxes(np.full((100, 100), 2, np.float32)) == (Region(0, 0, 1, 1, 2.0),)


def test_a_region_takes_in_the_warm_pixels_around_it() -> None:
    heat = flat()
    heat[20:60, 20:30] = GROW + 0.05  # warm alone is no region
    assert Where.boxes(heat) == ()
    heat[40:42, 24:26] = 1.2
    heat[70:80, 70:80] = GROW + 0.05
    heat[20:60, 32:34] = GROW - 0.05
    assert Where.boxes(heat) == (Region(0.2, 0.2, 0.3, 0.6, pytest.approx(1.2)),)
    (doubled,) = Where.boxes(2 * heat, at=2.0)  # the lower level moves with the upper
    assert doubled[:4] == (0.2, 0.2, 0.3, 0.6)
    heat[:, :10] = GROW - 0.05
    assert len(Where.boxes(heat)) == 1


def test_close_parts_are_one_region_and_distant_ones_are_not() -> None:
    gap = round(GAP * 200)
    heat = flat(200, 200)
    for number in range(5):  # head, body, legs …
        top = 20 + number * (10 + gap)
        heat[top : top + 10, 50:60] = 1.0 + number
    assert Where.boxes(heat) == (Region(0.25, 0.1, 0.3, (20 + 5 * 10 + 4 * gap) / 200, 5.0),)
    heat = flat(200, 200)
    heat[20:30, 50:60], heat[30 + gap + 2 : 50, 50:60] = 2, 2
    assert len(Where.boxes(heat)) == 2
    touching = flat()
    touching[10:20, 10:20], touching[20:30, 20:30] = 2, 2  # at a corner: 8-connected
    assert len(Where.boxes(touching)) == 1


def test_specks_are_no_regions_and_the_hottest_are_kept() -> None:
    heat = flat(200, 200)
    side = int((AREA * 200 * 200) ** 0.5)
    heat[5 : 5 + side, 5 : 5 + side - 1] = 9
    assert Where.boxes(heat) == ()
    for number in range(12):
        row, column = divmod(number, 4)
        heat[50 + row * 40 :, 10 + column * 45 :][:10, :10] = 2 + (number * 5) % 12
    peaks = [region.peak for region in Where.boxes(heat)]
    assert peaks == [13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0]
    assert len(peaks) == MOST


@pytest.mark.parametrize("seed", range(5))
def test_boxes_agree_with_a_slow_reference(seed: int) -> None:
    error = np.random.default_rng(seed).random((120, 90)).astype(np.float32)
    heat = smooth(error, 4.0)
    heat = (heat - heat.min()) / (heat.max() - heat.min()) * 1.4
    reach = round(GAP * 120 / 2)
    grown = heat >= np.float32(GROW)
    near = ndimage.maximum_filter(grown, 2 * reach + 1, mode="constant")
    labels, count = ndimage.label(near, np.ones((3, 3)))
    expected = []
    for label in range(1, count + 1):
        own = (labels == label) & grown
        if heat[own].max() < 1 or own.sum() < AREA * heat.size:
            continue
        rows, columns = np.nonzero(own)
        sides = (columns.min() / 90, rows.min() / 120, (columns.max() + 1) / 90)
        expected.append((*sides, (rows.max() + 1) / 120, float(heat[own].max())))
    expected.sort(key=lambda region: -region[-1])
    assert expected
    assert Where.boxes(heat) == tuple(expected[:MOST])


def test_paper_map_marks_what_is_above_the_frames_average() -> None:
    error = np.array([[0.0, 0.0625], [0.125, 0.25]], np.float32)
    score, mark = paper_map(error)
    np.testing.assert_allclose(score, [[0, 0.25], [0.5, 1]])
    np.testing.assert_array_equal(mark, [[False, False], [True, True]])  # the average is 0.4375
    assert score.dtype == np.float32 and mark.dtype == bool
    far = np.array([[3.0, 1.0], [2.0, 1.0]], np.float32)
    score, mark = paper_map(error, far, 0.5)
    np.testing.assert_allclose(score, [[0.5, 0.125], [0.5, 0.5]])
    np.testing.assert_array_equal(mark, [[True, False], [True, True]])
    still = paper_map(np.full((4, 4), 0.3, np.float32))
    assert not still.score.any() and not still.mark.any()


def test_paper_map_stretches_the_distances_of_the_memory_grid() -> None:
    far = np.zeros((4, 4), np.float32)
    far[0, 3] = 1
    score = paper_map(flat(32, 32), far, lambda_score=0.25).score
    assert score[:4, 28:].min() == pytest.approx(0.75)
    assert not score[16:].any() and not score[:, :16].any()
