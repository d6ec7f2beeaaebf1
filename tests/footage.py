"""Small clips for tests."""

from __future__ import annotations

import numpy as np


def moving_square(frames: int, seed: int, size: int = 32) -> np.ndarray:
    """A grey square on its way through noise: (T, size, size, 1) uint8."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(90, 110, (frames, size, size, 1), dtype=np.uint8)
    for t in range(frames):
        x = (3 * seed + 2 * t) % (size - 8)
        clip[t, 10:18, x : x + 8] = 220
    return clip
