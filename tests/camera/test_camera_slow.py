"""A camera whose pictures come too rarely to be scored is told of; one that stutters is not."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import pytest

from mnad.camera.change import Change
from mnad.camera.slow import Slow


def told(frames: Iterable[tuple[bool, float]]) -> list[Change]:
    slow = Slow()
    changes = (slow.push(scored, seconds) for scored, seconds in frames)
    return [change for change in changes if change is not None]


def seen(first: float, last: float, step: float = 0.1) -> list[tuple[bool, float]]:
    return [(True, first + n * step) for n in range(round((last - first) / step))]


def rare(first: float, last: float, step: float = 1.0) -> list[tuple[bool, float]]:
    return [(False, seconds) for _, seconds in seen(first, last, step)]


def test_a_camera_that_falls_to_a_frame_a_second_is_told_of_once() -> None:
    start, end = told([*seen(0, 60), *rare(60, 300), *seen(300, 360)])
    assert (start.what, start.phase, start.seconds) == ("slow", "start", pytest.approx(59.9))
    # Over when half of the time is scored again, not with the first frame.
    assert (end.what, end.phase) == ("slow", "end") and 305 < end.seconds < 315


@pytest.mark.parametrize(("until", "count"), [(28, 0), (32, 1)])
def test_it_has_to_last_for_half_a_minute(until: float, count: int) -> None:
    assert len(told(rare(0, until))) == count


def test_at_the_brink_a_frame_now_and_then_has_a_score() -> None:
    """Steps of 0.35 s and a little more or less: one in twenty is left to watch by."""
    frames = [(n % 20 == 0, n * 0.35) for n in range(600)]
    assert [change.phase for change in told(frames)] == ["start"]


def test_holes_however_long_are_no_slow_camera() -> None:
    stalls = chain(*(seen(12 * n, 12 * n + 6) for n in range(50)))  # away for half of the time
    assert told(stalls) == []
    filling = [*seen(0, 20), *rare(500, 500.4, 0.1), *seen(500.4, 520)]
    assert told(filling) == []


def test_a_stream_that_brings_one_frame_each_time_it_is_back_is_slow() -> None:
    assert [change.phase for change in told(rare(0, 200, 12.0))] == ["start"]
