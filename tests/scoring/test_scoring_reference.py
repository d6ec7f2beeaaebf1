"""The causal score: ranks among normal frames, with a tail that still tells far from farther."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import expon

from mnad.scoring.reference import Reference, log10_survival, squash


def test_survival_is_the_empirical_share_in_the_body() -> None:
    normal = np.random.default_rng(0).normal(size=5001)
    for x in (-2.0, -0.5, 0.3, 1.0):
        share = (normal >= x).mean()
        assert 10 ** float(log10_survival(normal, [x])[0]) == pytest.approx(share, rel=2e-3)


def test_the_tail_is_that_of_an_exponential_sample() -> None:
    normal = np.random.default_rng(0).exponential(2.0, size=20000)
    x = np.array([8.0, 12.0, 20.0, 60.0])
    np.testing.assert_allclose(
        log10_survival(normal, x), expon.logsf(x, scale=2.0) / np.log(10), rtol=0.05
    )


def test_survival_never_rises_and_strictly_falls_beyond_the_sample() -> None:
    normal = np.random.default_rng(1).normal(size=300)
    values = log10_survival(normal, np.linspace(-5, 400, 4000))
    assert (np.diff(values) <= 1e-12).all()
    beyond = log10_survival(normal, normal.max() + np.arange(1, 400))
    assert (np.diff(beyond) < 0).all()


def test_the_score_of_one_frame_in_ten_is_a_half() -> None:
    assert squash(np.array([0.0, 1.0, 3.0])).tolist() == [0.0, 0.5, 0.75]
    normal = np.linspace(20, 40, 1001)
    reference = Reference(psnr=normal, distance=np.full(1001, np.nan), error_peak=1.0)
    score = reference.causal_score([22.0], [np.nan], 0.6)  # a tenth has a PSNR of 22 or less
    assert float(score[0]) == pytest.approx(0.5, abs=1e-3)


def test_both_parts_count_by_their_weight() -> None:
    rng = np.random.default_rng(2)
    reference = Reference(rng.normal(35, 1, 2000), rng.normal(1, 0.1, 2000), 1.0)
    usual, low, far = 35.0, 28.0, 2.0
    for weight in (0.0, 0.3, 1.0):
        base, by_psnr, by_distance = (
            float(reference.surprise([p], [d], weight)[0])
            for p, d in ((usual, 1.0), (low, 1.0), (usual, far))
        )
        assert (by_psnr > base) is (weight > 0)
        assert (by_distance > base) is (weight < 1)


def test_constant_normal_footage_does_not_divide_by_zero() -> None:
    values = log10_survival(np.ones(50), [0.9, 1.0, 1.1])
    assert np.isfinite(values).all() and values[2] < values[1]
