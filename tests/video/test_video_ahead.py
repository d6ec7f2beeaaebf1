"""Reading ahead: the same items in the same order, bounded, and nothing left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mnad.errors import MnadError
from mnad.video.ahead import ahead, runs


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mnad-ahead"]


def test_all_items_come_once_and_in_order() -> None:
    with ahead(range(1000), 3) as items:
        assert list(items) == list(range(1000))
    assert not running()


def test_at_most_so_many_are_taken_too_early() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with ahead(numbers(), 4) as items:
        for number in items:
            if number == 10:
                time.sleep(0.3)  # the thread would run far ahead by now
                assert 10 + 4 < len(taken) <= 10 + 1 + 4 + 1
                break
    count = len(taken)
    time.sleep(0.2)
    assert len(taken) == count and not running()


def test_the_work_is_done_in_another_thread_at_the_same_time() -> None:
    """Two that wait for each other can only both go on if they run side by side."""
    first, second = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        first.set()
        assert second.wait(10)
        yield 2

    with ahead(items()) as found:
        assert next(found) == 1
        assert first.wait(10)
        second.set()
        assert next(found) == 2


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2, 3)
        raise MnadError("frame 4 is damaged")

    seen = []
    with pytest.raises(MnadError, match="frame 4 is damaged"), ahead(broken()) as items:
        for item in items:
            seen.append(item)
    assert seen == [1, 2, 3] and not running()


def test_what_goes_wrong_outside_ends_the_thread_too() -> None:
    with pytest.raises(ZeroDivisionError), ahead(iter(int, 1), 2):
        raise ZeroDivisionError
    assert not running()


def test_runs_are_of_so_many_and_what_is_left_over() -> None:
    assert list(runs(range(10), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(runs(range(8), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert list(runs([], 4)) == []


def test_what_came_before_an_error_is_given_before_it_is_raised() -> None:
    def breaks() -> Iterator[int]:
        yield from range(6)
        raise MnadError("broken")

    given: list[list[int]] = []
    with pytest.raises(MnadError, match="broken"):
        given.extend(runs(breaks(), 4))
    assert given == [[0, 1, 2, 3], [4, 5]]
