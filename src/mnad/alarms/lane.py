"""The queue and the thread of one channel, and the files behind them."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from mnad.alarms.channel import Channel, Message, Never, NotNow
from mnad.writing import beside, discard

log = logging.getLogger("mnad")

_NAME = re.compile(r"\d{12}-[a-z]+\.json")


@dataclass(frozen=True)
class Backoff:
    """How long to wait after failures: doubling, with jitter.

    Args:
        first: seconds after the first failure.
        longest: seconds after many.
    """

    first: float = 1.0
    longest: float = 300.0

    def delay(self, attempts: int) -> float:
        """Seconds to wait after `attempts` failures, between a half and the whole of its step."""
        step = min(self.longest, self.first * 2.0 ** min(attempts - 1, 60))
        return step * random.uniform(0.5, 1)


class Lane:
    """The queue and the thread of one channel; the arguments are those of the outbox."""

    def __init__(self, channel: Channel, folder: Path, backoff: Backoff, limit: int) -> None:
        self._channel = channel
        self._folder = folder
        self._backoff = backoff
        self._limit = limit
        self._queue: deque[tuple[Path, Message]] = deque()
        self._changed = threading.Condition()
        self._due = 0.0  # of the first in the queue, on the monotonic clock
        self._closing = self._stopped = False
        self._thread = threading.Thread(target=self._work, name=channel.name, daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        if self._queue:
            # The wall clock may have been set back since.
            wait = self._queue[0][1].not_before - time.time()
            self._due = time.monotonic() + min(wait, self._backoff.longest)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of messages in the queue, the one under way included."""
        return len(self._queue)

    def put(self, numbers: count[int], message: Message) -> None:
        """Write a message to disk under the next number and queue it."""
        with self._changed:
            file = self._folder / f"{next(numbers):012d}-{message.channel}.json"
            try:
                _write(file, message)
            except OSError as error:
                log.warning(
                    "Alarm %s is not on disk and would not survive a restart: %s cannot be "
                    "written: %s.",
                    message.key,
                    file,
                    error.strerror,
                )
            self.append(file, message)
            self._changed.notify()

    def append(self, file: Path, message: Message) -> None:
        """Queue a message that is on disk; beyond the limit, drop the oldest."""
        self._queue.append((file, message))
        if len(self._queue) > self._limit:
            oldest, lost = self._queue.popleft()
            discard(oldest)
            log.error(
                "More than %d alarms wait for %s: %s was dropped.",
                self._limit,
                lost.channel,
                lost.key,
            )

    def _work(self) -> None:
        while (first := self._next()) is not None:
            file, message = first
            try:
                self._channel.deliver(message)
            except (NotNow, Never) as error:
                self._failed(file, message, str(error), isinstance(error, Never))
            except Exception as error:
                # Whatever it was, the next alarm must go out. Its text might hold credentials.
                self._failed(file, message, type(error).__name__, False)
            else:
                self._delivered(file, message)

    def _next(self) -> tuple[Path, Message] | None:
        """Wait for the first message to be due; None when the thread is to end."""
        with self._changed:
            while not self._stopped:
                if self._queue:
                    wait = self._due - time.monotonic()
                    if self._closing or wait <= 0:
                        return self._queue[0]
                    self._changed.wait(wait)
                elif self._closing:
                    break
                else:
                    self._changed.wait()
            return None

    def _delivered(self, file: Path, message: Message) -> None:
        with self._changed:
            self._drop(file)
            discard(file)
        if message.attempts:
            log.warning("%s works again: %s was delivered.", message.channel, message.key)

    def _failed(self, file: Path, message: Message, why: str, never: bool) -> None:
        with self._changed:
            if self._stopped or not self._queue or self._queue[0][0] != file:
                return  # broken off by `abandon`, or dropped as the oldest meanwhile
            attempts = message.attempts + 1
            if never or attempts == self._channel.tries:
                self._drop(file)
                reject(file, self._limit)
                log.error("Alarm %s was given up: %s: %s.", message.key, message.channel, why)
                return
            delay = self._backoff.delay(attempts)
            self._due = time.monotonic() + delay
            later = replace(message, attempts=attempts, not_before=time.time() + delay)
            self._queue[0] = file, later
            # In memory it is right anyway; on disk an old count does no harm.
            with suppress(OSError):
                _write(file, later)
            self._stopped = self._closing
        log.log(
            logging.WARNING if attempts == 1 else logging.DEBUG,
            "Alarm %s is not delivered yet: %s: %s.",
            message.key,
            message.channel,
            why,
        )

    def _drop(self, file: Path) -> None:
        if self._queue and self._queue[0][0] == file:
            self._queue.popleft()
            self._due = 0.0

    def finish(self) -> None:
        """Let the thread end at the end of the queue or at the first failure."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def join(self, timeout: float) -> None:
        """Wait for the thread, `timeout` seconds at most."""
        self._thread.join(max(0.0, timeout))

    def abandon(self) -> None:
        """Break off what is under way and close the channel."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        try:
            self._channel.close()
        except Exception as error:
            log.debug("Closing %s failed: %s.", self._channel.name, type(error).__name__)
        self.join(1)


def own_files(folder: Path) -> list[Path]:
    """Files of the queue, oldest first; whatever else lies in the folder is left alone."""
    return sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))


def _write(file: Path, message: Message) -> None:
    with beside(file) as part:
        part.write_text(json.dumps(asdict(message)), "utf-8")


def reject(file: Path, limit: int) -> None:
    """Move a file to ``rejected/`` and keep that to the newest `limit`."""
    with suppress(OSError):
        rejected = file.parent / "rejected"
        os.replace(file, rejected / file.name)
        for old in own_files(rejected)[:-limit]:
            old.unlink()
