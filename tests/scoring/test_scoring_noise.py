"""How noisy frames are, against noise that is known; and what is taken off, and what left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import moving_square
from perturb import noise
from watched_clip import watch_clip

from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.measure import reference_of
from mnad.config import ModelConfig, NetworkConfig
from mnad.datasets import open_dataset
from mnad.detector import Detector
from mnad.models.folder import Model, build_network, load_model, save_model
from mnad.scoring.noise import LEAST, SECONDS, Denoise, noise_of
from mnad.scoring.windows import Windows
from mnad.video.source import open_source

Frame = np.ndarray


def scene(channels: int = 1) -> Frame:
    """Slopes and blocks with straight and slanted edges, (96, 128, c)."""
    down, right = np.mgrid[:96, :128]
    grey = 60 + right // 2 + down // 5
    grey[20:50, 30:60] = 170
    grey[down + right > 180] = 40
    return np.repeat(grey.astype(np.uint8)[..., None], channels, axis=2)


def noisy(frame: Frame, deviation: float, seed: int = 0) -> Frame:
    changed = frame + np.random.default_rng(seed).normal(0, deviation, frame.shape)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deviation", [2.0, 5.0, 10.0, 20.0])
def test_the_noise_that_was_put_on(deviation: float, channels: int) -> None:
    assert noise_of(scene(channels)) == 0
    found = [noise_of(noisy(scene(channels), deviation, seed)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(deviation, rel=0.07, abs=0.25)  # a step of the median


def test_the_second_differences_by_hand() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (11, 9, 1), dtype=np.uint8)
    grey = frame[..., 0].astype(int)
    sizes = [
        abs(
            sum(
                a * b * grey[row + i, column + j]
                for i, a in ((-1, 1), (0, -2), (1, 1))
                for j, b in ((-1, 1), (0, -2), (1, 1))
            )
        )
        for row in range(1, 10, 4)
        for column in range(1, 8, 2)
    ]
    # 0.6745: the quartile of the normal distribution; 36 is the sum of squares of the kernel.
    assert noise_of(frame) == pytest.approx(np.median(sizes) / 0.6745 / 6)
    assert noise_of(np.zeros((2, 2, 1), np.uint8)) == 0


@pytest.mark.parametrize("known", [0.0, 3.0, 6.0])
def test_known_noise_is_left_as_it_is(known: float) -> None:
    denoise, unknown = Denoise(known), Denoise(None)
    for number in range(20):
        frame = noisy(scene(), max(known, 0.6 * LEAST), number)
        assert denoise(frame, number / 10) is frame
        loud = noisy(scene(), known + 8, number)
        assert unknown(loud, number / 10) is loud


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deviation", [5.0, 10.0, 15.0])
def test_noise_is_taken_off_and_edges_stay(deviation: float, channels: int) -> None:
    clean = scene(channels).astype(float)
    loud = noisy(scene(channels), deviation)
    found = Denoise(0.5)(loud, 0.0)
    assert found.shape == loud.shape and found.dtype == np.uint8
    before, after = (np.sqrt(np.square(one - clean).mean()) for one in (loud, found))
    assert after < 0.5 * before
    edge = np.s_[25:45, 27:29], np.s_[25:45, 31:33]
    steps = [float(one[edge[1]].mean() - one[edge[0]].mean()) for one in (clean, found)]
    assert steps[1] > 0.9 * steps[0]


def test_the_noise_is_followed_both_ways() -> None:
    denoise = Denoise(1.0)
    quiet, loud = noisy(scene(), 1.0), noisy(scene(), 10.0)
    assert denoise(quiet, 0.0) is quiet
    for tenth in range(1, 50):
        late = denoise(loud, tenth * SECONDS / 10)
    assert noise_of(late) < 0.3 * noise_of(loud)
    for tenth in range(50, 120):
        late = denoise(quiet, tenth * SECONDS / 10)
    assert late is quiet


def test_a_model_remembers_its_noisiest_normal_frame(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ModelConfig(NetworkConfig(channels=1, width=0.1, height=32, image_width=32))
    model = Model(config, build_network(config).eval().requires_grad_(False))
    clip = moving_square(60, 0)
    loud = noise(clip, np.random.default_rng(0), sigma=6.0)
    target = config.network.target
    windows = Windows([loud], ["loud"], config.network.window)
    reference = reference_of(model.torch_runtime, windows, 8)
    assert reference.noise == max(map(noise_of, loud[target:]))
    trained = replace(model, reference=reference)
    calibrated = calibrate_model(trained, [clip] * 4, list("abcd"), 10.0, 60.0, progress=False)
    save_model(tmp_path / "m", calibrated)
    again = load_model(tmp_path / "m").reference
    assert again is not None and again.noise == reference.noise
    unknown = replace(model, reference=replace(reference, noise=None))
    recalibrated = calibrate_model(unknown, [clip] * 4, list("abcd"), 10.0, 60.0, progress=False)
    assert recalibrated.reference is not None
    assert recalibrated.reference.noise == max(map(noise_of, clip[target:]))
    save_model(tmp_path / "u", unknown)
    blind = load_model(tmp_path / "u").reference
    assert blind is not None and blind.noise is None


def test_normal_footage_stays_normal_under_noise(data: Path) -> None:
    """A clip of Ped2 that the built-in model was not trained on, at ten levels of noise."""
    detector = Detector.load("ped2-compact", runtime="torch")
    reference = detector.model.reference
    assert detector.threshold is not None and reference is not None
    blind = Detector(replace(detector.model, reference=replace(reference, noise=None)))
    clip = open_dataset(f"ped2:{data / 'ped2'}").train[2]
    with open_source(clip.path, 1) as source:
        frames = np.stack([frame.pixels for frame in source][:60])
    loud = noise(frames, np.random.default_rng(0), sigma=10.0)
    watched, without = (watch_clip(one, "03", loud, 10.0) for one in (detector, blind))
    assert (watched.score >= detector.threshold).mean() < 0.03 and not watched.events
    assert without.events and without.score.mean() > watched.score.mean() + 0.1
    usual, as_ever = (watch_clip(one, "03", frames, 10.0).score for one in (detector, blind))
    assert np.array_equal(usual, as_ever)
