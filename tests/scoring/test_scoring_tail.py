"""The generalised Pareto tail against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import genpareto

from mnad.scoring.tail import Tail, fit_tail


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.1, 0.4])
def test_log_survival_and_quantile_are_those_of_scipy(shape: float) -> None:
    tail = Tail(cut=2.0, share=0.04, scale=0.7, shape=shape)
    x = np.linspace(2.0, 4.0, 50)
    expected = np.log10(0.04) + genpareto.logsf(x - 2, shape, scale=0.7) / np.log(10)
    np.testing.assert_allclose(tail.log10_survival(x), expected, rtol=1e-9)
    survival = np.geomspace(0.04, 1e-9, 30)
    values = 2 + genpareto.isf(survival / 0.04, shape, scale=0.7)
    np.testing.assert_allclose(tail.quantile(survival), values, rtol=1e-6)
    np.testing.assert_allclose(10 ** tail.log10_survival(tail.quantile(survival)), survival)


def test_a_shape_next_to_zero_is_the_exponential() -> None:
    flat, bent = Tail(0.0, 0.1, 1.0, 0.0), Tail(0.0, 0.1, 1.0, 1e-13)
    x = np.array([0.0, 0.5, 3.0, 20.0])
    np.testing.assert_allclose(bent.log10_survival(x), flat.log10_survival(x), rtol=1e-9)
    np.testing.assert_allclose(bent.quantile([0.1, 1e-3, 1e-9]), flat.quantile([0.1, 1e-3, 1e-9]))


@pytest.mark.parametrize(("shape", "above"), [(0.1, 6.986465), (0.0, 5.298317), (-0.2, 3.267138)])
def test_the_worked_example_of_peaks_over_threshold(shape: float, above: float) -> None:
    """n = 10,000 with 200 above the cut u = 7; the value that 1 in 10,000 exceeds."""
    tail = Tail(cut=7.0, share=200 / 10_000, scale=1.0, shape=shape)
    assert float(tail.quantile(1e-4)) == pytest.approx(7 + above, abs=1e-6)


def test_a_tail_with_an_end_has_nothing_beyond_it() -> None:
    tail = Tail(cut=1.0, share=0.1, scale=1.0, shape=-0.25)  # it ends at 5
    assert float(tail.log10_survival(4.99)) > -13
    assert tail.log10_survival([5.0, 6.0]).tolist() == [-np.inf, -np.inf]
    assert float(tail.quantile(1e-300)) == pytest.approx(5.0)


@pytest.mark.parametrize("shape", [-0.4, -0.2, 0.0, 0.2, 0.4])
def test_the_fit_finds_the_shape_and_scale_of_a_large_sample(shape: float) -> None:
    # Above a cut, a generalised Pareto is one of the same shape and of scale + shape * cut.
    sample = genpareto.rvs(shape, scale=2.0, size=200_000, random_state=1)
    tail = fit_tail(sample)
    assert tail.shape == pytest.approx(shape, abs=0.05)
    assert tail.scale == pytest.approx(2 + shape * tail.cut, rel=0.05)
    assert tail.cut == np.quantile(sample, 0.9) and tail.share == pytest.approx(0.1, abs=1e-5)
    rare = genpareto.isf([1e-3, 1e-5], shape, scale=2.0)
    np.testing.assert_allclose(tail.quantile([1e-3, 1e-5]), rare, rtol=0.15)


def test_bounds_of_the_shape_keep_the_mean_excess() -> None:
    rng = np.random.default_rng(0)
    for sample, bounds in ((rng.random(5000), (0.0, 0.5)), (rng.pareto(1.2, 5000), (-0.5, 0.5))):
        tail = fit_tail(sample, 0.1, *bounds)
        assert tail.shape in bounds
        mean = (sample[sample > tail.cut] - tail.cut).mean()
        assert tail.scale / (1 - tail.shape) == pytest.approx(mean)


def test_samples_without_a_tail_give_finite_numbers() -> None:
    for sample in ([1.0, 1.0], [0.0] * 50, [0.0] * 49 + [1.0], [1.0, 2.0]):
        tail = fit_tail(sample)
        assert 0 < tail.share < 1 and tail.scale > 0
        assert np.isfinite(tail.log10_survival([tail.cut, tail.cut + 1])).all()


@pytest.mark.parametrize("count", [1, 2, 3, 8, 20])
def test_what_is_foretold_from_few_comes_as_often_as_foretold(count: int) -> None:
    """Exponential excesses, their mean estimated anew from `count` of them each time.

    The chance that a further one exceeds a level is exp(-level), known without drawing it.
    """
    rng = np.random.default_rng(count)
    means = rng.exponential(size=(20_000, count)).mean(axis=1)
    for rare in (0.1, 0.01):
        levels, taken_as_known = (
            [float(make(Tail(0.0, 1.0, m, 0.0)).quantile(rare)) for m in means]
            for make in (lambda tail: tail.foretold(count), lambda tail: tail)
        )
        assert np.exp(-np.array(levels)).mean() == pytest.approx(rare, rel=0.1)
        assert np.exp(-np.array(taken_as_known)).mean() > rare * (1 + 1 / count)


def test_any_tail_is_foretold_heavier_by_as_much() -> None:
    for shape in (-0.2, 0.0, 0.3):
        assert Tail(1.0, 0.1, 2.0, shape).foretold(4) == Tail(1.0, 0.1, 2.0, shape + 0.25)


def test_drawn_tails_scatter_as_the_means_of_so_many() -> None:
    rng = np.random.default_rng(0)
    scales = [Tail(0.0, 1.0, 3.0, 0.0).drawn(16, rng).scale for _ in range(4000)]
    assert np.median(scales) == pytest.approx(3.0, rel=0.05)
    assert np.std(1 / np.array(scales)) == pytest.approx(1 / 3 / 4, rel=0.05)
