"""Hours of measuring are not lost for want of a folder: it is missed before they begin."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from mnad.errors import UsageError

GIVEN = {
    "error_measures": ["PED2", "CLIPS", "--models", "MODEL"],
    "large_frames": ["MODEL", "CLIP", "--work", "WORK"],
    "metrics_oracles": ["--loco", "A", "--mvtec", "B", "--aed", "C", "--data", "D"],
    "metrics_scale": [],
    "promise": ["--work", "WORK"],
    "review": ["--work", "WORK"],
    "shares": ["VIDEO"],
    "short_calibration": ["--work", "WORK"],
    "smoothing": ["PED2", "CLIPS", "--models", "MODEL"],
    "trade_off": ["VIDEO", "LABEL=MODEL:RESULT"],
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_result_that_could_not_be_written_is_refused_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = import_module(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *GIVEN[name], "--json", "missing/result.json"])
    run = getattr(script, name, None) or script.main
    with pytest.raises(UsageError, match=r"missing/result\.json cannot be written"):
        run()
    assert not any(tmp_path.iterdir())
