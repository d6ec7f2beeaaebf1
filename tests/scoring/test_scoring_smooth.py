"""Causal smoothing against NumPy, on times that are not even."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.scoring.smooth import SECONDS, CausalMean, Sustained, causal_mean

Floats = NDArray[np.float64]


def means(times: Floats, values: Floats) -> list[float]:
    mean = CausalMean()
    found = [mean.push(float(t), float(v)) for t, v in zip(times, values, strict=True)]
    assert causal_mean(times, values).tolist() == found
    return found


def minima(times: Floats, values: Floats, seconds: float) -> list[float]:
    sustained = Sustained(seconds)
    return [sustained.push(float(t), float(v)) for t, v in zip(times, values, strict=True)]


def uneven(seed: int, count: int = 400) -> tuple[Floats, Floats]:
    """Times 20 to 300 ms apart with two long gaps, on a grid of 10 ms."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(2, 30, count)
    steps[[100, 250]] = 700
    return np.cumsum(steps) / 100, rng.random(count)


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_weighs_every_value_by_its_age(seed: int) -> None:
    times, values = uneven(seed)
    expected = [
        np.average(values[: i + 1], weights=np.exp((times[: i + 1] - times[i]) / SECONDS))
        for i in range(len(times))
    ]
    np.testing.assert_allclose(means(times, values), expected, rtol=1e-12)


def test_at_an_even_rate_it_is_the_exponential_mean() -> None:
    """By hand: at 4 frames/s a value counts 1/e of the next one."""
    e = np.exp(-1.0)
    found = means(np.arange(3) / 4, np.array([1.0, 0.0, 2.0]))
    assert found == pytest.approx([1.0, e / (1 + e), (e**2 + 2) / (1 + e + e**2)])


@pytest.mark.parametrize("rate", [10.0, 12.0, 25.0, 30000 / 1001])
@pytest.mark.parametrize("value", [0.1, 0.3, 2.171543795972923e-4])
def test_equal_values_have_one_mean(rate: float, value: float) -> None:
    """To the last digit: an AUC would rank what rounding makes of them."""
    assert set(means(np.arange(200) / rate, np.full(200, value))) == {value}


@pytest.mark.parametrize("rate", [5.0, 10.0, 25.0, 30000 / 1001])
def test_flicker_fades_and_a_step_is_soon_believed(rate: float) -> None:
    """One frame in the midst of 0.3 does not reach 0.7 of the step; 0.6 s of it reach 0.9."""
    times = np.arange(400) / rate
    flicker, step = np.full(400, 0.3), np.full(400, 0.3)
    flicker[200] = 0.9
    step[200:] = 0.9
    assert max(means(times, flicker)) < 0.3 + 0.7 * 0.6
    late = 200 + int(np.ceil(0.6 * rate))
    assert means(times, step)[late] > 0.3 + 0.9 * 0.6


def test_after_a_gap_nothing_before_it_counts() -> None:
    found = means(np.array([0.0, 0.1, 60.0]), np.array([1.0, 2.0, 7.0]))
    assert found[2] == pytest.approx(7.0, abs=1e-12)


def test_a_clock_that_jumps_back_leaves_a_mean() -> None:
    found = means(np.array([5.0, 4.0, 4.0]), np.array([1.0, 0.0, 1.0]))
    assert found == pytest.approx([1.0, 1 / 2, 2 / 3])


@pytest.mark.parametrize("at", [1, 50, 200])
def test_the_future_changes_nothing(at: int) -> None:
    times, values = uneven(7)
    other = values.copy()
    other[at:] = 100.0
    assert means(times, other)[:at] == means(times, values)[:at]
    assert minima(times, other, 0.2)[:at] == minima(times, values, 0.2)[:at]
    assert means(times, other)[at + 50] == pytest.approx(100.0, rel=1e-6)


@pytest.mark.parametrize("seconds", [0.1, 0.2, 1.0])
def test_sustained_is_the_minimum_of_a_filled_span(seconds: float) -> None:
    times, values = uneven(3)
    expected = []
    for t in times:
        begin = t - seconds + 1e-3
        inside = [v for s, v in zip(times, values, strict=True) if begin < s <= t]
        expected.append(min(inside) if times[0] <= begin else -np.inf)
    assert minima(times, values, seconds) == expected


def test_two_frames_of_ten_a_second_last_a_fifth_of_a_second() -> None:
    values = np.zeros(500)
    values[[100, 200, 201, 300, 301, 302]] = 1
    held = minima(np.arange(500) / 10, values, 0.2)
    assert np.flatnonzero(np.array(held) == 1).tolist() == [201, 301, 302]
    # The first two frames of a source do not: before the first there is nothing.
    assert minima(np.arange(3) / 10, np.ones(3), 0.2) == [-np.inf, -np.inf, 1.0]
