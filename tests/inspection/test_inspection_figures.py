"""`mnad figures` on tiny models: the files, and numbers found a second way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from footage import moving_square
from sklearn.metrics import roc_auc_score

import mnad
from mnad.api import figures
from mnad.cli import main
from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.datasets import open_dataset
from mnad.evaluation.memory_use import measure_memory
from mnad.inspection.queries import sample_queries
from mnad.models.folder import Model, build_network, load_model, save_model

FILES = {"features.png", "probabilities.png", "items.png", "abnormal.png", "figures.json"}


def untrained(
    folder: Path, seed: int = 0, method: MethodConfig | None = None, **network: object
) -> Path:
    torch.manual_seed(seed)
    size = NetworkConfig(
        **{"channels": 1, "width": 0.05, "height": 32, "image_width": 32, **network}
    )  # type: ignore[arg-type]
    config = ModelConfig(size, method or MethodConfig())
    save_model(folder, Model(config, build_network(config)))
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inspection")
    parts = {"training/a": 0, "testing/c": 8, "testing/d": 0}
    for seed, (part, abnormal) in enumerate(parts.items()):
        folder = root / part
        folder.mkdir(parents=True)
        clip = moving_square(14, seed=seed)
        if abnormal:
            clip[abnormal:, 20:30, 4:14] = 0
        for t, frame in enumerate(clip):
            cv2.imwrite(str(folder / f"{t}.png"), frame)
        if part.startswith("testing"):
            label = (np.arange(14) >= abnormal).astype(np.uint8) * bool(abnormal)
            np.save(folder.with_suffix(".npy"), label)
    return root


def test_two_models_side_by_side(scene: Path, tmp_path: Path) -> None:
    first, second = untrained(tmp_path / "one"), untrained(tmp_path / "two", 1, items=3)
    facts = figures(first, str(scene), out=tmp_path / "out", against=second, queries=100, seed=5)
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES
    assert json.loads((tmp_path / "out" / "figures.json").read_text()) == facts
    assert set(facts["figures"]) == FILES - {"figures.json"}
    assert "100 queries of 10 frames (one)" in facts["figures"]["features.png"]
    for caption in facts["figures"].values():
        assert "one" in caption and "two" in caption
    assert [len(one["memory"]["usage"]) for one in facts["models"].values()] == [10, 3]
    # The distance alone, by the memory as trained, as an evaluation measures it.
    result = mnad.evaluate(first, str(scene), policy="frozen")
    auc = facts["models"]["one"]["auc"]
    assert auc["distance"] == pytest.approx(result["parts"]["distance"])
    detail = result["frames_detail"]["c"]
    label = [*detail["label"], *result["frames_detail"]["d"]["label"]]
    distance = [*detail["distance"], *result["frames_detail"]["d"]["distance"]]
    assert auc["distance"]["causal_micro"] == pytest.approx(roc_auc_score(label, distance))
    # Of the clips only c has abnormal frames; the frame is where the paper's score is highest.
    assert facts["models"]["one"]["scenes"] == [
        ["c", detail["index"][int(np.argmax(detail["per_clip"]))]]
    ]


def test_two_models_show_frames_that_both_have_scored(scene: Path, tmp_path: Path) -> None:
    """The first one has scored frames 0 to 13, the other one, of longer windows, 10 to 13."""
    first = untrained(tmp_path / "one", task="reconstruction", frames_in=1)
    second = untrained(tmp_path / "two", frames_in=10)
    told = mnad.evaluate(first, str(scene), policy="frozen")["frames_detail"]["c"]
    best = max(range(14), key=lambda n: told["per_clip"][n])
    assert best < 10  # else this would prove nothing
    shared = max(range(10, 14), key=lambda n: told["per_clip"][n])
    options = {"queries": 20, "footage": "test"}
    alone = figures(first, str(scene), out=tmp_path / "alone", **options)  # type: ignore[arg-type]
    assert alone["models"]["one"]["scenes"] == [["c", best]]
    out = tmp_path / "out"
    facts = figures(first, str(scene), out=out, against=second, **options)  # type: ignore[arg-type]
    assert facts["models"]["one"]["scenes"] == [["c", shared]]
    assert {file.name for file in out.iterdir()} == FILES


def test_the_read_is_told_at_the_models_own_temperature(scene: Path, tmp_path: Path) -> None:
    """As `mnad ablate` tells it; by the cosines alone ten items are read evenly."""
    one = untrained(tmp_path / "one")
    sharp = untrained(tmp_path / "sharp", method=MethodConfig(read_temperature=0.01))
    facts = figures(one, str(scene), out=tmp_path / "out", against=sharp, queries=100, seed=5)
    told = {name: model["memory"] for name, model in facts["models"].items()}
    assert told["one"]["largest_possible"] == pytest.approx(np.e**2 / (np.e**2 + 9))
    assert told["sharp"]["largest_possible"] == pytest.approx(1)
    dataset = open_dataset(str(scene))
    dataset = replace(dataset, test=dataset.train)
    for name, path in (("one", one), ("sharp", sharp)):
        known = measure_memory(load_model(path), dataset)
        assert told[name]["largest_weight"] == pytest.approx(known["read_sharpness"], abs=0.1)
        assert told[name]["entropy"] == pytest.approx(known["read_entropy"], abs=0.1)
    assert told["sharp"]["largest_weight"] > 0.6 > 0.2 > told["one"]["largest_weight"]


def test_queries_are_those_of_the_network_and_of_normal_frames(scene: Path, tmp_path: Path) -> None:
    model = load_model(untrained(tmp_path / "m"))
    dataset = open_dataset(str(scene))
    runtime = model.torch_runtime
    got = sample_queries(model, dataset, runtime, "test", 50, 3)
    assert got.queries.shape == (50, model.config.network.stages[-1])
    # Clip c: frames 4 to 7 are normal and scored; clip d: 4 to 13.
    assert got.frames == 4 + 10
    np.testing.assert_allclose(np.linalg.norm(got.queries, axis=1), 1, atol=1e-5)
    every = []
    for clip, last in (("c", 7), ("d", 13)):
        folder = scene / "testing" / clip
        frames = [
            cv2.imread(str(folder / f"{t}.png"), cv2.IMREAD_GRAYSCALE)[..., None]
            for t in range(last + 1)
        ]
        for t in range(4, last + 1):
            window = torch.from_numpy(np.stack(frames[t - 4 : t + 1]))[None]
            every.append(runtime.score(window)[0][0].numpy())
    known = np.concatenate(every)
    near = np.abs(got.queries[:, None] - known[None]).max(axis=-1).min(axis=1)
    assert near.max() < 1e-5
    again = sample_queries(model, dataset, runtime, "test", 50, 3)
    np.testing.assert_array_equal(again.queries, got.queries)
    few = sample_queries(model, dataset, runtime, "training", 5, 0)
    assert few.queries.shape[0] == few.frames == 5


def test_without_memory_labels_or_test_clips(scene: Path, tmp_path: Path) -> None:
    plain = untrained(tmp_path / "plain", memory=False)
    facts = figures(plain, str(scene), out=tmp_path / "a")
    assert set(facts["figures"]) == {"abnormal.png"}
    assert facts["models"]["plain"]["memory"] is None
    assert set(facts["models"]["plain"]["auc"]) == {"psnr"}

    unlabelled = shutil.copytree(scene, tmp_path / "unlabelled")
    for file in unlabelled.glob("testing/*.npy"):
        file.unlink()
    shutil.rmtree(unlabelled / "testing" / "d")
    model = untrained(tmp_path / "m")
    facts = figures(model, str(unlabelled), out=tmp_path / "b", queries=30)
    assert facts["models"]["m"]["auc"] is None and "abnormal.png" in facts["figures"]

    shutil.rmtree(unlabelled / "testing")
    facts = figures(model, str(unlabelled), out=tmp_path / "c", queries=30)
    assert "abnormal.png" not in facts["figures"] and "features.png" in facts["figures"]


def test_of_normal_test_clips_alone_there_is_no_figure_of_the_abnormal(
    scene: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    normal = shutil.copytree(scene, tmp_path / "normal")
    shutil.rmtree(normal / "testing" / "c")
    (normal / "testing" / "c.npy").unlink()
    model, out = str(untrained(tmp_path / "m")), tmp_path / "out"
    assert main(["figures", model, str(normal), "--out", str(out), "--queries", "30"]) == 0
    assert {file.name for file in out.iterdir()} == FILES - {"abnormal.png"}
    assert "no test clip of normal has an abnormal frame" in caplog.text
    assert "features.png: As Fig. 1" in capsys.readouterr().out


def test_no_figure_of_an_earlier_run_lies_beside_those_of_another_model(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, plain = tmp_path / "out", untrained(tmp_path / "plain", memory=False)
    figures(untrained(tmp_path / "m"), str(scene), out=out, queries=30)
    (out / "mine.txt").touch()
    figures(plain, str(scene), out=out)
    assert {file.name for file in out.iterdir()} == {"abnormal.png", "figures.json", "mine.txt"}

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mnad.reports.memory_plots.abnormal_plot", stopped)
    with pytest.raises(KeyboardInterrupt):  # and no numbers of other figures either
        figures(plain, str(scene), out=out)
    assert [file.name for file in out.iterdir()] == ["mine.txt"]


def test_what_cannot_be_drawn_is_said(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(untrained(tmp_path / "m"))
    assert main(["figures", model, "ped2:/nowhere", "--out", str(tmp_path / "o")]) == 1
    assert "/nowhere is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
    assert main(["figures", model, str(scene), "--out", str(tmp_path / "o"), "--queries", "0"]) == 2
    assert "queries is 0" in capsys.readouterr().err
    assert main(["figures", model, str(scene), "--out", str(tmp_path / "o"), "--scenes", "0"]) == 2
    assert "scenes is 0" in capsys.readouterr().err
    assert (
        main(["figures", model, str(scene), "--out", str(tmp_path / "o"), "--queries", "40"]) == 0
    )
    said = capsys.readouterr().out
    assert "mean entropy / log M" in said and "frame AUC of distance alone" in said
