"""Decoding ahead: the next frames are read in a thread of their own while others are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

MOST = 8
"""Frames that wait; decoding is faster than scoring, so that more would only take memory."""
_END = object()


@contextmanager
def ahead(items: Iterable[T], most: int = MOST) -> Iterator[Iterator[T]]:
    """The items of an iterable, in order, taken from it by a thread, at most `most` too early.

    What the iterable raises is raised where its next item would have come. At the end of the
    ``with`` block the thread has ended, so that what it read from may be closed.

    Args:
        items: read once, in the thread.
        most: items that may wait.

    Example:
        >>> with open_source(path) as source, ahead(source) as frames:
        ...     for frame in frames:
        ...         ...
    """
    waiting: Queue[object] = Queue(most)
    stopped = Event()
    problem: list[BaseException] = []

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # raised anew by whoever takes the items
            problem.append(error)
        put(_END)

    def take() -> Iterator[T]:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if problem:
            raise problem[0]

    thread = Thread(target=work, name="mnad-ahead", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        stopped.set()
        while True:  # the thread may wait for room
            try:
                waiting.get_nowait()
            except Empty:
                break
        thread.join()


def runs(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items of an iterable, in order, `most` at a time; what is left over comes last.

    What the iterable raises is raised after the items before it were given.
    """
    some: list[T] = []
    try:
        for item in items:
            some.append(item)
            if len(some) == most:
                yield some
                some = []
    except Exception:
        if some:
            yield some
        raise
    if some:
        yield some
