"""What is told of a scene whose camera shakes, or under another light, on real footage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from perturb import gain, shake

from mnad.camera.view import View
from mnad.datasets import open_dataset
from mnad.datasets.clip import Clip
from mnad.detector import Detector
from mnad.events.event import Event
from mnad.models.folder import Model
from mnad.stream import FrameScore
from mnad.video.cache import load_clips
from mnad.video.source import Frame
from mnad.watch.judge import Judge
from mnad.watch.options import WatchOptions

RATE = 10.0
Change = Callable[[FrameScore], FrameScore]


@pytest.fixture(scope="module")
def model(data: Path) -> Model:
    """The built-in one, with the view of its place, as one that was trained there has it."""
    built_in = Detector.load("ped2-compact", runtime="torch").model
    dataset = open_dataset(f"ped2:{data / 'ped2'}")
    clips = load_clips([dataset.train[k].path for k in (2, 7)], 160, 256, 1)
    view = View.learn((frame for clip in clips for frame in clip), RATE)
    assert built_in.calibration is not None
    return replace(built_in, calibration=replace(built_in.calibration, view=view))


@pytest.fixture(scope="module")
def cart(data: Path) -> np.ndarray:
    """A clip of the test set: people walk, from frame 60 to 180 one rides a bicycle."""
    clip: Clip = open_dataset(f"ped2:{data / 'ped2'}").test[1]
    (frames,) = load_clips([clip.path], 240, 360, 1)
    return frames


def told(model: Model, frames: np.ndarray, change: Change = lambda scored: scored) -> list[Event]:
    """What ends in a clip, with it at the latest."""
    detector = Detector(model)
    judge, stream = Judge(detector, WatchOptions(), "ped2", None), detector.stream()
    events: list[Event] = []
    for index, pixels in enumerate(frames):
        scored = stream.push(pixels, index / RATE)
        if scored is not None:
            frame = Frame(pixels, index, Fraction(index, 10))
            events += judge.push(frame, change(scored), stream.fitted(pixels), False)
    return [event for event in (*events, *judge.close()) if event.phase == "end"]


def test_a_shaking_camera_still_sees(model: Model, cart: np.ndarray) -> None:
    shaken = shake(cart, np.random.default_rng(0), most=2)
    events = told(model, shaken)
    assert [event.kind for event in events if event.kind == "camera"] == []
    assert any(event.kind == "anomaly" and 9 < event.start < 18 for event in events)
    # Judged by the frames as they come, the mean of which is blurred, it would be blind.
    raw = told(model, shaken, lambda scored: replace(scored, shake=(0.0, 0.0)))
    assert "out of focus" in {event.what for event in raw}


def test_light_that_is_undone_is_told_of_and_holds_nothing_back(
    model: Model, cart: np.ndarray
) -> None:
    bright = gain(cart, np.random.default_rng(0), factor=1.5)
    found = told(model, bright)
    assert [event.what for event in found if event.kind == "camera"] == ["lighting"]
    assert max(event.end or 0 for event in found if event.kind == "anomaly") > 16
    assert model.reference is not None
    as_it_is = replace(model, reference=replace(model.reference, light=None))
    blind = told(as_it_is, bright)
    (lit,) = (event.start for event in blind if event.what == "lighting")
    assert max((event.end or 0 for event in blind if event.kind == "anomaly"), default=0) <= lit
