"""Fewer frames per second, evenly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnad.errors import UsageError
from mnad.video.source import Source, open_source
from mnad.video.thin import Breaks, Thin, step_of, taken_rate, thinned

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("rate", "wanted", "step"),
    [
        (25, None, 1),
        (25, 10, 2),
        (30, 10, 3),
        (NTSC, 10, 3),
        (Fraction(60000, 1001), 10, 6),
        (10, 10, 1),
        (5, 10, 1),
        (12, 10, 1),
        (None, 5, 5),
        (1000, 10, 100),
    ],
)
def test_the_step_is_a_whole_number_next_to_what_is_wanted(
    rate: Fraction | None, wanted: float | None, step: int
) -> None:
    assert step_of(rate, wanted) == step


@pytest.mark.parametrize("wanted", [0.0, -5.0, float("nan")])
def test_no_frames_per_second_are_refused(wanted: float) -> None:
    with pytest.raises(UsageError, match=r"rate is .* above 0"):
        Thin(25, wanted)


def taken(times: list[Fraction] | list[float], rate: Fraction | float, wanted: float) -> list[int]:
    thin = Thin(rate, wanted)
    return [index for index, seconds in enumerate(times) if thin.takes(seconds)]


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(60000, 1001), Fraction(15)])
@pytest.mark.parametrize("wanted", [1.0, 5.0, 10.0, 100.0])
def test_every_so_manieth_frame_is_taken_for_a_day(rate: Fraction, wanted: float) -> None:
    step = step_of(rate, wanted)
    for first in (0, 86_400 * rate.numerator // rate.denominator):
        times = [(first + index) / rate for index in range(600)]
        assert taken(times, rate, wanted) == list(range(0, 600, step))


def test_clocks_that_are_not_exact_do_not_put_it_out_of_step() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(900) / 30 + rng.uniform(-0.006, 0.006, 900)
    assert taken(times.tolist(), 30, 10) == list(range(0, 900, 3))
    drifting = (np.arange(900) / 29.7).tolist()  # a camera that says 30 and gives 29.7
    assert taken(drifting, 30, 10) == list(range(0, 900, 3))


def test_lost_frames_leave_frames_as_far_apart_as_before() -> None:
    lost = {7, 12, 13, 14, 15, 31}
    kept = [index for index in range(60) if index not in lost]
    found = [kept[i] for i in taken([index / 30 for index in kept], 30, 10)]
    apart = np.diff(found)
    assert found[:6] == [0, 3, 6, 9, 16, 19]
    assert apart.min() == 3 and sorted(apart)[-3:] == [3, 4, 7]  # after 31 and after 12 to 15


def test_time_that_goes_back_starts_anew() -> None:
    assert taken([0.0, 0.1, 0.2, 0.3, 0.05, 0.15, 0.25], 10, 5) == [0, 2, 4, 6]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(11):
        cv2.imwrite(str(tmp_path / f"{index:02}.png"), np.full((16, 16), 20 * index, np.uint8))
    return tmp_path


def test_a_source_is_thinned_and_its_frames_keep_their_numbers_and_times(folder: Path) -> None:
    with open_source(folder, 1) as source:
        frames = list(thinned(source, 8.0))
    assert [frame.index for frame in frames] == [0, 3, 6, 9]
    assert [frame.seconds for frame in frames] == [Fraction(i, 25) for i in (0, 3, 6, 9)]
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [0, 60, 120, 180]
    source: Source
    with open_source(folder, 1) as source:
        assert len(list(thinned(source, None))) == 11


def test_the_rate_that_is_taken_is_exact(folder: Path) -> None:
    assert taken_rate(folder, 8.0) == pytest.approx(25 / 3)
    assert taken_rate(folder, None) == 25
    assert taken_rate(folder, 10.0, NTSC) == float(NTSC / 3)


@pytest.mark.parametrize(
    ("rate", "wanted", "known", "step"),
    [
        (25, 10.0, 12.5, 2),  # its own camera
        (15, 10.0, 7.5, 2),  # likewise: 7.5 a second is what it knows
        (15, 10.0, 10.0, 1),  # two thirds of what it knows would be too few
        (30, 10.0, 12.5, 2),  # another camera: 15 a second, 10 would be too few
        (30, 10.0, 10.0, 3),
        (30, 10.0, 8.5, 4),  # it has never seen as many as were wanted
        (10, 10.0, 5.0, 2),  # one that was learnt at the rate of the night
        (28, 10.0, 10.0, 3),  # 9.3 a second are near enough
        (8, 10.0, 10.0, 1),
        (60, None, 10.0, 1),
    ],
)
def test_no_fewer_frames_are_taken_than_a_network_knows(
    rate: float, wanted: float | None, known: float, step: int
) -> None:
    assert step_of(rate, wanted, known) == step


def of_times(thin: Thin, times: Iterable[float]) -> list[float]:
    return [seconds for seconds in times if thin.takes(seconds)]


def steps(times: list[float]) -> np.ndarray:
    """After the first second and a half of 25 a second, in which nothing is known yet."""
    return np.diff([seconds for seconds in times if seconds > times[0] + 15 / 4])


@pytest.mark.parametrize(
    ("own", "known", "every"),
    [(4.0, 4.0, 1), (10.0, 8.03, 1), (1.5, 1.5, 1), (30.0, 10.0, 3), (30.0, 15.0, 2)],
)
@pytest.mark.parametrize("declared", [None, 25])
def test_what_a_source_does_not_declare_its_frames_tell(
    own: float, known: float, every: int, declared: int | None
) -> None:
    """As by an MJPEG camera; with two milliseconds of jitter."""
    rng = np.random.default_rng(0)
    times = [index / own + rng.uniform(0, 0.002) for index in range(300)]
    found = steps(of_times(Thin(declared, 10.0, known), times)[20:])
    assert found == pytest.approx(every / own, abs=0.003)


def test_frames_of_a_rate_between_are_taken_at_one_distance() -> None:
    """16.7 a second, of which about 10 are wanted."""
    times = [index * 0.06 for index in range(300)]
    assert steps(of_times(Thin(None, 10.0), times)) == pytest.approx(0.12)


def test_a_camera_that_falls_to_a_quarter_at_night_is_taken_whole() -> None:
    day = [index / 25 for index in range(250)]
    night = [10 + index / 6.25 for index in range(100)]
    found = of_times(Thin(25, 10.0, 6.25), [*day, *night])
    assert np.diff(found[:60]) == pytest.approx(4 / 25)
    assert np.diff(found[-90:]) == pytest.approx(0.16)


def test_what_is_missing_and_bursts_are_no_other_rate() -> None:
    thin = Thin(25, 10.0)
    missing = [index / 25 for index in range(400) if index % 40 > 4 or index < 100]
    found = of_times(thin, missing)
    assert set(np.round(np.diff(found) * 25).astype(int)) <= {2, 3, 4, 6, 7, 8}
    bursts = [index // 5 / 5 + index % 5 * 0.002 for index in range(300)]
    assert len(of_times(Thin(25, 25.0), bursts)) == 300


def broken(breaks: Breaks, times: Iterable[float]) -> list[float]:
    return [seconds for seconds in times if breaks.before(seconds)]


def longest(times: list[float], breaks: list[float]) -> int:
    """Frames of the longest stretch without a break, of what comes after the first one."""
    at = [times.index(seconds) for seconds in breaks]
    return max(after - before for before, after in pairwise([*at, len(times)]))


def every(count: int, without: Callable[[int], bool] = lambda number: False) -> list[float]:
    """Ten frames a second."""
    return [number / 10 for number in range(count) if not without(number)]


def test_one_missing_frame_is_no_hole_and_two_within_a_window_are() -> None:
    assert broken(Breaks(0.1, 5), every(60, lambda n: n == 30)) == []
    assert broken(Breaks(0.1, 5), every(60, lambda n: n in (30, 31))) == [3.2]
    assert broken(Breaks(0.1, 5), every(60, lambda n: n in (30, 33))) == [3.4]
    assert broken(Breaks(0.1, 5), every(60, lambda n: n in (30, 36))) == []
    # Looked at by themselves, frames know only what lies just before them.
    assert broken(Breaks(0.1), every(60, lambda n: n in (30, 33))) == []
    assert broken(Breaks(), every(60, lambda n: n in (30, 31))) == [3.2]


def test_frames_that_come_slower_than_known_make_no_window() -> None:
    half = every(100, lambda n: n % 2 == 1)
    assert broken(Breaks(0.1, 5), half)[0] == half[3]
    assert longest(half, broken(Breaks(0.1, 5), half)) < 5  # no window is ever full
    assert broken(Breaks(0.2, 5), half) == broken(Breaks(None, 5), half) == []
    assert broken(Breaks(0.1, 5), every(100, lambda n: n % 8 == 7)) == []
    # A quarter fewer: known once the last fifteen steps say so.
    fewer = every(200, lambda n: n % 4 == 3)
    assert broken(Breaks(0.1, 5), fewer)[-40:] == fewer[-40:]


def test_a_network_of_long_windows_bears_what_one_of_short_ones_does() -> None:
    assert broken(Breaks(0.1, 16), every(100, lambda n: n % 8 == 7)) == []
    assert broken(Breaks(0.1, 16), every(100, lambda n: n in (50, 51))) == [5.2]


def test_a_camera_that_comes_back_to_its_rate_is_looked_at_again() -> None:
    times = [*every(40), *(4 + n / 5 for n in range(40)), *(12 + n / 10 for n in range(60))]
    found = broken(Breaks(0.1, 5), times)
    assert found[0] == 4.4 and 12.5 < found[-1] < 14
    seen = [seconds for seconds in times if seconds <= found[-1]]
    assert longest(seen, found) < 5
