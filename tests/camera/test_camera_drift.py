from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from mnad.camera.change import Change
from mnad.camera.drift import SPACING, WINDOW, Drift, autocorrelation_time
from mnad.errors import MnadError

HOUR = 3600


def scores(seed: int, seconds: int, memory: float, shift: float = 0.0) -> np.ndarray:
    """One score a second, in 0..1, each like its neighbours over `memory` seconds."""
    keep = np.exp(-1 / memory)
    noise = np.random.default_rng(seed).normal(size=seconds + 1000)
    return ndtr(lfilter([np.sqrt(1 - keep**2)], [1, -keep], noise)[1000:] + shift)


def run(drift: Drift, values: np.ndarray, start: float = 0.0) -> list[Change]:
    found = (drift.push(score, start + t) for t, score in enumerate(values.tolist()))
    return [change for change in found if change]


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_a_known_process(keep: float) -> None:
    noise = np.random.default_rng(1).normal(size=20_000)
    series = lfilter([1], [1, -keep], noise)
    assert autocorrelation_time(series) == pytest.approx((1 + keep) / (1 - keep), rel=0.15)


def test_a_constant_series_has_no_autocorrelation_time_to_speak_of() -> None:
    assert autocorrelation_time(np.ones(50)) == 1


def test_false_alarms_are_rare_on_scores_that_stay_the_same() -> None:
    days = [
        run(Drift(scores(seed, HOUR, memory), 1, 0.98), scores(100 + seed, 24 * HOUR, memory))
        for memory in (2, 30)
        for seed in range(2)
    ]
    assert days == [[]] * 4


def test_a_lasting_change_is_told_once_a_day() -> None:
    drift = Drift(scores(0, HOUR, 5), 1, 0.98)
    (change,) = run(drift, scores(1, 23 * HOUR, 5, shift=-1.0))
    assert (change.what, change.phase) == ("drift", "start")
    assert WINDOW * SPACING - SPACING <= change.seconds < 3 * HOUR
    assert len(run(drift, scores(2, 5 * HOUR, 5, shift=-1.0), start=23 * HOUR)) == 1


def day_and_night(seed: int, days: int, shift: float = 0.0) -> np.ndarray:
    """As `scores`, by night lower than by day, with an hour of dusk and of dawn between them."""
    light = np.sin(2 * np.pi * np.arange(days * 24 * HOUR) / (24 * HOUR))
    noise = scores(seed, days * 24 * HOUR, 5)
    return ndtr(ndtri(noise) + 0.7 * np.clip(6 * light, -1, 1) + shift)


@pytest.mark.parametrize("kept", ["all", "pieces"])
def test_a_night_like_that_of_the_calibration_is_no_drift(kept: str) -> None:
    """Two hours of either are half of the distance away from both together, day after day."""
    normal = day_and_night(0, 1)
    if kept == "pieces":  # of a day, as what is kept back of footage with gaps
        normal = np.concatenate([normal[h * HOUR :][:640] for h in (3, 11, 19)])
    drift = Drift(normal, 1, 0.98)
    assert run(drift, day_and_night(1, 4)) == []
    changed = run(Drift(normal, 1, 0.98), day_and_night(2, 1, shift=1.5))
    assert len(changed) == 1


def test_a_long_anomaly_is_no_drift() -> None:
    values = scores(1, 12 * HOUR, 5)
    values[2 * HOUR : 10 * HOUR] = 0.99
    assert run(Drift(scores(0, HOUR, 5), 1, 0.98), values) == []


def test_scores_that_are_missing_are_passed_over() -> None:
    drift = Drift(scores(0, HOUR, 5), 1, 0.98)
    assert run(drift, np.full(6 * HOUR, np.nan)) == []


def test_a_reference_above_the_threshold_is_refused() -> None:
    with pytest.raises(MnadError, match="below the threshold"):
        Drift([0.9, 0.95], 10, 0.5)
