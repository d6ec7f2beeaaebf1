"""The pictures of the robustness benchmark are what its words say."""

from __future__ import annotations

import numpy as np
import pytest
from footage import moving_square
from perturb import conditions, gain, h264, low_light, noise, shake


def flat(level: int, frames: int = 4) -> np.ndarray:
    return np.full((frames, 120, 160, 1), level, np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("level", "factor", "expected"), [(100, 1.2, 120), (100, 0.8, 80), (170, 1.5, 255), (0, 1.5, 0)]
)
def test_gain_is_a_product_that_is_clipped(level: int, factor: float, expected: int) -> None:
    assert (gain(flat(level), rng(), factor=factor) == expected).all()


def test_gaussian_noise_has_its_deviation_and_is_new_in_each_frame() -> None:
    changed = noise(flat(128), rng(), sigma=10.0).astype(float)
    # 76,800 draws: the deviation of their mean is 0.036, of their deviation 0.026; of rounding,
    # 1/12 of a level squared.
    assert changed.mean() == pytest.approx(128, abs=0.2)
    assert changed.std() == pytest.approx(np.sqrt(100 + 1 / 12), abs=0.15)
    between = np.corrcoef(changed[0].ravel(), changed[1].ravel())[0, 1]
    assert abs(between) < 0.04


@pytest.mark.parametrize("level", [60, 120, 240])
def test_low_light_has_a_quarter_of_the_mean_and_the_stated_variance(level: int) -> None:
    changed = low_light(flat(level), rng(), exposure=0.25, electrons=10.0, read=10.0).astype(float)
    # By hand for 120: 30 +- sqrt(30/10 + 1 + 1/12) = 2.02.
    assert changed.mean() == pytest.approx(level / 4, abs=0.06)
    assert changed.var() == pytest.approx(level / 40 + 1 + 1 / 12, rel=0.03)


def test_in_the_dark_there_is_read_noise_alone() -> None:
    changed = low_light(flat(0), rng(), exposure=0.25, electrons=1.0, read=4.0).astype(float)
    # Normal(0, 4), of which the negative half is clipped: mean 4/sqrt(2 pi).
    assert changed.mean() == pytest.approx(4 / np.sqrt(2 * np.pi), abs=0.05)


def test_shake_moves_each_frame_by_whole_pixels_up_to_its_limit_and_repeats_edges() -> None:
    clip = rng(3).integers(0, 256, (200, 20, 24, 1), dtype=np.uint8)
    changed = shake(clip, rng(), most=2)
    assert changed.shape == clip.shape and changed.dtype == np.uint8
    moves = []
    for before, after in zip(clip[..., 0], changed[..., 0], strict=True):
        found = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if (after == moved(before, down, right)).all()
        ]
        assert len(found) == 1
        moves += found
    assert np.abs(moves).max() == 2
    # All 25 of them occur: one of 200 draws misses a given one with a chance of 0.0003.
    assert len(set(moves)) == 25


def moved(frame: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pixel by pixel, from the nearest one that there is."""
    height, width = frame.shape
    rows = [min(max(y + down, 0), height - 1) for y in range(height)]
    columns = [min(max(x + right, 0), width - 1) for x in range(width)]
    return np.array([[frame[y, x] for x in columns] for y in rows])


@pytest.mark.parametrize("channels", [1, 3])
def test_h264_keeps_every_frame_and_loses_what_the_bits_do_not_hold(channels: int) -> None:
    clip = np.repeat(moving_square(20, seed=1), channels, axis=-1)

    def error(kilobits: float) -> float:
        changed = h264(clip, rng(), rate=10.0, kilobits=kilobits)
        assert changed.shape == clip.shape and changed.dtype == np.uint8
        return float(np.square(changed.astype(float) - clip).mean())

    assert error(5000) < 4 < 15 < error(10)


def test_h264_shifts_neither_brightness_nor_time() -> None:
    clip = np.concatenate([flat(level, 1) for level in range(10, 250, 20)])
    changed = h264(clip, rng(), rate=10.0, kilobits=2000).astype(float)
    assert changed.mean(axis=(1, 2, 3)) == pytest.approx(range(10, 250, 20), abs=1.5)


def test_all_conditions_are_seeded_and_leave_the_clip_alone() -> None:
    clip = moving_square(12, seed=1)
    before = clip.copy()
    for name, (_, perturb) in conditions(10.0).items():
        first, again = perturb(clip, rng(7)), perturb(clip, rng(7))
        assert first.shape == clip.shape and (first == again).all(), name
        assert (first == clip).all() == (name == "none"), name
    assert (clip == before).all()
