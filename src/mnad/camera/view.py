"""What a camera normally shows, learnt from footage in which nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnad.camera.likeness import Background, Likeness
from mnad.camera.sight import Glance, Running, Stillness, glance, small_size, stride
from mnad.errors import MnadError

KEPT = 100
"""At most this many pictures are kept while learning, evenly over the footage."""


@dataclass(frozen=True, eq=False)
class View:
    """Summary of the normal view.

    Attributes:
        picture: its background: grey (h, w), edges (h // 2, w // 2) and colour.
        low: of each `Likeness` of the footage with that background, about the smallest.
        middle: the median.
        high: about the greatest.
        same: the longest time in seconds during which the footage repeated a picture exactly.
        still: the longest time in seconds during which it stood still but for noise.
    """

    picture: Glance
    low: Likeness
    middle: Likeness
    high: Likeness
    same: float
    still: float

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the small picture."""
        height, width = self.picture.grey.shape
        return height, width

    @classmethod
    def learn(cls, frames: Iterable[NDArray[np.uint8]], rate: float) -> View:
        """Learn the normal view, in one pass and bounded memory.

        Args:
            frames: (H, W, C) uint8, C = 1 or 3 (RGB), in the order of time; a minute or more with
                what normally goes on, and the longer the better.
            rate: frames per second.

        Raises:
            MnadError: there are no frames.
        """
        running, stillness = Running(), Stillness()
        seen: list[NDArray[np.uint8]] = []
        means: list[Glance] = []
        every, count, colour, same, still = 1, 0, 0.0, 0.0, 0.0
        size, edges = (0, 0), np.zeros((), np.complex64)
        for index, pixels in enumerate(frames):
            if index % stride(rate):
                continue
            if not count:
                size = small_size(*pixels.shape[:2])
            now, seconds = glance(pixels, size), index / rate
            mean = running.add(now, seconds)
            repeated, stood = stillness.add(now.grey, seconds)
            same, still = max(same, repeated), max(still, stood)
            edges, colour = edges + now.edges, colour + now.colour
            if count % every == 0:
                seen.append(now.grey.round().astype(np.uint8))
                means.append(mean)
                if len(seen) == 2 * KEPT:
                    seen, means, every = seen[::2], means[::2], 2 * every
            count += 1
        if not count:
            raise MnadError("there are no frames to learn the camera's normal view from.")
        background = np.sort(np.stack(seen), axis=0)[len(seen) // 2].astype(np.float32)
        picture = Glance(background, np.asarray(edges / count, np.complex64), colour / count)
        learnt = Background(picture)
        found = np.array([learnt.likeness(mean) for mean in means])
        low, middle, high = (Likeness(*np.quantile(found, q, axis=0)) for q in (0.01, 0.5, 0.99))
        return cls(picture, low, middle, high, same, still)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays to store; `from_arrays` reads them back."""
        return {
            "grey": self.picture.grey,
            "edges": np.stack([self.picture.edges.real, self.picture.edges.imag]),
            "levels": np.array([self.low, self.middle, self.high]),
            "numbers": np.array([self.picture.colour, self.same, self.still]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> View:
        """The inverse of `as_arrays`.

        Raises:
            MnadError: an array is missing or has another shape.
        """
        try:
            grey = np.asarray(arrays["grey"], np.float32)
            real, imaginary = np.asarray(arrays["edges"], np.float32)
            low, middle, high = (Likeness(*map(float, row)) for row in arrays["levels"])
            colour, same, still = map(float, arrays["numbers"])
            if real.shape != (grey.shape[0] // 2, grey.shape[1] // 2):
                raise ValueError("shapes differ")
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise MnadError(
                f"the stored view of the camera is damaged ({error}): calibrate the model again."
            ) from None
        picture = Glance(grey, np.asarray(real + 1j * imaginary, np.complex64), colour)
        return cls(picture, low, middle, high, same, still)
