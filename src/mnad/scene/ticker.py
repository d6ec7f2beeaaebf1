"""A news ticker on the building: strong motion, all day long, that is easy to foresee.

It is what tells a model of the normal from a measure of motion: its text runs at constant speed,
with gaps between the messages, so frame differences come and go at random.
"""

from __future__ import annotations

import cv2
import numpy as np

from mnad.scene.foliage import Bytes

_SPAN = 6.3  # seconds of strip with one message each; no simple fraction of the anomalies' 15
_PACE = 1 / 9.6  # widths of the picture per second: 2 of 192 columns in 0.1 s
_TEXTS = ["OPEN 9-17", "MARKET", "BUS 12", "CITY RUN", "CONCERT", "WELCOME", "BREAD", "20:45"]


class Ticker:
    """The lit letters at any moment.

    Args:
        seed: of the clip.
        board: x, y, width and height of the board on a canvas.
        width: of the canvas, in pixels.
    """

    def __init__(self, seed: int, board: tuple[int, int, int, int], width: int) -> None:
        self.seed, self.board, self.pace = seed, board, _PACE * width
        self._spans: dict[int, Bytes] = {}

    def draw(self, canvas: Bytes, now: float) -> None:
        """Put what shows at the second `now` on the board of a canvas (H, W, 3)."""
        x, y, width, height = self.board
        left = round(self.pace * now)
        span = round(self.pace * _SPAN)
        first, last = left // span, (left + width - 1) // span
        wanted = range(first, last + 1)
        old = self._spans
        self._spans = {k: old[k] if k in old else self._text(k, span) for k in wanted}
        strip = np.concatenate([self._spans[k] for k in wanted], axis=1)
        start = left - first * span
        canvas[y : y + height, x : x + width] = strip[:, start : start + width]

    def _text(self, number: int, span: int) -> Bytes:
        rng = np.random.default_rng([0x71C4, self.seed, number])
        height = self.board[3]
        strip = np.full((height, span, 3), (20, 17, 15), np.uint8)
        text = _TEXTS[int(rng.integers(len(_TEXTS)))]
        font, scale = cv2.FONT_HERSHEY_DUPLEX, 0.62 * height / 21
        (wide, _), _ = cv2.getTextSize(text, font, scale, 1)
        start = int(rng.integers(0, max(1, span - wide)))
        foot = (start, round(0.8 * height))
        cv2.putText(strip, text, foot, font, scale, (255, 240, 180), 2, cv2.LINE_AA)
        return strip
