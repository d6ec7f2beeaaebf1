"""Live sources: frames as they come, in order and in time, from a stream or a camera."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

from av.video.reformatter import VideoReformatter

from mnad.closing import Closing
from mnad.errors import UsageError
from mnad.video.address import is_live, live_name, redacted
from mnad.video.live_feed import Feed, Gap
from mnad.video.pixels import displayed, in_colour
from mnad.video.source import Frame

__all__ = ["Gap", "LiveSource", "open_live"]


class LiveSource(Closing):
    """An iterator of what comes from a live source, in order; use it in a ``with`` block.

    Each item is a `Frame`, a `Gap`, or None: that nothing came for a second, so that the caller
    can look after other things. A frame's `index` counts the frames handed over, without holes.
    Its `seconds` count from the first frame of the run: by the time stamps of the source while a
    connection lasts, and by the clock from one connection to the next or where time stamps are
    missing or wrong. They always rise. Frames may change their size at any time.

    Frames come from a thread of their own. When the caller is slower than the source, the oldest
    waiting frame is left out for the newest. Of a finite file over HTTP none is left out, and
    iteration ends with it; a stream never ends.

    Attributes:
        name: short, fit for a file name, without credentials.
        lag: seconds from the arrival of the latest frame handed over until it was handed over.
    """

    def __init__(self, feed: Feed, name: str, channels: int) -> None:
        self.name = name
        self.lag = 0.0
        self._feed, self._channels = feed, channels
        self._scaler, self._painter = VideoReformatter(), VideoReformatter()
        self._count = 0

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the first frame, as displayed."""
        return self._feed.size

    @property
    def rate(self) -> Fraction | None:
        """Frames per second as the source declares them; None where it does not."""
        return self._feed.rate

    @property
    def finite(self) -> bool:
        """Whether it is a file, which may come faster than it plays."""
        return self._feed.lasting

    @property
    def dropped(self) -> int:
        """Number of frames left out so far."""
        return self._feed.dropped

    def __iter__(self) -> Iterator[Frame | Gap | None]:
        return self

    def __next__(self) -> Frame | Gap | None:
        try:
            item = self._feed.take()
        except EOFError:
            raise StopIteration from None
        if item is None or isinstance(item, Gap):
            return item
        shot, seconds = item
        pixels = displayed(self._scaler, shot.frame, self._channels)
        colour = in_colour(self._painter, shot.frame, self._channels, shot.pixel)
        self.lag = time.monotonic() - shot.arrived
        self._count += 1
        return Frame(pixels, self._count - 1, seconds, colour)

    def close(self) -> None:
        """Let go of the source; iteration ends."""
        self._feed.close()


def open_live(
    source: str,
    channels: int = 3,
    *,
    stall: float = 10.0,
    connect: float = 30.0,
    quiet: bool = False,
) -> LiveSource:
    """Connect to a stream or a camera and wait for its first frame.

    Args:
        source: see `mnad.video.address.is_live`.
        channels: 1 (grey) or 3 (RGB).
        stall: seconds without a frame after which a connection counts as lost. It is then tried
            again after 1 s, 2 s, 4 s, … up to every 30 s, for ever.
        connect: seconds after which the first connection is given up.
        quiet: do not log why there is no connection yet, which is said once before it is given up.

    Returns:
        The frames and the gaps between them; close it, or use it in a ``with`` block.

    Raises:
        UsageError: `channels` is neither 1 nor 3, `stall` or `connect` is not positive, or
            `source` is not live.
        MnadError: no frame came: no answer, refused, wrong credentials, no such stream or device,
            no video in it; and while iterating: a file over HTTP that breaks off.
    """
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}; use 1 (grey) or 3 (RGB).")
    if not (stall > 0 and connect > 0):
        raise UsageError(f"stall is {stall} and connect is {connect} seconds; use more than 0.")
    if not is_live(source):
        raise UsageError(f"{redacted(source)} is neither an address of a stream nor a camera.")
    feed = Feed(source, stall, quiet)
    try:
        feed.wait_for_first(connect)
    except BaseException:
        feed.close()
        raise
    return LiveSource(feed, live_name(source), channels)
