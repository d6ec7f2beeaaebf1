"""A built-in model is found by its name by every command, and none of them changes it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from footage import moving_square

import mnad
from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.measure import reference_of
from mnad.calibration.things import block_size
from mnad.cli import main
from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.metrics.frame import causal_micro
from mnad.models import builtin
from mnad.models.folder import Model, build_network, load_model, save_model
from mnad.runtime.exports import command
from mnad.scoring.windows import Windows

SMALL = NetworkConfig(channels=1, width=0.05, height=32, image_width=32)


def a_model(seed: int) -> Model:
    torch.manual_seed(seed)
    config = ModelConfig(SMALL, preset="camera")
    record = {"data": {"name": "yard", "frames": 1234}}
    model = Model(config, build_network(config).eval().requires_grad_(False), training=record)
    clips = [moving_square(240, 0)]
    windows = Windows(clips, ["yard"], SMALL.window)
    known = reference_of(model.torch_runtime, windows, block_size(clips))
    return calibrate_model(
        replace(model, reference=known), clips, ["yard"], 10.0, 2.0, progress=False
    )


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    return a_model(0), a_model(1)


@pytest.fixture
def package(models: tuple[Model, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with the one model `yard-small`, and an empty folder to work in."""
    weights, work = tmp_path / "package" / "weights", tmp_path / "work"
    save_model(weights / "yard-small", models[0])
    (weights / "yard-small" / builtin.TERMS).write_text("for research\n")
    work.mkdir()
    monkeypatch.setattr(builtin, "BUILT_IN", weights)
    monkeypatch.chdir(work)
    return weights


def frames_in(folder: Path, count: int = 12) -> Path:
    folder.mkdir(parents=True)
    for t, frame in enumerate(moving_square(count, 3)):
        cv2.imwrite(str(folder / f"{t:03}.png"), frame)
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def first_weight(model: Model) -> torch.Tensor:
    return next(model.network.parameters())


def test_a_name_is_the_model_in_the_package(package: Path, models: tuple[Model, Model]) -> None:
    assert builtin.names() == ["yard-small"]
    assert torch.equal(first_weight(load_model("yard-small")), first_weight(models[0]))
    frames = moving_square(20, 3)
    by_name = Detector.load("yard-small").score(frames, 10.0)
    np.testing.assert_array_equal(by_name.score, Detector(models[0]).score(frames, 10.0).score)


def test_a_folder_of_that_name_wins(package: Path, models: tuple[Model, Model]) -> None:
    save_model(Path("yard-small"), models[1])
    assert torch.equal(first_weight(load_model("yard-small")), first_weight(models[1]))
    assert builtin.to_change("yard-small") == Path("yard-small")


@pytest.mark.parametrize("name", ["yard", "", ".", "..", "yard-small/config.json", "./yard-small"])
def test_nothing_but_a_name_is_looked_up(package: Path, name: str) -> None:
    assert builtin.resolve(name) == Path(name)


def test_commands_take_the_name(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = frames_in(Path("clip"))
    before = digests(package)
    assert main(["detect", "yard-small", str(clip), "--out", "found", "--no_overlay"]) == 0
    assert len(Path("found/clip/scores.csv").read_text().splitlines()) == 1 + 8
    capsys.readouterr()
    assert main(["info", "yard-small"]) == 0
    assert json.loads(capsys.readouterr().out)["training"]["data"]["frames"] == 1234
    frames_in(Path("own/training/a"))
    frames_in(Path("own/testing/c"))
    Path("own/testing/c.csv").write_text("first,last\n8,11\n")
    result = mnad.evaluate("yard-small", "own", plot=Path("curve.png"))
    assert result["scored_frames"] == 8
    assert digests(package) == before


def test_commands_that_write_say_to_copy_it_first(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = frames_in(Path("clip"), 300)
    before = digests(package)
    for model in ("yard-small", str(package / "yard-small")):
        for line in (["calibrate", model, str(clip)], ["export", model]):
            assert main(line) == 2
            assert "mnad copy yard-small --out DIR" in capsys.readouterr().err
    assert digests(package) == before
    assert main(["copy", "yard-small", "--out", "mine"]) == 0
    assert digests(Path("mine")) == before_of("yard-small", before)
    assert main(["calibrate", "mine", str(clip), "--folder_rate", "10"]) == 0
    changed = digests(Path("mine"))
    assert {name for name in changed if changed[name] != before[f"yard-small/{name}"]} == {
        "normal.safetensors"
    }
    assert digests(package) == before


def test_a_model_that_may_not_be_written_to_is_refused_before_the_work(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    builtin.copy_folder("yard-small", Path("mine"))
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    for line in (["calibrate", "mine", "no-footage"], ["export", "mine"]):
        assert main(line) == 2
        assert "mine may not be written to" in capsys.readouterr().err


def before_of(model: str, digests: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(f"{model}/"): one for name, one in digests.items()}


def test_a_missing_export_is_made_of_a_copy(package: Path) -> None:
    told = command(package / "yard-small", "onnx")
    assert told == "mnad copy yard-small --out DIR && mnad export DIR --format onnx"
    assert command(Path("mine"), "onnx") == "mnad export mine --format onnx"
    assert command(Path("my own"), "onnx") == "mnad export 'my own' --format onnx"


def test_a_copy_is_whole_or_not_there(
    package: Path, models: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(Path("other"), models[1])
    with pytest.raises(UsageError, match="other is there already"):
        builtin.copy_folder("yard-small", Path("other"))
    assert torch.equal(first_weight(load_model("other")), first_weight(models[1]))
    with pytest.raises(UsageError, match=r"no model; .*\(yard-small\)"):
        builtin.copy_folder("nothing", Path("new"))
    Path("empty").mkdir()
    monkeypatch.chdir("empty")
    with pytest.raises(UsageError, match=r"--out \. names no new folder"):
        builtin.copy_folder("yard-small", Path("."))
    monkeypatch.chdir("..")
    Path("empty").rmdir()
    with pytest.raises(MnadError, match=r"clip\.txt/new cannot be written"):
        Path("clip.txt").touch()
        builtin.copy_folder("yard-small", Path("clip.txt/new"))

    def full(*arguments: object, **more: object) -> None:
        Path(".new.part").mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    with pytest.raises(MnadError, match="No space left on device"):
        builtin.copy_folder("yard-small", Path("new"))
    assert sorted(path.name for path in Path().iterdir()) == ["clip.txt", "other"]


def test_an_unknown_name_is_told_which_there_are(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", "gate-small"]) == 2
    assert capsys.readouterr().err == (
        "mnad: model gate-small does not exist; give the folder that `mnad train --out` wrote, or "
        "a built-in model (yard-small).\n"
    )


def test_the_list_says_what_each_is(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package / "yard-small" / builtin.RESULT).write_text("causal frame AUC 0.5\n")
    assert main(["models"]) == 0
    size = sum(file.stat().st_size for file in (package / "yard-small").iterdir()) / 1e6
    assert capsys.readouterr().out == (
        f"yard-small: {size:.1f} MB, prediction, width 0.05, 32x32 grey; trained on 1,234 frames "
        "of yard\n  causal frame AUC 0.5\n"
        f"  terms of the weights: {package / 'yard-small' / 'TERMS.md'}\n"
    )


def test_ped2_compact_tells_normal_from_abnormal_frames(data: Path) -> None:
    """The weights that come with the package, on parts of two clips of Ped2."""
    from mnad.datasets import open_dataset
    from mnad.video.source import open_source

    detector = Detector.load("ped2-compact", device="cpu", runtime="torch")
    clips = {clip.name: clip for clip in open_dataset(f"ped2:{data / 'ped2'}").test}
    labels, scores = {}, {}
    for name, first, last in (("01", 30, 90), ("02", 64, 124)):
        clip = clips[name]
        with open_source(clip.path, 1) as source:
            frames = np.stack([frame.pixels for frame in source][first:last])
        found = detector.score(frames, 10.0)
        assert clip.labels is not None  # abnormal from frame 60, from frame 94
        labels[name] = clip.labels[first:last][found.index].astype(float)
        scores[name] = found.score
    auc = causal_micro(labels, scores).auc
    assert auc is not None and auc > 0.8


@pytest.mark.skipif(os.name == "nt", reason="modes of files")
def test_a_copy_of_what_is_read_only_may_be_written_to(package: Path) -> None:
    """As where packages are installed once and for all, by modes that nobody may write by."""
    folder = package / "yard-small"
    (folder / "onnx").mkdir()
    (folder / "onnx" / "export.json").write_text("{}")
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    builtin.copy_folder("yard-small", Path("mine"))
    mine = [Path("mine"), *Path("mine").rglob("*")]
    assert all(path.stat().st_mode & 0o200 for path in mine)
    assert len(mine) == 1 + len(list(folder.rglob("*")))


def test_a_copy_for_which_there_is_no_room_says_so(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str, **options: object) -> None:
        raise OSError(28, "No space left on device", source, None, target)

    monkeypatch.setattr(builtin.shutil, "copyfile", full)
    monkeypatch.setattr(builtin.shutil, "copy2", full)
    with pytest.raises(MnadError, match=r"mine cannot be written \(.*No space left on device"):
        builtin.copy_folder("yard-small", Path("mine"))
    assert not list(Path().iterdir())
