"""Results on disk are whole or not there, also after a power cut."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from mnad.alarms.outbox import Outbox
from mnad.training.checkpoint import FILE, State, save_state
from mnad.writing import write


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is written through to the disk and what is renamed, each by its inode, in order."""
    calls: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append(("synced", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def renamed(source: Any, target: Any) -> None:
        calls.append(("renamed", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", renamed)
    return calls


def test_what_is_renamed_is_on_the_disk_by_then(tmp_path: Path, log: list[tuple[str, int]]) -> None:
    write(tmp_path / "current", "model")
    file, folder = (path.stat().st_ino for path in (tmp_path / "current", tmp_path))
    assert log == [("synced", file), ("renamed", file), ("synced", folder)]


def test_the_state_of_a_training_is_on_the_disk_before_that_before_it_goes(
    tmp_path: Path, log: list[tuple[str, int]]
) -> None:
    """Days of training hang on it: renamed alone, it may be found empty after a power cut."""
    save_state(tmp_path, State("r", 1, 0.0, {}, {}, torch.zeros(1)))
    file, folder = (path.stat().st_ino for path in (tmp_path / FILE, tmp_path))
    assert log == [("synced", file), ("renamed", file), ("synced", folder)]


def test_an_alarm_is_on_the_disk_when_the_next_thing_is_done(
    tmp_path: Path, log: list[tuple[str, int]]
) -> None:
    """Whoever is seen may cut the power next."""

    class Away:
        name, tries = "webhook", None

        def deliver(self, message: Any) -> None:
            raise KeyError

        def close(self) -> None:
            pass

    outbox = Outbox(tmp_path, [Away()])
    outbox.put("webhook", "key", {"id": "1"})
    done = log[:3]
    outbox.close(5)
    (file,) = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["key"] == "key"
    assert [what for what, _ in done] == ["synced", "renamed", "synced"]
    assert done[0][1] == done[1][1] and done[2][1] == tmp_path.stat().st_ino


def test_what_is_of_no_use_a_second_later_wears_out_no_disk(
    tmp_path: Path, log: list[tuple[str, int]]
) -> None:
    write(tmp_path / "now", b"picture", lasting=False)
    assert log == [("renamed", (tmp_path / "now").stat().st_ino)]
