"""A program that pushes frames: which of them are looked at, and which have a score."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from street import RATE, as_frames, street, video

import mnad
from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
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


def test_what_is_scored_later_has_its_own_number() -> None:
    """The middle of five frames, of a source of which every other frame is passed over."""
    network = NetworkConfig("reconstruction", 5, 1, 0.05, 48, 64)
    config = ModelConfig(network, rate=10.0)
    middle = Model(config, build_network(config).eval().requires_grad_(False))
    assert network.target == 2
    found = pushed(Detector(middle).stream(rate=20), np.repeat(CLIP, 2, axis=0))
    assert [one.index for one in found] == [2 * index for index in range(2, 58)]
    plain = replace(middle, config=replace(config, rate=None))
    assert [one.index for one in pushed(Detector(plain).stream(), CLIP)] == [*range(2, 58)]


def test_the_buffer_of_a_frame_may_be_used_for_the_next_one(detector: Detector) -> None:
    """At the size of the network nothing is resized, and so nothing would be copied."""
    stream, buffer, found = detector.stream(), np.empty_like(CLIP[0]), []
    for frame in CLIP:
        buffer[...] = frame
        if (one := stream.push(buffer)) is not None:
            found.append(one.psnr)
        buffer[...] = 255  # as who writes the time into it
    assert found == [one.psnr for one in pushed(detector.stream(), CLIP)]


WRONG: list[Any] = [None, [1, 2], np.zeros((3, 3, 7), np.uint8), np.zeros((3, 3)), np.zeros(0)]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_frame_that_is_refused_leaves_nothing_behind(detector: Detector, wrong: Any) -> None:
    stream, found = detector.stream(rate=20), []
    for number, frame in enumerate(np.repeat(CLIP, 2, axis=0)):
        for _ in range(number % 3):
            with pytest.raises(MnadError, match="a frame"):
                stream.push(wrong)
        if (one := stream.push(frame)) is not None:
            found.append((one.index, one.psnr))
    expected = pushed(detector.stream(rate=20), np.repeat(CLIP, 2, axis=0))
    assert found == [(one.index, one.psnr) for one in expected]


def test_a_hole_of_refused_frames_is_a_hole(detector: Detector) -> None:
    stream, scored = detector.stream(), []
    for number, frame in enumerate(CLIP):
        if 20 <= number < 30:
            with pytest.raises(MnadError):
                stream.push(frame.astype(float), number / RATE)
        elif stream.push(frame, number / RATE) is not None:
            scored.append(number)
    assert scored == [*range(FIRST, 20), *range(30 + FIRST, 60)]


def test_of_a_clock_that_is_set_back_nothing_follows_on_what_was(detector: Detector) -> None:
    times = [*(100 + index / RATE for index in range(30)), *(index / RATE for index in range(30))]
    found = pushed(detector.stream(), CLIP, times)
    assert [one.index for one in found] == [*range(FIRST, 30), *range(30 + FIRST, 60)]
    with pytest.raises(MnadError, match="the time of a frame is nan"):
        detector.stream().push(CLIP[0], float("nan"))


def test_what_no_stream_can_have_is_refused(detector: Detector) -> None:
    for rate in (0, -5, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="rate is"):
            detector.stream(rate=rate)
    for threshold in (2, -1, float("nan")):
        with pytest.raises(UsageError, match="threshold is"):
            detector.stream(threshold)
    for kind, options in (("policy", {"policy": "forzen"}), ("runtime", {"runtime": "tensorrt"})):
        with pytest.raises(UsageError, match=f"{kind} is .* choose one of"):
            Detector.load("ped2-compact", **options)
    with pytest.raises(UsageError, match="device is 'gpu'; choose one of"):
        Detector.load("ped2-compact", device="gpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 3])
def test_one_frame_is_no_clip_of_its_rows(detector: Detector, channels: int) -> None:
    """A notebook's first try: (H, W, 3) could be taken for H grey frames of three columns."""
    frame = np.repeat(CLIP[0].reshape(*CLIP.shape[1:3], -1)[..., :1], channels, axis=2)
    with pytest.raises(MnadError, match=r"is one frame; give several"):
        detector.score(frame)
    grey = CLIP.reshape(*CLIP.shape[:3], -1)[..., 0]
    assert detector.score(grey).index.tolist() == [*range(FIRST, 60)]


def test_frames_are_scored_one_by_one_however_many(detector: Detector) -> None:
    alive = []

    def frames() -> Iterator[np.ndarray]:
        for frame in CLIP:
            alive.append(sum(type(one) is FrameScore for one in gc.get_objects()))
            yield frame

    before = sum(type(one) is FrameScore for one in gc.get_objects())
    found = detector.score(frames())
    np.testing.assert_array_equal(found.psnr, detector.score(CLIP).psnr)
    assert max(alive) <= before + 2
    with pytest.raises(MnadError, match=r"^3 frame.* fewer than the 5"):
        detector.score(frame for frame in CLIP[:3])
    with pytest.raises(MnadError, match="8 frames per second were given"):
        detector.score(CLIP, 8)


def test_a_score_goes_to_another_process_with_its_heat(detector: Detector) -> None:
    found = pushed(detector.stream(), street(60, 3, thing=range(30, 60)))
    assert any(one.boxes for one in found)
    for one in found[::9]:
        sent = pickle.dumps(one)
        copy = pickle.loads(sent)
        assert copy.score == one.score and copy.boxes == one.boxes and one.heat is not None
        np.testing.assert_array_equal(copy.heat, one.heat)
        np.testing.assert_array_equal(copy.error, one.error)
        assert len(sent) < 4 * one.error.nbytes


def test_a_night_without_scores_takes_no_memory(detector: Detector) -> None:
    stream = detector.stream()
    for index in range(300):
        assert stream.push(CLIP[0], index / 4) is None
    assert len(stream._seen) <= FIRST + 1


def test_loading_a_model_draws_no_random_number(model: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    mnad.info(model)
    Detector.load(model)
    assert torch.equal(torch.rand(1), expected)


def test_one_source_needs_no_list(model: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "calm.mp4", street(20, 2))
    given: list[Any] = [str(clip), clip, [clip]]
    for number, sources in enumerate(given):
        out = tmp_path / str(number)
        (found,) = mnad.detect(model, sources, out=out, overlay=False, clips=False)
        assert found.error is None and found.frames == 16
    nothing: Any = []
    with pytest.raises(UsageError, match="no normal footage is given"):
        mnad.calibrate(model, nothing)
