"""Frames with more noise than a model knows, smoothed where they are plain.

At dusk a camera raises its gain, and every frame is noisier than those a network learnt from: it
predicts a smooth picture, so that all of the noise counts as error. How noisy the noisiest normal
frame was is remembered; what a stream has beyond it is taken off by a bilateral filter (Tomasi and
Manduchi 1998), which leaves edges. Within it nothing is done, so that footage as it was trained on
is scored as it is.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.scoring.smooth import newest_weight

MARGIN = 0.1
"""Share by which frames may be noisier than the noisiest that is known."""
LEAST = 1.0
"""Grey levels: less noise than this beyond what is known does no harm."""
SECONDS = 1.0
"""Time in which a change of the noise is followed."""
DIAMETER, DEVIATION, LEVELS = 7, 1.5, 2.5
"""Of the filter: pixels across, standard deviation in pixels, and that in grey levels as a multiple
of the noise. Of noise put onto clips of seven cameras these leave next to the least error against
the clean clips."""

_KERNEL = np.array([1, -2, 1], np.float32)
_OF_ONE = 6.0
"""Standard deviation of what the kernel, along rows and columns, makes of noise of one level."""
_TO_MEDIAN = 0.6745
"""Median size of Gaussian noise of standard deviation 1."""


def noise_of(frame: NDArray[np.uint8]) -> float:
    """Standard deviation of the noise of a frame (H, W, c), in grey levels of 0..255.

    The second difference both ways knows no plane and no edge along an axis (Immerkaer 1996, Fast
    noise variance estimation); the median of its sizes, instead of their mean, does not count the
    other edges either. Fine texture all over the picture counts as noise.
    """
    rough = cv2.sepFilter2D(frame, cv2.CV_16S, _KERNEL, _KERNEL)[1:-1:4, 1:-1:2]
    return float(np.median(np.abs(rough))) / (_TO_MEDIAN * _OF_ONE) if rough.size else 0.0


class Denoise:
    """Follows the noise of one stream.

    Args:
        known: standard deviation of the noise of the noisiest normal frame, in grey levels of
            0..255; None leaves every frame as it is.
    """

    def __init__(self, known: float | None) -> None:
        self._known = known
        self._now: float | None = None
        self._last = 0.0

    def __call__(self, frame: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """The frame (H, W, c) with no more noise than is known; itself where it has no more.

        Args:
            frame: the next one of the stream.
            seconds: its time.
        """
        if self._known is None:
            return frame
        own = noise_of(frame)
        newest = newest_weight(seconds - self._last, SECONDS)
        self._now = own if self._now is None else self._now + (own - self._now) * newest
        self._last = seconds
        beyond = math.sqrt(max(0.0, self._now**2 - (self._known * (1 + MARGIN)) ** 2))
        if beyond < LEAST:
            return frame
        # Of a colour frame the differences of all channels are added.
        levels = LEVELS * beyond * frame.shape[-1]
        return np.asarray(cv2.bilateralFilter(frame, DIAMETER, levels, DEVIATION)).reshape(
            frame.shape
        )
