"""The score for cameras: ranks among normal frames, with a tail that tells far from farther."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import expon

from mnad.scoring.reference import Rank, Reference, squash


def make(peak: np.ndarray, psnr: np.ndarray, distance: np.ndarray) -> Reference:
    level = np.zeros((2, 2), np.float32)
    usual = np.ones((3, 3), np.float32)
    return Reference(psnr, distance, peak, 4, usual, False, error_peak=1.0, level=level, floor=1e-3)


def test_the_surprise_is_that_of_the_empirical_share_in_the_body() -> None:
    normal = np.random.default_rng(0).normal(size=5001)
    for x in (-2.0, -0.5, 0.3, 1.0):
        share = (normal >= x).mean()
        assert 10 ** -float(Rank(normal).surprise([x])[0]) == pytest.approx(share, rel=2e-3)


def test_the_tail_is_that_of_an_exponential_sample() -> None:
    normal = np.random.default_rng(0).exponential(2.0, size=20_000)
    x = np.array([8.0, 12.0, 20.0, 60.0])
    expected = -expon.logsf(x, scale=2.0) / np.log(10)
    np.testing.assert_allclose(Rank(normal).surprise(x), expected, rtol=0.05)


@pytest.mark.parametrize("kind", ["normal", "uniform", "lognormal"])
def test_the_surprise_never_falls_and_strictly_rises_beyond_the_sample(kind: str) -> None:
    normal = getattr(np.random.default_rng(1), kind)(size=300)
    rank = Rank(normal)
    values = rank.surprise(np.linspace(normal.min() - 1, normal.max() + 100, 20_000))
    assert (np.diff(values) >= 0).all() and values.min() >= 0
    beyond = rank.surprise(normal.max() * (1 + np.geomspace(1e-9, 1e4, 400)))
    assert (np.diff(beyond) > 0).all()
    assert np.isfinite(beyond).all() and beyond[0] > np.log10(300) - 1


@pytest.mark.parametrize("count", [2, 3, 19, 300, 1001, 1004])
def test_body_and_tail_meet_within_the_step_of_one_frame(count: int) -> None:
    normal = np.random.default_rng(count).normal(size=count)
    cut = np.quantile(normal, 0.9)
    below, above = 10 ** -Rank(normal).surprise([cut, np.nextafter(cut, np.inf)])
    assert 0 <= below - above <= 1 / count


def test_of_equal_frames_all_are_at_least_as_abnormal_as_each() -> None:
    normal = np.repeat([1.0, 2.0, 3.0, 4.0], [500, 300, 150, 50])
    share = 10 ** -Rank(normal).surprise([1.0, 2.0, 3.0])
    np.testing.assert_allclose(share, [1.0, 0.5, 0.2], atol=1e-3)
    assert 10 ** -float(Rank(normal).surprise([3.5])[0]) <= 0.05


def test_constant_normal_footage_is_not_abnormal_itself() -> None:
    values = Rank(np.ones(50)).surprise([0.9, 1.0, 1.0 + 1e-6, 1.1])
    assert np.isfinite(values).all() and values[0] == values[1] < 0.01
    assert np.log10(50) < values[2] < values[3]


def test_the_score_of_one_frame_in_ten_is_a_half() -> None:
    assert squash(np.array([0.0, 1.0, 3.0])).tolist() == [0.0, 0.5, 0.75]
    of_peak, of_psnr = np.linspace(0, 0.2, 1001), np.linspace(20, 40, 1001)
    reference = make(of_peak, of_psnr, np.full(1001, np.nan))
    assert float(reference.score([0.18], [np.nan])[0]) == pytest.approx(0.5, abs=1e-3)
    # A tenth has a PSNR of 22 dB or less.
    assert float(reference.causal_score([22.0], [np.nan], 0.6)[0]) == pytest.approx(0.5, abs=1e-3)


def test_the_score_means_the_same_on_every_camera() -> None:
    """It depends on ranks alone: not on the unit of the peaks, nor on the other parts."""
    rng = np.random.default_rng(3)
    peak, other = rng.gamma(2, size=2000), rng.random(2000)
    asked = rng.gamma(3, size=200)
    score = make(peak, other, other).score(asked, asked)
    np.testing.assert_allclose(
        make(7 * peak, -other, -other).score(7 * asked, -asked), score, rtol=1e-9
    )
    assert ((score >= 0) & (score < 1)).all()


@pytest.mark.parametrize("weight", [0.0, 0.6, 0.9])
def test_with_a_weight_the_score_is_the_share_of_frames_as_unusual_by_both(weight: float) -> None:
    """By counting, where that tells: not in the tails, which are fitted."""
    rng = np.random.default_rng(5)
    peak, distance = rng.gamma(2, size=4000), rng.random(4000)
    reference = replace(make(peak, peak, distance), weight=weight)
    share = [(values[:, None] <= values).mean(1) for values in (peak, distance)]
    unusual = -weight * np.log10(share[0]) - (1 - weight) * np.log10(share[1])
    expected = -np.log10((unusual[:, None] <= unusual).mean(1))
    some = (expected < 1) & (np.min(share, axis=0) > 0.101)
    assert some.sum() > 2000
    score = reference.score(peak, distance)[some]
    np.testing.assert_allclose(score / (1 - score), expected[some], atol=0.03)
    # Each part counts by itself.
    base, by_peak, by_distance = reference.score([1.7, 9.0, 1.7], [0.5, 0.5, 1.5])
    assert by_distance > base + 0.1 and (by_peak > base + 0.1) is np.bool_(weight > 0)


def test_both_parts_of_the_paper_count_by_their_weight() -> None:
    rng = np.random.default_rng(2)
    psnr, distance = rng.normal(35, 1, 2000), rng.normal(1, 0.1, 2000)
    reference = make(np.full(2000, np.nan), psnr, distance)
    usual, low, far = 35.0, 28.0, 2.0
    for weight in (0.0, 0.3, 1.0):
        base, by_psnr, by_distance = reference.causal_score(
            [usual, low, usual], [1.0, 1.0, far], weight
        )
        assert (by_psnr > base) is np.bool_(weight > 0)
        assert (by_distance > base) is np.bool_(weight < 1)
    surprise = weight * Rank(-psnr).surprise([-low]) + (1 - weight) * Rank(distance).surprise([far])
    np.testing.assert_allclose(reference.causal_score([low], [far], weight), squash(surprise))
