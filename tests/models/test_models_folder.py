"""A model folder gives tomorrow what it gave today, or says in a sentence that it is broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import moving_square
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors

from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.holdout import fingerprints
from mnad.calibration.measure import reference_of
from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.events.event import Event
from mnad.models.folder import Model, build_network, load_model, save_model, save_normal
from mnad.scoring.windows import Windows
from mnad.video.regions import Regions
from mnad.video.source import Frame
from mnad.watch.judge import Judge
from mnad.watch.options import WatchOptions

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)
CLIP = moving_square(240, 0)
REGIONS = Regions(crop=(0.1, 0.0, 1.0, 0.9), ignore=(((0.5, 0.0), (1.0, 0.0), (1.0, 0.3)),))


@pytest.fixture(scope="module")
def bare() -> Model:
    torch.manual_seed(0)
    config = ModelConfig(SMALL, preset="camera", rate=10.0)
    network = build_network(config).eval().requires_grad_(False)
    return Model(config, network, training={"epochs": 3}, regions=REGIONS)


@pytest.fixture(scope="module")
def calibrated(bare: Model) -> Model:
    model = replace(bare, known=fingerprints([moving_square(40, 5)]))
    return calibrate_model(model, [CLIP], ["yard"], 10.0, 2.0, progress=False)


def test_a_calibrated_model_scores_the_same_bits_after_it_was_stored(
    calibrated: Model, tmp_path: Path
) -> None:
    save_model(tmp_path / "m", calibrated)
    loaded = load_model(tmp_path / "m")
    before, after = Detector(calibrated), Detector(loaded)
    assert after.threshold == before.threshold is not None
    frames = moving_square(30, 3)
    frames[20:, 22:30, 4:14] = 0
    one, same = before.score(frames, 10.0), after.score(frames, 10.0)
    for name in ("index", "psnr", "distance", "peak", "score"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert np.isfinite(one.score).all() and np.ptp(one.score) > 0


def test_errors_by_place_are_read_where_numbers_are_double_unless_said(
    bare: Model, tmp_path: Path
) -> None:
    windows = Windows([CLIP], ["yard"], SMALL.window)
    model = replace(bare, reference=reference_of(bare.torch_runtime, windows, 4, bare.mask))
    model = calibrate_model(model, [CLIP], ["yard"], 10.0, 2.0, by_place=True, progress=False)
    save_model(tmp_path / "m", model)
    torch.set_default_dtype(torch.float64)
    try:
        scores = Detector(load_model(tmp_path / "m")).score(CLIP, 10.0)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(scores.score, Detector(model).score(CLIP, 10.0).score)


def test_a_model_without_the_picture_of_its_place_scores_alike(
    calibrated: Model, tmp_path: Path
) -> None:
    assert calibrated.calibration is not None
    given_away = replace(calibrated, calibration=replace(calibrated.calibration, view=None))
    save_model(tmp_path / "m", given_away)
    assert not any(
        name.startswith("view.") for name in load_file(tmp_path / "m" / "normal.safetensors")
    )
    loaded = load_model(tmp_path / "m")
    assert loaded.calibration is not None and loaded.calibration.view is None
    frames = moving_square(30, 3)
    one, same = Detector(calibrated).score(frames, 10.0), Detector(loaded).score(frames, 10.0)
    np.testing.assert_array_equal(one.score, same.score)
    # The same frame again and again: a camera whose picture is known would be called frozen.
    assert {event.kind for event in _told(calibrated, frames[0])} == {"camera"}
    assert not _told(loaded, frames[0])


def _told(model: Model, frame: NDArray[np.uint8]) -> list[Event]:
    """What is told of a frame that stands still for 80 s."""
    judge = Judge(Detector(model), WatchOptions(threshold=0.999), "yard", None)
    stream = Detector(model).stream()
    told: list[Event] = []
    for index in range(800):
        scored = stream.push(frame, index / 10)
        if scored is not None:
            now = Frame(frame, index, Fraction(index, 10))
            told += judge.push(now, scored, stream.fitted(frame), False)
    return told


def test_all_that_is_known_of_normal_footage_comes_back(calibrated: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", calibrated)
    loaded = load_model(tmp_path / "m")
    mine, stored = calibrated.reference, loaded.reference
    assert mine is not None and stored is not None
    for name in ("psnr", "distance", "peak", "level"):
        a, b = getattr(mine, name), getattr(stored, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for name in ("block", "error_peak", "floor"):
        assert getattr(mine, name) == getattr(stored, name)
        assert type(getattr(stored, name)) is type(getattr(mine, name))
    a_calibration, b_calibration = calibrated.calibration, loaded.calibration
    assert a_calibration is not None and b_calibration is not None
    for name in ("threshold", "rate", "frames", "sources", "trained_on"):
        assert getattr(a_calibration, name) == getattr(b_calibration, name)
    assert a_calibration.sentences() == b_calibration.sentences()
    np.testing.assert_array_equal(a_calibration.score, b_calibration.score)
    assert a_calibration.view is not None and b_calibration.view is not None
    view = b_calibration.view.as_arrays()
    for name, array in a_calibration.view.as_arrays().items():
        np.testing.assert_array_equal(array, view[name])
    np.testing.assert_array_equal(loaded.known, calibrated.known)
    assert loaded.known.dtype == np.uint64
    assert (loaded.config, loaded.training) == (calibrated.config, {"epochs": 3})
    assert loaded.regions == REGIONS
    assert loaded.mask is not None and calibrated.mask is not None
    np.testing.assert_array_equal(loaded.mask, calibrated.mask)
    assert loaded.mask.shape == (32, 32) and 0 < loaded.mask.mean() < 1


def test_a_model_that_saw_no_normal_footage_is_stored_too(bare: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", replace(bare, regions=None))
    loaded = load_model(tmp_path / "m")
    assert loaded.reference is loaded.calibration is loaded.regions is loaded.mask is None
    assert loaded.known.dtype == np.uint64 and loaded.known.shape == (0,)
    (tmp_path / "m" / "normal.safetensors").unlink()  # as in folders of imported checkpoints
    assert load_model(tmp_path / "m").reference is None


def test_a_reference_without_a_calibration_is_stored(calibrated: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", replace(calibrated, calibration=None))
    loaded = load_model(tmp_path / "m")
    assert loaded.calibration is None and loaded.reference is not None
    assert Detector(loaded).threshold is None


def test_a_model_calibrated_anew_changes_one_file(
    bare: Model, calibrated: Model, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    save_model(folder, bare)
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert set(files) == {"config.json", "model.safetensors", "normal.safetensors"}
    save_normal(folder, calibrated)
    changed = {p.name for p in folder.iterdir() if p.read_bytes() != files[p.name]}
    assert changed == {"normal.safetensors"}
    assert load_model(folder).calibration is not None
    assert not os.stat(folder / "normal.safetensors").st_mode & 0o111


def test_a_full_disk_leaves_the_old_file(
    calibrated: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "m"
    save_model(folder, calibrated)
    before = (folder / "normal.safetensors").read_bytes()

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MnadError, match=r"normal\.safetensors cannot be written \(No space"):
        save_normal(folder, replace(calibrated, calibration=None))
    assert (folder / "normal.safetensors").read_bytes() == before
    assert not list(folder.glob("*.part"))


def test_a_disk_that_goes_read_only_is_one_sentence(
    calibrated: Model, tmp_path: Path, read_only: Callable[[], None]
) -> None:
    save_model(tmp_path, calibrated)
    read_only()
    with pytest.raises(MnadError, match=r"normal\.safetensors cannot be written \(Read-only"):
        save_normal(tmp_path, calibrated)


def test_a_model_cannot_lie_in_a_file(bare: Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/m cannot be a folder for results"):
        save_model(tmp_path / "file" / "m", bare)


def test_a_damaged_file_is_named(calibrated: Model, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    save_model(folder, calibrated)
    file = folder / "normal.safetensors"
    whole = file.read_bytes()
    arrays = load_file(file)
    facts = json.dumps({"threshold": {}})
    with safe_open(file, "numpy") as opened:
        known = json.loads(opened.metadata()["calibration"])
    damages: list[Callable[[], object]] = [
        lambda: file.write_bytes(whole[: len(whole) // 2]),
        lambda: file.write_bytes(b"no safetensors"),
        lambda: save_file({k: v for k, v in arrays.items() if k != "level"}, file),
        lambda: save_file(arrays | {"block": np.empty(0, np.int64)}, file),
        lambda: save_file(arrays, file, {"calibration": facts}),
        lambda: save_file(arrays, file, {"calibration": "no JSON"}),
        lambda: save_file({k: v for k, v in arrays.items() if k != "known"}, file),
        lambda: save_file(arrays | {"peak": np.full(9, np.nan)}, file),
        lambda: save_file(arrays | {"peak": np.empty(0)}, file),
        lambda: save_file(arrays | {"level": arrays["level"][None]}, file),
        lambda: save_file(arrays | {"block": np.zeros(1, np.int64)}, file),
        lambda: save_file(arrays | {"floor": np.full(1, np.nan)}, file),
        lambda: save_file({k: v for k, v in arrays.items() if k != "psnr"}, file, as_facts(known)),
        *(
            partial(save_file, arrays, file, as_facts(known | wrong))
            for wrong in (
                {"threshold": 5},
                {"threshold": known["threshold"] | {"score": float("nan")}},
                {"threshold": known["threshold"] | {"score": "high"}},
                {"threshold": known["threshold"] | {"score": 7}},
                {"rate": 0},
                {"rate": None},
            )
        ),
    ]
    for damage in damages:
        damage()
        with pytest.raises(MnadError, match=r"normal\.safetensors is damaged .*copy the model"):
            load_model(folder)


def as_facts(known: dict[str, object]) -> dict[str, str]:
    return {"calibration": json.dumps(known)}


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        (None, {"rate": "ten"}),
        (None, {"rate": [10]}),
        (None, {"network": []}),
        ("network", {"items": 10**15}),
        ("network", {"items": 10**30}),
        ("network", {"items": 2.5}),
        ("network", {"frames_in": 10**12}),
        ("network", {"frames_in": 4.0}),
        ("network", {"channels": True}),
        ("network", {"memory": "no"}),
        ("network", {"height": 32.0}),
        ("network", {"height": 8 * 10**9}),
        ("network", {"height": 40}),
        ("method", {"gamma": "small"}),
    ],
)
def test_a_config_of_any_content_is_refused_by_a_sentence(
    calibrated: Model, tmp_path: Path, part: str | None, wrong: dict[str, object]
) -> None:
    """Also where it names a network that no memory holds."""
    folder = tmp_path / "m"
    save_model(folder, calibrated)
    config = json.loads((folder / "config.json").read_text())
    (config if part is None else config[part]).update(wrong)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(MnadError):
        load_model(folder)


def test_json_that_is_nested_too_deep_is_damage(bare: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", bare)
    (tmp_path / "m" / "config.json").write_text("[" * 100_000)
    with pytest.raises(MnadError, match="is damaged"):
        load_model(tmp_path / "m")


def test_of_a_network_that_was_changed_the_weights_are_there(bare: Model, tmp_path: Path) -> None:
    """Who compiled it, or added a layer, was told to copy the folder again."""
    compiled = torch.compile(build_network(bare.config), backend="eager")
    save_model(tmp_path / "m", replace(bare, network=compiled))
    with pytest.raises(MnadError, match=r"shapes, _orig_mod\.\S+ for one; .* compiled in Python"):
        load_model(tmp_path / "m")
    weights = load_tensors(tmp_path / "m/model.safetensors")
    torch.compile(build_network(bare.config), backend="eager").load_state_dict(weights)


def test_weights_that_are_no_numbers_are_refused(bare: Model, tmp_path: Path) -> None:
    """By them every score would be NaN, and nothing ever be told."""
    save_model(tmp_path / "m", bare)
    file = tmp_path / "m" / "model.safetensors"
    weights = load_file(file)
    weights["memory.items"][0, 0] = np.nan
    save_file(weights, file)
    with pytest.raises(MnadError, match="holds what is no number"):
        load_model(tmp_path / "m")


def test_a_bit_of_the_weights_that_flipped_is_noticed(bare: Model, tmp_path: Path) -> None:
    """Shapes and finite numbers stay, and every score would be another one."""
    save_model(tmp_path / "m", bare)
    file, config = tmp_path / "m" / "model.safetensors", tmp_path / "m" / "config.json"
    whole = file.read_bytes()
    for at in (len(whole) - 2, len(whole) // 2):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(MnadError, match=r"model\.safetensors is damaged.*copy the whole"):
            load_model(tmp_path / "m")
    told = json.loads(config.read_text())
    del told["sha256"]  # as a model of before: it is taken as it is
    config.write_text(json.dumps(told))
    assert load_model(tmp_path / "m").config == bare.config


def test_a_bit_of_what_is_normal_that_flipped_is_noticed(calibrated: Model, tmp_path: Path) -> None:
    """Another threshold, or other ranks, which are numbers too."""
    save_model(tmp_path / "m", calibrated)
    file = tmp_path / "m" / "normal.safetensors"
    whole = file.read_bytes()
    threshold = whole.index(b"score") + len(b'score\\": 0.')  # in the JSON within the header's
    assert chr(whole[threshold]).isdigit()
    for at in (threshold, len(whole) - 2, len(whole) // 2):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(
            MnadError, match=r"normal\.safetensors is damaged .*not what was written"
        ):
            load_model(tmp_path / "m")
    arrays = load_file(file)
    with safe_open(file, "numpy") as opened:
        told = json.loads(opened.metadata()["calibration"])
    del told["sha256"]  # as a file of before
    save_file(arrays, file, {"calibration": json.dumps(told)})
    assert load_model(tmp_path / "m").calibration is not None


def test_damaged_regions_and_missing_folders_are_named(bare: Model, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    save_model(folder, bare)
    config = json.loads((folder / "config.json").read_text())
    config["regions"]["crop"] = [0.9, 0, 0.1, 1]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(MnadError, match=r"the crop .* is empty"):
        load_model(folder)
    with pytest.raises(UsageError, match="does not exist"):
        load_model(tmp_path / "none")
    with pytest.raises(UsageError, match="is no model folder"):
        load_model(tmp_path)


def test_a_folder_of_before_an_option_existed_is_read_with_what_was_done_then(
    bare: Model, tmp_path: Path
) -> None:
    save_model(tmp_path / "m", bare)
    file = tmp_path / "m" / "config.json"
    old = json.loads(file.read_text())
    for part, names in {
        "network": ("decoder_input", "skip_maps"),
        "method": ("read_temperature", "item_learning", "update_momentum"),
    }.items():
        for name in names:
            del old[part][name]
    file.write_text(json.dumps(old))
    assert load_model(tmp_path / "m").config == bare.config
