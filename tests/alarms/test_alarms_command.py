"""The command: what it is given, what its end means, and that none is left behind."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mnad.alarms.channel import Message, NotNow
from mnad.alarms.command import Command
from mnad.alarms.outbox import Backoff, Outbox

Eventually = Callable[..., None]
PAYLOAD = {"id": "20240101-1", "phase": "start", "what": "anomaly", "peak_score": 0.9, "key": "k"}
MESSAGE = Message("command", "k", PAYLOAD)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_gets_the_message_twice_and_no_shell(tmp_path: Path) -> None:
    code = (
        "import json, os, sys; json.dump([sys.argv[2:], json.load(sys.stdin), "
        "{k: v for k, v in os.environ.items() if k.startswith('MNAD_')}], open(sys.argv[1], 'w'))"
    )
    target = tmp_path / "got.json"
    Command([sys.executable, "-c", code, str(target), "$HOME; ls *"], tmp_path).deliver(MESSAGE)
    arguments, payload, variables = json.loads(target.read_text())
    assert arguments == ["$HOME; ls *"]
    assert payload == PAYLOAD
    assert variables["MNAD_KEY"] == "k" and variables["MNAD_EVENT"] == "20240101-1"
    assert variables["MNAD_PHASE"] == "start" and variables["MNAD_PEAK_SCORE"] == "0.9"
    assert variables["MNAD_FOLDER"] == str(tmp_path)


def test_a_long_message_that_the_command_does_not_read(tmp_path: Path) -> None:
    long = Message("command", "k", {"boxes": ["x" * 100] * 10_000})
    Command(["true"], tmp_path).deliver(long)


def test_a_failing_command_is_run_three_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    runs = tmp_path / "runs"
    command = Command(["sh", "-c", f"echo run >> {runs}; exit 7"], tmp_path)
    outbox = Outbox(tmp_path / "alarms", [command], Backoff(0.01, 0.01))
    outbox.put("command", "k", PAYLOAD)
    eventually(lambda: outbox.waiting == 0)
    outbox.close(1)
    assert runs.read_text() == "run\n" * 3
    assert "given up: command: sh ended with exit code 7" in caplog.text
    assert str(runs) not in caplog.text  # arguments may hold a token


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="it looks for processes in /proc")
def test_a_command_that_hangs_is_killed_with_its_children(
    tmp_path: Path, eventually: Eventually
) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}; wait"
    start = time.monotonic()
    with pytest.raises(NotNow, match=r"sh was killed after 1 s"):
        Command(["sh", "-c", script], tmp_path, limit=1).deliver(MESSAGE)
    assert time.monotonic() - start < 20
    child, shell = map(int, pids.read_text().split())
    assert not alive(shell)
    eventually(lambda: not alive(child))


def test_closing_kills_it_and_leaves_the_message(tmp_path: Path, eventually: Eventually) -> None:
    started = tmp_path / "started"
    command = Command(["sh", "-c", f"echo $$ > {started}; exec sleep 60"], tmp_path)
    outbox = Outbox(tmp_path / "alarms", [command])
    outbox.put("command", "k", PAYLOAD)
    eventually(lambda: started.exists() and started.read_text().endswith("\n"))
    outbox.close(0.05)
    assert not alive(int(started.read_text()))
    assert len(list((tmp_path / "alarms").glob("*.json"))) == 1


def test_a_child_left_in_the_background_does_not_hold_it_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="mnad")
    child = tmp_path / "child"
    command = Command(["sh", "-c", f"sleep 60 & echo $! > {child}; echo said"], tmp_path)
    thread = threading.Thread(target=command.deliver, args=(MESSAGE,), daemon=True)
    thread.start()
    thread.join(45)
    assert not thread.is_alive()
    assert alive(int(child.read_text()))
    os.kill(int(child.read_text()), 9)
    assert "sh says: said" in caplog.text


def test_a_program_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(NotNow, match="nowhere cannot be run: No such file"):
        Command([str(tmp_path / "nowhere")], tmp_path).deliver(MESSAGE)
