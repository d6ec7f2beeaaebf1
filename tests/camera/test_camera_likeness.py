from __future__ import annotations

import cv2
import numpy as np
import pytest

from mnad.camera.likeness import Aligner, Background
from mnad.camera.sight import Glance, Running, Stillness, edges_of, glance, small_size, stride


def texture(seed: int = 0, height: int = 180, width: int = 320) -> np.ndarray:
    """A grey picture of random blobs, (H, W, 1) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return cv2.normalize(smooth, None, 20, 230, cv2.NORM_MINMAX).astype(np.uint8)[..., None]


def warped(pixels: np.ndarray, across: float = 0, down: float = 0, angle: float = 0) -> np.ndarray:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1)
    turn[:, 2] += across * width, down * width
    return cv2.warpAffine(pixels, turn, (width, height))[..., None]


def test_size_of_the_small_picture() -> None:
    assert small_size(1080, 1920) == (180, 320)
    assert small_size(240, 200) == (240, 200)
    assert (stride(30), stride(12.5), stride(1)) == (6, 2, 1)


def test_edges_are_the_same_brighter_flatter_and_inverted() -> None:
    grey = texture()[..., 0].astype(np.float32)
    edges = edges_of(grey)
    assert np.abs(edges).max() <= 1
    for other in (255 - grey, grey + 20):
        np.testing.assert_allclose(edges_of(other), edges, atol=1e-3)
    # The floor against noise costs a flat picture a little.
    np.testing.assert_allclose(edges_of(grey * 0.5), edges, atol=0.3)


def test_direction_of_edges() -> None:
    step = np.zeros((64, 64), np.float32)
    step[:, 32:] = 100
    assert edges_of(step)[16, 16].real > 0.9
    assert edges_of(np.ascontiguousarray(step.T))[16, 16].real < -0.9


def test_colour_is_the_mean_range_of_the_channels() -> None:
    pixels = np.full((64, 64, 3), (100, 70, 90), np.uint8)
    assert glance(pixels, (64, 64)).colour == 30
    assert np.isnan(glance(pixels[..., :1], (64, 64)).colour)


@pytest.mark.parametrize(
    ("across", "down", "angle"),
    [(0.05, 0, 0), (-0.15, 0.025, 0), (0, -0.1, 0), (0, 0, 3), (0, 0, -6), (0.05, 0, 2)],
)
def test_the_aligner_finds_the_move(across: float, down: float, angle: float) -> None:
    pixels = texture()
    learnt = glance(pixels, (180, 320))
    moved = glance(warped(pixels, across, down, angle), (180, 320))
    found = Aligner(learnt.edges).find(moved.edges)
    assert (found.across, found.down) == pytest.approx((across, down), abs=0.007)
    assert found.angle == angle
    assert found.match > 0.6 > Background(learnt).likeness(moved).match


def test_likeness_to_itself_and_to_a_darker_picture() -> None:
    pixels = texture()
    background = Background(glance(pixels, (180, 320)))
    same = background.likeness(glance(pixels, (180, 320)))
    # 1 / hypot(1, 0.2): the doubt about a weak picture.
    assert same.match == pytest.approx(1 / np.hypot(1, 0.2), abs=1e-4)
    assert same.structure == pytest.approx(1)
    assert (same.bare, same.brightness, same.contrast) == (0, 0, 0)
    dark = background.likeness(glance(pixels // 2, (180, 320)))
    assert dark.brightness == pytest.approx(-0.9, abs=0.05)  # log2((60 + 8) / (120 + 8))
    assert dark.contrast == pytest.approx(-0.8, abs=0.2)
    assert dark.match > 0.9


def test_the_running_mean_forgets_exponentially() -> None:
    running = Running()
    zero, one = (
        Glance(np.full((32, 32), v, np.float32), np.zeros((16, 16), np.complex64), v)
        for v in (0.0, 1.0)
    )
    for t in range(100):
        running.add(zero, t / 5)
    for t in range(100, 115):
        mean = running.add(one, t / 5)
    # 15 steps of 0.2 s are 3 s: two of the 1.5 s the mean looks back.
    assert mean.colour == pytest.approx(1 - np.exp(-2), abs=1e-6)
    assert mean.grey[0, 0] == pytest.approx(mean.colour, abs=1e-5)


def test_stillness_counts_from_the_last_move() -> None:
    still, rng = Stillness(), np.random.default_rng(0)
    grey = rng.uniform(0, 255, (96, 96)).astype(np.float32)
    noisy = grey + rng.uniform(-1, 1, grey.shape).astype(np.float32)
    moved = grey.copy()
    moved[:16, :16] += 5
    assert still.add(grey, 0.0) == (0, 0)
    assert still.add(grey, 1.0) == (1, 1)
    assert still.add(noisy, 2.0) == (0, 2)
    assert still.add(moved, 3.0) == (0, 0)
    assert still.add(moved, 4.0) == (1, 1)
