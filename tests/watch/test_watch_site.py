"""A camera's folder: settings that stay, marks, the model in use, one process at a time."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from mnad import api
from mnad.cli import main
from mnad.commands.watch import seconds_of
from mnad.errors import MnadError, UsageError
from mnad.events.event import Event
from mnad.lock import locked
from mnad.watch.site import MARKS, Settings, Site

GIVEN = Settings(48, 64, 1, 5.0, 6.0, 0.02, 0, {"ignore": [[[0, 0], [0.2, 0], [0, 0.2]]]})
EVENT = Event("20260504T1", "end", "anomaly", "anomaly", "cam", 1.0, 2.0, None, 0.9, 1.0, 1, 0.5)


def told(path: Path, *ids: str) -> None:
    lines = [json.dumps(replace(EVENT, id=one).as_dict()) for one in ids]
    (path / "events.jsonl").write_text("\n".join(lines) + "\n")


def test_the_settings_of_the_beginning_stay(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    assert site.settings(GIVEN) == GIVEN and not site.path.exists()  # nothing is begun yet
    site.begin(GIVEN)
    site.begin(replace(GIVEN, height=160))
    assert site.settings(replace(GIVEN, height=160, regions=None)) == GIVEN
    assert GIVEN.looked is not None and GIVEN.looked.ignore[0][1] == (0.2, 0)
    (tmp_path / "site" / "site.json").write_text("{")
    with pytest.raises(MnadError, match="cannot be read"):
        site.settings(GIVEN)


def test_the_numbers_of_numpy_are_kept_too(tmp_path: Path) -> None:
    """`for seed in np.arange(3)`: a site could not be begun, as its file takes none of them."""
    site = Site(tmp_path)
    site.begin(Settings(seed=np.arange(4)[3], height=np.int64(48), rate=np.float32(5.0)))
    assert site.known_settings() == Settings(seed=3, height=48, rate=5.0)


def test_what_is_given_to_a_site_that_has_another_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path / "site")
    site.begin(GIVEN)
    # Nobody asked for what is not given, and what is given holds.
    site.settings(Settings())
    site.settings(Settings(height=48, seed=0, false_alarms_per_hour=6.0))
    assert not caplog.text
    assert site.settings(Settings(height=96, by_place=False, false_alarms_per_hour=2.0)) == GIVEN
    assert "keeps the height, false_alarms_per_hour, by_place that it was begun" in caplog.text
    assert "or see mnad review" in caplog.text
    # What is not given is what the command does without it.
    parameters = inspect.signature(api.watch).parameters
    usual = asdict(Settings())
    # Another form, kept unless it is given, and always as it was given last.
    del usual["regions"], usual["learn_seconds"], usual["events"]
    assert usual == {name: parameters[name].default for name in usual}


def test_marks_are_remembered_and_the_last_one_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path)
    told(tmp_path, "20260504T1", "20260504T1", "20260504T2", "20260505T1")
    assert main(["mark", str(tmp_path), "20260505", "normal"]) == 0
    assert "20260505T1: normal" in capsys.readouterr().out
    site.mark(["20260504T1"], "normal")
    assert site.normal_events() == {"20260504T1", "20260505T1"}
    with (tmp_path / MARKS).open("a") as file:
        file.write('{"event": "2026')  # torn by a crash
    assert site.normal_events() == {"20260504T1", "20260505T1"}
    before = (tmp_path / MARKS).read_text()
    for event in ("20260504T", "x"):  # of several, none is marked then
        assert main(["mark", str(tmp_path), "20260505", event, "anomaly"]) == 2
    assert (tmp_path / MARKS).read_text() == before
    assert "2 event ids" in capsys.readouterr().err
    assert main(["mark", str(tmp_path / "none"), "x", "normal"]) == 1
    assert main(["mark", str(tmp_path), "20260504T*", "normal"]) == 0
    assert capsys.readouterr().out.count(": normal") == 2
    assert main(["mark", str(tmp_path), "20260506*", "normal"]) == 2
    assert "20260506* is the beginning of 0 event ids" in capsys.readouterr().err
    assert main(["mark", str(tmp_path), "20260504T2*", "20260504T2", "20260505T1", "anomaly"]) == 0
    assert capsys.readouterr().out.count("anomaly; left out of") == 2
    assert site.marks() == {"20260504T1": "normal"} | dict.fromkeys(
        ("20260504T2", "20260505T1"), "anomaly"
    )


def test_a_mark_is_taken_back_even_after_a_torn_line(tmp_path: Path) -> None:
    site = Site(tmp_path)
    told(tmp_path, "a", "b")
    site.mark(["a"], "normal")
    with (tmp_path / MARKS).open("a") as file:
        file.write('{"event": "a", "as"')
    site.mark(["a"], "anomaly")
    assert site.normal_events() == set()


def test_only_the_model_in_use_and_the_one_before_are_kept(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.model is None
    for name in ("1", "2", "3"):
        model = tmp_path / "models" / name
        model.mkdir(parents=True)
        site.use(model)
        assert site.model == model
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["2", "3"]


@pytest.mark.parametrize("left", ["training/state.pt", "config.json"])
def test_what_watches_that_were_killed_learnt_does_not_pile_up(tmp_path: Path, left: str) -> None:
    """As where the machine has too little memory, and a service begins anew each time.

    Killed when it takes in what was learnt, as another model beside the first takes memory, each
    left a whole one that nobody had used.
    """
    site = Site(tmp_path)
    for name in ("20260101T120000Z", "20260102T120000Z"):  # that before is kept
        (tmp_path / "models" / name).mkdir(parents=True)
        site.use(tmp_path / "models" / name)
    kept = {"20260101T120000Z", "20260102T120000Z"}
    for number in range(3):
        model = site.new_model()
        model = model.with_name(f"{model.name}{number}")  # three in a second
        (model / left).parent.mkdir(parents=True)
        (model / left).write_bytes(b"half")
        assert {one.name for one in model.parent.iterdir()} == {*kept, model.name}


def test_a_model_is_looked_at_while_a_folder_in_it_is_replaced(
    tmp_path: Path, vanishing: Callable[[Path], None]
) -> None:
    model = tmp_path / "models" / "1"
    part = model / ".openvino.part"
    part.mkdir(parents=True)
    for folder in (model, part):
        (folder / "normal.safetensors").touch()
    os.utime(model / "normal.safetensors", ns=(5, 5))
    site = Site(tmp_path)
    site.use(model)
    vanishing(part)
    assert site.stamp() == (model, (5,))
    assert not part.exists()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom mnad.lock import locked\n"
        "try:\n    with locked(Path(sys.argv[1])): print('in')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        other = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        assert other.startswith("UsageError") and "another mnad watches" in other
        with pytest.raises(UsageError), locked(tmp_path):
            pass
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "in\n"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MnadError, match="cannot be written"), locked(tmp_path / "file"):
        pass


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    """It has the file too, until it ends."""
    with locked(tmp_path):
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        with locked(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5h", 5400), ("7d", 604_800)])
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    for wrong in ("0s", "7", "h", "-1h", "1w", 24):
        with pytest.raises(UsageError, match="is no length of time; write it as 90s"):
            seconds_of(wrong)  # type: ignore[arg-type]
