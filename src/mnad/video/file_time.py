"""When the frames of a video file are shown: as exactly as it says, and never back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_NO_TIMES = 0x80  # AVFMT_NOTIMESTAMPS
MOST_LATE = 4
"""Frames in a row whose time has passed already, above which it is the clock that was set back.

Where packets were lost, a decoder gives a few frames too late, of which the next ones know nothing.
"""
Timed = tuple[VideoFrame, Fraction]


def exact(rational: Any) -> Fraction | None:
    """A rate or time base of FFmpeg, None where it is unset.

    From 19 on PyAV has a class of its own for them, and 0/1 where it gave None before.
    """
    return Fraction(rational.numerator, rational.denominator) if rational else None


def mean_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Frames per second on average; None where the file does not say.

    A file without a container, such as ``.h264``, has no times, and FFmpeg puts 25 there; what is
    in the headers of its frames is in the guess, which is 25 as well where they say nothing.
    """
    bare = container.format.flags & _NO_TIMES
    return exact(stream.guessed_rate if bare else stream.average_rate)


def timed(
    frames: Iterable[VideoFrame], container: InputContainer, stream: VideoStream
) -> Iterator[Timed]:
    """Frames with their time in seconds since the start, see `rising`."""
    step = 1 / (mean_rate(container, stream) or Fraction(25))
    # AVI holds frames in the order of decoding, without their time of display. FFmpeg gives a frame
    # the time of its packet, which goes back and forth where there are B-frames. But the packet
    # with which a frame comes out of the decoder is as many steps on as the frame.
    counted = container.format.name == "avi"
    stamped = ((frame, _stamp(frame, counted)) for frame in frames)
    return rising(stamped, step, None if counted else exact_start(stream))


def _stamp(frame: VideoFrame, counted: bool) -> Fraction | None:
    ticks, tick = frame.dts if counted else frame.pts, exact(frame.time_base)
    return None if ticks is None or tick is None else ticks * tick


def exact_start(stream: VideoStream) -> Fraction:
    """Second 0 of a stream, by its own clock."""
    return (stream.start_time or 0) * (exact(stream.time_base) or Fraction(0))


def rising(
    frames: Iterable[tuple[VideoFrame, Fraction | None]], step: Fraction, origin: Fraction | None
) -> Iterator[Timed]:
    """Make times rise strictly.

    Frames that come late, at most `MOST_LATE` in a row, are put between those around them. If there
    are more, or none comes after them, the clock was set back: they come one frame after what was,
    and all that follow are moved along with them.

    Args:
        frames: each with its time; None: it has none, and comes one frame after the one before.
        step: seconds from frame to frame, on average.
        origin: second 0 on the clock of these times; None: the first of them.
    """
    late: list[Timed] = []
    last: Fraction | None = None
    shift, before = -(origin or Fraction(0)), -step
    try:
        for frame, stamp in frames:
            if last is None and origin is None and stamp is not None:
                shift = -stamp
            when = before = before + step if stamp is None else stamp + shift
            if last is None or when > last:
                yield from _between(late, last, when)
                yield frame, when
                late, last = [], when
                continue
            late.append((frame, when))
            if len(late) > MOST_LATE:
                moved = last + step - late[0][1]
                shift, before = shift + moved, before + moved
                late = _after(late, last, step)
                yield from late
                late, last = [], late[-1][1]
    except Exception:  # what was held is good
        yield from _after(late, last, step)
        raise
    yield from _after(late, last, step)


def _between(late: list[Timed], last: Fraction | None, when: Fraction) -> Iterator[Timed]:
    """Late frames, evenly between the last one and the next."""
    for number, (frame, _) in enumerate(late, 1):
        assert last is not None
        yield frame, last + number * (when - last) / (len(late) + 1)


def _after(late: list[Timed], last: Fraction | None, step: Fraction) -> list[Timed]:
    """Frames of a clock that was set back: one frame after the last one, and so on as it goes."""
    moved: list[Timed] = []
    for frame, when in late:
        assert last is not None
        then = last + step if not moved else when + moved[0][1] - late[0][1]
        last = then if then > last else last + step
        moved.append((frame, last))
    return moved
