"""H.264 video for browsers, written whole or not at all."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.video.pixels import EXACT
from mnad.writing import WholeFile, discard, unwritable

_IN_PIECES = {
    "movflags": "+hybrid_fragmented+frag_keyframe",
    "frag_duration": "2000000",  # microseconds
    "flush_packets": "1",
}
_COPY = ".copy.part.mp4"
# Code points of ITU-T H.273 for the header: a player that has to guess shifts brightness and hue.
_BT601, _LIMITED, _BT709 = 6, 1, 1


class VideoSink(WholeFile):
    """An H.264 MP4 that plays in a browser: yuv420p, limited range, index at the front.

    While it is written it lies in pieces of some seconds that play without the rest, so that a kill
    or a power cut costs the last of them (`recover`).

    Use it in a ``with`` block; if the block fails, no file is left.

    Args:
        path: the file, ``.mp4``.
        rate: frames per second, above 0, to 1/90000 of one.
        size: rows and columns of the frames; an odd last row or column is repeated once, as
            the format holds even sizes only.
        front: put the index at the front, such that a browser plays it before it has all of it from
            a server; the file is copied for that, when it is closed.

    Raises:
        UsageError: the rate is not above 0.
        MnadError: the file cannot be written.
    """

    def __init__(
        self, path: str | Path, rate: Fraction | float, size: tuple[int, int], front: bool = True
    ) -> None:
        if not 1 / 90000 <= rate < math.inf:
            raise UsageError(f"the rate of {path} is {rate}; give frames per second above 0.")
        super().__init__(path)
        self.size, self._front = size, front
        # 29.97 as a float is a fraction with more digits than a header holds.
        self._rate = Fraction(rate).limit_denominator(90000)
        # Exact for a constant rate, and fine enough for any other times.
        self._tick = Fraction(1, self._rate.numerator * -(-90000 // self._rate.numerator))
        self._scaler = VideoReformatter()
        self._last = -1
        self._count = 0
        self._container = av.open(
            os.path.abspath(self._part), "w", format="mp4", options=_IN_PIECES
        )
        # A third of the time that veryfast at 20 takes, half a decibel less, and a file of 1.2 to
        # twice the size: the time is missing where frames are scored.
        self._stream: VideoStream = self._container.add_stream(
            "libx264", rate=self._rate, options={"crf": "23", "preset": "ultrafast"}
        )
        context = self._stream.codec_context
        self._stream.height, self._stream.width = (n + n % 2 for n in size)
        self._stream.pix_fmt = "yuv420p"
        context.time_base = self._tick
        context.color_range, context.colorspace = _LIMITED, _BT601
        context.color_primaries = context.color_trc = _BT709

    def write(self, rgb: NDArray[np.uint8], seconds: Fraction | float | None = None) -> None:
        """Append a frame.

        Args:
            rgb: uint8 (H, W, 3) of the size given at the start.
            seconds: when it is shown; at the constant rate without it. A time that is not after
                that of the frame before is moved to just after it.

        Raises:
            MnadError: the file cannot be written, such as when the disk is full.
            ValueError: another shape.
        """
        if rgb.shape != (*self.size, 3):
            raise ValueError(f"a frame of shape {rgb.shape} for a video of {(*self.size, 3)}")
        height, width = self.size
        even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        frame = self._scaler.reformat(
            VideoFrame.from_ndarray(even, "rgb24"),
            format="yuv420p",
            interpolation=EXACT,
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
        )
        when = self._count / self._rate if seconds is None else seconds
        self._last = max(self._last + 1, round(when / self._tick))
        frame.pts, frame.time_base = self._last, self._tick
        self._count += 1
        self._encode(frame)

    def _encode(self, frame: VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            # To go on writing where not even the header could be written ends the process.
            self._broken = True
            raise MnadError(unwritable(self.path, error.strerror)) from error

    def _finish(self, whole: bool) -> None:
        try:
            if whole:
                self._encode(None)
            self._container.close()
        except av.FFmpegError as error:
            if whole:
                raise MnadError(unwritable(self.path, error.strerror)) from error
        if whole and self._count and self._front:
            copy = _copy_of(self._part)
            # Without room for both its index stays at the end.
            with suppress(av.FFmpegError, OSError):
                if _copied(self._part, copy) == self._count:
                    os.replace(copy, self._part)
            discard(copy)


def recover(folder: Path) -> list[Path]:
    """Make whole videos of what a kill left half-written in a folder, as far as it goes.

    Returns:
        The videos that are there now. Of the rest nothing is left.
    """
    found = []
    for part in sorted(folder.glob(".*.part.mp4")):
        if part.name.endswith(_COPY):
            discard(part)
            continue
        path = part.with_name(part.name[1:].removesuffix(".part.mp4") + ".mp4")
        copy = _copy_of(part)
        try:
            if not path.exists() and _copied(part, copy):
                os.replace(copy, path)
                found.append(path)
            discard(part)
        except (av.FFmpegError, OSError) as error:
            if error.errno != errno.ENOSPC:  # else it waits for room
                discard(part)
        discard(copy)
    return found


def _copy_of(part: Path) -> Path:
    return part.with_name(part.name.removesuffix(".part.mp4") + _COPY)


def _copied(video: Path, path: Path) -> int:
    """Copy a video, with its index at the front, up to where it is torn; returns its frames."""
    count = 0
    names = os.path.abspath(video), os.path.abspath(path)
    with (
        av.open(names[0]) as source,
        av.open(names[1], "w", format="mp4", options={"movflags": "+faststart"}) as target,
    ):
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        copied.time_base = stream.time_base
        for packet in _until_torn(source.demux(stream)):
            packet.stream = copied
            target.mux(packet)
            count += 1
    return count


def _until_torn(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    with suppress(av.FFmpegError):
        for packet in packets:
            # A power cut leaves zeros where data was under way.
            if packet.is_corrupt or (packet.size and not any(bytes(packet)[:8])):
                return
            if packet.size:  # the last one is empty
                yield packet
