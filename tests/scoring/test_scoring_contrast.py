"""The relative error against a slow reference and against displacements that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from mnad.scoring.contrast import AROUND, FLAT, contrast, relative_error


def test_contrast_by_numpy_and_scipy() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 1), dtype=np.uint8)
    steep = np.hypot(*np.gradient(frame[..., 0] / 255.0))
    expected = gaussian_filter(steep, AROUND, mode="mirror", truncate=4)
    np.testing.assert_allclose(contrast(frame), expected, rtol=2e-3)


@pytest.mark.parametrize("shape", [(32, 32, 1), (64, 96, 1)])
def test_it_is_the_same_to_the_last_bit_wherever_in_memory_it_is_made(
    shape: tuple[int, int, int],
) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, shape, dtype=np.uint8)
    kept, found = [], set()
    for _ in range(300):
        kept.append(np.empty(rng.integers(1, 5000), np.uint8))
        found.add(contrast(frame).tobytes())
    assert len(found) == 1


def test_of_a_colour_frame_it_is_the_brightness() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 30, 1), dtype=np.uint8)
    np.testing.assert_allclose(contrast(np.tile(grey, (1, 1, 3))), contrast(grey), rtol=1e-5)


def test_the_contrast_of_a_ramp_is_its_slope() -> None:
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], (30, 1, 1))
    np.testing.assert_allclose(contrast(ramp), 4 / 255, rtol=1e-5)
    turned = np.ascontiguousarray(ramp.transpose(1, 0, 2))
    np.testing.assert_allclose(contrast(turned), 4 / 255, rtol=1e-5)


@pytest.mark.parametrize("steepness", [40.0, 80.0])
def test_of_a_shifted_pattern_it_tells_the_shift_and_not_the_contrast(steepness: float) -> None:
    """Soft stripes a pixel off, then two; the fainter ones err half as much in grey levels."""

    def stripes(shift: float) -> NDArray[np.float64]:
        x = np.arange(128) - shift
        return np.tile(127 + steepness * np.sin(2 * np.pi * x / 32), (64, 1))

    seen = np.rint(stripes(0)).astype(np.uint8)[..., None]
    middle = np.s_[16:48, 16:112]
    slope = contrast(seen)[middle]
    for shift in (1.0, 2.0):
        error = torch.from_numpy(((stripes(shift) - seen[..., 0]) / 255)[None]).float().square()
        found = relative_error(error, [seen])[0][middle].sqrt().numpy()
        off = found * (slope + FLAT) / slope  # were it not for the floor
        assert float(off.mean()) == pytest.approx(shift, rel=0.1)


def test_on_flat_ground_the_floor_alone_counts() -> None:
    flat = np.full((20, 20, 1), 90, np.uint8)
    error = torch.full((1, 20, 20), 0.0036)
    np.testing.assert_allclose(relative_error(error, [flat]), (0.06 / FLAT) ** 2, rtol=1e-5)


def test_every_frame_is_measured_by_itself() -> None:
    frames = np.random.default_rng(2).integers(0, 256, (3, 20, 30, 1), dtype=np.uint8)
    error = torch.rand(3, 20, 30)
    found = relative_error(error, frames)
    for one, own, frame in zip(found, error, frames, strict=True):
        torch.testing.assert_close(one, relative_error(own[None], [frame])[0])


def test_what_is_masked_tells_nothing_of_the_contrast() -> None:
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 256, (30, 40, 1), dtype=np.uint8)
    other = frame.copy()
    other[20:] = rng.integers(0, 256, (10, 40, 1), dtype=np.uint8)
    mask = np.ones((30, 40), np.float32)
    mask[20:] = 0
    one, two = (contrast(f, mask)[:20] for f in (frame, other))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one[:11], contrast(frame)[:11], rtol=1e-3)
    np.testing.assert_allclose(contrast(frame, np.ones_like(mask)), contrast(frame), rtol=1e-4)
