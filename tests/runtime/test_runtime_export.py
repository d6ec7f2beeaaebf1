"""What an export holds, that it is whole or not there, and that it is of this very model."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from footage import moving_square
from networks import SMALL, trained
from scipy.stats import spearmanr

import mnad
from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.footage import NormalFootage
from mnad.calibration.holdout import fingerprints
from mnad.config import MethodConfig, ModelConfig
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.events.machine import EventConfig
from mnad.models.folder import Model, build_network, load_model, save_model, save_normal
from mnad.models.normal import load_normal, save_normal_file
from mnad.runtime import export as room
from mnad.runtime import openvino as engine
from mnad.runtime.export import export_model
from mnad.runtime.exports import find_export
from mnad.runtime.pick import in_use, load_runtime
from mnad.runtime.quantize import in_floats
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.stream import Scorer

openvino = pytest.importorskip("openvino")
pytest.importorskip("nncf")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("ncnn")
pytest.importorskip("pnnx")

TAUGHT = moving_square(40, 9)
NORMAL = NormalFootage([moving_square(180, 0), moving_square(130, 1)], ["first", "second"], 10.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated model with all of its exports."""
    folder = tmp_path_factory.mktemp("export") / "m"
    network = trained(steps=60)
    bare = Model(ModelConfig(network.config), network, known=fingerprints([TAUGHT]))
    model = calibrate_model(bare, *NORMAL, 60.0, progress=False)
    save_model(folder, model)
    for form in ("openvino", "ncnn", "onnx"):
        export_model(folder, model, form)  # type: ignore[arg-type]
    for form in ("openvino", "onnx"):
        export_model(folder, model, form, NORMAL, progress=False)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "m"))


def test_an_export_says_what_it_was_made_of(made: Path) -> None:
    assert {p.name for p in made.iterdir()} == {
        "config.json",
        "model.safetensors",
        "normal.safetensors",
        "openvino",
        "openvino-int8",
        "ncnn",
        "onnx",
        "onnx-int8",
    }
    assert {p.name for p in (made / "ncnn").iterdir()} == {
        "encoder.param",
        "encoder.bin",
        "decoder.param",
        "decoder.bin",
        "export.json",
    }
    record = json.loads((made / "openvino-int8" / "export.json").read_text())
    assert set(record["of"]) == {"config.json", "model.safetensors", "normal.safetensors"}
    assert set(record["versions"]) == {"mnad", "torch", "openvino", "nncf"}
    assert record["calibration"] == {"windows": 302, "sources": ["first", "second"]}
    assert set(json.loads((made / "onnx" / "export.json").read_text())["of"]) == {
        "config.json",
        "model.safetensors",
    }
    weights = {
        name: (made / name / "model.bin").stat().st_size for name in ("openvino", "openvino-int8")
    }
    assert weights["openvino-int8"] < 0.4 * weights["openvino"]


def frames() -> np.ndarray:
    clip = moving_square(60, 4)
    clip[30:40, 20:30, 4:14] = 0  # something black appears
    return clip


@pytest.mark.parametrize("form", ["openvino", "ncnn", "onnx"])
def test_what_a_program_has_set_of_torch_changes_no_export(form: str, tmp_path: Path) -> None:
    """Autocast, or double as the usual type: that of ONNX was written, and could not be read."""
    torch.manual_seed(0)
    config = ModelConfig(SMALL)
    model = Model(config, build_network(config).eval().requires_grad_(False))
    save_model(tmp_path, model)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            export_model(tmp_path, model, form)  # type: ignore[arg-type]
            found = Detector.load(tmp_path, runtime=form).score(frames())  # type: ignore[arg-type]
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(found.psnr, Detector(model).score(frames()).psnr, rtol=1e-5)


@pytest.mark.parametrize("name", ["openvino", "openvino-int8", "ncnn", "onnx", "onnx-int8"])
def test_an_export_scores_as_the_model_does(made: Path, name: str) -> None:
    expected = Detector.load(made, runtime="torch").score(frames())
    detector = Detector.load(made, runtime=name)  # type: ignore[arg-type]
    found = detector.score(frames())
    assert detector.runtime.name == name
    if name.endswith("int8"):
        assert np.abs(found.psnr - expected.psnr).max() < 1
        assert np.abs(found.psnr - expected.psnr).max() > 1e-4  # it is another network
        for what in ("psnr", "peak"):
            alike = spearmanr(getattr(found, what), getattr(expected, what)).statistic
            assert alike > 0.97, what
    else:
        for what in ("psnr", "distance", "peak", "score"):
            np.testing.assert_allclose(getattr(found, what), getattr(expected, what), rtol=2e-3)
        np.testing.assert_allclose(found.psnr, expected.psnr, rtol=1e-5)


@pytest.mark.parametrize("name", ["openvino-int8", "onnx-int8"])
def test_the_threshold_of_int8_is_set_with_int8(made: Path, name: str) -> None:
    model, runtime = load_runtime(made, name=name)  # type: ignore[arg-type]
    plain = load_model(made)
    assert model.reference is not None and model.calibration is not None
    assert plain.reference is not None and plain.calibration is not None
    scorer = Scorer(runtime, "frozen", blocks=model.blocks)
    stream = scorer.open()
    parts = [p for frame in NORMAL.clips[0] if (p := scorer.push([stream], [frame])[0])]
    np.testing.assert_allclose(
        model.reference.peak[: len(parts)], [p.peak for p in parts], rtol=1e-3
    )
    assert not np.allclose(model.reference.peak, plain.reference.peak, rtol=1e-6)
    assert model.calibration.threshold.per_hour == plain.calibration.threshold.per_hour == 60.0
    assert model.calibration.threshold.score == pytest.approx(
        plain.calibration.threshold.score, abs=0.1
    )
    np.testing.assert_array_equal(model.known, plain.known)


@pytest.mark.parametrize("distances", [False, True])
def test_only_convolutions_are_in_int8_and_neither_the_first_nor_the_last(
    folder: Path, distances: bool
) -> None:
    if distances:
        export_model(folder, load_model(folder), "openvino", NORMAL, distances=True, progress=False)
    assert json.loads((folder / "openvino-int8" / "export.json").read_text())["distances"] == (
        distances
    )
    graph = openvino.Core().read_model(folder / "openvino-int8" / "model.xml")
    kinds = {"Convolution", "ConvolutionBackpropData"}
    low, floats = [], []
    for op in graph.get_ordered_ops():
        if op.get_type_name() == "FakeQuantize":
            reached = {t.get_node().get_type_name() for t in op.output(0).get_target_inputs()}
            assert reached <= kinds | {"MaxPool", "Concat"}
        elif op.get_type_name() in kinds:
            before = {op.input_value(i).get_node().get_type_name() for i in (0, 1)}
            (low if before & {"FakeQuantize", "Multiply", "Convert"} else floats).append(op)
    deep = 2 if distances else 0
    assert len(low) == 18 - deep and len(floats) == 2 + deep
    first, *third, last = floats
    assert first.get_input_shape(1)[1] == 4  # of the four frames that come in
    rows = [op.get_input_partial_shape(0)[2].get_length() for op in third]
    assert rows == [8] * deep  # a quarter of 32: the third stage
    assert last.get_input_shape(1)[0] == 1  # of the frame that comes out


def test_of_a_separable_network_too_it_is_the_third_stage_that_stays_in_floats() -> None:
    config = replace(SMALL, convolution="separable")
    network, method = build_network(ModelConfig(config)).eval(), MethodConfig()
    graph = engine.convert(network, method)
    nodes = engine.nodes(graph)
    plain, kept = (set(in_floats(nodes, network, distances)) for distances in (False, True))
    channels = [
        (op.get_type_name(), *(t.get_partial_shape()[1].get_length() for t in tensors))
        for op in graph.get_ordered_ops()
        if op.get_friendly_name() in kept - plain
        for tensors in [(op.input(0), op.output(0))]
    ]
    _, b, c, _ = config.stages
    assert channels == [
        *(("GroupConvolution", b, b), ("Convolution", b, c)),
        *(("GroupConvolution", c, c), ("Convolution", c, c)),
    ]


@pytest.mark.parametrize("form", ["openvino", "onnx"])
def test_separable_convolutions_are_computed_in_int8(tmp_path: Path, form: str) -> None:
    network = trained(replace(SMALL, convolution="separable"))
    model = Model(ModelConfig(network.config), network)
    save_model(tmp_path / "m", model)
    export_model(tmp_path / "m", model, form, NORMAL, progress=False)  # type: ignore[arg-type]
    detector = Detector.load(tmp_path / "m")
    found, expected = detector.score(frames()), Detector(model).score(frames())
    assert detector.runtime.name == f"{form}-int8"
    difference = np.abs(found.psnr - expected.psnr)
    assert 1e-4 < difference.max() < 1
    assert spearmanr(found.psnr, expected.psnr).statistic > 0.97


def test_footage_that_was_trained_on_is_refused(folder: Path) -> None:
    model = load_model(folder)
    before = (folder / "openvino-int8" / "export.json").read_bytes()
    mixed = NormalFootage([NORMAL.clips[0], TAUGHT], ["first", "taught"], 10.0)
    with pytest.raises(UsageError, match=r"18 % of this footage was trained on.*--trained_on"):
        export_model(folder, model, "openvino", mixed, progress=False)
    assert (folder / "openvino-int8" / "export.json").read_bytes() == before
    export_model(folder, model, "openvino", mixed, trained_on=True, progress=False)
    calibration = load_runtime(folder, name="openvino-int8")[0].calibration
    assert calibration is not None and calibration.trained_on == pytest.approx(40 / 220)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_breaks_off_leaves_what_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    model = load_model(folder)
    shutil.rmtree(folder / "onnx")
    whole = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def breaks(path: Path, model: Model) -> None:
        assert (path / "model.xml").exists()
        raise error

    monkeypatch.setattr(room, "save_normal", breaks)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else MnadError
    with pytest.raises(expected):
        export_model(folder, model, "openvino", NORMAL, progress=False)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == whole
    # What a kill leaves is no export, and goes with the next one.
    (folder / ".openvino.part").mkdir()
    (folder / ".openvino.part" / "model.xml").write_text("half")
    export_model(folder, model, "openvino")
    assert not list(folder.glob(".*")) and not (folder / "onnx").exists()


@pytest.mark.parametrize("end", ["kill", "interrupt"])
def test_what_ends_between_the_two_renames_leaves_the_earlier_export(
    folder: Path, end: str
) -> None:
    """It was moved aside, and gone with whatever was exported next."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mnad.models.folder import load_model\n"
        "from mnad.runtime.export import export_model\n"
        f"folder, renamed = Path({str(folder)!r}), os.replace\n"
        "def replace(old, new):\n"
        "    if Path(new) == folder / 'openvino' and Path(old).name == '.openvino.part':\n"
        f"        {'os._exit(9)' if end == 'kill' else 'raise KeyboardInterrupt'}\n"
        "    renamed(old, new)\n"
        "os.replace = replace\n"
        "export_model(folder, load_model(folder), 'openvino')\n"
    )
    whole = (folder / "openvino" / "export.json").read_bytes()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 9 if end == "kill" else "KeyboardInterrupt" in done.stderr
    export = find_export(folder, "openvino")
    assert export is not None and export.folder == folder / "openvino"
    assert (export.folder / "export.json").read_bytes() == whole
    export_model(folder, load_model(folder), "openvino")
    assert not list(folder.glob(".*"))


def test_one_process_at_a_time_exports_into_a_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first had the graph of the second, and was judged by its own threshold."""
    model, measured = load_model(folder), room._measured

    def meanwhile(*arguments: Any) -> Model:
        found = measured(*arguments)
        monkeypatch.setattr(room, "_measured", measured)
        with pytest.raises(UsageError, match=f"another mnad exports into {folder}: stop it"):
            export_model(folder, model, "openvino", NORMAL, progress=False)
        return found

    monkeypatch.setattr(room, "_measured", meanwhile)
    export_model(folder, model, "openvino", NORMAL, progress=False)
    assert room._measured is measured
    assert load_runtime(folder)[1].name == "openvino-int8"
    export_model(folder, model, "openvino")
    assert not list(folder.glob(".*"))


def test_what_is_exported_is_the_model_as_it_is_once_hours_of_footage_were_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passed for an export of the model as it had become, with the threshold before."""

    def decoded(*arguments: object) -> NormalFootage:
        again = calibrate_model(load_model(folder), *NORMAL, 6.0, progress=False)
        save_normal(folder, again)  # `mnad calibrate` meanwhile
        return NORMAL

    monkeypatch.setattr("mnad.calibration.footage.normal_footage", decoded)
    mnad.export(folder, int8=True, calibration=["hours.mp4"])
    calibration = load_runtime(folder, name="openvino-int8")[0].calibration
    assert calibration is not None and calibration.threshold.per_hour == 6.0


def test_an_export_of_another_model_is_refused_by_name_and_passed_over_by_auto(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_runtime(folder)[1].name == "openvino-int8"
    model = load_model(folder)
    items = model.network.state_dict()["memory.items"]
    items.copy_(torch.nn.functional.normalize(items + 0.1, dim=1))
    save_model(folder, model)  # trained on, so to speak
    for name in ("openvino", "openvino-int8", "ncnn", "onnx", "onnx-int8"):
        # The one says what the other is.
        told = rf"another config\.json and model\.safetensors.*--format {name[:4]}"
        with pytest.raises(MnadError, match=told):
            load_runtime(folder, name=name)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, "mnad"):
        fresh, runtime = load_runtime(folder)
    assert runtime.name == "torch"
    assert [r.message.split(" was exported")[0] for r in caplog.records] == [
        str(folder / name) for name in ("openvino-int8", "onnx-int8", "ncnn", "openvino", "onnx")
    ]
    windows = torch.from_numpy(moving_square(5, 0)[None])
    expected = TorchRuntime(model.network, model.config.method).score(windows)[1]
    torch.testing.assert_close(runtime.score(windows)[1].distance, expected.distance)
    assert fresh.calibration is not None


def test_a_model_calibrated_anew_does_not_go_on_with_the_threshold_of_its_int8_export(
    folder: Path,
) -> None:
    model = load_model(folder)
    save_normal(folder, calibrate_model(model, *NORMAL, 6.0, progress=False))
    with pytest.raises(MnadError, match=r"another normal.safetensors.*--int8 --calibration"):
        load_runtime(folder, name="openvino-int8")
    found, runtime = load_runtime(folder, name="openvino")  # it has no threshold of its own
    assert runtime.name == "openvino" and found.calibration is not None
    assert found.calibration.threshold.per_hour == 6.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there, torch is what auto takes")
def test_what_is_known_of_normal_footage_lies_with_what_auto_takes(folder: Path) -> None:
    own = folder / "openvino-int8" / "normal.safetensors"
    assert in_use(folder) == ("openvino-int8", own)
    # A threshold that is set there leaves that export in use.
    normal = load_normal(own)
    assert normal.calibration is not None
    moved = replace(normal.calibration.threshold, score=0.123)
    calibration = replace(normal.calibration, threshold=moved)
    save_normal_file(own, normal._replace(calibration=calibration))
    model, runtime = load_runtime(folder)
    assert runtime.name == "openvino-int8" and model.calibration is not None
    assert model.calibration.threshold.score == 0.123
    shutil.rmtree(folder / "openvino-int8")
    shutil.rmtree(folder / "onnx-int8")
    assert in_use(folder) == ("ncnn", folder / "normal.safetensors")


def test_a_threshold_set_anew_is_for_what_made_an_event_before(folder: Path) -> None:
    """A site's model was learnt for its --events; an export, and mnad calibrate, took the usual."""
    longer = EventConfig(0.5, min_seconds=1.5)
    learnt = calibrate_model(load_model(folder), *NORMAL, 60.0, events=longer, progress=False)
    save_model(folder, learnt)
    model = load_model(folder)
    again = calibrate_model(model, *NORMAL, 60.0, progress=False)
    assert learnt.calibration is not None and again.calibration is not None
    assert again.calibration.threshold == learnt.calibration.threshold
    assert again.calibration.threshold != calibrated_as_usual(folder)
    export_model(folder, model, "openvino", NORMAL, progress=False)
    _, runtime = load_runtime(folder, name="openvino-int8")
    known = load_normal(folder / "openvino-int8" / "normal.safetensors").calibration
    expected = calibrate_model(
        model, *NORMAL, 60.0, runtime=runtime, events=longer, progress=False
    ).calibration
    assert known is not None and expected is not None
    assert known.threshold == expected.threshold


def calibrated_as_usual(folder: Path) -> object:
    usual = EventConfig(0.5)
    found = calibrate_model(load_model(folder), *NORMAL, 60.0, events=usual, progress=False)
    assert found.calibration is not None
    return found.calibration.threshold


def test_a_model_without_a_threshold_gets_none_by_an_export(tmp_path: Path) -> None:
    network = trained(steps=2)
    bare = Model(ModelConfig(network.config), network)
    save_model(tmp_path / "m", bare)
    export_model(tmp_path / "m", bare, "openvino", NORMAL, progress=False)
    model, _ = load_runtime(tmp_path / "m")
    assert model.calibration is None and model.reference is not None
    assert len(model.reference.psnr) == 302


@pytest.mark.parametrize(
    ("name", "file"), [("openvino", "model.xml"), ("onnx", "model.onnx"), ("ncnn", "decoder.bin")]
)
def test_a_damaged_export_says_so(folder: Path, name: str, file: str) -> None:
    (folder / name / file).write_bytes(b"half")
    with pytest.raises(MnadError, match=r"is damaged.*mnad export"):
        load_runtime(folder, name=name)  # type: ignore[arg-type]
    (folder / name / "export.json").write_text("{")
    with pytest.raises(MnadError, match=r"export\.json is damaged"):
        find_export(folder, name)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("openvino", "model.bin"),
        ("openvino-int8", "model.bin"),
        ("onnx", "model.onnx"),
        ("ncnn", "encoder.bin"),
        ("ncnn", "decoder.param"),
    ],
)
def test_one_bit_of_an_export_that_flipped_is_noticed(folder: Path, name: str, file: str) -> None:
    """The engines load most of these, and compute other scores."""
    part = folder / name / file
    whole = part.read_bytes()
    part.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(MnadError, match=rf"{file} is damaged.*mnad export .* --format"):
        load_runtime(folder, name=name)  # type: ignore[arg-type]
    part.write_bytes(whole)
    assert load_runtime(folder, name=name)[1].name == name  # type: ignore[arg-type]


def test_an_export_of_an_older_version_says_nothing_of_its_graph_and_is_used(folder: Path) -> None:
    record = folder / "onnx" / "export.json"
    said = json.loads(record.read_text())
    del said["graph"]
    record.write_text(json.dumps(said))
    assert load_runtime(folder, name="onnx")[1].name == "onnx"


def test_a_full_disk_is_told_of_by_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO itself says no more than 'iostream error', in an error of its own kind."""
    network = trained(steps=0)
    model = Model(ModelConfig(network.config), network)
    save_model(tmp_path / "m", model)
    save = engine.save

    def full(graph: Any, folder: Path) -> None:
        (folder / "model.bin").symlink_to("/dev/full")
        save(graph, folder)

    monkeypatch.setattr(engine, "save", full)
    with pytest.raises(MnadError, match=r"openvino cannot be written \(OpenVINO says .*make room"):
        export_model(tmp_path / "m", model, "openvino")
    assert not [*(tmp_path / "m").glob("*openvino*")]


def test_int8_does_not_go_on_with_the_threshold_of_torch_where_its_own_was_lost(
    folder: Path,
) -> None:
    """As of a copy that was broken off."""
    (folder / "onnx-int8" / "normal.safetensors").unlink()
    with pytest.raises(MnadError, match=r"onnx-int8/normal\.safetensors is missing.*mnad export"):
        load_runtime(folder, name="onnx-int8")
    (folder / "openvino-int8" / "normal.safetensors").unlink()
    for load in (load_runtime, in_use):
        with pytest.raises(MnadError, match="is missing"):
            load(folder)


def test_a_model_replaced_is_another_method_too(folder: Path) -> None:
    model = load_model(folder)
    method = replace(model.config.method, memory_loss="paper")
    save_model(folder, replace(model, config=replace(model.config, method=method)))
    with pytest.raises(MnadError, match=r"another config.json"):
        load_runtime(folder, name="onnx")


SIGNALLED = """
import gc, os, signal, sys, threading
from mnad.detector import Detector

told = []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
loaded = [Detector.load(sys.argv[1], runtime="openvino")]
thread = threading.Thread(target=lambda: (loaded.clear(), gc.collect()))
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGTERM)
assert told == [signal.SIGTERM]
print("alive")
"""


def test_a_signal_is_survived_after_an_engine_was_let_go_in_another_thread(made: Path) -> None:
    """As in a watch that learnt anew: OpenVINO unmapped the stack of the signals."""
    command = [sys.executable, "-c", SIGNALLED, str(made)]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "alive\n"), ended.stderr
