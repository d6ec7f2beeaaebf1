"""What a slice on a lent machine gives back, without a training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/gpu.sh"
MODELS = ("prediction-official-1", "prediction-official-2")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bash, tar and split of Linux")


def given_before(folder: Path) -> Path:
    """What the slice before gave: two finished models, and the weights of the first alone."""
    made = folder / "made" / "ablation"
    for name in MODELS:
        (made / name / "tests").mkdir(parents=True)
        for file in ("config.json", "train.jsonl", "memory.json", "normal.safetensors"):
            (made / name / file).write_text(name)
    rows = [{"training": "prediction-official", "missing_seeds": []}]
    (made / "ablation.json").write_text(json.dumps({"rows": rows}))
    for file in ("plan.json", "ablation.md", "ablation.png"):
        (made / file).write_text(file)
    earlier = folder / "earlier"
    earlier.mkdir()
    with tarfile.open(earlier / "results.tgz.00", "w:gz") as packed:
        packed.add(made, "ablation")
    (earlier / f"{MODELS[0]}.safetensors.00").write_text("weights")
    return earlier


def test_results_come_back_from_a_fresh_machine_without_all_weights(tmp_path: Path) -> None:
    python = tmp_path / "python"  # does nothing but read what is missing
    python.write_text(f'#!/bin/bash\nif [ "$1" = - ]; then exec {sys.executable} "$@"; fi\n')
    python.chmod(0o755)
    earlier, out, work = given_before(tmp_path), tmp_path / "out", tmp_path / "work"
    told = {"FROM": earlier, "WORK": work, "PYTHON": python, "STEPS": "official"}
    done = subprocess.run(
        ["bash", SCRIPT, tmp_path, out],
        env={**os.environ, **{name: str(value) for name, value in told.items()}},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (work / "ablation" / MODELS[0] / "model.safetensors").read_text() == "weights"
    with tarfile.open(out / "results.tgz.00") as packed:
        names = packed.getnames()
    assert {f"ablation/{name}/memory.json" for name in MODELS} <= set(names)
    # Those of the first were given, and the second has none here.
    assert not list(out.glob("*.safetensors.*"))


def test_what_is_called_wrongly_is_not_to_be_run_again(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/bash\necho 'mnad: rows has a word too many' >&2\nexit 2\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", SCRIPT, tmp_path, tmp_path / "out"],
        env={**os.environ, "WORK": str(tmp_path / "work"), "PYTHON": str(python)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "again" not in done.stdout, done.stdout
    assert done.stderr == "mnad: rows has a word too many\n"
