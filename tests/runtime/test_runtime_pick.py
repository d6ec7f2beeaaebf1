"""What ``--runtime`` and ``--device`` come to on machines that have this or that."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from networks import trained

from mnad.config import ModelConfig, RuntimeName
from mnad.errors import UsageError
from mnad.models.folder import Model, save_model
from mnad.runtime import pick
from mnad.runtime.exports import sources_of
from mnad.runtime.pick import load_runtime, require


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = trained(steps=1)
    save_model(tmp_path / "m", Model(ModelConfig(network.config), network))
    return tmp_path / "m"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path | None]]:
    """What would be opened: name and folder of the export."""
    found: list[tuple[str, Path | None]] = []

    def note(model: Model, name: str, folder: Path | None = None) -> None:
        found.append((name, folder))

    monkeypatch.setattr(pick, "open_graph", note)
    return found


def has(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    monkeypatch.setattr(pick, "find_spec", lambda name: name if name in packages else None)


def exported(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir()
        record = {"format": 1, "of": sources_of(folder, name), "versions": {}}
        (folder / name / "export.json").write_text(json.dumps(record))
        if name.endswith("int8"):
            shutil.copy(folder / "normal.safetensors", folder / name)


BOTH = ("openvino", "onnxruntime")
ALL = (*BOTH, "ncnn")


@pytest.mark.parametrize(
    ("packages", "exports", "name"),
    [
        (BOTH, ("openvino-int8", "onnx-int8", "openvino", "onnx"), "openvino-int8"),
        (BOTH, ("onnx-int8", "openvino", "onnx"), "onnx-int8"),
        (BOTH, ("openvino", "onnx"), "openvino"),
        (ALL, ("openvino", "ncnn", "onnx"), "ncnn"),
        (ALL, ("openvino-int8", "ncnn"), "openvino-int8"),
        (BOTH, ("ncnn", "openvino"), "openvino"),
        (BOTH, (), "torch"),
        (("onnxruntime",), ("openvino-int8", "openvino", "onnx"), "onnx"),
        (("onnxruntime",), ("openvino",), "torch"),
        ((), ("openvino-int8", "onnx-int8"), "torch"),
    ],
)
def test_auto_takes_the_fastest_that_is_there(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: list[tuple[str, Path | None]],
    packages: tuple[str, ...],
    exports: tuple[str, ...],
    name: str,
) -> None:
    has(monkeypatch, *packages)
    exported(folder, *exports)
    runtime = load_runtime(folder, "cpu")[1]
    if name == "torch":
        assert runtime.name == "torch" and not opened
    else:
        assert opened == [(name, folder / name if name in exports else None)]


@pytest.mark.parametrize("name", ["openvino", "openvino-int8", "ncnn", "onnx", "onnx-int8"])
def test_a_runtime_that_is_not_installed_is_refused_with_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: RuntimeName
) -> None:
    exported(folder, name)
    has(monkeypatch)
    form = name.partition("-")[0]
    with pytest.raises(UsageError, match=rf"pip install 'mnad\[{form}\]'"):
        load_runtime(folder, name=name)
    has(monkeypatch, *ALL)
    require(name)
    if name != "openvino":
        with pytest.raises(UsageError, match="not installed"):
            require(name, to_export=True)


@pytest.mark.parametrize("name", ["openvino-int8", "ncnn", "onnx", "onnx-int8"])
def test_what_was_not_exported_is_refused_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: RuntimeName
) -> None:
    has(monkeypatch, *ALL)
    form, _, int8 = name.partition("-")
    said = f"`mnad export {folder} --format {form}{' --int8 --calibration' * bool(int8)}"
    with pytest.raises(UsageError) as stop:
        load_runtime(folder, name=name)
    assert said in str(stop.value)


def test_other_runtimes_than_torch_compute_on_the_cpu(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="on the CPU"):
        load_runtime(folder, "cuda", "openvino")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA GPU"):
        load_runtime(folder, "cuda", "torch")
    assert load_runtime(folder, "auto", "torch")[1].device == torch.device("cpu")


def test_scoring_by_torch_imports_no_other_engine(folder: Path) -> None:
    code = (
        "import sys\n"
        "from mnad.detector import Detector\n"
        f"Detector.load({str(folder)!r}, runtime='torch')\n"
        "heavy = {'openvino', 'nncf', 'onnx', 'onnxruntime', 'ncnn', 'pnnx'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
