"""Where a command is started: without a console, in another locale, in a folder of any content."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from footage import moving_square

import mnad

on_posix = pytest.mark.skipif(os.name == "nt", reason="as a POSIX system has it")
MODEL = "ped2-compact"


def frames_in(folder: Path, count: int = 8) -> Path:
    folder.mkdir()
    for t, frame in enumerate(moving_square(count, 0, size=48)):
        cv2.imwrite(str(folder / f"{t}.png"), frame)
    return folder


@on_posix
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_without_standard_streams_a_command_does_its_work(closed: str, tmp_path: Path) -> None:
    source, out = frames_in(tmp_path / "in"), tmp_path / "out"
    command = f"exec '{sys.executable}' -m mnad detect {MODEL} '{source}' --out '{out}'"
    command += f" --folder_rate 10 {closed}"
    done = subprocess.run(["sh", "-c", command], timeout=120)
    assert done.returncode == 0
    assert len((out / "in" / "scores.csv").read_text().splitlines()) == 1 + 4
    assert (out / "in" / "report.html").exists()


def test_a_program_without_a_console_may_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pythonw on Windows runs it, and a program that was packed to have a window."""
    monkeypatch.setattr(sys, "stderr", None)
    source = frames_in(tmp_path / "in")
    found = mnad.detect(MODEL, [str(source)], out=tmp_path / "out", folder_rate=10, overlay=False)
    assert [(one.frames, one.error) for one in found] == [(4, None)]
