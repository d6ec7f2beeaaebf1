"""MQTT against a real broker that is killed and comes back."""

from __future__ import annotations

import getpass
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mnad.alarms.address import Address
from mnad.alarms.alarms import AlarmConfig, Alarms
from mnad.alarms.mqtt import PASSWORD, USERNAME, Mqtt, topic_level
from mnad.alarms.outbox import Outbox
from mnad.events.message import camera_event

Eventually = Callable[..., None]
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="the broker mosquitto is missing")
TOPIC = "mnad/front_door"


class Broker:
    """A mosquitto that remembers its subscribers through a kill."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location {folder}/\n"
            "autosave_on_changes true\nautosave_interval 1\n"
            # As root it would become another user, who cannot read this folder.
            f"user {getpass.getuser()}\n" + "\n".join(options or ("allow_anonymous true",))
        )
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=-3, stderr=-3)
        until = time.monotonic() + 10
        here = ("127.0.0.1", self.port)
        while time.monotonic() < until:
            with suppress(ConnectionRefusedError), socket.create_connection(here):
                return
            time.sleep(0.01)
        raise AssertionError("mosquitto does not listen")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def address(self, user: str = "", scheme: str = "mqtt") -> Address:
        return Address.parse(f"{scheme}://{user}127.0.0.1:{self.port}", "mqtt", (scheme,))


class Subscriber:
    """Keeps what comes; the broker keeps for it what comes while it is away."""

    def __init__(self, port: int, user: tuple[str, str] | None = None) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.events: list[dict[str, Any]] = []
        self.retained_events = 0
        self.availability: list[str] = []
        self.ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "test", clean_session=False)
        if user:
            self._client.username_pw_set(*user)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{TOPIC}/#", qos=1)
        self._client.on_subscribe = lambda *_: self.ready.set()
        self._client.on_message = self._take
        self._client.connect_async("127.0.0.1", port)
        self._client.reconnect_delay_set(1, 1)
        self._client.loop_start()
        assert self.ready.wait(10)

    def _take(self, client: Any, data: Any, message: Any) -> None:
        if message.topic == f"{TOPIC}/availability":
            self.availability.append(message.payload.decode())
        else:
            assert message.topic == f"{TOPIC}/events"
            self.retained_events += message.retain
            self.events.append(json.loads(message.payload))

    def numbers(self) -> list[int]:
        return [event["n"] for event in self.events]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    folder = tmp_path / "broker"
    folder.mkdir()
    brokers: list[Broker] = []

    def start(*options: str) -> Broker:
        brokers.append(Broker(folder, *options))
        return brokers[-1]

    yield start
    for each in brokers:
        each.kill()


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker()


@needs_broker
def test_nothing_is_lost_when_the_broker_is_killed_and_restarted(
    broker: Broker, tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber = Subscriber(broker.port)
    outbox = Outbox(tmp_path / "alarms", [Mqtt(broker.address(), "mnad", "front/door")])
    for n in range(3):
        outbox.put("mqtt", f"e{n}", {"n": n})
    eventually(lambda: subscriber.numbers() == [0, 1, 2] and outbox.waiting == 0)
    assert subscriber.availability == ["online"]

    # Until mosquitto has saved its subscriber, it would not keep anything for it after the kill.
    database = broker._config.parent / "mosquitto.db"
    eventually(lambda: database.exists() and b"front_door/#" in database.read_bytes())
    broker.kill()
    for n in range(3, 6):
        outbox.put("mqtt", f"e{n}", {"n": n})
    eventually(lambda: "is gone" in caplog.text)
    assert outbox.waiting == 3
    broker.start()
    eventually(lambda: subscriber.numbers()[-1:] == [5] and outbox.waiting == 0)
    # Twice is allowed, out of order or missing is not.
    assert list(dict.fromkeys(subscriber.numbers())) == list(range(6))
    assert subscriber.retained_events == 0
    outbox.close(5)
    eventually(lambda: subscriber.availability[-1] == "offline")
    assert "is back" in caplog.text
    subscriber.stop()


@needs_broker
def test_two_that_watch_one_camera_do_not_drive_each_other_out(
    broker: Broker, tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """With other regions, by day and by night, or two files of one name at once."""
    subscriber = Subscriber(broker.port)
    config = AlarmConfig(mqtt=str(broker.address()))
    both = [Alarms(config, tmp_path / name, "front/door") for name in ("left", "right")]
    for n, what in enumerate(("covered", "frozen", "moved")):
        for one, sender in enumerate(both):
            sender.send(camera_event(what, "front/door", None, float(n), one))
        eventually(lambda n=n: len(subscriber.events) == 2 * n + 2)
    assert {one["peak_frame"] for one in subscriber.events} == {0, 1}
    for sender in both:
        sender.close()
    assert "is gone" not in caplog.text and all(sender.waiting == 0 for sender in both)
    subscriber.stop()


CLIENT = """
import sys, time
from pathlib import Path
from mnad.alarms.address import Address
from mnad.alarms.mqtt import Mqtt
from mnad.alarms.outbox import Outbox
address = Address.parse(sys.argv[1], "mqtt", ("mqtt",))
outbox = Outbox(Path(sys.argv[2]), [Mqtt(address, "mnad", "front door".replace(" ", "_"))])
for n in map(int, sys.argv[3:]):
    outbox.put("mqtt", f"e{n}", {"n": n})
print("put", flush=True)
time.sleep(60)
"""


@needs_broker
def test_a_killed_client_is_offline_and_its_successor_delivers_what_it_left(
    broker: Broker, tmp_path: Path, eventually: Eventually
) -> None:
    def run(*numbers: int) -> subprocess.Popen[str]:
        arguments = [str(broker.address()), str(tmp_path / "alarms"), *map(str, numbers)]
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "put\n"
        process.stdout.close()
        return process

    subscriber = Subscriber(broker.port)
    client = run(1)
    eventually(lambda: subscriber.numbers() == [1] and subscriber.availability == ["online"])
    client.kill()
    client.wait()
    eventually(lambda: subscriber.availability == ["online", "offline"])

    subscriber.stop()
    broker.kill()
    client = run(2, 3)  # nobody is there to take them
    client.kill()
    client.wait()
    broker.start()
    subscriber = Subscriber(broker.port)
    client = run(4)
    eventually(lambda: list(dict.fromkeys(subscriber.numbers()))[-3:] == [2, 3, 4])
    eventually(lambda: subscriber.availability[-1] == "online")
    eventually(lambda: not list((tmp_path / "alarms").glob("*.json")))
    client.kill()
    client.wait()
    subscriber.stop()


@needs_broker
def test_credentials_from_the_address_and_the_environment(
    tmp_path: Path,
    start_broker: Callable[..., Broker],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    passwords = tmp_path / "passwords"
    made = shutil.which("mosquitto_passwd")
    if made is None:
        pytest.skip("mosquitto_passwd is missing")
    subprocess.run([made, "-b", "-c", str(passwords), "ann", "s3cr@t"], check=True)
    broker = start_broker("allow_anonymous false", f"password_file {passwords}")
    subscriber = Subscriber(broker.port, ("ann", "s3cr@t"))

    wrong = Outbox(tmp_path / "a", [Mqtt(broker.address("ann:wr0ng@"), "mnad", "front_door")])
    wrong.put("mqtt", "e0", {"n": 0})
    eventually(lambda: "refuses the connection: Not authorized" in caplog.text)
    wrong.close(0.1)
    assert wrong.waiting == 1 and subscriber.events == []
    assert "wr0ng" not in caplog.text

    right = Outbox(tmp_path / "a", [Mqtt(broker.address("ann:s3cr%40t@"), "mnad", "front_door")])
    right.close(5)
    monkeypatch.setenv(USERNAME, "ann")
    monkeypatch.setenv(PASSWORD, "s3cr@t")
    by_environment = Outbox(tmp_path / "a", [Mqtt(broker.address(), "mnad", "front_door")])
    by_environment.put("mqtt", "e1", {"n": 1})
    by_environment.close(5)
    eventually(lambda: subscriber.numbers() == [0, 1])
    subscriber.stop()


@needs_broker
def test_tls_to_a_broker_whose_certificate_is_trusted_and_to_no_other(
    tmp_path: Path,
    start_broker: Callable[..., Broker],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=b"
    )
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *alternative, *files], check=True, capture_output=True)
    broker = start_broker("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    address = broker.address(scheme="mqtts")

    doubtful = Outbox(tmp_path / "a", [Mqtt(address, "mnad", "front_door")])
    doubtful.put("mqtt", "e0", {"n": 0})
    eventually(lambda: "its certificate is not trusted" in caplog.text)
    doubtful.close(0)
    assert doubtful.waiting == 1

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusting = Outbox(tmp_path / "a", [Mqtt(address, "mnad", "front_door")])
    eventually(lambda: trusting.waiting == 0)
    trusting.close(1)


def test_a_broker_that_ends_the_connection_at_every_message_is_told_of_once(
    tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """As one does that does not allow this client its topics."""
    connections, allowed = [], threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                with connection, suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(b"\x20\x02\x00\x00")  # CONNACK, accepted
                    while (sent := connection.recv(1000)) and allowed.is_set():
                        topic = 2 + int.from_bytes(sent[2:4])
                        connection.sendall(b"\x40\x02" + sent[2 + topic : 4 + topic])  # PUBACK

    threading.Thread(target=serve, daemon=True).start()
    there = Address.parse(f"mqtt://127.0.0.1:{listening.getsockname()[1]}", "mqtt", ("mqtt",))
    channel = Mqtt(there, "mnad", "front_door", tmp_path)
    eventually(lambda: len(connections) == 3)
    assert [r.getMessage().partition(";")[0] for r in caplog.records] == [
        f"The MQTT broker {there} is gone: Unspecified error"
    ]
    allowed.set()
    eventually(lambda: "is back" in caplog.text)
    channel.close()
    listening.close()


def test_who_is_stopped_does_not_wait_for_the_address_of_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network a resolver asks on, for half a minute where three servers are named."""
    asked, over = threading.Event(), threading.Event()

    def hangs(*given: Any, **options: Any) -> Any:
        asked.set()
        over.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    alarms = Alarms(AlarmConfig(mqtt="mqtt://broker.invalid"), tmp_path, "yard")
    assert asked.wait(10)
    began = time.monotonic()
    alarms.close(timeout=0)
    took = time.monotonic() - began
    over.set()
    assert took < 10


def test_names_become_one_level_of_a_topic() -> None:
    assert topic_level("front/door +#1") == "front_door __1"
    assert topic_level("") == "_"
    assert topic_level("caf\u00e9\udcff\n") == "caf\u00e9?_"
