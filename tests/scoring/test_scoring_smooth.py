"""Causal smoothing against NumPy, on times that are not even."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.scoring.smooth import SECONDS, CausalMedian, Sustained

Floats = NDArray[np.float64]


def medians(times: Floats, values: Floats) -> list[float]:
    median = CausalMedian()
    return [median.push(float(t), float(v)) for t, v in zip(times, values, strict=True)]


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
def test_the_median_is_that_of_the_last_half_second(seed: int) -> None:
    times, values = uneven(seed)
    expected = [
        np.median([v for s, v in zip(times, values, strict=True) if t - SECONDS + 1e-3 < s <= t])
        for t in times
    ]
    np.testing.assert_allclose(medians(times, values), expected, rtol=1e-15)


@pytest.mark.parametrize(("rate", "frames"), [(10, 5), (25, 13), (30, 15), (30000 / 1001, 15)])
def test_the_number_of_frames_never_depends_on_rounding(rate: float, frames: int) -> None:
    """Of a span of 2 n - 1 frames a step of n - 1 vanishes; one of n lasts n frames."""
    times = np.arange(2000) / rate
    short, half = np.zeros(2000), np.zeros(2000)
    for first in range(30, 1900, 60):
        short[first : first + frames // 2] = 1
        half[first : first + frames // 2 + 1] = 1
    assert max(medians(times, short)) == 0
    assert np.sum(medians(times, half)) == half.sum()


def test_after_a_gap_nothing_before_it_counts() -> None:
    times = np.array([0.0, 0.1, 0.2, 5.0, 5.1])
    assert medians(times, np.array([1.0, 2.0, 3.0, 7.0, 9.0])) == [1.0, 1.5, 2.0, 7.0, 8.0]


@pytest.mark.parametrize("at", [1, 50, 200])
def test_the_future_changes_nothing(at: int) -> None:
    times, values = uneven(7)
    other = values.copy()
    other[at:] = 100.0
    assert medians(times, other)[:at] == medians(times, values)[:at]
    assert minima(times, other, 0.2)[:at] == minima(times, values, 0.2)[:at]
    assert medians(times, other)[at + 50] == 100.0


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
