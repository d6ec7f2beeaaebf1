"""`mnad evaluate` on labelled clips: the fixed JSON keys, and numbers found a second way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from footage import TINY, smoothed_slowly
from sklearn.metrics import roc_auc_score

import mnad
from mnad.cli import main
from mnad.commands.train import MethodOptions
from mnad.datasets import open_dataset
from mnad.evaluation.text import report_text

FOUR = {"per_clip_minmax_micro", "whole_set_minmax_micro", "causal_micro", "macro"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"json": "none/o.json"}, r"none/o\.json cannot be written"),
        ({"json": "."}, "cannot be written"),
        ({"plot": "none/o.png"}, r"none/o\.png cannot be written"),
        ({"plot": "o.pdf"}, r"o\.pdf: plots are written as \.png or \.svg"),
        ({"report": "file/report"}, "cannot be a folder for results"),
    ],
)
def test_where_the_results_go_is_looked_at_before_anything_is_measured(
    tmp_path: Path, given: dict[str, str], sentence: str
) -> None:
    (tmp_path / "file").touch()
    places = {name: tmp_path / place for name, place in given.items()}
    with pytest.raises(mnad.UsageError, match=sentence):
        mnad.evaluate("no-model", "no-data", **places)  # type: ignore[arg-type]


def test_a_folder_that_may_not_be_written_to_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    for place in ({"json": tmp_path / "o.json"}, {"plot": tmp_path / "o.png"}):
        with pytest.raises(mnad.UsageError, match="cannot be written"):
            mnad.evaluate("no-model", "no-data", **place)
    with pytest.raises(mnad.UsageError, match=r"cannot be a folder for results \(Permission"):
        mnad.evaluate("no-model", "no-data", report=tmp_path)


def test_one_part_alone_is_not_said_to_be_ranked(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """It stands in the causal column in its own unit: the PSNR in decibels, its sign turned."""
    model, data = trained
    result = mnad.evaluate(model, str(data), lambda_score=1.0, report=tmp_path)
    for one in result["frames_detail"].values():
        assert one["score"] == [-psnr for psnr in one["psnr"]]
    page = (tmp_path / "evaluation.html").read_text()
    for text in (result["protocol"]["normalisation"], report_text(result), page):
        assert "one alone as it is" in " ".join(text.split())


def test_the_numbers_follow_from_the_frames(trained: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = trained
    file = tmp_path / "out.json"
    result = mnad.evaluate(model, str(data), json=file, plot=tmp_path / "curves.png")
    assert json.loads(file.read_text()) == result
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert {"dataset", "clips", "frames", "scored_frames", "abnormal_frames"} <= set(result)
    assert set(result["auc"]) == set(result["eer"]) == set(result["ap"]) == FOUR
    assert set(result["parts"]) == {"psnr", "distance", "peak", "camera"}
    assert all(set(values) == FOUR for values in result["parts"].values())
    assert (result["clips"], result["frames"], result["scored_frames"]) == (3, 48, 36)
    assert result["abnormal_frames"] == 14

    detail = result["frames_detail"]
    assert set(detail) == {"c", "d", "e"}
    one = detail["c"]
    assert one["index"] == list(range(4, 16)) and one["label"] == [0] * 5 + [1] * 7
    label = np.concatenate([d["label"] for d in detail.values()])
    causal = np.concatenate([d["score"] for d in detail.values()])
    assert result["auc"]["causal_micro"] == pytest.approx(roc_auc_score(label, causal))
    psnr = np.concatenate([d["psnr"] for d in detail.values()])
    assert result["parts"]["psnr"]["causal_micro"] == pytest.approx(roc_auc_score(label, -psnr))

    peak = np.concatenate([d["peak"] for d in detail.values()])
    assert result["parts"]["peak"]["causal_micro"] == pytest.approx(roc_auc_score(label, peak))
    camera = np.concatenate([d["camera"] for d in detail.values()])
    assert result["parts"]["camera"]["causal_micro"] == pytest.approx(roc_auc_score(label, camera))
    reference = mnad.Detector.load(model).model.reference
    assert reference is not None
    expected = smoothed_slowly(reference.score(one["peak"], one["distance"]), 25.0)
    np.testing.assert_allclose(one["camera"], expected, rtol=1e-6)

    def scaled(values: list[float]) -> np.ndarray:
        x = np.asarray(values)
        return (x - x.min()) / (x.max() - x.min())

    per_clip = np.concatenate(
        [0.6 * (1 - scaled(d["psnr"])) + 0.4 * scaled(d["distance"]) for d in detail.values()]
    )
    assert result["auc"]["per_clip_minmax_micro"] == pytest.approx(roc_auc_score(label, per_clip))
    assert result["macro"]["one_class_clips"] == ["e"]
    assert result["protocol"]["memory"]["share_of_frames_that_updated"] == pytest.approx(
        np.mean([u for d in detail.values() for u in d["updated"]])
    )
    index = np.concatenate([d["index"] for d in detail.values()])
    assert result["controls"]["frame_index"]["causal_micro"] == pytest.approx(
        roc_auc_score(label, index)
    )


def test_lockstep_and_alone_agree(trained: tuple[Path, Path]) -> None:
    model, data = trained
    alone = mnad.evaluate(model, str(data), policy="reset")
    together = mnad.evaluate(model, str(data), policy="reset", streams=3)
    for name, clip in alone["frames_detail"].items():
        np.testing.assert_allclose(together["frames_detail"][name]["psnr"], clip["psnr"], rtol=1e-4)
        np.testing.assert_allclose(
            together["frames_detail"][name]["distance"], clip["distance"], rtol=1e-4
        )


def test_the_causal_score_does_not_look_ahead(trained: tuple[Path, Path]) -> None:
    """Frames given one by one, with nothing after them known, get the very same camera score."""
    import cv2

    model, data = trained
    result = mnad.evaluate(model, str(data), policy="frozen")
    stream = mnad.Detector.load(model).stream()
    live = []
    for t in range(10):
        image = cv2.imread(str(data / "testing" / "c" / f"{t}.png"), cv2.IMREAD_GRAYSCALE)
        scored = stream.push(image)
        live += [scored.score] if scored else []
    np.testing.assert_allclose(live, result["frames_detail"]["c"]["camera"][:6], rtol=1e-4)


def test_a_clip_that_cannot_be_scored_is_named_and_the_others_go_on(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    model, data = trained
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    (broken / "testing" / "d" / "7.png").write_bytes(b"no image")
    assert main(["evaluate", str(model), str(broken), "--json", str(tmp_path / "o.json")]) == 1
    result = json.loads((tmp_path / "o.json").read_text())
    assert set(result["frames_detail"]) == {"c", "e"} and "7.png" in result["failed"]["d"]
    said = capsys.readouterr()
    assert "7.png" in said.err and "frame AUC" in said.out and "Traceback" not in said.err


def test_a_clip_that_fails_does_not_move_the_memory_of_those_after_it(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    import shutil

    model, data = trained
    changed, broken, without = tmp_path / "model", tmp_path / "broken", tmp_path / "without"
    shutil.copytree(model, changed)
    config = json.loads((changed / "config.json").read_text())
    config["method"]["gamma"] = 1e9  # every frame moves it
    (changed / "config.json").write_text(json.dumps(config))
    for folder in (broken, without):
        shutil.copytree(data, folder)
    shutil.rmtree(without / "testing" / "d")
    (broken / "testing" / "d" / "7.png").write_bytes(b"no image")
    found, expected = (mnad.evaluate(changed, str(d), policy="carried") for d in (broken, without))
    assert set(found["failed"]) == {"d"} and not expected["failed"]
    assert found["frames_detail"] == expected["frames_detail"]


def test_without_labels_it_says_how_to_give_them(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = trained
    assert main(["evaluate", str(model), str(data / "training")]) == 1
    assert "first,last" in capsys.readouterr().err


@pytest.mark.parametrize(("rate", "every"), [(25, 2), (10, 1)])
def test_what_is_trained_calibrated_and_evaluated_on_is_thinned_alike(
    tmp_path: Path, rate: int, every: int
) -> None:
    """Ped2 has 10 frames/s; as a video of 25 it is thinned to 10 wherever it is read."""
    from fractions import Fraction

    import miniatures

    from mnad.calibration.footage import normal_footage
    from mnad.config import ModelConfig, NetworkConfig
    from mnad.evaluation.clips import Intake
    from mnad.models.folder import Model, build_network
    from mnad.video.cache import load_clips

    for part in ("training", "testing"):
        pixels = miniatures.frames(20, seed=3)
        miniatures.write_video(tmp_path / "ped2" / part / "01.mp4", pixels, "libx264", rate)
    dataset = open_dataset(f"ped2:{tmp_path / 'ped2'}", labels=False)
    assert dataset.rate == 10
    network = NetworkConfig(channels=1, width=0.05, height=24, image_width=32)
    config = ModelConfig(network, rate=10.0)
    (trained,) = load_clips(
        [dataset.train[0].path], 24, 32, 1, rate=10.0, folder_rate=Fraction(dataset.rate)
    )
    taken = list(Intake(network, dataset.rate, config.rate).frames(dataset.test[0].path))
    assert [one.number for one in taken] == list(range(0, 20, every))
    assert [one.seconds for one in taken] == [number / rate for number in range(0, 20, every)]
    np.testing.assert_array_equal(trained, [one.pixels for one in taken])
    footage = normal_footage(
        Model(config, build_network(config)), [str(dataset.test[0].path)], None, None
    )
    assert len(footage.clips[0]) == len(taken)


@pytest.mark.parametrize(
    ("rate", "index", "said"),
    [
        (None, range(4, 14), "4 not scored at the start of each clip, 0 at its end"),
        (10, range(8, 14, 2), "one frame in 2 is taken; of those 4 not scored at the start of"),
    ],
)
def test_the_protocol_says_which_frames_have_no_score(
    trained: tuple[Path, Path], tmp_path: Path, rate: float | None, index: range, said: str
) -> None:
    import shutil

    shutil.copytree(trained[0], tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text()) | {"rate": rate}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    result = mnad.evaluate(tmp_path / "m", str(trained[1]))
    assert result["frames_detail"]["c"]["index"][: len(index)] == list(index)
    assert result["protocol"]["first_frames"].startswith(said)


def test_real_ped2_is_evaluated_whole(data: Path, tmp_path: Path) -> None:
    """An untrained network is enough: counts, labels and controls do not depend on it."""
    mnad.train(
        f"ped2:{data / 'ped2'}",
        out=tmp_path / "m",
        batch_size=64,
        **TINY,
    )
    result = mnad.evaluate(tmp_path / "m", f"ped2:{data / 'ped2'}")
    assert (result["clips"], result["frames"], result["scored_frames"]) == (12, 2010, 1962)
    assert result["abnormal_frames"] == 1620
    assert result["macro"]["one_class_clips"] == ["08", "09", "10", "11"]
    assert result["protocol"]["warnings"] == []
    assert result["protocol"]["published"]["auc"] == 0.97
    assert 0.7 < result["controls"]["squared_difference"]["causal_micro"] < 0.9
    assert sum(c["normal"] for c in result["macro"]["clips"].values()) == 342


def test_the_protocol_says_which_model_was_measured(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """Network, reading and regions are those of the model's own file, not a preset's name."""
    _, data = trained
    looked = {"ignore": [[[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]]}
    (tmp_path / "looked.json").write_text(json.dumps(looked))
    mnad.train(
        str(data),
        out=tmp_path / "m",
        preset="official",
        rate=30.0,
        regions=tmp_path / "looked.json",
        method=MethodOptions(reconstruction_loss="norm"),
        **{**TINY, "image_width": 40},
    )
    protocol = mnad.evaluate(tmp_path / "m", str(data))["protocol"]
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert {key: protocol[key] for key in ("network", "method", "rate", "regions")} == {
        key: config[key] for key in ("network", "method", "rate", "regions")
    }
    assert protocol["preset"] == "official" and protocol["regions"] == looked
    assert protocol["method"]["reconstruction_loss"] == "norm"
    assert (protocol["network"]["width"], protocol["network"]["image_width"]) == (0.05, 40)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, "trained on"),
        (0.0, "held out"),
        (0.25, "25 % trained on, the others held out"),
        (1.0, "trained on"),
    ],
)
def test_the_protocol_says_what_the_ranks_rest_on(
    trained: tuple[Path, Path], share: float | None, said: str
) -> None:
    from dataclasses import replace

    from footage import moving_square

    from mnad.calibration.calibrate import calibrate_model
    from mnad.evaluation.run import evaluate_model

    model = mnad.Detector.load(trained[0]).model
    if share is not None:
        clip = moving_square(60, seed=5)
        model = calibrate_model(model, [clip], ["x"], 2.0, 60.0, by_place=True, progress=False)
        assert model.calibration is not None
        model = replace(model, calibration=replace(model.calibration, trained_on=share))
    result = evaluate_model(model, open_dataset(str(trained[1])), progress=False)
    camera = result["protocol"]["camera"]
    assert camera["normal_frames"] == said and camera["by_place"] == (share is not None)
    assert f"by ranks among normal frames ({said})" in result["protocol"]["normalisation"]
    without = evaluate_model(
        replace(model, reference=None), open_dataset(str(trained[1])), progress=False
    )
    assert without["protocol"]["camera"] is None and without["auc"]["causal_micro"] is None
    assert "causal: none but of a part alone" in without["protocol"]["normalisation"]
