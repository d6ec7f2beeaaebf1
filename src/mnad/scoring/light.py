"""Frames brought back into the light that a model knows.

A network that learnt by day puts out the level of the day: a fifth more light, or a camera that
raises its gain, and every frame errs everywhere. What normal frames span in mean and contrast
(their standard deviation) is remembered; a frame beyond it is scaled to the nearest end of it.
Within it nothing is done, so that footage as it was trained on is scored as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.scoring.smooth import newest_weight

MARGIN = 0.05
"""Share by which the span is wider than what was seen: that much changes no score to speak of."""
SECONDS = 10.0
"""Time in which a change of the light is followed: what moves through the scene is faster."""
MOST, LEAST = 8.0, 2.0
"""Greatest gain, and the least contrast in grey levels that is scaled: below, there is nothing."""


class Span(NamedTuple):
    """What mean and standard deviation of normal frames span, grey levels of 0..255.

    Attributes:
        low: the least of both.
        high: the greatest of both.
    """

    low: tuple[float, float]
    high: tuple[float, float]

    def widened(self, other: Span | None) -> Span:
        """What both span."""
        if other is None:
            return self
        low = min(self.low[0], other.low[0]), min(self.low[1], other.low[1])
        return Span(low, (max(self.high[0], other.high[0]), max(self.high[1], other.high[1])))


def light_of(frame: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of a frame (H, W, c), over all of its channels."""
    mean, deviation = cv2.meanStdDev(frame.reshape(frame.shape[0], -1))
    return float(mean[0, 0]), float(deviation[0, 0])


def span_of(lights: NDArray[np.float64]) -> Span:
    """The span of (n, 2) means and deviations."""
    low, high = lights.min(0), lights.max(0)
    return Span((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))


class Light:
    """Follows the light of one stream.

    Args:
        span: of normal frames; None leaves every frame as it is.
    """

    def __init__(self, span: Span | None) -> None:
        self._span = span
        self._now: tuple[float, float] | None = None
        self._last = 0.0

    def __call__(self, frame: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """The frame (H, W, c) as if it were in a known light; itself where it is.

        Args:
            frame: the next one of the stream.
            seconds: its time.
        """
        if self._span is None:
            return frame
        own = light_of(frame)
        if self._now is None or own == self._nearest(own):
            # Whatever the light was before, such as under a hand on the lens.
            self._now = own
        else:
            weight = newest_weight(seconds - self._last, SECONDS)
            mean, deviation = (n + (o - n) * weight for n, o in zip(self._now, own, strict=True))
            self._now = mean, deviation
        self._last = seconds
        now, wanted = self._now, self._nearest(self._now)
        if wanted == now or now[1] < LEAST:
            return frame
        gain = min(MOST, wanted[1] / now[1])
        levels = wanted[0] + gain * (np.arange(256) - now[0])
        table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(frame, table)).reshape(frame.shape)

    def _nearest(self, light: tuple[float, float]) -> tuple[float, float]:
        """The nearest light that is known."""
        assert self._span is not None
        mean, deviation = (
            min(max(n, low * (1 - MARGIN)), high * (1 + MARGIN))
            for n, low, high in zip(light, *self._span, strict=True)
        )
        return mean, deviation
