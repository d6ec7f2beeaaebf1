"""A program that pushes frames: which of them are looked at, and which have a score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from street import RATE, as_frames, street

from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.errors import MnadError
from mnad.models.folder import Model, build_network
from mnad.stream import FrameScore, LiveStream
from mnad.watch.pairs import Pairing

CLIP = street(60, 3)
FIRST = 4
"""Frames before the first one that has a score."""


@pytest.fixture(scope="module")
def detector(model: Path) -> Detector:
    return Detector.load(model)


def pushed(
    stream: LiveStream, frames: np.ndarray, seconds: list[float] | None = None
) -> list[FrameScore]:
    times = [None] * len(frames) if seconds is None else seconds
    found = [stream.push(frame, t) for frame, t in zip(frames, times, strict=True)]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("timed", [False, True], ids=["by number", "by time"])
def test_of_a_faster_source_frames_are_passed_over(detector: Detector, timed: bool) -> None:
    shown = np.repeat(CLIP, 3, axis=0)  # as by a camera of 30 frames per second
    times = [index / 30 for index in range(len(shown))] if timed else None
    found = pushed(detector.stream(rate=30), shown, times)
    alone = pushed(detector.stream(), CLIP)
    assert [one.index for one in found] == [3 * one.index for one in alone]
    assert [one.psnr for one in found] == [one.psnr for one in alone]
    assert [one.score for one in found] == pytest.approx([one.score for one in alone])
    np.testing.assert_array_equal(
        detector.score(shown, 30).psnr, np.array([one.psnr for one in alone])
    )


def test_nothing_is_passed_over_where_no_rate_is_given(detector: Detector) -> None:
    assert [one.index for one in pushed(detector.stream(), CLIP)] == [*range(FIRST, 60)]
    assert list(detector.score(CLIP).index) == [*range(FIRST, 60)]
    every = [index / 25 for index in range(60)]
    assert len(pushed(detector.stream(), CLIP, every)) == 60 - FIRST


def test_no_window_reaches_over_a_hole(detector: Detector) -> None:
    left = [*range(20), *range(40, 60)]
    found = pushed(detector.stream(), CLIP[left], [index / RATE for index in left])
    assert [left[one.index] for one in found] == [*range(FIRST, 20), *range(40 + FIRST, 60)]
    anew = pushed(detector.stream(), CLIP[40:])
    assert [one.psnr for one in found[-len(anew) :]] == [one.psnr for one in anew]


def test_frames_that_come_too_slowly_have_no_score(detector: Detector) -> None:
    half = [index / 5 for index in range(60)]
    assert pushed(detector.stream(), CLIP, half) == []
    assert pushed(detector.stream(rate=5), CLIP) == []
    with pytest.raises(MnadError, match="5 frames per second were given, and the model knows 10"):
        detector.score(CLIP, 5)
    with pytest.raises(MnadError, match=r"^8 frame.* fewer than the 5"):
        detector.score(CLIP[:8], 20)


def test_it_scores_what_watching_the_same_source_does(detector: Detector) -> None:
    frames = [frame for frame in as_frames(CLIP) if frame.index not in (20, 21, 22, 40)]
    pairing = Pairing(detector, RATE)
    pairs = [*pairing.push(frames), *pairing.rest()]
    watched = {one.frame.index: one.scored.psnr for one in pairs if one.scored is not None}
    stream, found = detector.stream(rate=RATE), {}
    for frame in frames:
        if (one := stream.push(frame.pixels, float(frame.seconds))) is not None:
            found[frame.index] = one.psnr
    assert found.keys() == watched.keys()
    assert list(found.values()) == pytest.approx(list(watched.values()), rel=1e-4)


def test_what_is_scored_later_has_its_own_number(detector: Detector) -> None:
    """The middle of five frames, of a source of which every other frame is passed over."""
    network = NetworkConfig("reconstruction", 5, 1, 0.05, 48, 64)
    config = ModelConfig(network, rate=10.0)
    middle = Model(config, build_network(config).eval().requires_grad_(False))
    assert network.target == 2
    found = pushed(Detector(middle).stream(rate=20), np.repeat(CLIP, 2, axis=0))
    assert [one.index for one in found] == [2 * index for index in range(2, 58)]
    plain = replace(middle, config=replace(config, rate=None))
    assert [one.index for one in pushed(Detector(plain).stream(), CLIP)] == [*range(2, 58)]
