"""What a script cannot use is said at once, in one sentence: no hours of measuring are lost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import script
from script import run

from mnad.errors import MnadError, UsageError

GIVEN = {
    "bench_public": ["CLONE"],
    "camera_score": ["MODEL", "PED2"],
    "constancy": ["MODEL", "CLIP"],
    "day_and_night": ["PED2", "--models", "DIR"],
    "endurance": ["CLIP", "--work", "WORK"],
    "error_measures": ["PED2", "CLIPS", "--models", "MODEL"],
    "holes": ["PED2"],
    "item_places": ["MODEL", "PED2"],
    "large_frames": ["MODEL", "CLIP", "--work", "WORK"],
    "memory_interventions": ["MODEL", "PED2"],
    "metrics_oracles": ["--loco", "A", "--mvtec", "B", "--aed", "C", "--data", "D"],
    "metrics_scale": [],
    "other_cameras": ["CLIPS", "--work", "WORK"],
    "per_clip_loss": ["MODEL", "PED2"],
    "promise": ["--work", "WORK"],
    "psnr_of_results": ["RESULT"],
    "public_code": ["CLONE", "--data", "PED2"],
    "review": ["--work", "WORK"],
    "robustness": ["MODEL", "PED2"],
    "score_forms": ["CLIPS", "--work", "WORK"],
    "shares": ["VIDEO"],
    "short_calibration": ["--work", "WORK"],
    "smoothing": ["PED2", "CLIPS", "--models", "MODEL"],
    "trade_off": ["VIDEO", "LABEL=MODEL:RESULT"],
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_result_that_could_not_be_written_is_refused_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *GIVEN[name], "--json", "missing/result.json"])
    main: Callable[[], object] = getattr(module, name, None) or module.main
    with pytest.raises(UsageError, match=r"missing/result\.json cannot be written"):
        main()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "said", "code"),
    [
        (MnadError("a.mp4 is no video."), "a.mp4 is no video.", 1),
        (UsageError("width is 0: give more."), "width is 0: give more.", 2),
        (
            FileNotFoundError(2, "No such file", "r.json"),
            "r.json cannot be used (No such file).",
            1,
        ),
    ],
)
def test_what_a_script_cannot_use_is_one_sentence(
    wrong: Exception,
    said: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main() -> None:
        raise wrong

    monkeypatch.setattr(sys, "argv", ["some/review.py", "--json", "x"])
    with pytest.raises(SystemExit) as ended:
        run(main)
    assert (ended.value.code, capsys.readouterr().err) == (code, f"review.py: {said}\n")


def test_a_fault_of_the_script_keeps_its_traceback() -> None:
    def main() -> None:
        raise OSError("no file of the user's")

    with pytest.raises(OSError, match="no file"):
        run(main)


def test_every_script_ends_so() -> None:
    for file in Path(script.__file__).parent.glob("*.py"):
        _, begun, last = file.read_text().partition('if __name__ == "__main__":\n')
        assert not begun or last.startswith("    run("), file


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("bench_public", ["CLONE"], "CLONE is no clone of the public code: it has no model/"),
        ("public_code", ["CLONE", "--data", "PED2"], "CLONE is no clone of the public code"),
        ("large_frames", ["MODEL", "CLIP", "--work", "WORK"], "CLIP does not exist"),
        ("trade_off", ["VIDEO", "LABEL=MODEL"], "LABEL=MODEL is no LABEL=MODEL:RESULT"),
    ],
)
def test_what_is_not_there_is_missed_before_it_is_measured(
    name: str, given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *given, "--json", "result.json"])
    main: Callable[[], object] = getattr(module, name, None) or module.main
    with pytest.raises(UsageError, match=said):
        main()
    assert not any(tmp_path.iterdir())
