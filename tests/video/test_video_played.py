"""A file played at its own speed, by a clock that only moves where time is spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mnad.video import played
from mnad.video.played import LATE_SECONDS, PlayedSource
from mnad.video.source import Frame

RATE = Fraction(25)


class World:
    """The clock, and a file of `count` frames of which each takes `decoding` seconds."""

    name, rate = "file", RATE

    def __init__(self, count: int, decoding: float) -> None:
        self.now, self.count, self.decoding, self.decoded = 1000.0, count, decoding, 0

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            self.now += self.decoding
            self.decoded += 1
            yield Frame(np.full((2, 2, 1), index % 256, np.uint8), index, Fraction(index) / RATE)

    def play(self, monkeypatch: pytest.MonkeyPatch) -> PlayedSource:
        monkeypatch.setattr(played, "open_source", lambda *given: self)
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr(played, "time", clock)
        return PlayedSource("file", 1)


def watch(world: World, source: PlayedSource, takes: float = 0.0) -> list[tuple[float, Any]]:
    """What is handed over, and when; a frame keeps the caller for `takes` seconds."""
    got = []
    for item in source:
        got.append((world.now - 1000.0, item))
        if item is not None:
            world.now += takes
    return got


def test_a_file_is_played_at_its_own_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(100, 0.01)
    source = world.play(monkeypatch)
    got = watch(world, source)
    assert [item.index for _, item in got] == list(range(100))
    assert [when for when, _ in got][1:] == pytest.approx([k / 25 for k in range(1, 100)])
    assert source.dropped == 0


@pytest.mark.parametrize("decoding", [0.045, 0.2, 3.0])
def test_of_a_file_that_is_decoded_slower_than_it_plays_there_is_a_frame_a_second(
    monkeypatch: pytest.MonkeyPatch, decoding: float
) -> None:
    world = World(400, decoding)
    source = world.play(monkeypatch)
    got = watch(world, source)
    frames = [(when, item) for when, item in got if item is not None]
    # A second, and what the frame itself takes that is decoded then.
    times = [0.0, *(when for when, _ in frames), world.now - 1000.0]
    assert max(np.diff(times)) <= 1 + decoding + 1e-6
    # The caller is asked to stop at each of the others.
    assert max(np.diff([0.0, *(when for when, _ in got)])) <= decoding + 1e-6
    assert source.dropped == 400 - len(frames) > 0 or decoding > 1
    # Numbers without holes, and the times of the file.
    assert [item.index for _, item in frames] == list(range(len(frames)))
    shown = [int(item.pixels[0, 0, 0]) for _, item in frames]
    assert [float(item.seconds * 25) % 256 for _, item in frames] == shown


def test_a_caller_who_stops_is_asked_while_all_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(10_000, 0.045)
    for item in world.play(monkeypatch):
        if item is None:
            break
    assert world.decoded < 200


def test_a_slow_caller_keeps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(1000, 0.001)
    source = world.play(monkeypatch)
    got = [(when, item) for when, item in watch(world, source, takes=1.5) if item is not None]
    # Each frame takes longer than a second; what was missed meanwhile is left out all the same.
    late = [when - float(item.seconds) for when, item in got]
    assert max(late) <= LATE_SECONDS + 1e-6
    assert len(got) == pytest.approx(40 / 1.5, abs=2) and source.dropped == 1000 - len(got)


def test_in_a_hole_of_a_file_the_caller_is_back_each_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A recorder that keeps only what moves: an hour without a frame."""

    class Recorded(World):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield replace(frame, seconds=frame.seconds + 3600 * (frame.index >= 25))

    got = watch(world := Recorded(50, 0.01), world.play(monkeypatch))
    frames = [(when, item) for when, item in got if item is not None]
    assert [item.index for _, item in frames] == list(range(50))
    for when, item in frames[1:]:
        assert when == pytest.approx(float(item.seconds))
    times = [when for when, _ in got]
    assert max(later - one for one, later in pairwise(times)) < 1.1
