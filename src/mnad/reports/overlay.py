"""One frame of the overlay video: the picture, and below it the score so far."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.events.event import Box
from mnad.reports.lettering import Colour, Font

Picture = NDArray[np.uint8]

BACKGROUND: Colour = (17, 20, 26)
GRID: Colour = (49, 55, 66)
DIM: Colour = (139, 147, 161)
FAINT: Colour = (86, 94, 108)
TEXT: Colour = (232, 235, 240)
NORMAL: Colour = (86, 180, 233)
ALARM: Colour = (240, 128, 48)

_EDGE = 2
"""Pixels of the orange line around a box; the casing adds as many on either side."""
_SUBPIXEL = 4
# A 4K stream at 240 frames/s keeps 17 s of it; more points than that cannot be told apart.
_MOST_POINTS = 4096


def timestamp(seconds: float) -> str:
    """Seconds from the start as ``hh:mm:ss.mmm``."""
    total = max(0, round(seconds * 1000))
    minutes, milliseconds = divmod(total, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}.{milliseconds:03d}"


def draw_boxes(picture: Picture, boxes: Sequence[Box]) -> None:
    """Draw boxes in place: orange in a dark casing, so that they show on any background.

    Args:
        picture: (H, W, 3) uint8 RGB.
        boxes: in shares of width and height; what lies outside 0..1 is drawn at the border.
    """
    height, width = picture.shape[:2]
    regions = [
        picture[
            _extent(box.top, box.bottom, height, 6 * _EDGE),
            _extent(box.left, box.right, width, 6 * _EDGE),
        ]
        for box in boxes
    ]
    for region in regions:
        _draw_edge(region, 3 * _EDGE, BACKGROUND)
    for region in regions:
        _draw_edge(region[_EDGE:-_EDGE, _EDGE:-_EDGE], _EDGE, ALARM)


def _extent(start: float, end: float, size: int, least: int) -> slice:
    """Of so many pixels, the share from start to end, at least so many where there are."""
    first = round(size * min(max(start, 0.0), 1.0))
    last = max(round(size * min(max(end, 0.0), 1.0)), first + least)
    beyond = max(0, last - size)
    return slice(max(0, first - beyond), last - beyond)


def _draw_edge(picture: Picture, thickness: int, colour: Colour) -> None:
    for edge in (slice(thickness), slice(-thickness, None)):
        picture[edge] = colour
        picture[:, edge] = colour


class _Point(NamedTuple):
    seconds: float
    score: float


class Overlay:
    """Draws the frames of one overlay video, in order, in constant memory.

    Below the frame lies a strip with timestamp, frame index, current score and the curve of the
    last seconds, now at its right edge.

    Args:
        height: rows of the original frames.
        width: columns of the original frames.
        history: seconds that the curve spans.
        threshold: score from which on a frame is an alarm, 0..1; None draws no line.
        unscored: what stands in place of a score while there is none.
    """

    def __init__(
        self,
        height: int,
        width: int,
        history: float = 10.0,
        threshold: float | None = None,
        unscored: str = "warming up",
    ) -> None:
        self.frame_size = height, width
        self._history = history
        self._threshold = threshold
        self._unscored = unscored
        self._points: deque[_Point] = deque(maxlen=_MOST_POINTS)
        em = max(9, round(0.04 * min(height, width)))
        self._pad = round(0.7 * em)
        self._font = Font("DejaVuSans.ttf", em)
        self._bold = Font("DejaVuSans-Bold.ttf", round(1.25 * em))
        self._small = Font("DejaVuSans.ttf", max(8, round(0.8 * em)))
        self._line = max(1, round(em / 8))
        strip = round(6.4 * em)
        strip += (height + strip) % 2
        self._baseline = self._pad + round(0.95 * em)
        self._strip = self._empty_strip(strip, width + width % 2, em)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the drawn frames, both even."""
        return self.frame_size[0] + self._strip.shape[0], self._strip.shape[1]

    def draw(
        self,
        frame: Picture,
        index: int,
        seconds: float,
        score: float | None = None,
        at: datetime | None = None,
    ) -> Picture:
        """Draw the next frame.

        Args:
            frame: (height, width, 3) uint8 RGB, or (height, width, 1) grey.
            index: of the frame in its video, from 0.
            seconds: its time; a time before the last one starts the curve anew.
            score: 0..1, high is abnormal; None while there is none.
            at: the time of day, to be shown in place of the seconds from the start.

        Returns:
            (*`size`, 3) uint8 RGB, a new array.

        Raises:
            MnadError: the frame is not of the size that the overlay was made for.
        """
        height, width = self.frame_size
        if frame.shape[:2] != (height, width):
            raise MnadError(
                f"frame {index} is {frame.shape[1]}x{frame.shape[0]} pixels and those before it "
                f"{width}x{height}: a video whose size changes cannot be drawn; cut it there."
            )
        if frame.shape[2] == 1:
            frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)
        self.follow(seconds, math.nan if score is None else score)
        canvas = np.empty((*self.size, 3), np.uint8)
        canvas[:height, :width] = frame
        canvas[:height, width:] = canvas[:height, width - 1 : width]
        strip = canvas[height:]
        strip[:] = self._strip
        time = timestamp(seconds) if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
        self._draw_header(strip, index, time)
        self._draw_curve(self._plot(strip))
        return canvas

    def follow(self, seconds: float, score: float) -> None:
        """Take in the score of a frame that is not drawn, for the curve; NaN if it has none."""
        points = self._points
        if points and seconds < points[-1].seconds:
            points.clear()
        points.append(_Point(seconds, score))
        # One point beyond the left edge stays, so that the curve reaches the edge.
        while len(points) > 2 and points[1].seconds < seconds - self._history:
            points.popleft()

    def _plot(self, strip: Picture) -> Picture:
        """The part of the strip that the curve is drawn on, as a view."""
        margin = self._line + self._pad // 2
        return strip[self._baseline + self._pad : strip.shape[0] - margin]

    def _row(self, score: Any, rows: int) -> Any:
        """Row of a score, or of an array of them, in a plot of so many rows."""
        inset = 1.5 * self._line
        return inset + (1 - np.clip(score, 0, 1)) * (rows - 1 - 2 * inset)

    def _empty_strip(self, height: int, width: int, em: int) -> Picture:
        strip = np.empty((height, width, 3), np.uint8)
        strip[:] = BACKGROUND
        plot = self._plot(strip)
        for score in (0.0, 0.5, 1.0):
            row = round(self._row(score, len(plot)))
            plot[row : row + max(1, em // 16)] = GRID
        if self._threshold is not None:
            row = round(self._row(self._threshold, len(plot)))
            dash = max(2, em // 3)
            for start in range(0, width, 2 * dash):
                plot[row : row + max(1, em // 16), start : start + dash] = DIM
        span = f"last {self._history:g} s"
        self._small.put(plot, span, self._pad, len(plot) - round(0.4 * em), FAINT)
        return strip

    def _draw_header(self, strip: Picture, index: int, time: str) -> None:
        """Write from the most to the least important; what finds no room is left out."""
        y, gap = self._baseline, self._pad
        left, right = gap, strip.shape[1] - gap
        score = self._points[-1].score
        warming_up = math.isnan(score)
        alarm = self._threshold is not None and score >= self._threshold
        font = self._font if warming_up else self._bold
        value = self._unscored if warming_up else f"{score:.3f}"
        colour = DIM if warming_up else ALARM if alarm else NORMAL
        right -= font.width(value)
        font.put(strip, value, right, y, colour)
        if left + self._font.width(time) + gap <= right:
            left = gap + self._font.put(strip, time, left, y, TEXT)
        for text in (f"frame {index}", f"#{index}"):
            if left + self._font.width(text) + gap <= right:
                left = gap + self._font.put(strip, text, left, y, DIM)
                break
        right -= gap + self._font.width("score")
        if not warming_up and left <= right:
            self._font.put(strip, "score", right, y, DIM)

    def _draw_curve(self, plot: Picture) -> None:
        rows, columns = plot.shape[:2]
        seconds, scores = np.array(self._points).T
        right = columns - 1 - self._pad
        x = right + (seconds - seconds[-1]) / self._history * right
        # After a long gap the last point would lie beyond what fixed-point numbers hold.
        x = np.maximum(x, -columns)
        points = np.stack((x, self._row(scores, rows)), axis=1)
        known = np.asarray(~np.isnan(scores), bool)
        runs = [
            points[run]
            for run in np.split(np.arange(len(points)), np.flatnonzero(np.diff(known)) + 1)
            if known[run[0]]
        ]
        border = 0 if self._threshold is None else round(self._row(self._threshold, rows))
        for part, top, colour in ((plot[border:], border, NORMAL), (plot[:border], 0, ALARM)):
            if not len(part):
                continue
            for run in runs:
                run = run - (0, top)
                foot = self._row(0, rows) - top
                area = np.vstack((run, (run[-1, 0], foot), (run[0, 0], foot)))
                cv2.fillPoly(part, [_fixed(area)], _mix(colour, 0.25), cv2.LINE_AA, _SUBPIXEL)
                cv2.polylines(
                    part, [_fixed(run)], False, colour, self._line, cv2.LINE_AA, _SUBPIXEL
                )
            if known[-1]:
                centre = _fixed(points[-1] - (0, top))
                cv2.circle(
                    part,
                    tuple(centre.tolist()),
                    round(1.6 * self._line * 2**_SUBPIXEL),
                    colour,
                    cv2.FILLED,
                    cv2.LINE_AA,
                    _SUBPIXEL,
                )


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(np.round(points * 2**_SUBPIXEL), np.int32)


def _mix(colour: Colour, share: float) -> Colour:
    r, g, b = (round(share * c + (1 - share) * k) for c, k in zip(colour, BACKGROUND, strict=True))
    return r, g, b
