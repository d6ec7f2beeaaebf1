"""Data sets whose labels are of whole clips or of images: each number found a second way."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import cv2
import miniatures
import numpy as np
import pytest
from footage import TINY, in_any_light
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

import mnad
from mnad import api
from mnad.cli import main
from mnad.errors import UsageError
from mnad.metrics.pro import Defect, Loco, Pro

OFFICIAL: dict[str, Any] = {**TINY, "preset": "official"}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    root = tmp_path_factory.mktemp("clips")
    home = miniatures.write_phantom(root)
    # A third normal clip that is abnormal inside and longer: scores and lengths that disagree.
    miniatures.write_video(
        home / "test/normal/20210809.mp4", miniatures.frames(20, 4, range(3, 20)), "libx264", 30
    )
    mnad.train(f"phantom:{home}", out=root / "model", **OFFICIAL)
    result = mnad.evaluate(root / "model", f"phantom:{home}", report=root / "report")
    return root, f"phantom:{home}", result


def test_clips_are_measured_by_their_pooled_raw_scores(
    phantom: tuple[Path, str, dict[str, Any]],
) -> None:
    result = phantom[2]
    assert result["kind"] == "clips"
    assert (result["clips"], result["abnormal_clips"]) == (5, 2)
    assert result["protocol"]["memory"]["policy"] == "reset"
    detail = result["frames_detail"]
    truth = {name: int(not name.startswith("normal/")) for name in detail}
    assert {name: clip["label"] for name, clip in result["clip_scores"].items()} == truth
    pools: dict[str, Any] = {
        "mean": np.mean,
        "max": np.max,
        "top_5_percent": lambda x: np.mean(sorted(x)[-int(np.ceil(len(x) / 20)) :]),
    }
    keys = {"combined": "score", "psnr": "psnr", "distance": "distance", "peak": "peak"}
    for part, key in {**keys, "camera": "camera"}.items():
        for name, pool in pools.items():
            sign = -1 if part == "psnr" else 1
            scores = {clip: pool(sign * np.array(d[key])) for clip, d in detail.items()}
            assert result["video_auc"][part][name] == pytest.approx(
                roc_auc_score(list(truth.values()), list(scores.values()))
            )
            for clip, score in scores.items():
                assert result["clip_scores"][clip][part][name] == pytest.approx(score)
    lengths = [len(d["index"]) for d in detail.values()]
    assert result["length_auc"] == roc_auc_score(list(truth.values()), lengths) != 0.5
    assert not {"auc", "macro", "damage"} & set(result)
    assert all(d["per_clip"] is None and d["whole_set"] is None for d in detail.values())


def test_the_text_the_page_and_the_table_of_clips(
    phantom: tuple[Path, str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, spec, result = phantom
    assert main(["evaluate", str(root / "model"), spec]) == 0
    text = capsys.readouterr().out
    auc = result["video_auc"]["combined"]
    cells = [f"{auc[name]:.4f}" for name in ("mean", "max", "top_5_percent")]
    assert ["combined", *cells] in [line.split() for line in text.splitlines()]
    assert f"{result['length_auc']:.4f}" in text and "never scaled by clip" in text
    html = (root / "report/evaluation.html").read_text()
    assert "<tr><td>combined</td>" + "".join(f"<td>{c}</td>" for c in cells) in html
    assert html.count("<circle") == 5 and not re.search(r'(src|href)="https?:', html)
    with (root / "report/clips.csv").open() as file:
        rows = {row["clip"]: row for row in csv.DictReader(file)}
    assert float(rows["motion/20210802"]["psnr_max"]) == pytest.approx(
        -min(result["frames_detail"]["motion/20210802"]["psnr"])
    )
    assert len((root / "report/frames.csv").read_text().splitlines()) == 1 + 4 * 8 + 16


def test_what_makes_no_sense_of_clips_is_refused(
    phantom: tuple[Path, str, dict[str, Any]], tmp_path: Path
) -> None:
    root, spec, _ = phantom
    with pytest.raises(UsageError, match="has no pixel masks"):
        mnad.evaluate(root / "model", spec, pixels=True)
    with pytest.raises(UsageError, match="no curve to plot"):
        mnad.evaluate(root / "model", spec, plot=tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"labels of clips; an ablation"):
        api.ablate(spec, out=tmp_path / "ablation")


def errors_of(model: Path, folder: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """The squared error of each image of a folder, brought to `size` (columns, rows)."""
    detector = in_any_light(model)
    found = []
    for file in sorted(folder.glob("*.png")):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        scored = detector.stream().push(image.astype(np.uint8))
        assert scored is not None
        found.append(cv2.resize(scored.error, size, interpolation=cv2.INTER_LINEAR))
    return found


def test_mvtec_ad(tmp_path: Path) -> None:
    home = miniatures.write_mvtec(tmp_path)
    mnad.train(f"mvtec:{home}", out=tmp_path / "m", task="reconstruction", **OFFICIAL)
    result = mnad.evaluate(tmp_path / "m", f"mvtec:{home}", report=tmp_path / "report")
    maps = {
        folder.name: errors_of(tmp_path / "m", folder, (36, 24))
        for folder in (home / "test").iterdir()
    }
    mask, nothing = miniatures.mask(), np.zeros(miniatures.SIZE)
    pairs = [
        (found, nothing if name == "good" else mask) for name, own in maps.items() for found in own
    ]
    highest = {name: [float(found.max()) for found in own] for name, own in maps.items()}
    assert set(result["controls"]) == {"constant", "random", "mean_intensity"}
    bright = {
        folder.name: [
            float(cv2.resize(cv2.imread(str(file), 0), (32, 32)).mean())
            for file in sorted(folder.glob("*.png"))
        ]
        for folder in (home / "test").iterdir()
    }
    others = [value for name, own in bright.items() if name != "good" for value in own]
    truth = [0] * len(bright["good"]) + [1] * len(others)
    assert result["controls"]["constant"]["all"] == 0.5
    assert result["controls"]["mean_intensity"]["all"] == pytest.approx(
        roc_auc_score(truth, bright["good"] + others)
    )
    aurocs = result["image_auroc"]["highest_error"]
    defects = ("broken_large", "contamination")
    for name in defects:
        scores = highest["good"] + highest[name]
        assert aurocs[name] == pytest.approx(roc_auc_score([0] * 4 + [1] * 3, scores))
    scores = highest["good"] + highest[defects[0]] + highest[defects[1]]
    assert aurocs["all"] == pytest.approx(roc_auc_score([0] * 4 + [1] * 6, scores))
    found = result["localisation"]["maps"]
    assert set(found) == {"error"}
    values, truth = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    assert found["error"]["pixel_auroc"] == pytest.approx(roc_auc_score(truth, values), abs=1e-6)
    pro = Pro()
    for pair in pairs:
        pro.add(*pair)
    assert found["error"]["au_pro"]["0.3"] == pytest.approx(pro.area(0.3).value)
    assert found["error"]["regions"] == 6 * label(mask)[1]
    assert result["protocol"]["memory"]["policy"] == "frozen"
    assert "bilinearly to the size of the mask" in result["localisation"]["protocol"]["resized"]
    html = (tmp_path / "report/evaluation.html").read_text()
    assert f"<td>{aurocs['contamination']:.4f}</td>" in html and "bilinearly" in html
    with (tmp_path / "report/frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    scores = [float(row["highest_error"]) for row in rows]
    assert aurocs["all"] == roc_auc_score([int(row["label"]) for row in rows], scores)


def test_mvtec_loco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = miniatures.write_loco(tmp_path)
    mnad.train(f"loco:{home}", out=tmp_path / "m", task="reconstruction", **OFFICIAL)
    file = tmp_path / "o.json"
    code = main(["evaluate", str(tmp_path / "m"), f"loco:{home}", "--pixels", "--json", str(file)])
    assert code == 0
    result = json.loads(file.read_text())
    loco, mask = Loco(), miniatures.mask()
    second = np.zeros(miniatures.SIZE)
    second[2:4, 0:5] = 1
    for folder in (home / "test").iterdir():
        kind = folder.name.removesuffix("_anomalies")
        for image, found in enumerate(errors_of(tmp_path / "m", folder, (36, 24))):
            defects = []
            if kind == "logical":
                defects = [Defect(mask, 30, False)]
                defects += [Defect(second, 0.5, True)] if image == 1 else []
            elif kind == "structural":
                defects = [Defect(mask, 0.5, True)]
            loco.add(found, kind, defects)
    expected = loco.value()
    aurocs = result["image_auroc"]["highest_error"]
    assert aurocs["mean"] == pytest.approx(expected.image_auroc["mean"])
    assert aurocs["logical_anomalies"] == pytest.approx(expected.image_auroc["logical"])
    spro = result["localisation"]["maps"]["error"]["au_spro"]
    for limit, values in expected.au_spro.items():
        assert spro[f"{limit:g}"] == pytest.approx(values)
    assert set(result["localisation"]["maps"]) == {"error", "heat"}
    text = capsys.readouterr().out
    row = [f"{expected.au_spro[limit]['mean']:.4f}" for limit in (0.01, 0.05, 0.1, 0.3, 1.0)]
    assert ["error,", "mean", *row] in [line.split() for line in text.splitlines()]


def test_an_image_without_a_mask_counts_as_an_image_only(tmp_path: Path) -> None:
    home = miniatures.write_mvtec(tmp_path)
    mnad.train(f"mvtec:{home}", out=tmp_path / "m", task="reconstruction", **OFFICIAL)
    whole = mnad.evaluate(tmp_path / "m", f"mvtec:{home}")
    (home / "ground_truth/contamination/001_mask.png").unlink()
    result = mnad.evaluate(tmp_path / "m", f"mvtec:{home}")
    assert result["localisation"]["left_out_images"] == 1
    assert result["localisation"]["images"] == 9 == whole["localisation"]["images"] - 1
    assert result["localisation"]["maps"]["error"]["regions"] == 5
    assert result["image_auroc"]["psnr"] == whole["image_auroc"]["psnr"]
