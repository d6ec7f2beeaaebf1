"""Watching a live source for days: frames in, results out, nothing that grows."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.lock import locked
from mnad.video.address import is_live, redacted
from mnad.video.live import Gap, LiveSource, open_live
from mnad.video.played import PlayedSource
from mnad.video.source import Frame
from mnad.watch.options import WatchOptions
from mnad.watch.status import Status
from mnad.watch.watcher import Watcher

_LOG = logging.getLogger("mnad")
WALL_SECONDS = 60.0
"""Between two looks at the time of day."""
TOLERATED = timedelta(seconds=2)


def watch_live(
    detector: Detector,
    address: str,
    out: Path,
    options: WatchOptions,
    *,
    on_frame: Callable[[Frame, Watcher], None] = lambda frame, watcher: None,
) -> Watcher:
    """Watch a stream or camera until it is told to stop (SIGINT, SIGTERM).

    Args:
        detector: the model.
        address: see `mnad.video.live.open_live`; or a file, which is played at its own speed.
        out: folder for the results; a folder of an earlier run is gone on with.
        options: what to write and whom to tell.
        on_frame: called after each frame.

    Returns:
        The watcher, closed.

    Raises:
        UsageError: another process watches into this folder, or this is not the main thread.
        MnadError: no first frame came, a file over HTTP broke off, a file came to its end without
            a score, or something of the results could not be written.
    """
    require_main_thread()
    channels = detector.model.config.network.channels
    opened = open_live(address, channels) if is_live(address) else PlayedSource(address, channels)
    with locked(out), stoppable() as stopped, opened as source:
        started = datetime.now(UTC).astimezone()
        with Watcher(detector, out, source.name, source.rate, options, started) as watcher:
            if watcher.threshold is None:
                _LOG.warning(
                    "the model has no threshold, so that no anomalies will be told: set one by "
                    "mnad calibrate, or give --threshold."
                )
            status, wall = Status(out, source), Wall(source, started)
            for item in source:
                if stopped():
                    break
                if isinstance(item, Frame):
                    if wall.look(item):
                        watcher.set_clock(wall.started_at)
                    watcher.push(item)
                    on_frame(item, watcher)
                elif isinstance(item, Gap):
                    watcher.gap(item)
                else:
                    watcher.idle()
                status.show(watcher)
            status.end(watcher)
    if not watcher.frames and not stopped():
        raise MnadError(watcher.unscored(redacted(address)))
    return watcher


def require_main_thread() -> None:
    """See that signals come to this thread, of which one alone ends a watch.

    Raises:
        UsageError: it is another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "a camera is watched until a signal says stop, and signals come to the main thread of "
            "a program alone: call this there, or in a process of its own."
        )


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT and SIGTERM into a question; a second one ends the program at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Wall:
    """Knows the time of day of a live source.

    A machine without a clock of its own has the wrong one until it has asked for it, the clock of a
    camera runs faster or slower by seconds a day, and a machine may sleep. The seconds of a file,
    played or over HTTP, are no seconds of the clock: there nothing is compared.

    Args:
        source: what is watched.
        started_at: wall-clock time of its second 0 as it is known at the start, with a time zone.

    Attributes:
        started_at: likewise, as it is known now.
    """

    def __init__(self, source: LiveSource | PlayedSource, started_at: datetime) -> None:
        self.started_at = started_at
        self._source = source
        self._looked = float("-inf")
        self._off = timedelta(0)

    def look(self, frame: Frame) -> bool:
        """Compare the clocks, if it is time to; the frame has just come.

        Returns:
            Whether `started_at` is another from now on.
        """
        if self._source.finite or time.monotonic() - self._looked < WALL_SECONDS:
            return False
        self._looked = time.monotonic()
        off = datetime.now(UTC) - self.started_at - timedelta(seconds=float(frame.seconds))
        before, self._off = self._off, off
        # Twice, as after a stall the frames come late, and a minute later in time again.
        smaller = min(abs(off), abs(before))
        if smaller <= TOLERATED or (off > timedelta(0)) != (before > timedelta(0)):
            return False
        self._off = timedelta(0)
        off = smaller if off > timedelta(0) else -smaller
        if abs(off) > timedelta(minutes=1):
            _LOG.warning(
                "%s: the clock was set; what comes now is dated by it, %.0f s %s than before",
                self._source.name,
                abs(off.total_seconds()),
                "later" if off > timedelta(0) else "earlier",
            )
        # With the offset of that day: the wrong one may have been in summer.
        self.started_at = (self.started_at + off).astimezone()
        return True
