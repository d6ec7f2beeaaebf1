"""Alarms over MQTT 3.1.1.

- ``PREFIX/SOURCE/events``: one JSON message for each phase of an event, QoS 1, not retained: the
  fields of `mnad.events.event.Event` and ``key``, the same when a message comes twice.
- ``PREFIX/SOURCE/availability``: ``online`` or ``offline``, retained; the broker itself says
  ``offline`` when the connection breaks (last will).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import socket
import threading
from pathlib import Path
from typing import Any

from mnad.alarms.address import Address
from mnad.alarms.channel import Message, NotNow

log = logging.getLogger("mnad")

USERNAME, PASSWORD = "MNAD_MQTT_USERNAME", "MNAD_MQTT_PASSWORD"
"""Environment variables that hold the credentials unless the address does."""

KEEPALIVE = 30
"""Seconds; the broker notices a client that is gone after one and a half times this."""
_STOP_SECONDS = 1.0


def topic_level(name: str) -> str:
    """A name as one level of a topic: what MQTT reserves becomes an underscore."""
    valid = name.encode("utf-8", "replace").decode()
    return re.sub(r"[/+#\x00-\x1f\x7f]", "_", valid) or "_"


class Mqtt:
    """A channel of the outbox: publish to a broker, delivered when it has acknowledged.

    It connects in the background and again whenever the connection is lost; a delivery waits for
    that, so that nothing is late when the broker comes back.

    Args:
        address: ``mqtt://`` or ``mqtts://`` (TLS, checked against the system's certificates, or
            those that the environment variable SSL_CERT_FILE names).
        prefix: first levels of the topics.
        source: name of the source, the level after them.
        folder: of the results, which tells it from another that sends for the same source: the
            broker knows each by its name, and ends the connection of one when the other comes.
    """

    name = "mqtt"
    tries: int | None = None

    def __init__(
        self, address: Address, prefix: str, source: str, folder: str | Path = "."
    ) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._address = address
        topic = f"{prefix}/{topic_level(source)}"
        self._events, self._availability = f"{topic}/events", f"{topic}/availability"
        self._changed = threading.Condition()
        self._acknowledged: set[int] = set()
        self._pending: tuple[str, int] | None = None
        self._closing = False
        self._down = False
        # The same after a restart: the broker then ends the old connection first, and its last
        # will cannot overwrite the new "online". 23 letters are what every broker takes.
        about = f"{socket.gethostname()}/{topic}/{Path(folder).resolve()}"
        digest = hashlib.sha256(os.fsencode(about)).hexdigest()
        client = self._client = Client(CallbackAPIVersion.VERSION2, f"mnad-{digest[:18]}")
        user = address.user if address.user is not None else os.environ.get(USERNAME)
        if user is not None:
            client.username_pw_set(user, address.password or os.environ.get(PASSWORD))
        secure = address.scheme == "mqtts"
        if secure:
            client.tls_set()
        client.will_set(self._availability, "offline", qos=1, retain=True)
        client.reconnect_delay_set(1, 60)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.connect_async(address.host, address.port or (8883 if secure else 1883), KEEPALIVE)
        client.loop_start()

    def deliver(self, message: Message) -> None:
        """Publish a message and wait for its acknowledgement."""
        if self._pending is None or self._pending[0] != message.key:
            # While there is no connection the client keeps it and sends it on the next.
            self._acknowledged.clear()
            info = self._client.publish(self._events, json.dumps(message.payload), qos=1)
            self._pending = message.key, info.mid
        mid = self._pending[1]
        with self._changed:
            self._changed.wait_for(lambda: self._closing or mid in self._acknowledged)
            if mid not in self._acknowledged:
                raise NotNow(f"{self._address} has not acknowledged it")
        self._pending = None

    def close(self) -> None:
        """Say ``offline`` if there is a connection, and end it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._client.is_connected():
            info = self._client.publish(self._availability, "offline", qos=1, retain=True)
            with self._changed:
                self._changed.wait_for(lambda: info.mid in self._acknowledged, timeout=2)
        self._client.disconnect()
        # That waits for its thread, which without a network may ask for the broker's address for
        # half a minute: who is stopped may not have so long.
        stopping = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopping.start()
        stopping.join(_STOP_SECONDS)

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, more: Any) -> None:
        if reason.is_failure:
            self._warn(f"refuses the connection: {reason}")
            return
        client.publish(self._availability, "online", qos=1, retain=True)

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        secure = self._address.scheme == "mqtts"
        self._warn("cannot be reached" + (", or its certificate is not trusted" if secure else ""))

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, more: Any) -> None:
        if not self._closing:
            self._warn(f"is gone: {reason}")

    def _warn(self, what: str) -> None:
        """Once for each time that it is away, not for every attempt."""
        if not self._down:
            log.warning("The MQTT broker %s %s; trying again.", self._address, what)
        self._down = True

    def _on_publish(self, client: Any, data: Any, mid: int, reason: Any, more: Any) -> None:
        # Not when it connects: a broker may end the connection whenever it is sent something that
        # it does not allow, each second.
        if self._down:
            log.warning("The MQTT broker %s is back.", self._address)
        self._down = False
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()
