"""How far a frame is off: against known moves and another library; and what is left alone."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from perturb import shake

from mnad.datasets import open_dataset
from mnad.scoring.steady import LEAST, SECONDS, SMOOTH, Steady, moved_back, shift
from mnad.video.cache import load_clips

HEIGHT, WIDTH = 96, 128
Frame = np.ndarray


def scene(x: float = 0.0, y: float = 0.0, seed: int = 0) -> Frame:
    """Waves of many directions and lengths, known everywhere: (H, W, 1) seen from (x, y)."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    grey = np.full((HEIGHT, WIDTH), 120.0)
    for _ in range(40):
        length, way, phase = rng.uniform(8, 60), rng.uniform(0, math.pi), rng.uniform(0, 7)
        along = (right + x) * math.cos(way) + (down + y) * math.sin(way)
        grey += 8 * np.sin(2 * math.pi * along / length + phase)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None]


def smooth(frame: Frame) -> Frame:
    return cv2.GaussianBlur(frame[..., 0].astype(np.float32), (0, 0), SMOOTH)


def noisy(frame: Frame, seed: int, deviation: float = 2.0) -> Frame:
    noise = np.random.default_rng(seed).normal(0, deviation, frame.shape)
    return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("move", [(0.3, 0.0), (-0.7, 0.4), (1.5, -1.2), (0.0, 2.5), (-2.0, -2.0)])
def test_the_shift_is_the_move(move: tuple[float, float]) -> None:
    here, there = smooth(scene()), smooth(noisy(scene(*move), 1))
    # What is seen from further right lies further left.
    assert shift(here, there) == pytest.approx((-move[0], -move[1]), abs=0.05)


@pytest.mark.parametrize("move", [(0.3, 0.0), (-1.5, 1.2), (3.9, -3.97), (2.0, -1.0), (0.01, 7.5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_is_moved_as_torch_moves_it(move: tuple[float, float], channels: int) -> None:
    """Whatever the version of OpenCV: torch's cubic is of the same kind, its borders too."""
    rng = np.random.default_rng(channels)
    image = rng.uniform(0, 255, (11, 17, channels)).astype(np.float32)
    rows, columns = np.mgrid[:11, :17].astype(np.float64)
    # grid_sample counts from the first pixel, -1, to the last, 1.
    grid = np.stack([(columns + move[0]) / 16 * 2 - 1, (rows + move[1]) / 10 * 2 - 1], -1)
    theirs = torch.nn.functional.grid_sample(
        torch.from_numpy(image).permute(2, 0, 1)[None].double(),
        torch.from_numpy(grid)[None],
        mode="bicubic",
        padding_mode="border",
        align_corners=True,
    )[0].permute(1, 2, 0)
    np.testing.assert_allclose(moved_back(image, move), theirs, atol=1e-3)
    whole = image.round().astype(np.uint8)
    assert moved_back(whole, move).shape == whole.shape
    assert moved_back(whole, (0.0, 0.0)) is whole


def test_another_library_finds_the_same() -> None:
    for seed in range(5):
        x, y = np.random.default_rng(seed).uniform(-1.5, 1.5, 2)
        here, there = smooth(scene(seed=seed)), smooth(noisy(scene(x, y, seed=seed), seed))
        how = np.eye(2, 3, dtype=np.float32)
        cv2.findTransformECC(here, there, how, cv2.MOTION_TRANSLATION)
        assert shift(here, there) == pytest.approx((how[0, 2], how[1, 2]), abs=0.08)


def test_what_moves_through_the_scene_does_not_count() -> None:
    here, there = scene(), scene(0.8, -0.5)
    here[20:60, 30:60], there[20:60, 40:70] = 240, 240
    assert shift(smooth(here), smooth(there)) == pytest.approx((-0.8, 0.5), abs=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_shaken_frame_comes_back_to_its_place(channels: int) -> None:
    steady = Steady()
    at_rest = np.repeat(scene(), channels, axis=2)
    rng, before, after = np.random.default_rng(3), [], []
    for number in range(40):
        x, y = rng.uniform(-1.5, 1.5, 2) if number > 10 else (0.0, 0.0)
        frame = np.repeat(noisy(scene(x, y), number, 1.0), channels, axis=2)
        found = steady(frame, number / 10)
        assert found.shape == frame.shape and found.dtype == np.uint8
        if math.hypot(x, y) > 2 * LEAST:
            inner = np.s_[4:-4, 4:-4]
            before.append(np.abs(frame[inner].astype(float) - at_rest[inner]).mean())
            after.append(np.abs(found[inner].astype(float) - at_rest[inner]).mean())
    assert len(after) > 20
    assert np.mean(after) < 0.25 * np.mean(before)


def test_a_camera_that_stands_still_is_left_alone() -> None:
    steady = Steady()
    for number in range(60):
        frame = noisy(scene(), number, 5.0)
        frame[30:50, 2 * number : 2 * number + 12] = 230
        assert steady(frame, number / 10) is frame


def test_slow_drift_is_followed() -> None:
    """A pixel in ten seconds: never much from the mean, though in the end far from the start."""
    steady = Steady()
    for number in range(300):
        frame = noisy(scene(number / 100), number)
        assert steady(frame, number / 10) is frame


def test_nothing_to_hold_on_to_is_nothing_known() -> None:
    plain, stripes = (
        np.full((HEIGHT, WIDTH, 1), 90, np.uint8),
        np.zeros((HEIGHT, WIDTH, 1), np.uint8),
    )
    stripes[:] = (120 + 60 * np.sin(np.arange(WIDTH) / 3)).astype(np.uint8)[:, None]
    for ground in (plain, stripes):
        steady = Steady()
        for number in range(60):
            frame = noisy(ground, number)
            frame[30:50, 2 * number : 2 * number + 12] = 230
            assert steady(frame, number / 10) is frame


def test_another_view_is_no_shake_and_its_own_shake_is() -> None:
    steady = Steady()
    for number in range(30):
        steady(noisy(scene(), number), number / 10)
    turned = [noisy(scene(25, 12), number) for number in range(200)]
    for number, frame in enumerate(turned):
        assert steady(frame, 3 + number / 10) is frame
    shaken = noisy(scene(26.0, 12), 7)
    found = steady(shaken, 23.0)
    assert np.abs(found[4:-4, 4:-4] - scene(25, 12)[4:-4, 4:-4].astype(float)).mean() < 3


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 16, 3), (32, 32, 1)])
def test_frames_of_any_size(shape: tuple[int, int, int]) -> None:
    steady, rng = Steady(), np.random.default_rng(0)
    for number in range(5):
        frame = rng.integers(0, 256, shape, dtype=np.uint8)
        assert steady(frame, number / 10).shape == shape


def test_on_real_footage(data: Path) -> None:
    """Still clips of Ped2 are not touched at all; shaken ones come back to 0.1 pixels in most."""
    dataset = open_dataset(f"ped2:{data / 'ped2'}")
    (clip,) = load_clips([dataset.train[0].path], 160, 256, 1)
    steady = Steady()
    assert all(steady(frame, number / 10) is frame for number, frame in enumerate(clip))
    shaken = shake(clip, np.random.default_rng(1), most=2)
    moves = np.random.default_rng(1).integers(0, 5, (len(clip), 2))[:, ::-1] - 2
    off = []
    for frame, move in zip(shaken[1:], moves[1:] - moves[0], strict=True):
        # The window lies `move` further right and down, so that things lie as much to the left.
        found = shift(smooth(shaken[0]), smooth(frame))
        off.append(math.hypot(found[0] + move[0], found[1] + move[1]))
    assert np.quantile(off, 0.5) < 0.1


def test_the_place_comes_to_the_middle_of_the_shake_and_follows_a_pole_that_leans() -> None:
    """The first frame lies at the border of the shake, and the middle wanders eight pixels."""
    steady, rng, count = Steady(), np.random.default_rng(0), 600
    kept, off = [], []
    for number in range(count):
        middle = 8 * number / count
        x, y = (2.0, 2.0) if number == 0 else rng.uniform(-1.5, 1.5, 2)
        frame = noisy(scene(x + middle, y), number, 1.0)
        found, shake = steady.push(frame, number / 10)
        if number >= 100:
            kept.append(found is frame)
            # Where the frame was moved to: things lie as far left as it was seen from the right.
            off.append((x + shake[0], y + shake[1]))
    assert np.mean(kept) < 0.1
    # Eight pixels a minute, followed two seconds late.
    assert np.mean(off, 0) == pytest.approx((-8 / 60 * SECONDS, 0), abs=0.1)
    assert np.quantile(np.abs(off), 0.95) < 1
    jumps = np.linalg.norm(np.diff(off, axis=0), axis=1)
    assert np.quantile(jumps, 0.9) < 0.3
