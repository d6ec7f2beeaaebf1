"""Processes that work side by side, and die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnad.ablation.jobs import in_processes
from mnad.errors import MnadError


def work(what: str) -> str:
    """In its own process: fail as told, stay for ever, or tell which process it was."""
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "real time":
        os.kill(os.getpid(), signal.SIGRTMIN + 1)  # it has no name
    if what == "broken":
        raise ValueError(what)
    if what.startswith("/"):  # a file to tell that it is there
        Path(what).write_text(str(os.getpid()))
        time.sleep(300)
    return f"{what} {os.getpid()}"


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def gone_soon(file: Path) -> bool:
    pid = int(file.read_text())
    for _ in range(200):
        if not is_there(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_each_has_a_process_of_its_own_and_a_dead_one_costs_only_its_own(jobs: int) -> None:
    found = dict(in_processes(work, ["a", "killed", "b", "broken", "c"], jobs))
    told = {one: str(result).split() for one, result in found.items()}
    assert {told[one][0] for one in "abc"} == set("abc")
    assert len({told[one][1] for one in "abc"} | {str(os.getpid())}) == 4
    assert isinstance(found["killed"], MnadError) and isinstance(found["broken"], MnadError)
    assert "SIGKILL" in str(found["killed"]) and "fewer --jobs" in str(found["killed"])
    assert "exit code 1" in str(found["broken"])


@pytest.mark.skipif(sys.platform != "linux", reason="signals in real time are Linux's")
def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    ((_, found),) = in_processes(work, ["real time"], 1)
    assert isinstance(found, MnadError) and f"ended by signal {signal.SIGRTMIN + 1}," in str(found)


def test_nothing_to_do() -> None:
    assert list(in_processes(work, [], 3)) == []


def test_who_leaves_ends_what_runs(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    for one, _ in in_processes(work, [str(file), "a"], 2):
        assert one == "a"
        while not file.exists() or not file.read_text():
            time.sleep(0.01)
        assert is_there(int(file.read_text()))
        break
    assert gone_soon(file)


def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    lines = f"""
from mnad.ablation.jobs import in_processes
from test_ablation_jobs import work
if __name__ == "__main__":
    list(in_processes(work, [{str(file)!r}], 2))
"""
    script = tmp_path / "script.py"
    script.write_text(lines)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": path}) as run:
        while not file.exists() or not file.read_text():
            assert run.poll() is None
            time.sleep(0.01)
        run.kill()
    assert gone_soon(file)


@pytest.mark.parametrize("by", ["a file", "standard input"])
def test_the_script_that_is_run_is_run_once(by: str, tmp_path: Path) -> None:
    """It has no ``if __name__ == "__main__"``: each process began it anew from the top."""
    lines = """
from math import sqrt
from mnad.ablation.jobs import in_processes
print("begun", flush=True)
print(sorted(in_processes(sqrt, [4, 9], 2)))
"""
    script = tmp_path / "script.py"
    script.write_text(lines)
    command = [sys.executable, "-" if by == "standard input" else str(script)]
    with script.open() as file:
        found = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60)
    assert found.stdout.splitlines() == ["begun", "[(4, 2.0), (9, 3.0)]"]
    assert found.stderr == ""
