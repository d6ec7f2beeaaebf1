"""Decoding video files with FFmpeg: exact time, orientation, full-range pixels, clear ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.video.address import missing
from mnad.video.file_time import exact, exact_start, mean_rate, timed
from mnad.video.find import IMAGES

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
_LOOKED_AT = 300
"""Packets of a video by which it is told how far apart its frames are."""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ANY_TITLE: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)
"""Titles and the like are in any encoding, and nobody here reads them: no reason to fail. From 19
on PyAV takes them as they are, and has no such option."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A video file and its first video stream.

    Raises:
        MnadError: nothing there, a pipe, a single image, not a video, or it cannot be read on.
    """
    if not path.exists():
        raise MnadError(missing(path))
    if path.is_fifo():
        raise MnadError(f"{path} is a pipe, and a video is read more than once: give a file.")
    if path.suffix.lower() in IMAGES:
        raise MnadError(f"{path} is a single image: give the folder that holds the frames.")
    try:
        # Absolute, as FFmpeg takes what precedes a colon in a relative name for a protocol.
        with av.open(os.path.abspath(path), **ANY_TITLE) as container:
            if not container.streams.video:
                raise MnadError(f"{path} holds no video stream: give a video file.")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise MnadError(
            f"{path} cannot be read as a video ({error.strerror}): it is no video, or it was cut "
            "short before its index was written; copy or record it again."
        ) from error


def declared(stream: VideoStream) -> int:
    """Frames that a file says it shows; 0 where it says nothing.

    A video that was cut without encoding it anew holds the frames from the last key frame on, and
    says from which one on they are shown.
    """
    return max(0, stream.frames - sum(entry.is_discard for entry in stream.index_entries))


Colour = Callable[[int | None], NDArray[np.uint8]]
"""Gives a frame as (H, W, 3) uint8 RGB, of at most so many rows and columns; None: its own."""


class Decoded(NamedTuple):
    """A frame as displayed: pixels (H, W, C) uint8, time since the start, colour if C is 1."""

    pixels: NDArray[np.uint8]
    seconds: Fraction
    colour: Colour | None


def decode(path: Path, channels: int) -> Generator[Decoded, None, None]:
    """Frames of a video as displayed, each with its exact time since the start.

    Time never goes back, see `mnad.video.file_time.rising`.

    Args:
        path: video file.
        channels: 1 (luma on the full range 0..255) or 3 (RGB).

    Yields:
        The frames; of a grey one, `colour` gives the RGB when it is called.

    Raises:
        MnadError: not a video, no frames, a frame of another size, the video breaks off; or, after
            its last frame, that some could not be decoded.
    """
    with opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        # One for each layout, as they keep the tables of the last one.
        scaler, painter = VideoReformatter(), VideoReformatter()
        count, first, pixel = 0, None, pixel_of(stream)
        decoder = _Decoder(stream)
        try:
            good = _frames(path, container, stream, decoder)
            for frame, seconds in timed(good, container, stream):
                pixels = displayed(scaler, frame, channels)
                first = first or pixels.shape
                if pixels.shape != first:
                    raise MnadError(
                        f"{path}: frame {count} is {pixels.shape[1]}x{pixels.shape[0]} pixels but "
                        f"frame 0 is {first[1]}x{first[0]}: convert the video to one size."
                    )
                yield Decoded(pixels, seconds, in_colour(painter, frame, channels, pixel))
                count += 1
        except (av.FFmpegError, EOFError) as error:
            if count:
                raise MnadError(
                    f"{path} breaks at frame {count}: the {count} before it are good; copy the "
                    "file again or cut it there."
                ) from error
        if not count:
            raise MnadError(f"{path} holds no frame that can be decoded: copy or record it again.")
        if decoder.failed:
            places = len(decoder.failed)
            raise MnadError(
                f"{path} is damaged{_at(decoder.failed[0], stream)}"
                f"{f' ({places} places in all)' if places > 1 else ''}: what cannot be decoded was "
                f"left out, up to the next key frame, and {count} frames are good; copy the file "
                "again."
            )


def _at(packet: Packet[VideoStream], stream: VideoStream) -> str:
    tick = exact(packet.time_base)
    if packet.pts is None or tick is None:
        return ""
    return f" at {max(0.0, float(packet.pts * tick - exact_start(stream))):.1f} s"


def usual_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Frames per second where none is missing; None where the file does not say.

    That is their average, but for a video with holes, whose average counts these too.
    """
    average, tick = mean_rate(container, stream), exact(stream.time_base)
    if average is None or tick is None:
        return average
    try:
        packets = islice(container.demux(stream), _LOOKED_AT)
        times = sorted(packet.pts for packet in packets if packet.pts is not None)
    except av.FFmpegError:
        return average
    steps = [after - before for before, after in pairwise(times) if after > before]
    if not steps:
        return average
    # A step is rounded to the ticks of the file, the mean of many is not.
    whole = [step for step in steps if step < 1.5 * median(steps)]
    usual = Fraction(sum(whole), len(whole)) * tick
    missing = 1 / average > max(usual * Fraction(51, 50), usual + tick)
    return (1 / usual).limit_denominator(1001) if missing else average


class _Decoder:
    """Decodes packets; after one of which nothing can be made, none up to the next key frame.

    What the decoder can conceal is left to it. But frames that build on one that is missing are
    none that the camera saw.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._waits = False
        self.failed: list[Packet[VideoStream]] = []

    def frames(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        if self._waits and packet.size and not packet.is_keyframe:
            return []
        self._waits = False
        try:
            return packet.decode()
        except av.FFmpegError:
            self._stream.codec_context.flush_buffers()
            self._waits = True
            self.failed.append(packet)
            return []


def _frames(
    path: Path, container: InputContainer, stream: VideoStream, decoder: _Decoder
) -> Iterator[VideoFrame]:
    """Decoded frames; EOFError after the last good one if the file ends before its end."""
    torn: Packet[VideoStream] | None = None
    for packet in container.demux(stream):
        # At the end the file was cut, which some decoders do not notice.
        if torn is not None and packet.size:
            yield from decoder.frames(torn)
            torn = None
        if packet.is_corrupt:
            torn = packet
        elif torn is None:
            yield from decoder.frames(packet)
        else:
            # The flush. Frames at or after the decoding time of what is missing may have gaps
            # between them.
            yield from (f for f in decoder.frames(packet) if (f.pts or 0) < (torn.dts or 0))
    if torn is not None or _is_cut_off(path):
        raise EOFError


def _is_cut_off(path: Path) -> bool:
    """Whether a Matroska or WebM file is shorter than it says, which FFmpeg does not tell.

    It begins with an EBML header, and all else is in one Segment (RFC 9559). The size of that is a
    number whose length is that of the zeros before its first one, all ones where it is not known.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(_SEGMENT) + len(_SEGMENT)
    if not head.startswith(_EBML) or at < len(_SEGMENT) or not head[at : at + 1].strip(b"\0"):
        return False
    length = 9 - head[at].bit_length()
    size = int.from_bytes(head[at : at + length], "big") - (1 << 7 * length)
    known = size != (1 << 7 * length) - 1
    return known and at + length + size > path.stat().st_size


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
