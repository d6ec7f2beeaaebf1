"""A tiny camera for tests: noise over a fixed place, and a light square that goes by."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np

from mnad.video.sink import VideoSink
from mnad.video.source import Frame

HEIGHT, WIDTH, RATE = 48, 64, 10
THING = (0.5, 0.1)
"""Left and top of the thing that appears, in shares of the frame."""


@cache
def place() -> np.ndarray:
    """What stands still: (48, 64) float32."""
    rough = np.random.default_rng(7).uniform(60, 160, (8, 10)).astype(np.float32)
    return cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)


def street(
    count: int, seed: int = 0, thing: range = range(0), covered: range = range(0), per_move: int = 1
) -> np.ndarray:
    """Frames of the camera.

    Args:
        count: how many.
        seed: of the noise.
        thing: frames in which a shaking, flickering square is seen.
        covered: frames in which the lens is.
        per_move: frames between two steps of the square.

    Returns:
        (count, 48, 64, 1) uint8.
    """
    rng = np.random.default_rng(seed)
    frames = np.empty((count, HEIGHT, WIDTH, 1), np.uint8)
    for t in range(count):
        picture = place().copy()
        x = t // per_move % (WIDTH - 6)
        picture[32:38, x : x + 6] += 40
        if t in thing:
            top, left = round(THING[1] * HEIGHT) + 2 * (t % 2), round(THING[0] * WIDTH)
            picture[top : top + 10, left : left + 10] = 255 * (t % 2)
        if t in covered:
            picture[:] = 12
        noisy = picture + rng.normal(0, 2, picture.shape)
        frames[t, ..., 0] = np.clip(noisy, 0, 255)
    return frames


def video(path: Path, frames: np.ndarray, rate: int = RATE) -> Path:
    """A file of such frames."""
    with VideoSink(path, Fraction(rate), (HEIGHT, WIDTH)) as sink:
        for frame in frames:
            sink.write(np.repeat(frame, 3, axis=2))
    return path


def colour(grey: np.ndarray, longest: int | None) -> np.ndarray:
    return np.repeat(grey, 3, axis=2)


def as_frames(frames: np.ndarray, first: int = 0, seconds: float = 0.0) -> list[Frame]:
    """Decoded frames, as a source gives them, from a number and a time on."""
    start = Fraction(seconds).limit_denominator(1000)
    return [
        Frame(f, first + t, start + Fraction(t, RATE), partial(colour, f))
        for t, f in enumerate(frames)
    ]
