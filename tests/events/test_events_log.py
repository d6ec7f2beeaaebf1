from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from mnad.errors import MnadError
from mnad.events.event import Box, Event
from mnad.events.log import EventLog, close_open, latest, read_events


def message(id_="a", phase="start", **values):
    event = Event(
        id_, phase, "anomaly", "anomaly", "Hof Süd", 1.5, None, "2026-03-01T12:00:00.250Z",
        0.9, 1.75, 43, 0.8, (Box(0.1, 0.2, 0.3, 0.4, 0.9),), "thumbnails/a.jpg", "clips/a.mp4",
    )  # fmt: skip
    return replace(event, **values)


def test_messages_come_back_as_they_were(tmp_path):
    told = [message(), message("b"), message(phase="update", peak_score=1.0)]
    with EventLog(tmp_path / "events.jsonl") as log:
        assert [log.append(event) for event in told[:2]] == [True, True]
        assert read_events(log.path) == told[:2]  # already there
    with EventLog(tmp_path / "events.jsonl") as log:
        log.append(told[2])
    assert read_events(log.path) == told
    assert latest(told) == [told[2], told[1]]
    lines = log.path.read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a", "b", "a"]


@pytest.mark.parametrize("whole", [0, 2])
def test_torn_lines(tmp_path, whole):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for number in range(whole + 1):
            log.append(message(str(number)))
    content = path.read_bytes()
    begin = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (*range(begin, len(content) - 9, 23), *range(len(content) - 9, len(content) + 1)):
        path.write_bytes(content[:cut])
        # Only the end of the line may be missing from a message that can be read.
        ids = [str(n) for n in range(whole + (cut >= len(content) - 1))]
        assert [event.id for event in read_events(path)] == ids
        with EventLog(path) as log:
            log.append(message("next"))
        assert [event.id for event in read_events(path)] == [*ids, "next"]


WRITER = """
import sys
from dataclasses import replace
from mnad.events.event import Event
from mnad.events.log import EventLog

class Pieces:
    # A file that takes a few bytes at a time, and halts in the middle of a message.
    def __init__(self, file, halt):
        self.file, self.left, self.fileno, self.truncate = file, halt, file.fileno, file.truncate
    def write(self, data):
        self.left -= 1
        if self.left == 0:
            print("halted", flush=True)
            sys.stdin.read()
        return self.file.write(data[:40])

event = Event("0", "start", "anomaly", "anomaly", "yard", 0, None, None, 1, 0, 0, 1)
log = EventLog(sys.argv[1])
log._file = Pieces(log._file, int(sys.argv[2]))
for number in range(10_000):
    log.append(replace(event, id=str(number)))
    print(number, flush=True)
"""


@pytest.mark.parametrize("halt", [2, 3, 18, 27, 0])
def test_a_killed_writer_leaves_a_record(tmp_path, halt):
    path = tmp_path / "events.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(halt)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = []
    while len(said) < 20 and (line := process.stdout.readline()) != "halted\n":
        said.append(int(line))
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.communicate()[0].split()]
    assert process.returncode == -signal.SIGKILL
    # Killed in the middle of a message, or (0) at any moment.
    assert not halt or not path.read_bytes().endswith(b"\n")
    ids = [int(event.id) for event in read_events(path)]
    # All that was said to be on the disk is there, and at most one more than that.
    assert ids == list(range(len(ids))) and 0 <= len(ids) - len(said) <= (halt == 0)
    with EventLog(path) as log:
        for event in close_open(read_events(path), tmp_path):
            log.append(event)
    closed = latest(read_events(path))
    assert [int(event.id) for event in closed] == ids
    assert {event.phase for event in closed} <= {"end"}


def test_events_left_open_are_closed(tmp_path):
    (tmp_path / "thumbnails").mkdir()
    (tmp_path / "thumbnails" / "a.jpg").write_bytes(b"x")
    told = [message(), message("b"), message("b", "end", end=2.0), message(phase="update")]
    (end,) = close_open(told, tmp_path)
    assert (end.id, end.phase, end.end) == ("a", "end", 1.75)
    assert (end.thumbnail, end.clip) == ("thumbnails/a.jpg", None)
    assert close_open([*told, end], tmp_path) == []


def test_a_full_disk_delays_messages_but_loses_none(tmp_path, monkeypatch, caplog):
    real = os.fsync
    full = True

    def fsync(descriptor):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with EventLog(tmp_path / "events.jsonl") as log:
        assert not log.append(message("a"))
        assert not log.append(message("b"))
        assert read_events(log.path) == []  # what could not be made sure of is cut off
        full = False
        assert log.append(message("c"))
        assert [event.id for event in read_events(log.path)] == ["a", "b", "c"]
    assert len(caplog.records) == 1


def test_a_record_whose_folder_was_removed_is_begun_anew(tmp_path, caplog):
    path = tmp_path / "site" / "events.jsonl"
    path.parent.mkdir()
    with EventLog(path) as log:
        assert log.append(message("a"))
        shutil.rmtree(path.parent)
        assert not log.append(message("b"))
        assert "cannot be written (No such file" in caplog.text
        path.parent.mkdir()
        assert log.append(message("c"))
    assert [event.id for event in read_events(path)] == ["b", "c"] and log.lost == 0
    with EventLog(path) as log:
        shutil.rmtree(path.parent)
        log.append(message("d"))
    assert log.lost == 1


@pytest.mark.parametrize("content", ["notes", "a\nb\n", '{"id": "a"}\n{}\n{}\n', "[1]"])
def test_another_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    for use in (EventLog, read_events):
        with pytest.raises(MnadError, match=r"notes\.txt"):
            use(path)
    assert path.read_text() == content


def test_no_place_for_it(tmp_path):
    with pytest.raises(MnadError, match="cannot be written"):
        EventLog(tmp_path / "missing" / "events.jsonl")
    with pytest.raises(MnadError, match="cannot be read"):
        read_events(tmp_path / "missing.jsonl")
