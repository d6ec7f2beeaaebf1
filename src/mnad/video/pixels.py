"""Pixels of a decoded frame: orientation, full range, square where a picture is made of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mnad.video.file_time import exact

# SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT for FFmpeg's scaler: without the last two it
# truncates, and colour frames come out half a grey level too dark.
EXACT = 0x2 | 0x40000 | 0x2000
# SWS_AREA instead of SWS_BILINEAR, for fewer pixels.
SMALLER = 0x20 | 0x40000 | 0x2000

LUMA_FIRST = ("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p", "nv12")
"""Pixel formats of which the first plane is the luma, a byte for each pixel."""
FULL_RANGE = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
"""Of the luma of a video, from 16..235."""
_NARROWEST = Fraction(1, 4)
"""Of pixels: what is declared beyond is a mistake."""

Colour = Callable[[int | None], NDArray[np.uint8]]
"""Gives a frame as (H, W, 3) uint8 RGB, of at most so many rows and columns; None: its own."""


def pixel_of(stream: VideoStream) -> Fraction:
    """Width of a pixel over its height, as recorders give that keep half of the rows; 1 usually."""
    pixel = exact(stream.sample_aspect_ratio)
    return Fraction(1) if pixel is None or not _NARROWEST <= pixel <= 1 / _NARROWEST else pixel


def in_colour(
    painter: VideoReformatter, frame: VideoFrame, channels: int, pixel: Fraction
) -> Colour | None:
    """What makes a picture of a frame, if its pixels are none."""
    if channels == 3 and pixel == 1:
        return None
    return partial(displayed, painter, frame, 3, pixel=pixel)


def displayed(
    scaler: VideoReformatter,
    frame: VideoFrame,
    channels: int,
    longest: int | None = None,
    pixel: Fraction = Fraction(1),
) -> NDArray[np.uint8]:
    """Pixels of a decoded frame as they are shown, rotation metadata honoured.

    Args:
        scaler: one for each layout, as it keeps the tables of the last one.
        frame: of any pixel format.
        channels: 1 (luma on the full range 0..255) or 3 (RGB).
        longest: most rows and columns of a picture for the eye, with square pixels; larger frames
            are scaled down, in the same pass, which takes a quarter of the time of doing so
            afterwards. None: the pixels that there are.
        pixel: width of a pixel over its height.

    Returns:
        uint8 (H, W, channels).
    """
    height, width = within(frame.height, frame.width, longest, pixel)
    as_it_is = (height, width) == (frame.height, frame.width)
    if channels == 1 and frame.format.name in LUMA_FIRST and as_it_is:
        pixels = _luma(frame)
    else:
        layout = "gray" if channels == 1 else "rgb24"
        how = SMALLER if height < frame.height or width < frame.width else EXACT
        image = scaler.reformat(frame, width, height, layout, interpolation=how)
        pixels = np.asarray(image.to_ndarray(), np.uint8)
        pixels = pixels.reshape(image.height, image.width, channels)
    # Not frame.side_data: that keeps what it found, which knows the frame, so that no frame is
    # freed before Python looks for cycles; of 1080 rows, that is 700 MB of frames.
    matrix: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    return pixels if matrix is None else _oriented(pixels, np.frombuffer(matrix, np.int32))


def within(
    height: int, width: int, longest: int | None, pixel: Fraction = Fraction(1)
) -> tuple[int, int]:
    """Rows and columns of a picture of at most `longest` of both, its pixels square; None: any."""
    if longest is None:
        return height, width
    aspect = float(pixel)
    tall, wide = height / min(aspect, 1.0), width * max(aspect, 1.0)
    scale = min(1.0, longest / max(tall, wide))
    return max(1, round(scale * tall)), max(1, round(scale * wide))


def _luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """The first plane on the full range, (H, W, 1): to the bit what FFmpeg's scaler makes of it.

    The scaler takes several times as long, a good part of what a frame costs beside its decoding.
    """
    plane: Any = frame.planes[0]  # a buffer, which the types of PyAV tell from 19 on
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    seen = rows[: frame.height, : frame.width]
    full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    return np.array(seen if full else cv2.LUT(seen, FULL_RANGE))[..., None]


def _oriented(pixels: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Apply FFmpeg's display matrix (a b u, c d v, x y w) by quarter turns.

    A pixel at (x, y) is displayed at (ax + cy, bx + dy).
    """
    a, b, _, c, d = (int(n) for n in matrix[:5])
    mirror_x, mirror_y = a < 0, d < 0
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.swapaxes(0, 1)
        mirror_x, mirror_y = c < 0, b < 0
    if mirror_x:
        pixels = pixels[:, ::-1]
    if mirror_y:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
