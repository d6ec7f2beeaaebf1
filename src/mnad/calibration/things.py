"""How large the things are that move in normal footage."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

BACKGROUND_FRAMES = 25
LOOKED_AT = 40
"""Frames of a clip in which things are looked for."""
DIFFERENT = 15.0
"""Grey levels of 255 by which a thing differs from its background."""
SMALLEST, LARGEST = 3e-4, 0.5
"""Of a thing: the least share of the frame's area, the greatest share of its height or width."""
USUAL_THING = 1 / 12
"""Share of the height that a thing takes where nothing moves."""


def things_in(clip: Frames) -> list[tuple[int, int]]:
    """Height and width of what differs from the median of a clip (T, H, W, c).

    Looked for in frames that are evenly spread over the clip.
    """
    height, width = clip.shape[1:3]
    spread = np.linspace(0, len(clip) - 1, min(len(clip), BACKGROUND_FRAMES)).astype(int)
    background = np.median(clip[spread], axis=0).astype(np.float32)
    found: list[tuple[int, int]] = []
    for t in np.linspace(0, len(clip) - 1, min(len(clip), LOOKED_AT)).astype(int):
        difference = np.abs(clip[t] - background).max(axis=-1)
        apart = (cv2.GaussianBlur(difference, (0, 0), 1) > DIFFERENT).astype(np.uint8)
        apart = cv2.morphologyEx(apart, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.uint8)
        count, _, facts, _ = cv2.connectedComponentsWithStats(apart)
        for i in range(1, count):
            _, _, w, h, area = (int(n) for n in facts[i])
            large = h > LARGEST * height or w > LARGEST * width
            if not large and area >= SMALLEST * height * width:
                found.append((h, w))
    return found


def block_size(clips: Sequence[Frames]) -> int:
    """Rows and columns of a block as large as what normally moves in the scene.

    The median over all things of the side of a square of the area of their bounding box. A block
    of that size holds the whole of a thing and little else, as a matched filter would.

    Args:
        clips: (T, H, W, c) uint8 normal footage at the size of the network.

    Returns:
        Pixels, from a 32nd to a quarter of the frame's shorter side.
    """
    side = min(clips[0].shape[1:3])
    sizes = [np.sqrt(h * w) for clip in clips for h, w in things_in(clip)]
    wanted = float(np.median(sizes)) if sizes else USUAL_THING * side
    return max(1, round(float(np.clip(wanted, side / 32, side / 4))))
