"""What is done to frames in a strange light, and that nothing is done to others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import moving_square

from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.measure import reference_of
from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.models.folder import Model, build_network, load_model, save_model
from mnad.scoring.light import MOST, SECONDS, Light, Span, light_of, span_of
from mnad.scoring.windows import Windows

SPAN = Span((100.0, 30.0), (120.0, 40.0))


def frame(mean: float, deviation: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((60, 80, 1))
    return np.clip(np.rint(mean + deviation * noise), 0, 255).astype(np.uint8)


def test_mean_and_deviation_by_numpy() -> None:
    for channels in (1, 3):
        own = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
        assert light_of(own) == pytest.approx((own.mean(), own.std()), rel=1e-6)
    found = span_of(np.array([[3.0, 9.0], [5.0, 7.0], [4.0, 8.0]]))
    assert found == Span((3.0, 7.0), (5.0, 9.0))
    assert found.widened(None) is found
    assert found.widened(Span((1.0, 8.0), (4.0, 10.0))) == Span((1.0, 7.0), (5.0, 10.0))


@pytest.mark.parametrize("light", [(100, 30), (120, 40), (110, 35), (97, 41)])
def test_a_known_light_is_left_as_it_is(light: tuple[float, float]) -> None:
    own = frame(*light)
    assert Light(SPAN)(own, 0.0) is own
    strange = frame(10, 3)
    assert Light(None)(strange, 0.0) is strange and Light(SPAN)(strange, 0.0) is not strange


@pytest.mark.parametrize("factor", [0.25, 0.7, 1.4, 1.8])
def test_more_or_less_light_is_undone_up_to_the_end_of_the_span(factor: float) -> None:
    usual = frame(110, 20)
    span = span_of(np.array([light_of(usual)]))
    other = np.clip(np.rint(usual * factor), 0, 255).astype(np.uint8)
    found = Light(span)(other, 0.0)
    assert found.shape == usual.shape and found.dtype == np.uint8
    end = 0.95 if factor < 1 else 1.05
    expected = [end * n for n in light_of(usual)]
    assert light_of(found) == pytest.approx(expected, rel=0.03)


def test_noise_in_the_dark_is_not_blown_up_without_end() -> None:
    black = np.zeros((60, 80, 1), np.uint8)
    assert Light(SPAN)(black, 0.0) is black
    dim = frame(20, 2.5)
    assert light_of(Light(SPAN)(dim, 0.0))[1] == pytest.approx(MOST * light_of(dim)[1], rel=0.05)


def test_a_change_is_followed_in_seconds_and_a_passing_one_hardly() -> None:
    light = Light(SPAN)
    usual, bright = frame(110, 35), frame(180, 35)
    assert light(usual, 0.0) is usual
    assert light(bright, 0.1) is bright  # within the margin still, after a tenth of a second
    for tenth in range(2, 10 * int(5 * SECONDS)):
        late = light(bright, tenth / 10)
    assert light_of(late)[0] == pytest.approx(1.05 * 120, abs=1)
    assert light(usual, 5 * SECONDS) is usual


def test_a_model_remembers_what_its_normal_footage_spans(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ModelConfig(NetworkConfig(channels=1, width=0.1, height=32, image_width=32))
    model = Model(config, build_network(config).eval().requires_grad_(False))
    clip = moving_square(60, 0)
    windows = Windows([clip // 2], ["dark"], config.network.window)
    reference = reference_of(model.torch_runtime, windows, 8)
    seen = np.array([light_of(f // 2) for f in clip[config.network.target :]])
    assert reference.light == span_of(seen)
    trained = replace(model, reference=reference)
    calibrated = calibrate_model(trained, [clip] * 4, list("abcd"), 10.0, 60.0, progress=False)
    assert calibrated.reference is not None and calibrated.reference.light is not None
    both = [light_of(f) for f in clip[config.network.target :]]
    assert calibrated.reference.light == span_of(np.array([*seen.tolist(), *both]))
    save_model(tmp_path / "m", calibrated)
    again = load_model(tmp_path / "m")
    assert again.reference is not None
    assert again.reference.light == calibrated.reference.light
    unknown = replace(calibrated, reference=replace(calibrated.reference, light=None))
    save_model(tmp_path / "u", unknown)
    known = load_model(tmp_path / "u").reference
    assert known is not None and known.light is None


def test_a_stream_in_a_strange_light_scores_as_in_its_own() -> None:
    torch.manual_seed(0)
    config = ModelConfig(NetworkConfig(channels=1, width=0.1, height=32, image_width=32))
    model = Model(config, build_network(config).eval().requires_grad_(False))
    clip = moving_square(60, 0) // 2
    windows = Windows([clip], ["a"], config.network.window)
    reference = reference_of(model.torch_runtime, windows, 8)
    detector = Detector(replace(model, reference=reference))
    blind = Detector(replace(model, reference=replace(reference, light=None)))
    bright = np.rint(clip * 1.6).astype(np.uint8)
    usual, found, without = (
        d.score(c, 10.0) for d, c in ((detector, clip), (detector, bright), (blind, bright))
    )
    assert np.array_equal(usual.peak, blind.score(clip, 10.0).peak)
    off, off_without = (np.abs(s.psnr - usual.psnr).mean() for s in (found, without))
    assert off < 0.3 * off_without
