"""The queue on disk: order, restart, limits, a full disk, a kill."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mnad.alarms import lane
from mnad.alarms.channel import Message, Never, NotNow
from mnad.alarms.outbox import Backoff, Outbox
from mnad.errors import MnadError

Eventually = Callable[..., None]
QUICK = Backoff(first=0.01, longest=0.05)


class Receiver:
    """A channel in memory whose behaviour is a function of the message."""

    def __init__(
        self,
        name: str = "webhook",
        behave: Callable[[Message], None] = lambda message: None,
        tries: int | None = None,
    ) -> None:
        self.name = name
        self.tries = tries
        self.keys: list[str] = []
        self.attempts: list[Message] = []
        self.closed = threading.Event()
        self._behave = behave

    def deliver(self, message: Message) -> None:
        self.attempts.append(message)
        self._behave(message)
        self.keys.append(message.key)

    def close(self) -> None:
        self.closed.set()


def down(message: Message) -> None:
    raise NotNow("the receiver is down")


def test_messages_arrive_in_order_and_leave_no_file(tmp_path: Path) -> None:
    receiver = Receiver()
    outbox = Outbox(tmp_path, [receiver], QUICK)
    keys = [f"e{n}" for n in range(30)]
    for key in keys:
        outbox.put("webhook", key, {"key": key})
    outbox.close(10)
    assert receiver.keys == keys
    assert outbox.waiting == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rejected"]


def test_a_failure_delays_its_own_channel_and_keeps_its_order(
    tmp_path: Path, eventually: Eventually
) -> None:
    up = threading.Event()

    def behave(message: Message) -> None:
        if not up.is_set():
            down(message)

    broken, fine = Receiver("webhook", behave), Receiver("mqtt")
    outbox = Outbox(tmp_path, [broken, fine], QUICK)
    for n in range(3):
        outbox.put("webhook", f"w{n}", {})
        outbox.put("mqtt", f"m{n}", {})
    eventually(lambda: fine.keys == ["m0", "m1", "m2"] and len(broken.attempts) >= 3)
    assert broken.keys == [] and outbox.waiting == 3
    up.set()
    eventually(lambda: broken.keys == ["w0", "w1", "w2"])
    outbox.close(10)
    assert {message.key for message in broken.attempts[:3]} == {"w0"}
    assert [message.attempts for message in broken.attempts[:3]] == [0, 1, 2]


def test_what_is_left_goes_out_after_a_restart_before_anything_new(tmp_path: Path) -> None:
    first = Outbox(tmp_path, [Receiver(behave=down)], QUICK)
    for n in range(12):
        first.put("webhook", f"old{n}", {"n": n})
    first.close(0.05)
    assert first.waiting == 12
    foreign = [tmp_path / "notes.json", tmp_path / "x.part", tmp_path / "rejected" / "notes"]
    for file in foreign:
        file.write_text("not of the queue")
    part = tmp_path / ".000000000099-webhook.json.part"  # what a kill while writing leaves
    part.write_text("{")

    receiver = Receiver()
    second = Outbox(tmp_path, [receiver], QUICK)
    second.put("webhook", "new", {})
    second.close(10)
    assert receiver.keys == [f"old{n}" for n in range(12)] + ["new"]
    assert receiver.attempts[0].attempts >= 1 and receiver.attempts[5].payload == {"n": 5}
    assert all(file.exists() for file in foreign) and not part.exists()
    assert len(list(tmp_path.glob("0*.json"))) == 0


def test_what_is_left_and_put_again_goes_out_once(tmp_path: Path, eventually: Eventually) -> None:
    first = Outbox(tmp_path, [Receiver(behave=down), Receiver("mqtt")], QUICK)
    for key in ("a", "b"):
        first.put("webhook", key, {})
    first.close(0.05)
    hook, broker = Receiver(), Receiver("mqtt")
    second = Outbox(tmp_path, [hook, broker], QUICK)
    second.put("webhook", "b", {})  # while it waits
    eventually(lambda: hook.keys == ["a", "b"])
    for key in ("a", "new"):  # and when it has gone out
        second.put("webhook", key, {})
        second.put("mqtt", key, {})
    second.close(10)
    assert hook.keys == ["a", "b", "new"] and broker.keys == ["a", "new"]
    # What went out is no longer known of: a file that is scored anew tells all of its events.
    third = Receiver()
    outbox = Outbox(tmp_path, [third], QUICK)
    outbox.put("webhook", "a", {})
    outbox.close(10)
    assert third.keys == ["a"]


def test_time_of_the_next_attempt_survives_and_a_clock_set_back_does_not_hurt(
    tmp_path: Path, eventually: Eventually
) -> None:
    for wait, slow in ((0.6, Backoff(1, 300)), (1e9, Backoff(0.1, 0.4))):
        message = Message("webhook", "k", {}, attempts=2, not_before=time.time() + wait)
        (tmp_path / "000000000007-webhook.json").write_text(json.dumps(vars(message)))
        receiver = Receiver()
        start = time.monotonic()
        outbox = Outbox(tmp_path, [receiver], slow)
        eventually(lambda receiver=receiver: receiver.keys == ["k"])
        assert time.monotonic() - start > 0.35
        outbox.close(1)


def test_never_and_too_many_tries_go_to_rejected(
    tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    def behave(message: Message) -> None:
        if message.key == "bad":
            raise Never("the server answers 404")
        if message.key == "failing":
            raise NotNow("exit code 1")

    receiver = Receiver("command", behave, tries=3)
    outbox = Outbox(tmp_path, [receiver], QUICK)
    for key in ("bad", "failing", "good"):
        outbox.put("command", key, {"of": key})
    eventually(lambda: outbox.waiting == 0)
    outbox.close(1)
    assert [m.key for m in receiver.attempts] == ["bad", "failing", "failing", "failing", "good"]
    rejected = sorted((tmp_path / "rejected").iterdir())
    assert [json.loads(f.read_text())["payload"]["of"] for f in rejected] == ["bad", "failing"]
    assert "Alarm bad was given up: command: the server answers 404." in caplog.text

    # A new run numbers on, so that it does not overwrite what was rejected.
    again = Outbox(tmp_path, [Receiver("command", behave, tries=1)], QUICK)
    again.put("command", "bad", {"of": "again"})
    again.close(5)
    assert len(list((tmp_path / "rejected").iterdir())) == 3


def test_the_oldest_waiting_and_rejected_go_when_there_are_too_many(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path, [Receiver(behave=down)], QUICK, limit=3)
    for n in range(5):
        outbox.put("webhook", f"e{n}", {})
    outbox.close(0.1)
    kept = [json.loads(f.read_text())["key"] for f in sorted(tmp_path.glob("*.json"))]
    assert kept == ["e2", "e3", "e4"]
    assert "e0 was dropped" in caplog.text and "e2 was dropped" not in caplog.text

    def refuse(message: Message) -> None:
        raise Never("no")

    refusing = Outbox(tmp_path, [Receiver(behave=refuse)], QUICK, limit=3)
    for n in range(5, 8):
        refusing.put("webhook", f"e{n}", {})
    refusing.close(5)
    names = sorted(f.name for f in (tmp_path / "rejected").iterdir())
    assert [int(name[:12]) for name in names] == [6, 7, 8]


def test_a_full_disk_is_logged_and_the_alarm_still_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    receiver = Receiver()
    outbox = Outbox(tmp_path, [receiver], QUICK)
    monkeypatch.setattr(lane.os, "replace", full)
    outbox.put("webhook", "e1", {})
    outbox.close(5)
    assert receiver.keys == ["e1"]
    assert "No space left on device" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["rejected"]


def test_damaged_files_and_those_of_other_channels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "000000000001-webhook.json").write_text("")
    (tmp_path / "000000000002-webhook.json").write_text('{"channel": "webhook"}')
    other = Message("mqtt", "k", {})
    (tmp_path / "000000000003-mqtt.json").write_text(json.dumps(vars(other)))
    outbox = Outbox(tmp_path, [Receiver()], QUICK)
    assert outbox.waiting == 0
    outbox.close(1)
    assert "3 alarms" in caplog.text
    assert len(list((tmp_path / "rejected").iterdir())) == 2
    assert (tmp_path / "000000000003-mqtt.json").exists()


def test_an_unforeseen_error_ends_nothing_and_its_text_is_not_logged(
    tmp_path: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="mnad")

    def behave(message: Message) -> None:
        if message.attempts == 0:
            raise KeyError("password")

    receiver = Receiver(behave=behave)
    outbox = Outbox(tmp_path, [receiver], QUICK)
    outbox.put("webhook", "e1", {})
    eventually(lambda: receiver.keys == ["e1"])
    outbox.close(1)
    assert "KeyError" in caplog.text and "password" not in caplog.text


def test_closing_breaks_off_a_delivery_that_hangs_and_keeps_its_message(
    tmp_path: Path, eventually: Eventually
) -> None:
    receiver = Receiver()

    def hang(message: Message) -> None:
        receiver.closed.wait()
        raise NotNow("broken off")

    receiver._behave = hang
    outbox = Outbox(tmp_path, [receiver], QUICK)
    outbox.put("webhook", "e1", {})
    eventually(lambda: len(receiver.attempts) == 1)
    outbox.close(0.05)
    assert receiver.closed.is_set()
    (file,) = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["attempts"] == 0  # being closed is not its failure


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff()
    for attempts, step in ((1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (10_000, 300)):
        delays = [backoff.delay(attempts) for _ in range(200)]
        assert step / 2 <= min(delays) < max(delays) <= step


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MnadError, match="cannot hold the queue"):
        Outbox(tmp_path / "file" / "alarms", [Receiver()])


QUEUE_AND_WAIT = """
import sys, time
from pathlib import Path
from mnad.alarms.channel import NotNow
from mnad.alarms.outbox import Outbox
class Down:
    name, tries = "webhook", None
    def deliver(self, message): raise NotNow("down")
    def close(self): pass
outbox = Outbox(Path(sys.argv[1]), [Down()])
n = 0
while True:
    outbox.put("webhook", f"e{n}", {"n": n})
    print(n, flush=True)
    n += 1
"""


def test_every_message_put_before_a_kill_is_delivered_after_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", QUEUE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 50:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split("\n")[:-1]
    last = int(rest[-1]) if rest else 50
    process.stdout.close()
    process.wait()

    receiver = Receiver()
    Outbox(tmp_path, [receiver], QUICK).close(20)
    # The one that was being put may or may not be there.
    assert receiver.keys[: last + 1] == [f"e{n}" for n in range(last + 1)]
    assert len(receiver.keys) <= last + 2
    assert [path.name for path in tmp_path.iterdir()] == ["rejected"]
