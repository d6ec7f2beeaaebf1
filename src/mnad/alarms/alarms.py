"""Where alarms go, and the one object that sends them."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnad.alarms.address import Address
from mnad.alarms.channel import Channel
from mnad.alarms.command import Command
from mnad.alarms.mqtt import Mqtt
from mnad.alarms.outbox import Outbox
from mnad.alarms.webhook import Webhook
from mnad.closing import Closing
from mnad.errors import UsageError
from mnad.events.event import Event

_LOG = logging.getLogger("mnad")


@dataclass(frozen=True)
class AlarmConfig:
    """Where to send alarms; nothing is sent by default.

    Webhook and command get one message for each event, when it starts; MQTT gets every phase.

    Args:
        webhook: ``http://`` or ``https://`` address to POST to.
        webhook_secret_env: name of the environment variable whose content signs the requests.
        webhook_thumbnail: send the picture of the peak along, as base64 JPEG.
        mqtt: ``mqtt://`` or ``mqtts://`` address of a broker; user and password in it, or in
            the environment variables MNAD_MQTT_USERNAME and MNAD_MQTT_PASSWORD.
        mqtt_prefix: first levels of the topics.
        command: a program and its arguments, quoted as for a shell, but no shell runs it.
        send_end: tell webhook and command of the end of an event too.

    Raises:
        UsageError: a value that cannot work; the sentence repeats no credentials.
    """

    # The addresses and the command may hold credentials: they stay out of what is printed.
    webhook: str | None = field(default=None, repr=False)
    webhook_secret_env: str | None = None
    webhook_thumbnail: bool = False
    mqtt: str | None = field(default=None, repr=False)
    mqtt_prefix: str = "mnad"
    command: str | None = field(default=None, repr=False)
    send_end: bool = False

    def __post_init__(self) -> None:
        if (address := self.webhook_address()) is not None:
            Webhook(address).close()  # refused here, and not after a quarter of an hour of learning
        self.webhook_secret()
        self.mqtt_address()
        self.arguments()
        if self.webhook is None and (self.webhook_secret_env or self.webhook_thumbnail):
            raise UsageError("webhook_secret_env and webhook_thumbnail need webhook: give that.")
        levels = self.mqtt_prefix.split("/")
        if "" in levels or re.search(r"^\$|[+#\x00-\x1f\x7f]", self.mqtt_prefix):
            raise UsageError(
                f"mqtt_prefix is {self.mqtt_prefix!r}; give levels joined by /, none of them "
                "empty, without + and # and without $ at the start."
            )

    def webhook_address(self) -> Address | None:
        """The webhook's address, taken apart."""
        if self.webhook is None:
            return None
        return Address.parse(self.webhook, "webhook", ("https", "http"))

    def webhook_secret(self) -> str | None:
        """The secret itself, from the environment."""
        if self.webhook_secret_env is None:
            return None
        secret = os.environ.get(self.webhook_secret_env)
        if not secret:
            raise UsageError(
                "webhook_secret_env names an environment variable that is not set: give the "
                "variable's name (not the secret itself) and set it."
            )
        return secret

    def mqtt_address(self) -> Address | None:
        """The broker's address, taken apart."""
        if self.mqtt is None:
            return None
        address = Address.parse(self.mqtt, "mqtt", ("mqtt", "mqtts"))
        if address.path.strip("/"):
            raise UsageError("mqtt holds a path after the host: use mqtt_prefix for the topics.")
        return address

    def arguments(self) -> list[str] | None:
        """The command as a list."""
        if self.command is None:
            return None
        try:
            arguments = shlex.split(self.command)
        except ValueError as error:
            raise UsageError("command has a quote that is not closed: close it.") from error
        if not arguments or shutil.which(arguments[0]) is None:
            program = repr(arguments[0]) if arguments else "empty"
            raise UsageError(
                f"command is {program}, which is no program that can be run: give a path or a "
                "name that is on PATH."
            )
        return arguments


class Alarms(Closing):
    """Sends events to where `AlarmConfig` says, in the background, through a queue on disk.

    Args:
        config: where to.
        folder: of the results, to which the paths in events are relative; the queue is its
            folder ``alarms``.
        source_name: of the source, without credentials; a level of the MQTT topics.

    Raises:
        UsageError: the configuration cannot work.
        MnadError: the folder cannot be written.
    """

    def __init__(self, config: AlarmConfig, folder: Path, source_name: str) -> None:
        channels: list[Channel] = []
        if (webhook := config.webhook_address()) is not None:
            thumbnails = folder if config.webhook_thumbnail else None
            channels.append(Webhook(webhook, config.webhook_secret(), thumbnails))
        if (broker := config.mqtt_address()) is not None:
            channels.append(Mqtt(broker, config.mqtt_prefix, source_name, folder))
        if (arguments := config.arguments()) is not None:
            channels.append(Command(arguments, folder))
        self._phases = {
            channel.name: _phases(channel.name == "mqtt", config.send_end) for channel in channels
        }
        self._folder = folder
        self._outbox = Outbox(folder / "alarms", channels) if channels else None

    def send(self, event: Event) -> None:
        """Queue a message about an event; returns at once and never fails."""
        if self._outbox is None:
            return
        key = message_key(event)
        payload = _plain({"key": key, **event.as_dict()})
        for channel, phases in self._phases.items():
            if event.phase in phases:
                self._outbox.put(channel, key, payload)

    @property
    def waiting(self) -> int:
        """Number of messages that were not delivered yet."""
        return 0 if self._outbox is None else self._outbox.waiting

    def close(self, timeout: float = 5) -> None:
        """Deliver what can be delivered within `timeout` seconds; the rest waits on disk.

        A warning says how many wait: a file is scored faster than its alarms go out, and nothing
        may ever start in its folder again.
        """
        if self._outbox is None:
            return
        self._outbox.close(timeout)
        if self.waiting:
            _LOG.warning(
                "%d alarms wait in %s, as they could not be delivered in time: the next run into "
                "%s with the same --alarms options sends them.",
                self.waiting,
                self._folder / "alarms",
                self._folder,
            )


def message_key(event: Event) -> str:
    """Tells messages apart: ``ID-start``, ``ID-end``, ``ID-update-FRAME`` (there are several)."""
    key = f"{event.id}-{event.phase}"
    return f"{key}-{event.peak_frame}" if event.phase == "update" else key


def _phases(every: bool, send_end: bool) -> tuple[str, ...]:
    if every:
        return ("start", "update", "end")
    return ("start", "end") if send_end else ("start",)


def _plain(payload: dict[str, Any]) -> dict[str, Any]:
    """With null for NaN and infinity, which JSON lacks, and without NumPy's numbers."""
    text = json.dumps(payload, default=lambda number: number.item())
    plain: dict[str, Any] = json.loads(text, parse_constant=lambda name: None)
    return plain
