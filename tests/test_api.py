"""What a program imports: its names, and its types as a strict checker sees them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from footage import moving_square
from mypy import api as mypy

import mnad
from mnad import api

ROOT = Path(__file__).parents[1]

GIVEN = """
from collections.abc import Iterable
from pathlib import Path
import numpy as np
from numpy.typing import NDArray
frames: NDArray[np.uint8]
camera: Iterable[NDArray[np.uint8]]
"""

CALLS = """
from mnad import api
mnad.train("ped2:data/ped2", out="models/ped2", width=0.25)
mnad.train(Path("normal"), out="m", regions="regions.json", cache_dir="cache")
mnad.calibrate("m", ["normal.mp4"], cache_dir="cache")
mnad.export("m", int8=True, calibration=["normal.mp4"], cache_dir="cache")
for one in mnad.detect("m", ["night.mp4"], out="found"):
    print(one.events, one.error)
mnad.evaluate("m", "ped2:data", json="a.json", plot="a.png", report="report")
mnad.evaluate(Path("m"), Path("data"), json=Path("a.json"))
mnad.score_file("scores.csv", "labels.csv", json="a.json")
mnad.score_file(Path("scores.csv"), Path("labels.csv"))
mnad.mark("gate", ["20260101"], "normal")
mnad.review("gate", last="24h")
mnad.info("m")
mnad.copy_model("m", out="copy")
mnad.import_checkpoint("model.pth", "keys.pt", out="m")
mnad.check_data("ped2:data")
mnad.prepare_data(Path("data"), out="prepared")
mnad.figures("m", "ped2:data", out="figures", against="other")
mnad.ablate("ped2:data", out="ablation", cache_dir="cache")
print([one.name for one in mnad.list_models()])
api.watch("0", out="gate", regions="regions.json")
api.bench("m", video="night.mp4", json="a.json", markdown="a.md")
api.reproduce("ped2", "data", out="reproduced", cache_dir="cache")
"""


def checked(script: str, folder: Path) -> list[str]:
    """What mypy --strict has to say about a program that imports this package."""
    file = folder / "program.py"
    file.write_text(script)
    options = ["--strict", f"--config-file={ROOT / 'pyproject.toml'}", "--follow-imports=silent"]
    said, trouble, _ = mypy.run([*options, f"--cache-dir={folder.parent / 'mypy'}", str(file)])
    assert trouble == ""
    return [line for line in said.splitlines() if ": error:" in line]


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", str(Path(mnad.__file__).parents[1]))


def test_the_examples_and_calls_by_text_or_path_are_well_typed(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    own = "\n".join(re.findall(r">>> (.*)", mnad.__doc__ or ""))
    assert "mnad.train" in example and "mnad.train" in own
    assert checked(GIVEN + example + CALLS, tmp_path) == []
    assert checked(GIVEN + own, tmp_path) == []


def test_a_name_that_is_none_and_a_wrong_type_are_seen(tmp_path: Path) -> None:
    said = checked("import mnad\nmnad.nonexistent\nmnad.train('x', out=3)\n", tmp_path)
    assert len(said) == 2, said
    assert 'no attribute "nonexistent"' in said[0] and "incompatible type" in said[1]
    with pytest.raises(AttributeError, match="nonexistent"):
        mnad.nonexistent  # type: ignore[attr-defined]  # noqa: B018


def test_every_command_is_an_attribute_but_where_a_package_has_its_name() -> None:
    """Asked in a new process, in which nothing else was imported before."""
    code = "import mnad\nfor name in mnad.__all__: print(name, callable(getattr(mnad, name)))\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    wrong = [line for line in done.stdout.splitlines() if line.endswith("False")]
    assert wrong == ["__version__ False"]
    elsewhere = {name for name in api.__all__ if name[0].islower()} - set(mnad.__all__)
    assert elsewhere == {"watch", "bench", "reproduce"}
    for name in elsewhere:
        assert isinstance(__import__(f"mnad.{name}", fromlist=[name]), ModuleType)
        assert f"`{name}`" in (api.__doc__ or "")


def test_a_notebook_completes_every_name() -> None:
    """Also before anything of it was asked for, which imports it."""
    code = "import mnad, sys; print(*dir(mnad), 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    *names, heavy = done.stdout.split()
    assert set(mnad.__all__) <= set(names) and heavy == "False"


def test_paths_may_be_text_or_paths(
    own_folder: Path, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("regions.json").write_text('{"ignore": [[[0, 0], [0.1, 0], [0.1, 0.1]]]}')
    Path("cache").mkdir()
    given: dict[str, Any] = {**tiny, "epochs": 1, "preset": "official"}
    mnad.train("own", out="m", regions="regions.json", cache_dir="cache", **given)
    size = {name: tiny[name] for name in ("channels", "height", "image_width")}
    assert mnad.prepare_data(Path("own"), out="prepared", **size).clips == 4
    mnad.train(Path("prepared"), out="other", **given)
    assert mnad.copy_model("m", out="copy") == Path("copy")
    assert mnad.info("copy")["preset"] == "official"
    assert mnad.check_data(Path("own"))["kind"] == "frames"
    (found, missing) = mnad.detect("m", ["own/testing/c", "nowhere.mp4"], out="found")
    assert found.frames and found.error is None and "does not exist" in (missing.error or "")
    result = mnad.evaluate("m", Path("own"), json="a.json", plot="a.png", report="report")
    assert result["frames"] == 28
    np.savez("s.npz", a=[0.0, 1.0])
    np.savez("l.npz", a=[0, 1])
    texts = mnad.score_file("s.npz", "l.npz", json="s.json")
    assert texts == mnad.score_file(Path("s.npz"), Path("l.npz"))
    for name in ("a.json", "a.png", "report/evaluation.html", "s.json"):
        assert Path(name).is_file()
    for call, says in (
        (lambda: mnad.calibrate("m", ["own/training"], cache_dir="cache"), "own|trained on"),
        (lambda: mnad.mark("gate", ["x"], "normal"), "gate"),
        (lambda: mnad.review("gate"), "gate"),
        (lambda: mnad.import_checkpoint("x.pth", "y.pt", out="imported"), "x.pth"),
        (lambda: api.reproduce("ped2", "none", out="reproduced"), "none"),
        (lambda: api.watch("none.mp4", out="gate", regions="regions.json"), "none.mp4"),
    ):
        with pytest.raises(mnad.MnadError, match=says):
            call()


def test_numbers_may_be_of_numpy(
    own_folder: Path, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of ``for seed in np.arange(3)``; what is stored is what plain numbers give."""
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {**tiny, "epochs": 1, "seed": 1, "most_windows": 8, "width": 0.0625}
    alike = {name: np.asarray(value)[()] for name, value in given.items()}
    alike["width"] = np.float32(0.0625)
    for out, options in (("m", given), ("alike", alike)):
        mnad.train("own", out=out, preset="official", **options)
    assert Path("m/model.safetensors").read_bytes() == Path("alike/model.safetensors").read_bytes()
    one, other = mnad.info("m"), mnad.info("alike")
    assert one["network"] == other["network"]
    assert one["training"]["seed"] == other["training"]["seed"] == 1
    np.save("normal.npy", moving_square(520, 7))
    rates = np.array([40, 40]), np.float32([40, 40])
    for per_hour in (40, *(found[0] for found in rates)):
        set_to = mnad.calibrate("alike", ["normal.npy"], false_alarms_per_hour=per_hour)
        assert set_to.threshold.per_hour == 40
        assert mnad.Detector.load("alike").threshold == set_to.threshold.score
    size = {name: np.int64(tiny[name]) for name in ("channels", "height", "image_width")}
    assert mnad.prepare_data("own", out="prepared", **size).clips == 4
    result = mnad.evaluate(
        "alike", "prepared", policy="reset", streams=np.int64(2), lambda_score=np.float32(0.25)
    )
    assert json.loads(json.dumps(result)) == result
    assert yaml.safe_load(yaml.safe_dump(result)) == result  # which takes plain types alone


def test_what_a_program_has_set_of_torch_stays_and_changes_nothing(
    own_folder: Path, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its default device (here one that holds no numbers), its default type, and its generator."""
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {**tiny, "epochs": 1, "most_windows": 8, "seed": 1}
    mnad.train("own", out="m", **given)
    frames = moving_square(8, 7)
    usual = mnad.Detector.load("m").score(frames)
    torch.manual_seed(5)
    drawn = torch.rand(2)
    torch.manual_seed(5)
    with torch.device("meta"):
        mnad.train("own", out="other", **given)
        scores = mnad.Detector.load("m").score(frames)
    assert torch.rand(2).tolist() == drawn.tolist()
    assert Path("m/model.safetensors").read_bytes() == Path("other/model.safetensors").read_bytes()
    assert scores.psnr.tolist() == usual.psnr.tolist()
    torch.set_default_dtype(torch.float64)
    try:
        mnad.train("own", out="double", **given)
        scores = mnad.Detector.load("m").score(frames)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert Path("m/model.safetensors").read_bytes() == Path("double/model.safetensors").read_bytes()
    assert scores.psnr.tolist() == usual.psnr.tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 1.0),
        ("batch_size", 4.0),
        ("seed", 1.0),
        ("most_windows", 8.0),
        ("items", 2.5),
        ("frames_in", 4.0),
        ("channels", 1.0),
        ("height", 32.0),
        ("epochs", True),
        ("epochs", "1"),
    ],
)
def test_a_count_that_is_no_whole_number_is_refused_before_the_work(
    name: str, value: object, own_folder: Path, tmp_path: Path, tiny: dict[str, Any]
) -> None:
    """The error was of torch or Python, after the footage was decoded, and a folder was there."""
    with pytest.raises(mnad.UsageError, match=f"^{name} is {value!r}; it must be a whole number"):
        mnad.train(own_folder, out=tmp_path / "m", **{**tiny, name: value})
    assert not (tmp_path / "m").exists()
    given: dict[str, Any] = {**tiny, "epochs": np.int64(1), "seed": np.arange(3)[1]}
    if name == "epochs":  # what is one, of NumPy, is taken
        assert mnad.train(own_folder, out=tmp_path / "m", **given).training["epochs"] == 1


def test_of_figures_and_benchmarks_counts_are_whole_numbers(tmp_path: Path) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: mnad.figures("m", data="ped2:none", out=tmp_path, scenes=2.0),  # type: ignore[arg-type]
        lambda: api.bench("m", repeats=2.0),  # type: ignore[arg-type]
        lambda: api.bench("m", threads=2.0),  # type: ignore[arg-type]
        lambda: mnad.ablate("ped2:none", out=tmp_path, seeds=2.0),  # type: ignore[arg-type]
    )
    for call in calls:
        with pytest.raises(mnad.UsageError, match=r"is 2\.0; it must be a whole number"):
            call()


@pytest.mark.parametrize(
    "set_by_a_program",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)],
)
def test_a_notebook_that_scores_can_train_the_same_model(
    set_by_a_program: Callable[[], AbstractContextManager[None]],
    own_folder: Path,
    tiny: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gradients switched off, or autocast on, for all that follows in the notebook."""
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {**tiny, "epochs": 1, "most_windows": 8, "training_minutes": 1}
    mnad.train("own", out="m", **given)
    frames = moving_square(8, 7)
    usual = mnad.Detector.load("m").score(frames)
    with set_by_a_program():
        mnad.train("own", out="other", **given)
        scores = mnad.Detector.load("m").score(frames)
    assert Path("m/model.safetensors").read_bytes() == Path("other/model.safetensors").read_bytes()
    assert scores.score.tolist() == usual.score.tolist()


def test_a_camera_is_watched_in_the_main_thread_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another one there was Python's error about signals, and a folder that was begun."""
    monkeypatch.chdir(tmp_path)
    np.save("street.npy", moving_square(8, 7))
    calls: tuple[Callable[[], object], ...] = (
        lambda: mnad.detect("ped2-compact", ["street.npy"], out="found", live=True),
        lambda: api.watch("street.npy", out="gate"),
    )
    with ThreadPoolExecutor(1) as threads:
        for call in calls:
            with pytest.raises(mnad.UsageError, match="main thread"):
                threads.submit(call).result()
    assert [file.name for file in Path().iterdir()] == ["street.npy"]
