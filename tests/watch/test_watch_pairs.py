"""What is scored of the frames of a source: holes in them too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from street import HEIGHT, RATE, WIDTH, as_frames, street

from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.events.log import read_events
from mnad.models.folder import Model, build_network
from mnad.video.source import Frame, open_source
from mnad.watch.options import WatchOptions
from mnad.watch.pairs import Pairing
from mnad.watch.watcher import Watcher

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FIRST = 4
"""Frames before the first one that has a score."""


@pytest.fixture(scope="module")
def detector(model: Path) -> Detector:
    return Detector.load(model)


def scores(pairing: Pairing, *runs: list[Frame]) -> dict[int, float]:
    """By the number of the frame."""
    pairs = [pair for run in runs for pair in pairing.push(run)]
    pairs += pairing.rest()
    return {pair.frame.index: pair.scored.psnr for pair in pairs if pair.scored is not None}


def singly(frames: list[Frame]) -> list[list[Frame]]:
    return [[frame] for frame in frames]


@pytest.mark.parametrize("cut", [singly, lambda frames: [frames]], ids=["singly", "at once"])
def test_no_window_reaches_over_a_hole(
    detector: Detector, cut: Callable[[list[Frame]], list[list[Frame]]]
) -> None:
    before, after = as_frames(street(12, 3)), as_frames(street(30, 3))[24:]
    found = scores(Pairing(detector, Fraction(RATE)), *cut([*before, *after]))
    assert sorted(found) == [*range(FIRST, 12), *range(24 + FIRST, 30)]
    # What comes after it is scored as if nothing had been before.
    anew = scores(Pairing(detector, Fraction(RATE)), *cut(after))
    assert [found[i] for i in anew] == pytest.approx(list(anew.values()), rel=1e-4)


@pytest.mark.parametrize("known", [True, False])
def test_frames_that_come_more_rarely_from_now_on(
    detector: Detector, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A network that knows ten a second is asked nothing of two; what is usual may change."""
    frames = as_frames(street(140, 3))
    rarely = [frame for frame in frames[40:] if frame.index % 5 == 0]
    if not known:
        detector = Detector(replace(detector.model, calibration=None))
    found = scores(Pairing(detector, Fraction(RATE)), [*frames[:40], *rarely])
    # Eight of the last fifteen steps make it usual; then a window has to be full.
    expected = [] if known else [f.index for f in rarely[8 + FIRST :]]
    assert [index for index in found if index > 40] == expected
    said = (
        "the source: frames come too rarely to be scored: one every 0.5 s, and the model knows 10"
    )
    assert (said in caplog.text) == known


def test_a_source_at_the_brink_is_said_to_be_so_once(
    detector: Detector, caplog: pytest.LogCaptureFixture
) -> None:
    """Busy for seconds again and again, a machine filled its log with it."""
    frames = as_frames(street(300, 3))
    now_and_then = [f for f in frames if f.index % 100 < 20 or f.index % 5 == 0]
    scores(Pairing(detector, Fraction(RATE)), now_and_then)
    assert caplog.text.count("too rarely") == 1


def test_frames_that_are_scored_by_themselves_know_no_holes() -> None:
    size = NetworkConfig("reconstruction", 1, 1, width=0.05, height=HEIGHT, image_width=WIDTH)
    config = ModelConfig(size, rate=float(RATE))
    detector = Detector(Model(config, build_network(config).eval().requires_grad_(False)))
    frames = as_frames(street(60, 3))
    found = scores(Pairing(detector, Fraction(RATE)), [*frames[:10], *frames[10::10]])
    assert sorted(found) == [*range(10), *range(10, 60, 10)]


def test_a_hole_in_real_frames_is_no_event(data: Path, tmp_path: Path) -> None:
    detector = Detector.load("ped2-compact")
    options = WatchOptions(overlay=False, clips=False)
    with open_source(data / "ped2-mp4" / "training" / "10.mp4", 1) as source:
        frames = [f for f in source if f.index < 40 or 52 <= f.index < 72]
        with Watcher(detector, tmp_path, "camera", source.rate, options, NOON) as watcher:
            for frame in frames:
                watcher.push(frame)
    assert read_events(tmp_path / "events.jsonl") == []
    assert watcher.frames == len(frames) - 2 * FIRST
    assert np.nanmax(watcher.highest) < detector.threshold


def test_real_frames_at_half_their_rate_are_not_scored_and_no_event(
    data: Path, tmp_path: Path
) -> None:
    """Every one of them would come to the threshold, as everybody runs."""
    detector = Detector.load("ped2-compact")
    options = WatchOptions(overlay=False, clips=False)
    with open_source(data / "ped2-mp4" / "training" / "10.mp4", 1) as source:
        frames = [frame for frame in source if frame.index >= 60 or frame.index % 2 == 0][:120]
        with Watcher(detector, tmp_path, "camera", source.rate, options, NOON) as watcher:
            for frame in frames:
                watcher.push(frame)
    assert read_events(tmp_path / "events.jsonl") == []
    # The last 90 come at their rate, and after fifteen steps of it they are scored.
    assert 90 - 15 - FIRST <= watcher.frames < 90
    assert watcher.highest < detector.threshold
