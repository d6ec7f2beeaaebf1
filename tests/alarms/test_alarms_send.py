"""Events to channels: which phases go where, with which keys, and what is refused at the start."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnad.alarms.alarms import AlarmConfig, Alarms, message_key
from mnad.errors import UsageError
from mnad.events.event import Box, Event

Eventually = Callable[..., None]
Receiver = tuple[str, list[dict[str, Any]]]
EVENT = Event(
    id="20240101T000000-1",
    phase="start",
    kind="anomaly",
    what="anomaly",
    source="front",
    start=1.5,
    end=None,
    at=None,
    peak_score=0.9,
    peak_seconds=2.0,
    peak_frame=50,
    threshold=0.75,
    boxes=(Box(0.1, 0.2, 0.3, 0.4, 0.9),),
)
PHASES = (
    EVENT,
    replace(EVENT, phase="update", peak_frame=60),
    replace(EVENT, phase="update", peak_frame=70),
    replace(EVENT, phase="end", end=4.0),
)


def closed_port_mqtt() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"mqtt://127.0.0.1:{server.getsockname()[1]}"


def test_webhook_and_command_get_one_message_and_mqtt_every_phase(
    tmp_path: Path, receiver: Receiver, eventually: Eventually
) -> None:
    address, got = receiver
    for send_end, wanted in ((False, ["start"]), (True, ["start", "end"])):
        got.clear()
        folder = tmp_path / str(send_end)
        ran = tmp_path / f"ran-{send_end}"
        command = f"sh -c 'echo $MNAD_PHASE >> {ran}'"
        config = AlarmConfig(
            webhook=address, mqtt=closed_port_mqtt(), command=command, send_end=send_end
        )
        alarms = Alarms(config, folder, "front")
        for event in PHASES:
            alarms.send(event)
        eventually(lambda alarms=alarms: alarms.waiting == len(PHASES))
        alarms.close(0)
        assert [body["phase"] for body in got] == wanted
        assert ran.read_text().split() == wanted
        # The broker is away: what it should get waits.
        files = sorted((folder / "alarms").glob("*.json"))
        messages = [json.loads(file.read_text()) for file in files]
        assert {message["channel"] for message in messages} == {"mqtt"}
        assert [message["payload"]["phase"] for message in messages] == [e.phase for e in PHASES]
        assert len({message["key"] for message in messages}) == 4
        assert alarms.waiting == 4


def test_the_message_is_the_event_and_its_key_in_valid_json(
    tmp_path: Path, receiver: Receiver
) -> None:
    address, got = receiver
    odd = replace(
        EVENT,
        peak_score=math.nan,
        threshold=math.inf,
        peak_frame=np.int64(7),  # type: ignore[arg-type]
        start=np.float32(0.5),  # type: ignore[arg-type]
        boxes=(Box(0, 0, 1, 1, math.nan),),
    )
    with Alarms(AlarmConfig(webhook=address), tmp_path, "front") as alarms:
        alarms.send(EVENT)
        alarms.send(odd)
    good, strange = got
    assert good.pop("key") == "20240101T000000-1-start"
    assert Event.from_dict(good) == EVENT
    assert (strange["peak_score"], strange["threshold"], strange["peak_frame"]) == (None, None, 7)
    assert strange["start"] == 0.5 and strange["boxes"][0]["score"] is None


def test_keys_tell_messages_apart_and_stay_the_same_for_one() -> None:
    keys = [message_key(event) for event in PHASES]
    assert keys == [message_key(event) for event in PHASES]
    assert len(set(keys)) == 4
    assert len({message_key(replace(event, id="other")) for event in PHASES} | set(keys)) == 8


def test_nothing_set_up_sends_and_writes_nothing(tmp_path: Path) -> None:
    with Alarms(AlarmConfig(), tmp_path, "front") as alarms:
        alarms.send(EVENT)
        assert alarms.waiting == 0
    assert list(tmp_path.iterdir()) == []


def test_what_still_waits_at_the_end_is_said_and_the_next_run_sends_it(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    away = closed_port_mqtt().replace("mqtt", "http")
    with Alarms(AlarmConfig(webhook=away, send_end=True), tmp_path, "front") as alarms:
        for event in PHASES:
            alarms.send(event)
    (said,) = (one for one in caplog.messages if "wait in" in one)
    assert said.startswith(f"2 alarms wait in {tmp_path / 'alarms'}")
    assert f"next run into {tmp_path} " in said
    caplog.clear()
    address, got = receiver
    Alarms(AlarmConfig(webhook=address), tmp_path, "front").close()
    assert [body["phase"] for body in got] == ["start", "end"]
    assert "wait in" not in caplog.text


KILLED = """
import sys, time
from pathlib import Path
from test_alarms_send import PHASES
from mnad.alarms.alarms import AlarmConfig, Alarms
alarms = Alarms(AlarmConfig(webhook=sys.argv[1], send_end=True), Path(sys.argv[2]), "front")
for event in PHASES:
    alarms.send(event)
print(alarms.waiting, flush=True)
time.sleep(60)
"""


def test_alarms_queued_when_the_process_is_killed_are_delivered_after_its_restart(
    tmp_path: Path, receiver: Receiver, eventually: Eventually
) -> None:
    away = closed_port_mqtt().replace("mqtt", "http")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, away, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])},
    )
    assert process.stdout is not None and process.stdout.readline() == "2\n"
    process.stdout.close()
    process.kill()
    process.wait()
    address, got = receiver
    alarms = Alarms(AlarmConfig(webhook=address), tmp_path, "front")
    eventually(lambda: alarms.waiting == 0)
    alarms.close()
    assert [body["phase"] for body in got] == ["start", "end"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"webhook": "example.org/hook"}, "webhook is not an address of the form https://HOST"),
        ({"webhook": "ftp://example.org"}, "webhook is not an address"),
        ({"webhook": "http://u:pass word@h/"}, "webhook is not an address"),
        ({"webhook": "http://user:pw@host:99999/"}, "webhook is not an address"),
        ({"webhook": "http://[::1/"}, "webhook is not an address"),
        ({"mqtt": "mqtt://user:pw@/"}, "mqtt is not an address"),
        ({"mqtt": "http://host"}, "mqtt is not an address of the form mqtt://HOST:PORT or mqtts"),
        ({"mqtt": "mqtt://user:pw@host/cams"}, "use mqtt_prefix for the topics"),
        ({"mqtt_prefix": "cams/#"}, "mqtt_prefix is 'cams/#'"),
        ({"mqtt_prefix": "cams//x"}, "none of them empty"),
        ({"mqtt_prefix": ""}, "none of them empty"),
        ({"mqtt_prefix": "$SYS"}, "without \\$ at the start"),
        ({"command": "say 'hello"}, "a quote that is not closed"),
        ({"command": " "}, "command is empty"),
        ({"command": "no-such-program-here --token pw"}, "'no-such-program-here', which is no"),
        ({"webhook_secret_env": "MNAD_TEST_PW"}, "a variable that is not set|is not set"),
        ({"webhook_thumbnail": True}, "need webhook"),
    ],
)
def test_what_cannot_work_is_refused_at_once_without_repeating_credentials(
    values: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MNAD_TEST_PW", raising=False)
    with pytest.raises(UsageError, match=sentence) as caught:
        AlarmConfig(**values)
    for secret in ("user", "pw", "pass word", "MNAD_TEST_PW"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("ALL_PROXY", "socks5://berta:pw1@proxy:1080", "SOCKS"),
        ("HTTPS_PROXY", "socks://berta:pw1@proxy:1080", "socks://proxy:1080"),
        ("NO_PROXY", "[::1", "Invalid"),
        ("SSL_CERT_FILE", "/no/such/file.pem", "No such file"),
    ],
)
def test_a_proxy_or_certificate_of_the_environment_that_cannot_be_used_is_refused_at_once(
    variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # without which there are no such proxies
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=f"webhook cannot be sent to .*{sentence}") as caught:
        AlarmConfig(webhook="https://host/t0ken")
    for secret in ("berta", "pw1", "t0ken"):
        assert secret not in str(caught.value)
    AlarmConfig(mqtt="mqtt://broker")


def test_the_configuration_prints_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    config = AlarmConfig(
        webhook="https://ann:pw1@host/services/t0ken?key=k3y",
        webhook_secret_env="HOOK_SECRET",
        mqtt="mqtts://ann:pw2@broker:8883",
        command="true --token pw3",
    )
    assert config.webhook_secret() == "s3cret"
    assert str(config.webhook_address()) == "https://host"
    assert str(config.mqtt_address()) == "mqtts://broker:8883"
    assert config.arguments() == ["true", "--token", "pw3"]
    printed = repr(config) + repr(config.webhook_address()) + repr(config.mqtt_address())
    for secret in ("ann", "pw1", "pw2", "pw3", "t0ken", "k3y", "s3cret"):
        assert secret not in printed
