"""The record of events: one JSON message per line, whole even after a crash."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from mnad.closing import Closing
from mnad.errors import MnadError
from mnad.events.event import Event
from mnad.writing import unwritable

_LOG = logging.getLogger("mnad")
_WAITING_MESSAGES = 10_000
_BEGIN = b'{"id": '


class EventLog(Closing):
    """Appends messages to a JSON Lines file; each is on the disk when `append` returns.

    Opening cuts off a last line that a crash left torn. When the file cannot be written later on,
    as when the disk is full, what was written of the message is cut off again, this is logged,
    and the message waits (the newest 10,000 do) for the next call. A file that was removed
    meanwhile is begun anew.

    Args:
        path: the file; it is made if missing, its folder is not.

    Attributes:
        lost: number of messages that are not in it, known when it is closed.

    Raises:
        MnadError: the file cannot be opened, or is not a record of events.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._waiting: deque[bytes] = deque(maxlen=_WAITING_MESSAGES)
        self._failed = False
        self.lost = 0
        try:
            self._file = self.path.open("a+b", buffering=0)
            self._file.seek(0)
            content = self._file.read()
            self._size = _parse(content, self.path)[1]
            self._file.truncate(self._size)
            if self._size and content[self._size - 1 : self._size] != b"\n":
                self._write(b"\n")
        except OSError as error:
            raise MnadError(unwritable(self.path, error.strerror)) from error

    def append(self, event: Event) -> bool:
        """Write a message; True when it and all before it are on the disk, False if they wait."""
        self._waiting.append(json.dumps(event.as_dict(), allow_nan=False).encode() + b"\n")
        return self.flush()

    def flush(self) -> bool:
        """Try again to write the messages that wait; True when none is left."""
        try:
            while self._waiting:
                self._require_file()
                self._write(self._waiting[0])
                self._waiting.popleft()
            self._failed = False
        except OSError as error:
            if not self._failed:
                _LOG.error("%s cannot be written (%s): will try again", self.path, error.strerror)
            self._failed = True
        return not self._failed

    def close(self) -> None:
        """Try once more to write what waits, and close the file."""
        if not self.flush():
            self.lost = len(self._waiting)
            _LOG.error("%s lacks the last %d messages", self.path, self.lost)
        self._file.close()

    def _require_file(self) -> None:
        """Open the file anew where it was removed: what is written to it then is nowhere."""
        if not os.fstat(self._file.fileno()).st_nlink:
            anew = self.path.open("a+b", buffering=0)
            self._file.close()
            self._file, self._size = anew, anew.tell()

    def _write(self, line: bytes) -> None:
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(line)


def read_events(path: str | Path) -> list[Event]:
    """All messages of a record, in order; a last line that a crash left torn is left out.

    Raises:
        MnadError: the file cannot be read, or another line of it is no message.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MnadError(f"{path} cannot be read ({error.strerror}).") from error
    return _parse(content, path)[0]


def latest(events: Iterable[Event]) -> list[Event]:
    """The last message of every event, in the order in which the events started."""
    return list({event.id: event for event in events}.values())


def close_open(
    events: Iterable[Event],
    folder: str | Path,
    suffered: Mapping[str, datetime] = MappingProxyType({}),
) -> list[Event]:
    """The missing ``end`` messages of events that a crash left open; append them at a restart.

    Such an event ends at the last moment known of it. Its picture and clip are named only where
    they exist.

    Args:
        events: messages read from the record.
        folder: of the results, which the paths in the messages are relative to.
        suffered: when it was last known of a camera that it suffers something, by what that is.
    """

    def known(event: Event) -> float:
        last = event.peak_seconds
        if event.kind == "camera" and event.at is not None and event.what in suffered:
            lasted = suffered[event.what] - datetime.fromisoformat(event.at)
            last = event.start + lasted.total_seconds()
        return max(event.start, last)

    def found(name: str | None) -> str | None:
        return name if name is not None and (Path(folder) / name).is_file() else None

    return [
        replace(
            event,
            phase="end",
            end=known(event),
            thumbnail=found(event.thumbnail),
            clip=found(event.clip),
        )
        for event in latest(events)
        if event.phase != "end"
    ]


def _parse(content: bytes, path: Path) -> tuple[list[Event], int]:
    """The messages, and the number of bytes that hold them."""
    events, size = [], 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            events.append(Event.from_dict(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # A first line is torn only if it began as a message: it may be of any other file,
            # given by mistake, that must not be cut.
            if number == len(lines) and (number > 1 or _BEGIN.startswith(line[: len(_BEGIN)])):
                break
            raise MnadError(
                f"{path} is not a record of events: line {number} is no message of one; give "
                "another file or remove that line."
            ) from error
        size += len(line)
    return events, size
