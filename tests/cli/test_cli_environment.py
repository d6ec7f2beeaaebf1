"""Where a command is started: without a console, in another locale, in a folder of any content."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from footage import moving_square

import mnad
from mnad.process import command_of

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


@on_posix
def test_a_locale_without_utf_8_is_no_hindrance(tmp_path: Path) -> None:
    """What comes with the package is UTF-8 wherever it is read; file names are what they can be."""
    source = frames_in(tmp_path / "f\u00fcr")
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "mnad"]
    said = subprocess.run([*command, "models"], env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert re.search(r" 0\.\d{3} \\xb1 0\.\d{3} \(", said.stdout)
    command += ["detect", MODEL, source, "--out", tmp_path / "out", "--folder_rate", "10"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["f?r"]


def test_a_process_of_ours_imports_nothing_of_the_current_folder(tmp_path: Path) -> None:
    """As where somebody keeps a script of the name of one of Python's own modules."""
    for name in ("statistics", "queue", "inspect", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    read, write = os.pipe()  # at whose end the process ends too
    command = [*command_of("mnad.watch.learn"), "site", "out"]
    done = subprocess.run(command, cwd=tmp_path, stdin=read, capture_output=True, text=True)
    os.close(read)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.startswith("mnad: site has no site.json")


def test_a_package_that_lies_in_the_current_folder_is_found_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(Path(mnad.__file__).parents[1])
    assert command_of("mnad.watch.learn") == [sys.executable, "-m", "mnad.watch.learn"]
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()  # as of a service whose folder was removed
    assert command_of("mnad.watch.learn") == [sys.executable, "-P", "-m", "mnad.watch.learn"]
