"""The error of a pixel against the contrast around it: by how far something is out of its place.

Where a thing is not where it was expected, the error is the step in brightness at its edges times
the pixels by which it is off (the assumption of constant brightness, Horn and Schunck 1981). So the
error alone ranks a white shirt on dark ground that is a little off above a grey cart that is far
off. Divided by the gradient of the frame around it, it is next to that displacement, whatever the
clothes, the light and the exposure. What else it was compared with: benchmarks/error_measures.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

AROUND = 1.0
"""Standard deviation, in pixels, of the surroundings that tell the contrast."""
FLAT = 0.1
"""Grey levels of 0..1 by pixel: on ground as flat as that, noise is all there is to be off."""


def measured_error(
    error: Tensor,
    frames: Iterable[NDArray[np.uint8]],
    by_place: bool,
    mask: NDArray[np.float32] | None = None,
) -> Tensor:
    """The error as the score for cameras and its heat look at it (`mnad.scoring.peaks`).

    Against the contrast around it (`relative_error`), or as it is where blocks are measured against
    what is usual at their place.
    """
    return error if by_place else relative_error(error, frames, mask)


def relative_error(
    error: Tensor, frames: Iterable[NDArray[np.uint8]], mask: NDArray[np.float32] | None = None
) -> Tensor:
    """The error of each pixel over the contrast around it.

    Args:
        error: (B, H, W) squared error of images in 0..1, mean over the channels.
        frames: B frames (H, W, c) uint8, what was seen.
        mask: (H, W), above 0 what is looked at; all without it.

    Returns:
        (B, H, W) squared too, 0 and more: about the square of the pixels by which edges are off.
    """
    # On the CPU, where the frames are: OpenCV takes a tenth of the time that torch does.
    around = np.stack([contrast(frame, mask) for frame in frames])
    return error / (torch.from_numpy(around).to(error.device) + FLAT).square()


def contrast(
    frame: NDArray[np.uint8], mask: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """How steeply the brightness changes around each pixel.

    Args:
        frame: (H, W, 1) or (H, W, 3) RGB uint8.
        mask: (H, W), above 0 what is looked at; what is not tells nothing. All without it.

    Returns:
        (H, W) the length of the gradient, grey levels of 0..1 by pixel, smoothed.
    """
    grey = frame[..., 0] if frame.shape[-1] == 1 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    steep = _length(_slope(grey, 1, 0), _slope(grey, 0, 1))
    if mask is None:
        return np.asarray(_smooth(steep))
    # A slope is known where all neighbours are seen.
    known = cv2.erode((mask > 0).astype(np.float32), np.ones((3, 3)))
    return np.asarray(_smooth(steep * known) / np.maximum(_smooth(known), 1e-6))


def _slope(grey: NDArray[np.uint8], x: int, y: int) -> NDArray[np.float32]:
    """Half the difference of both neighbours, at the border that to the only one; over 255."""
    slope = cv2.Sobel(
        grey, cv2.CV_32F, x, y, ksize=1, scale=1 / 510, borderType=cv2.BORDER_REPLICATE
    )
    ends = slope[:, [0, -1]] if x else slope[[0, -1]]
    slope[np.s_[:, [0, -1]] if x else np.s_[[0, -1]]] = 2 * ends
    return np.asarray(slope)


def _length(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """That of the gradient; both are overwritten.

    cv2.magnitude rounds some pixels by where in memory the arrays lie, so that equal footage had
    other scores from run to run; in place NumPy takes 0.02 ms more.
    """
    x *= x
    y *= y
    x += y
    return np.asarray(np.sqrt(x, out=x))


def _smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), AROUND))
