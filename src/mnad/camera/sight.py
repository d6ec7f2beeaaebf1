"""What a camera shows, boiled down to a small grey picture and a map of edge directions."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Edges = NDArray[np.complex64]

PER_SECOND = 5.0
"""Frames looked at in a second; a camera suffers nothing that needs more."""

WIDTH = 320
"""Columns of the small picture (fewer if the frame has fewer); the edges have half of them."""

MEMORY = 1.5
"""Seconds that the running mean looks back: passers-by fade from it, what stands still stays."""

BLOCK = 16
"""Side of a block of the small picture, for what is compared in coarse parts."""

STILL = 0.08
"""Grey levels, root mean square, by which the blocks of a still picture may move, and four times
that for any one block. What an encoder adds to a repeated frame stays below it; the noise and the
flicker of a live picture mostly do not."""

NOISE = 0.7
"""Slope, in grey levels per pixel, that noise may have in the small picture."""


class Glance(NamedTuple):
    """One frame made small.

    Attributes:
        grey: (h, w) float32, 0..255.
        edges: (h // 2, w // 2) complex64; the angle is twice the direction of the slope, so that
            it is the same when dark and bright swap; the modulus, 0..1, is how marked the edge is.
        colour: mean difference between the strongest and the weakest of R, G and B, 0..255; NaN
            of a grey frame.
    """

    grey: Floats
    edges: Edges
    colour: float


def stride(rate: float) -> int:
    """Look at every n-th frame of a source with `rate` frames per second."""
    return max(1, round(rate / PER_SECOND))


def small_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the small picture of a frame."""
    factor = min(1.0, WIDTH / width)
    return max(16, round(height * factor)), max(16, round(width * factor))


def glance(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Glance:
    """Make a frame small.

    Args:
        pixels: (H, W, C) uint8, C = 1 or 3 (RGB).
        size: rows and columns of the small picture, see `small_size`.
    """
    height, width = size
    # Averaging every pixel of a large frame takes most of the time and adds nothing: four in each
    # pixel of the small picture will do.
    step = max(1, min(pixels.shape[0] // (2 * height), pixels.shape[1] // (2 * width)))
    part = np.ascontiguousarray(pixels[::step, ::step])
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    colour = math.nan
    if small.ndim == 3:
        tiny = small[::4, ::4].astype(np.int16)
        colour = float((tiny.max(2) - tiny.min(2)).mean())
        small = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    grey = small.astype(np.float32)
    return Glance(grey, edges_of(grey), colour)


def edges_of(grey: Floats) -> Edges:
    """The map of edge directions of a small picture, see `Glance`.

    Slopes are weighed against the mean slope of the picture, so the map hardly depends on
    brightness and contrast.
    """
    height, width = grey.shape
    half = cv2.resize(grey, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    across = cv2.Sobel(half, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(half, cv2.CV_32F, 0, 1, scale=1 / 8)
    square = across * across + down * down
    floor = NOISE**2 + (0.5 * float(np.sqrt(square).mean())) ** 2
    slope = across + 1j * down
    return np.asarray(slope * slope / (square + np.float32(floor)), np.complex64)


def blocks(grey: Floats) -> Floats:
    """Means of the blocks of a small picture, (h // 16, w // 16)."""
    height, width = grey.shape
    size = (width // BLOCK, height // BLOCK)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


class Running:
    """The mean of what was seen lately: the background without those who pass."""

    def __init__(self) -> None:
        self._mean: Glance | None = None
        self._seconds = 0.0
        self._count = 0

    def add(self, seen: Glance, seconds: float) -> Glance:
        """Take in the next glance, seen `seconds` after the start, and return the new mean."""
        self._count += 1
        if self._mean is None:
            self._mean = seen
        else:
            passed = max(seconds - self._seconds, 0.0)
            # At the start a plain mean, or the first frame would weigh too much for too long.
            share = max(1 - math.exp(-passed / MEMORY), 1 / self._count)
            old = self._mean
            self._mean = Glance(
                cv2.addWeighted(old.grey, 1 - share, seen.grey, share, 0),
                old.edges + np.float32(share) * (seen.edges - old.edges),
                old.colour + share * (seen.colour - old.colour),
            )
        self._seconds = seconds
        return self._mean


class Stillness:
    """How long the picture has stood still."""

    def __init__(self) -> None:
        self._same: Floats | None = None
        self._near: Floats | None = None
        self._same_since = self._near_since = 0.0

    def add(self, grey: Floats, seconds: float) -> tuple[float, float]:
        """Take in a small picture; return the seconds it has been the same, and nearly the same.

        Nearly: the blocks have moved by no more than `STILL` since then.
        """
        if self._same is None or not np.array_equal(grey, self._same):
            self._same, self._same_since = grey, seconds
        means = blocks(grey)
        if self._near is None or _differ(means, self._near):
            self._near, self._near_since = means, seconds
        return seconds - self._same_since, seconds - self._near_since


def _differ(a: Floats, b: Floats) -> bool:
    difference = np.abs(a - b)
    return float(difference.max()) > 4 * STILL or float(np.square(difference).mean()) > STILL**2
