"""A camera that is not there when watching begins: sought for ever, and told of as lost.

After a power cut the machine may be up before the camera, or the camera may never come again: who
relies on a site that was learnt must hear of it, and what waited to be sent is sent meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mnad.alarms.alarms import AlarmConfig, Alarms
from mnad.errors import MnadError, UsageError
from mnad.events.event import Event
from mnad.events.log import EventLog, close_open, read_events
from mnad.events.message import camera_event
from mnad.video.live import LiveSource
from mnad.watch.folder import EVENTS, last_suffered
from mnad.watch.judge import LOST
from mnad.watch.now import NOW
from mnad.watch.status import write_status
from mnad.watch.watcher import LOST_SECONDS
from mnad.writing import discard

_LOG = logging.getLogger("mnad")
SAID_AGAIN_SECONDS = 600.0
"""After which it is said once more that nothing is there."""
PAUSE = 5.0
"""Seconds between two attempts, each of which waits for a picture itself."""


def awaited(
    connect: Callable[[bool], LiveSource], folder: Path, name: str, alarms: AlarmConfig
) -> LiveSource:
    """The stream, whenever it comes.

    Args:
        connect: raises where it is not there; told whether to be quiet about why.
        folder: of the site.
        name: of the camera, without credentials.
        alarms: where alarms go.

    Raises:
        UsageError: it never can be, or an option cannot work.
        MnadError: the folder cannot be written.
    """
    began, started = time.monotonic(), datetime.now(UTC).astimezone()
    discard(folder / NOW)  # of a watch that was killed: as long as nothing comes it would stay
    with ExitStack() as stack:
        sender: Alarms | None = None
        lost: Event | None = None
        said, said_at = "", 0.0

        def tell(event: Event) -> None:
            assert sender is not None
            sender.send(event)
            with EventLog(folder / EVENTS) as log:
                log.append(event)
            over = "end of " * (event.phase == "end")
            _LOG.info("%s: %s%s, event %s", name, over, event.what, event.id)

        stream: LiveSource | None = None
        try:
            while stream is None:
                try:
                    stream = connect(bool(said))
                except UsageError:
                    raise
                except MnadError as error:
                    if said != str(error) or time.monotonic() - said_at >= SAID_AGAIN_SECONDS:
                        said, said_at = str(error), time.monotonic()
                        _LOG.error("%s It is sought on.", error)
                    if sender is None:
                        sender = stack.enter_context(Alarms(alarms, folder, name))
                        # Of a watch that was killed, before its last status is written over.
                        record = folder / EVENTS
                        earlier = read_events(record) if record.exists() else []
                        for left in close_open(earlier, folder, last_suffered(folder)):
                            tell(left)
                    write_status(folder, name, "lost", camera=[] if lost is None else [LOST])
                    if lost is None and time.monotonic() - began >= LOST_SECONDS:
                        lost = camera_event(LOST, name, started, 0.0, 0)
                        tell(lost)
                    time.sleep(PAUSE)
            return stream
        finally:  # also where it is stopped while nothing is there
            if stream is None:
                write_status(folder, name, "stopped")
            if lost is not None:
                tell(replace(lost, phase="end", end=time.monotonic() - began))
