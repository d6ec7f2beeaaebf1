"""Small clips for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mnad.detector import Detector


def moving_square(frames: int, seed: int, size: int = 32) -> np.ndarray:
    """A grey square on its way through noise: (T, size, size, 1) uint8."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(90, 110, (frames, size, size, 1), dtype=np.uint8)
    for t in range(frames):
        x = (3 * seed + 2 * t) % (size - 8)
        clip[t, 10:18, x : x + 8] = 220
    return clip


def smoothed_slowly(single: np.ndarray, rate: float, seconds: float = 0.25) -> list[float]:
    """The score for cameras of a clip (n,): each mean over all before, weighted by their age."""
    weight = np.exp(-np.arange(len(single)) / (rate * seconds))  # by age in frames
    return [float(np.average(single[: i + 1], weights=weight[i::-1])) for i in range(len(single))]


def in_any_light(folder: Path) -> Detector:
    """A model whose streams take light and noise as they are, as evaluations do."""
    from mnad.detector import Detector
    from mnad.models.folder import load_model

    model = load_model(folder)
    assert model.reference is not None
    return Detector(replace(model, reference=replace(model.reference, light=None, noise=None)))
