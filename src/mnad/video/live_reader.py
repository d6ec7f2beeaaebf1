"""One connection to a live source: its frames in order, and in words why it ended."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mnad.video.address import camera, or_path, redacted
from mnad.video.decode import ANY_TITLE
from mnad.video.file_time import exact
from mnad.video.live_time import Pacer, Pulse
from mnad.video.pixels import pixel_of

# A file that ends this much before its declared end was cut off.
_SHORT = Fraction(2)
# As FFmpeg's list of formats has it, where there is Video4Linux.
_CAMERAS = {"v4l2", "video4linux2,v4l2"}
# Share of a timeout from which on a failure is taken for that timeout.
_NEARLY = 0.95


class Lost(Exception):
    """The connection failed or ended.

    Attributes:
        reason: what happened, without credentials; the middle of a sentence.
        advice: what to do about it.
        final: trying again at once cannot help.
    """

    def __init__(self, reason: str, advice: str, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = redacted(reason)
        self.advice = advice
        self.final = final


class Shot(NamedTuple):
    """A frame as it came.

    Attributes:
        frame: decoded, still in its own pixel format.
        pts: its time stamp in seconds from an unknown origin; None if the source has no clock.
        arrived: when, on the monotonic clock.
        rate: mean frames per second as declared, or None.
        lasting: it is of a file, of which no frame may be left out.
        absolute: its time stamp means the same in every connection.
        pixel: width of its pixels over their height.
    """

    frame: VideoFrame
    pts: Fraction | None
    arrived: float
    rate: Fraction | None
    lasting: bool
    absolute: bool
    pixel: Fraction = Fraction(1)


@dataclass(frozen=True)
class _Kind:
    """What an open container is: a finite file, a stream paced by us, one without a clock."""

    lasting: bool
    paced: bool
    clockless: bool


def shots(source: str, stall: float, pulse: Pulse) -> Generator[Shot, None, None]:
    """Connect and decode until the connection is lost; end only where a file over HTTP ends.

    What is damaged is left out. Nothing that is read is kept back to smooth the flow.

    Args:
        source: address of a stream or a camera.
        stall: seconds after which a connection without a frame counts as lost.
        pulse: where to show signs of life.

    Raises:
        Lost: no connection, or no longer.
        Abandoned: told to end.
    """
    pulse.beat(2 * stall)  # FFmpeg takes the timeout twice: to connect, and to find the streams
    with _opened(source, stall) as (container, stream):
        kind = _kind(source, container)
        rate = None if kind.clockless else _rate(stream)
        stream.thread_type = "SLICE"  # threads by frame hold back as many frames
        pace = Pacer(pulse)
        last, seen = None, time.monotonic()
        pulse.beat(stall)
        # Of the sound, too: where it goes on and the picture stops, the time must be looked at.
        for packet in container.demux():
            for frame in _decoded(packet, kind.lasting) if packet.stream is stream else ():
                last = _pts(frame)
                if kind.paced and last is not None:
                    pace.wait(last)
                pts = None if kind.clockless else last
                told = rate, kind.lasting, kind.paced, pixel_of(stream)
                yield Shot(frame, pts, time.monotonic(), *told)
                seen = time.monotonic()
            if time.monotonic() - seen > stall:
                break
            pulse.beat(stall)
        # An interrupted call may also look like the end of the stream.
        if time.monotonic() - seen > _NEARLY * stall:
            raise _no_picture(stall)
        if not kind.lasting:
            raise Lost("the stream ended", "check that the camera or server still sends.")
        end = _end(container, stream)
        if end is not None and (last is None or end - last > max(_SHORT, 2 / (rate or 1))):
            raise Lost(
                "the file broke off before its end", "copy it here, and give the copy.", final=True
            )


@contextmanager
def _opened(source: str, stall: float) -> Iterator[tuple[InputContainer, VideoStream]]:
    index = camera(source)
    address, layout = (source, None) if index is None else (f"/dev/video{index}", "v4l2")
    if index is not None and not _CAMERAS & av.formats_available:
        raise Lost("cameras are read on Linux alone", "give the address of a stream.", final=True)
    options = {}
    if source.lower().startswith("rtsp"):
        # Without a second of guessing at the frame rate. Not "nobuffer": it throws away what was
        # read to find the streams, so the first key frame, and the picture waits for the next.
        options = {"rtsp_transport": "tcp", "fpsprobesize": "1"}
    began, reading = time.monotonic(), False
    try:
        with av.open(
            address,
            format=layout,
            options=options,
            timeout=(stall, stall),
            **ANY_TITLE,
        ) as container:
            if not container.streams.video:
                raise Lost("there is no video in it", "give the address of a video.", final=True)
            reading = True
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        if reading:
            raise _broken(error, stall) from error
        # An interrupted handshake is reported as bad data, so the clock is asked first.
        silent = time.monotonic() - began > _NEARLY * stall
        raise _refused(error, source, address, stall, silent) from error


def _no_picture(stall: float) -> Lost:
    return Lost(f"no picture came for {stall:g} s", "check the camera and the network.")


def _broken(error: av.FFmpegError, stall: float) -> Lost:
    if isinstance(error, av.ExitError | TimeoutError):
        return _no_picture(stall)
    # Without the address, which the text of the error itself repeats.
    return Lost(f"the connection broke ({error.strerror})", "check the camera and the network.")


def _refused(error: av.FFmpegError, source: str, address: str, stall: float, silent: bool) -> Lost:
    """Why there is no connection."""
    network = "check the address, and that the camera or server runs."
    device = camera(source) is not None
    if device and isinstance(error, FileNotFoundError):
        advice = f"plug the camera in{or_path(source)}."
        return Lost(f"there is no device {address}", advice, final=True)
    if device and isinstance(error, PermissionError):
        return Lost(f"{address} may not be read", "join the group 'video'.", final=True)
    if isinstance(error, av.HTTPUnauthorizedError):
        advice = "give both in the address, as in rtsp://USER:PASSWORD@HOST/PATH."
        return Lost("the user name or password is wrong or missing (401)", advice, final=True)
    if isinstance(error, av.HTTPForbiddenError):
        return Lost("this user may not see it (403)", "ask for access.", final=True)
    if isinstance(error, av.HTTPNotFoundError):
        return Lost("there is no such stream (404)", "check the path of the address.", final=True)
    if isinstance(error, av.ProtocolNotFoundError | av.DemuxerNotFoundError):
        return Lost("FFmpeg was built without it", "use another kind of address.", final=True)
    if isinstance(error, ConnectionRefusedError):
        return Lost("the connection is refused", network)
    if silent or isinstance(error, av.ExitError | TimeoutError):
        return Lost(f"no answer came for {stall:g} s", network)
    if isinstance(error, av.InvalidDataError):
        return Lost("what it sends is no video", network)
    if isinstance(error, OSError) and error.errno == 5:
        return Lost("the host is unknown or sends no video (input/output error)", network)
    return Lost(f"{error.strerror}", network)


def _kind(source: str, container: InputContainer) -> _Kind:
    names = container.format.name.split(",")
    finite = container.duration is not None and container.duration > 0
    return _Kind(
        lasting=source.lower().startswith("http") and finite,
        # HLS hands out many seconds at once.
        paced="hls" in names and not finite,
        # FFmpeg makes up 25 frames per second for a sequence of JPEG images.
        clockless="mpjpeg" in names or "mjpeg" in names,
    )


def _rate(stream: VideoStream) -> Fraction | None:
    rate = exact(stream.average_rate)  # all others are wrong by a factor of two for some H.264
    return rate if rate and 0 < rate <= 1000 else None


def _decoded(packet: Any, lasting: bool) -> list[VideoFrame]:
    """Frames of a packet; of a stream without those that are damaged."""
    try:
        frames: list[VideoFrame] = packet.decode()
    except av.FFmpegError:
        if lasting:
            raise
        return []
    return frames if lasting else [frame for frame in frames if not frame.is_corrupt]


def _pts(frame: VideoFrame) -> Fraction | None:
    tick = exact(frame.time_base)
    return None if frame.pts is None or tick is None else frame.pts * tick


def _end(container: InputContainer, stream: VideoStream) -> Fraction | None:
    tick = exact(stream.time_base)
    if stream.duration is None or tick is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * tick
