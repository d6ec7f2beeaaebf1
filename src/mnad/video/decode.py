"""Decoding video files with FFmpeg: every good frame with its exact time, and clear ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.video.address import missing
from mnad.video.file_time import exact, exact_start, mean_rate, timed
from mnad.video.find import IMAGES
from mnad.video.pixels import Colour, displayed, in_colour, pixel_of

_Packet: TypeAlias = "Packet[VideoStream]"
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
        failed: list[Fraction | None] = []
        try:
            good = _frames(path, container, stream, failed)
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
        if failed:
            places = len(failed)
            raise MnadError(
                f"{path} is damaged{'' if failed[0] is None else f' at {float(failed[0]):.1f} s'}"
                f"{f' ({places} places in all)' if places > 1 else ''}: what cannot be decoded was "
                f"left out, up to the next key frame, and {count} frames are good; copy the file "
                "again."
            )


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


def _frames(
    path: Path, container: InputContainer, stream: VideoStream, failed: list[Fraction | None]
) -> Iterator[VideoFrame]:
    """Decoded frames; EOFError after the last good one if the file ends before its end.

    Threads of a decoder tell of a packet that is damaged when they have taken in as many more. So
    where one is, the file is read again by a single one, which leaves its time in `failed`.
    """
    count = 0
    try:
        for frame in _decoded(path, container, stream.decode):
            yield frame
            count += 1
    except av.FFmpegError:
        with av.open(os.path.abspath(path), **ANY_TITLE) as again:
            alone = again.streams.video[0]
            alone.thread_type = "NONE"
            yield from islice(_decoded(path, again, _Patient(alone, failed).decode), count, None)


class _Patient:
    """Decodes packets; after one of which nothing can be made, none up to the next key frame.

    What the decoder can conceal is left to it. But frames that build on one that is missing are
    none that the camera saw.
    """

    def __init__(self, stream: VideoStream, failed: list[Fraction | None]) -> None:
        self._stream, self._failed = stream, failed
        self._waits = False

    def decode(self, packet: _Packet) -> list[VideoFrame]:
        """The frames that come out after a packet."""
        if self._waits and packet.size and not packet.is_keyframe:
            return []
        self._waits = False
        try:
            return self._stream.decode(packet)
        except av.FFmpegError:
            self._failed.append(self._time_of(packet))
            self._waits = True
            # With the frames that wait in it for those that are shown before them: which of them is
            # the damaged one cannot be told.
            self._stream.codec_context.flush_buffers()
            return []

    def _time_of(self, packet: _Packet) -> Fraction | None:
        tick = exact(packet.time_base)
        if packet.pts is None or tick is None:
            return None
        return max(Fraction(0), packet.pts * tick - exact_start(self._stream))


def _decoded(
    path: Path, container: InputContainer, frames: Callable[[_Packet], list[VideoFrame]]
) -> Iterator[VideoFrame]:
    torn: _Packet | None = None
    for packet in container.demux(container.streams.video[0]):
        # At the end the file was cut, which some decoders do not notice.
        if torn is not None and packet.size:
            yield from frames(torn)
            torn = None
        if packet.is_corrupt:
            torn = packet
        elif torn is None:
            yield from frames(packet)
        else:
            # The flush. Frames at or after the decoding time of what is missing may have gaps
            # between them.
            yield from (f for f in frames(packet) if (f.pts or 0) < (torn.dts or 0))
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
