"""Small clips for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mnad.detector import Detector

TINY: dict[str, Any] = {"channels": 1, "width": 0.05, "height": 32, "image_width": 32, "epochs": 1}
"""Options of a training that takes a second."""


def moving_square(frames: int, seed: int, size: int = 32) -> np.ndarray:
    """A grey square on its way through noise: (T, size, size, 1) uint8."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(90, 110, (frames, size, size, 1), dtype=np.uint8)
    for t in range(frames):
        x = (3 * seed + 2 * t) % (size - 8)
        clip[t, 10:18, x : x + 8] = 220
    return clip


def write_own(root: Path, appears: int) -> Path:
    """A data set of one's own: 2 training clips, 2 labelled test clips, all folders of PNG.

    In frames 8 to 13 of the test clips something of the grey level `appears` comes in.
    """
    import cv2

    for number, part in enumerate(("training/a", "training/b", "testing/c", "testing/d")):
        folder = root / part
        folder.mkdir(parents=True)
        clip = moving_square(14, seed=number)
        if part.startswith("testing"):
            clip[8:, 20:30, 4:14] = appears
            folder.with_suffix(".csv").write_text("first,last\n8,13\n")
        for t, frame in enumerate(clip):
            cv2.imwrite(str(folder / f"{t}.png"), frame)
    return root


def numbered(number: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A frame (*size, 3) uint8 that shows its number, below 256, in binary, as eight bars."""
    bits = np.unpackbits(np.array([number], np.uint8)) * np.uint8(255)
    bars = np.repeat(bits, size[1] // 8)
    return np.ascontiguousarray(np.broadcast_to(bars[None, :, None], (*size, 3)))


def number_in(pixels: np.ndarray) -> int:
    """The number that `numbered` put into a frame."""
    bars = pixels[8:-8].mean(axis=(0, 2)).reshape(8, -1).mean(axis=1)
    return int(np.packbits(bars > 128)[0])


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
