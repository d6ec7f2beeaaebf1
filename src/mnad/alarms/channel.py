"""What the queue holds, and what a way out of it has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Message:
    """What waits for delivery.

    Args:
        channel: name of the channel it is for.
        key: the same for every attempt, and for no other message of the channel.
        payload: to be sent as JSON.
        attempts: failed ones so far.
        not_before: wall-clock time of the next attempt, seconds since 1970.
    """

    channel: str
    key: str
    payload: dict[str, Any]
    attempts: int = 0
    not_before: float = 0.0


class NotNow(Exception):
    """A delivery failed and is worth another try; the text says why, without credentials."""


class Never(Exception):
    """The receiver refused this message for good; the text says why, without credentials."""


class Channel(Protocol):
    """A way out. `deliver` runs in the channel's own thread and may take its time.

    Attributes:
        name: lower-case letters, part of file names.
        tries: attempts after which a message is given up; None for no end.
    """

    name: str
    tries: int | None

    def deliver(self, message: Message) -> None:
        """Return once the receiver has the message, or raise `NotNow` or `Never`."""

    def close(self) -> None:
        """Break off a delivery under way and release everything."""
