"""Where the prediction failed, as a heat map over the frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.errors import UsageError

Picture = NDArray[np.uint8]

HOTTEST = 3.0
"""Heat that gets the hottest colour, in multiples of what normal footage hardly ever reaches."""
OPACITY = 0.5
"""Of the hottest colour: who looks at an alarm must see what is there, not only that it is hot."""


def heat_map(frame: Picture, error: NDArray[np.float32], scale: float) -> Picture:
    """Lay the prediction error over a frame; the larger the error, the hotter and more opaque.

    Half of the frame shows through the hottest, so that what is there can still be told.

    Args:
        frame: (H, W, 3) uint8 RGB.
        error: (h, w) float32, finite and >= 0, at the size of the network.
        scale: the error that gets the hottest colour, above 0; see `ErrorScale`.

    Returns:
        (H, W, 3) uint8 RGB. Pixels whose error is below about 8 % of `scale` are untouched.

    Raises:
        UsageError: `scale` is not above 0.
    """
    if not scale > 0:
        raise UsageError(f"the scale of the heat map is {scale}; give an error above 0.")
    height, width = frame.shape[:2]
    level = cv2.convertScaleAbs(np.asarray(error, np.float32), alpha=255 / scale)
    shrinks = height < level.shape[0] or width < level.shape[1]
    level = cv2.resize(
        level, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    kept = cv2.multiply(frame, cv2.applyColorMap(level, _TRANSPARENCY), scale=1 / 255)
    blended: Picture = cv2.add(kept, cv2.applyColorMap(level, _HEAT))
    return blended


def marked_map(frame: Picture, score: NDArray[np.float32], mark: NDArray[np.bool_]) -> Picture:
    """The abnormal regions of the paper's Fig. 4 over a frame.

    Args:
        frame: (H, W, 3) uint8 RGB.
        score: (h, w) float32 in 0..1 of each pixel (`mnad.scoring.where.paper_map`).
        mark: (h, w) bool, where it counts; a pixel that just does is seen already.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return heat_map(frame, np.where(mark, 0.2 + 0.8 * score, np.float32(0)), 1.0)


def _tables() -> tuple[Picture, Picture]:
    """What to add to a pixel, and its share to keep in 255ths, by level: two (256, 1, 3)."""
    # The darkest third of the map is left out, as at a low opacity it would read as a shadow, and
    # its palest end, which over something grey would be no colour.
    ramp = np.linspace(80, 220, 256).round().astype(np.uint8)[:, None]
    heat = cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[..., ::-1]
    level = np.clip((np.arange(256) / 255 - 0.08) / 0.92, 0, 1)
    opacity = np.round(255 * OPACITY * level**0.6)[:, None, None]
    added = np.floor(heat * (opacity / 255)).astype(np.uint8)
    return added, np.repeat((255 - opacity).astype(np.uint8), 3, axis=2)


_HEAT, _TRANSPARENCY = _tables()


class ErrorScale:
    """A causal scale for `heat_map`: follows the highest errors up at once, and down slowly.

    Args:
        floor: the least scale, in squared error of images in 0..1. It keeps a scene in which
            nothing happens from lighting up with its own noise; the high quantile of the errors
            on normal footage is a better one where it is known.
        quantile: share of a frame's pixels that lie below the error taken as its highest.
        half_life: frames after which the scale has fallen to a half, if nothing held it up.
    """

    def __init__(
        self, floor: float = 0.02, quantile: float = 0.999, half_life: float = 500
    ) -> None:
        self._floor = max(floor, 1e-6)
        self._quantile = quantile
        self._decay = 0.5 ** (1 / half_life)
        self._scale = self._floor

    def update(self, error: NDArray[np.float32]) -> float:
        """Take in the error map (h, w) of the next frame; return the scale to draw it with."""
        flat = error.ravel()
        at = min(flat.size - 1, int(self._quantile * flat.size))
        highest = float(np.partition(flat, at)[at])
        self._scale = max(self._floor, highest, self._decay * self._scale)
        return self._scale
