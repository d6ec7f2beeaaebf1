"""From training to detection through another engine, as a user meets it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import TINY, moving_square

import mnad
from mnad.cli import main

pytest.importorskip("openvino")
pytest.importorskip("nncf")


def folder_of(clip: np.ndarray, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for t, frame in enumerate(clip):
        cv2.imwrite(str(folder / f"{t}.png"), frame)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, footage that it was trained on, other normal footage, and a labelled clip."""
    root = tmp_path_factory.mktemp("cli")
    taught = folder_of(moving_square(20, 0), root / "taught")
    folder_of(moving_square(310, 1), root / "normal")
    clip = moving_square(14, 2)
    clip[8:, 20:30, 4:14] = 0
    folder_of(clip, root / "data" / "testing" / "c")
    (root / "data" / "testing" / "c.csv").write_text("first,last\n8,13\n")
    mnad.train(str(taught), out=root / "model", preset="official", **TINY)
    mnad.calibrate(root / "model", [str(root / "normal")], folder_rate=10.0)
    return root


def psnr_of(work: Path, out: Path, *options: str) -> list[float]:
    clip = str(work / "data" / "testing" / "c")
    words = ["detect", str(work / "model"), clip, "--out", str(out), "--no_overlay", *options]
    assert main(words) == 0
    with (out / "c" / "scores.csv").open() as lines:
        return [float(row["psnr"]) for row in csv.DictReader(lines)]


def test_train_export_detect(
    work: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, normal = str(work / "model"), str(work / "normal")
    capfd.readouterr()
    assert main(["export", model]) == 0
    said = capfd.readouterr()
    # Torch's own, where a CUDA toolkit is installed and no GPU.
    beside = [line for line in said.err.splitlines() if "No CUDA runtime is found" not in line]
    assert said.out.startswith(f"{model}/openvino: ") and not beside
    facts = mnad.info(model)
    assert facts["in_use"] == {"runtime": "openvino", "calibration": facts["calibration"]}
    by_torch = psnr_of(work, tmp_path / "torch", "--runtime", "torch")
    by_openvino = psnr_of(work, tmp_path / "openvino", "--runtime", "openvino")
    np.testing.assert_allclose(by_openvino, by_torch, atol=1e-3)
    updated = [
        psnr_of(work, tmp_path / f"reset-{name}", "--runtime", name, "--policy", "reset")
        for name in ("torch", "openvino")
    ]
    np.testing.assert_allclose(*updated, atol=1e-3)
    capfd.readouterr()
    options = ["--int8", "--folder_rate", "10", "--calibration", normal]
    assert main(["export", model, *options]) == 0
    assert "Traceback" not in (told := capfd.readouterr()).err
    # Its threshold is its own; that of the model is still what torch goes by.
    facts = mnad.info(model)
    used = facts["in_use"]
    assert used["runtime"] == "openvino-int8" and used["calibration"] != facts["calibration"]
    assert told.out.splitlines()[1:] == used["calibration"]
    by_int8 = psnr_of(work, tmp_path / "auto")  # auto takes what was exported in int8
    assert caplog.messages[-1] == f"{model} scores by openvino-int8 on cpu"
    assert by_int8 != by_openvino
    np.testing.assert_allclose(by_int8, by_torch, atol=1)
    exports = mnad.info(model)["exports"]
    assert set(exports) == {"openvino", "openvino-int8"}
    assert all(export["usable"] for export in exports.values())


def test_calibration_footage_that_cannot_be_read_is_told_and_in_the_exit_code(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by mnad train and mnad calibrate; it was a warning, and the exit code 0."""
    (tmp_path / "cut.mp4").write_bytes(b"half")
    model = shutil.copytree(work / "model", tmp_path / "model")
    words = ["export", str(model), "--int8", "--folder_rate", "10", "--calibration"]
    assert main([*words, str(work / "normal"), str(tmp_path / "cut.mp4")]) == 1
    told = capsys.readouterr()
    assert "put the threshold at" in told.out
    fault = f"{tmp_path}/cut.mp4 cannot be read as a video ("
    assert told.err.splitlines()[-1].startswith(f"mnad: {fault}")
    assert mnad.info(model)["exports"]["openvino-int8"]["usable"]
    record = json.loads((model / "openvino-int8" / "export.json").read_text())["calibration"]
    assert record["sources"] == ["normal"] and record["faults"][0].startswith(fault)


def test_an_evaluation_names_its_runtime_and_takes_torch_unless_told(
    work: Path, tmp_path: Path
) -> None:
    found = {}
    for options in ((), ("--runtime", "openvino")):
        file = tmp_path / "found.json"
        words = ["evaluate", str(work / "model"), str(work / "data"), "--json", str(file), *options]
        assert main(words) == 0
        result = json.loads(file.read_text())
        found[result["protocol"]["runtime"]] = result["frames_detail"]["c"]
    assert set(found) == {"torch", "openvino"}
    for part in ("psnr", "distance", "regular"):
        np.testing.assert_allclose(found["openvino"][part], found["torch"][part], rtol=1e-3)
    assert found["openvino"]["updated"] == found["torch"]["updated"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--int8"], "--calibration NORMAL_FOOTAGE"),
        (["--calibration", "NORMAL"], "--int8"),
        (["--distances"], "--distances is for int8 alone"),
        (["--format", "ncnn", "--int8", "--calibration", "NORMAL"], "say --format openvino"),
        (["--int8", "--calibration", "TAUGHT"], "was trained on"),
    ],
)
def test_wrong_exports_end_with_a_sentence_and_write_nothing(
    work: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    before = {p: p.stat().st_mtime_ns for p in (work / "model").rglob("*")}
    names = {"NORMAL": str(work / "normal"), "TAUGHT": str(work / "taught")}
    given = ["export", str(work / "model"), "--format", "openvino"]
    assert main([*given, *(names.get(word, word) for word in words)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert {p: p.stat().st_mtime_ns for p in (work / "model").rglob("*")} == before


def test_a_watch_asks_for_its_runtime_before_it_learns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mnad.runtime import pick

    monkeypatch.setattr(pick, "find_spec", lambda name: None)
    out = ["--out", str(tmp_path / "site"), "--runtime", "openvino"]
    assert main(["watch", "nowhere.mp4", *out]) == 2
    assert "pip install 'mnad[openvino]'" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_detecting_by_openvino_imports_no_more_than_it_takes_and_reports_to_nobody(
    work: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, mnad\n"
        f"mnad.detect({str(work / 'model')!r}, [{str(work / 'data' / 'testing' / 'c')!r}],\n"
        f"            out={str(tmp_path / 'out')!r}, overlay=False, runtime='openvino')\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "heavy = {'nncf', 'onnx', 'onnxruntime', 'onnxscript'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip()
