"""A queue on disk between the detection, which must not wait, and receivers that may be away.

Every message is a small JSON file until its receiver has it, so that neither a kill nor a restart
loses one. Each channel has its own queue and thread: order is kept within a channel, and a broken
channel delays no other. A message may arrive twice (when the process ends between delivery and
the removal of the file) and then carries the same key, by which a receiver drops the second.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from mnad.alarms.channel import Channel, Message
from mnad.alarms.lane import Backoff, Lane, own_files, reject
from mnad.errors import MnadError

log = logging.getLogger("mnad")

_BACKOFF = Backoff()
_PART = re.compile(r"\.\d{12}-[a-z]+\.json\.part")


class Outbox:
    """Queues of messages, one for each channel, delivered in the background.

    Messages that a former run left in the folder come first; those for a channel that is not
    given now stay there. What is put again under the key of one of them, as when a file is scored
    anew, is that message, and goes out once. The folder belongs to one process at a time.

    Args:
        folder: for the files, made if missing. ``rejected/`` in it holds what was given up.
        channels: the ways out, of different names.
        backoff: waiting times after failures.
        limit: messages kept for each channel, waiting and rejected; beyond, the oldest goes.

    Raises:
        MnadError: the folder cannot be made or read.
    """

    def __init__(
        self,
        folder: Path,
        channels: Sequence[Channel],
        backoff: Backoff = _BACKOFF,
        limit: int = 10_000,
    ) -> None:
        try:
            (folder / "rejected").mkdir(parents=True, exist_ok=True)
            left = own_files(folder)
            numbers = [int(file.name[:12]) for file in left + own_files(folder / "rejected")]
            for part in folder.iterdir():
                if _PART.fullmatch(part.name):
                    part.unlink()
        except OSError as error:
            raise MnadError(
                f"{folder} cannot hold the queue of alarms: {error.strerror}; give a folder that "
                "can be written."
            ) from error
        self._limit = limit
        self._numbers = count(max(numbers, default=0) + 1)
        self._lanes = {channel.name: Lane(channel, folder, backoff, limit) for channel in channels}
        self._left: set[tuple[str, str]] = set()
        """Channel and key of what a former run left."""
        strays = sum(not self._take_up(file) for file in left)
        if strays:
            log.warning(
                "%d alarms in %s are not sent now: damaged, or for a channel that is not set up.",
                strays,
                folder,
            )
        for lane in self._lanes.values():
            lane.start()

    def _take_up(self, file: Path) -> bool:
        channel = file.stem.partition("-")[2]
        lane = self._lanes.get(channel)
        if lane is None:
            return False
        try:
            message = Message(**json.loads(file.read_text("utf-8")))
            lane.append(file, message)
            self._left.add((channel, message.key))
        except OSError:
            return False
        except (ValueError, TypeError):
            reject(file, self._limit)
            return False
        return True

    def put(self, channel: str, key: str, payload: dict[str, Any]) -> None:
        """Queue a message, unless a former run left it; returns at once.

        If the disk is full this is logged, and the message waits in memory only.

        Args:
            channel: name of one of the channels.
            key: see `Message`.
            payload: for JSON.
        """
        if (channel, key) in self._left:
            return
        self._lanes[channel].put(self._numbers, Message(channel, key, payload))

    @property
    def waiting(self) -> int:
        """Number of messages of the given channels that were not delivered yet."""
        return sum(lane.waiting for lane in self._lanes.values())

    def close(self, timeout: float) -> None:
        """Deliver what can be delivered now; the rest stays in the folder for the next start.

        Every channel goes through its queue until something fails.

        Args:
            timeout: seconds after which deliveries are broken off; that itself may take a few.
        """
        until = time.monotonic() + timeout
        lanes = self._lanes.values()
        for lane in lanes:
            lane.finish()
        for lane in lanes:
            lane.join(until - time.monotonic())
        for lane in lanes:
            lane.abandon()
