"""A frame of any size and colour as the network takes it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bilinear resize on uint8, as the public code does before it scales to -1..1.

    A frame of twice as many rows and columns, or more, is halved first (the mean of 2 x 2 pixels),
    as often as it is so: of a large frame, bilinear interpolation looks at few of the pixels, so
    that edges flicker and noise stays. Ped2, Avenue and ShanghaiTech at 256 x 256 are not halved.

    Args:
        pixels: (H, W, C).
        height: rows of the result.
        width: columns of the result.

    Returns:
        uint8 (height, width, C).
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    channels = pixels.shape[2]
    while pixels.shape[0] >= 2 * height and pixels.shape[1] >= 2 * width:
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8).reshape(height, width, channels)


def require_frame(pixels: object) -> None:
    """See that something is a frame.

    Raises:
        MnadError: it is no uint8 array (H, W), (H, W, 1) or (H, W, 3).
    """
    if not isinstance(pixels, np.ndarray):
        what = type(pixels).__name__
    elif pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or not pixels.size:
        what = f"{pixels.dtype} of the shape {pixels.shape}"
    elif pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        raise MnadError(f"a frame has {pixels.shape[2]} channels; give 1 (grey) or 3 (RGB).")
    else:
        return
    raise MnadError(
        f"a frame is {what}; give uint8 arrays (height, width, 3) in RGB order, or (height, width) "
        "for grey."
    )


def fit(pixels: NDArray[np.uint8], height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Resize a frame and turn it to grey or RGB.

    Args:
        pixels: uint8 (H, W), (H, W, 1) grey or (H, W, 3) RGB.
        height: rows of the result.
        width: columns of the result.
        channels: 1 or 3.

    Returns:
        uint8 (height, width, channels), never the memory of `pixels` itself: who gave it may
        write the next frame there.

    Raises:
        MnadError: no such array.
    """
    require_frame(pixels)
    given = pixels
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] > channels:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]
    elif pixels.shape[2] < channels:
        pixels = np.repeat(pixels, channels, axis=2)
    fitted = resize(pixels, height, width)
    return fitted.copy() if np.may_share_memory(fitted, given) else fitted
