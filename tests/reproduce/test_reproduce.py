"""`mnad reproduce` trains on and evaluates each data set of the field in miniature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import miniatures
import pytest
import yaml
from footage import TINY

import mnad
from mnad import api
from mnad.cli import main
from mnad.config import Preset, Task
from mnad.datasets import Dataset
from mnad.datasets.known import classes_of
from mnad.errors import MnadError, UsageError
from mnad.reproduce.published import Name, publication, published_setting
from mnad.reproduce.summary import reproduction_text

OPTIONS: dict[str, Any] = {**TINY, "device": "cpu"}
WORDS = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]

CASES: dict[Name, tuple[Any, list[str], str]] = {
    "ped2": (miniatures.write_ped2, ["ped2"], "frame AUC, per clip"),
    "avenue": (miniatures.write_avenue, ["avenue"], "frame AUC, per clip"),
    "shanghaitech": (miniatures.write_shanghaitech, ["shanghaitech"], "frame AUC, per clip"),
    "mvtec": (miniatures.write_mvtec, ["bottle"], "AU-PRO 0.3"),
    "loco": (miniatures.write_loco, ["pushpins"], "AU-sPRO 0.05"),
    "phantom": (miniatures.write_phantom, ["pendulum"], "combined, mean"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_data_set_from_end_to_end(
    name: Name, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write, classes, key = CASES[name]
    home = write(tmp_path / "data")
    out = tmp_path / "out"
    assert main(["reproduce", name, str(home), "--out", str(out), *WORDS]) == 0
    result = json.loads((out / "reproduce.json").read_text())
    assert list(result["classes"]) == classes and result["failed"] == {}
    # The numbers are those of an evaluation of that model.
    spec = f"{name}:{home}"
    again = mnad.evaluate(out / classes[0] / "model", spec, device="cpu")
    ours = {
        "frames": lambda: again["auc"]["per_clip_minmax_micro"],
        "clips": lambda: again["video_auc"]["combined"]["mean"],
        "images": lambda: (
            again["localisation"]["maps"]["error"]["au_pro"]["0.3"]
            if name == "mvtec"
            else again["localisation"]["maps"]["error"]["au_spro"]["0.05"]["mean"]
        ),
    }[again["kind"]]()
    assert result["ours"][key] == result["classes"][classes[0]]["numbers"][key] == ours
    assert not result["like_with_like"]
    assert result["overrides"]["width"] == [1.0, 0.05] and "seed" not in result["overrides"]
    text = capsys.readouterr().out
    assert text.strip() == reproduction_text(result).strip()
    figures = result["published"]["figures"]
    if name == "mvtec":
        assert figures == {} and "No number of this method is published" in text
        assert "Ours is over 1 of the 15 classes of the data set." in text
    else:
        row = next(line for line in text.splitlines() if line.startswith(key))
        assert row.endswith(f"{figures[key]['value']:.3f}") and f"{ours:.4f}" in row
        assert "Not like with like:" in text and "published:" in text
    assert (out / classes[0] / "report" / "evaluation.html").exists()


def test_several_classes_one_of_which_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others go on, the average is theirs; started again, only what is missing is done."""
    home = miniatures.write_phantom(tmp_path / "data")
    second = home.with_name("candle")
    for part, seed in (("train/normal", 3), ("test/normal", 4), ("test/anomalous", 5)):
        black = range(12) if part == "test/anomalous" else ()
        miniatures.write_video(
            second / part / "1.mp4", miniatures.frames(12, seed, black), "libx264", 30
        )
    broken = home.with_name("window") / "train" / "normal"
    broken.mkdir(parents=True)
    (broken / "1.mp4").write_bytes(b"none")
    command = ["reproduce", "phantom", str(home.parent), "--out", str(tmp_path / "out"), *WORDS]
    assert main(command) == 1
    said = capsys.readouterr()
    result = json.loads((tmp_path / "out/reproduce.json").read_text())
    assert list(result["classes"]) == ["candle", "pendulum"] and set(result["failed"]) == {"window"}
    assert "mnad: window: " in said.err and "average of 2 of 6 classes" in said.out
    assert "Ours is over 2 of the 6 classes that were published." in result["differs"]
    for key, value in result["ours"].items():
        each = [one["numbers"][key] for one in result["classes"].values()]
        assert value == pytest.approx(sum(each) / 2)
    models = {file: file.stat().st_mtime_ns for file in tmp_path.glob("out/*/model/*")}
    tests = {file: file.read_text() for file in tmp_path.glob("out/*/evaluation.json")}
    assert len(tests) == 2
    (tmp_path / "out/candle/evaluation.json").unlink()
    (broken / "1.mp4").unlink()
    for part in ("train/normal", "test/normal", "test/anomalous"):
        window = home.with_name("window") / part / "2.mp4"
        miniatures.write_video(window, miniatures.frames(12, 8), "libx264", 30)
    assert main(command) == 0
    assert {f: f.stat().st_mtime_ns for f in models} == models
    assert (tmp_path / "out/candle/evaluation.json").read_text() == next(
        text for file, text in tests.items() if file.parent.name == "candle"
    )
    result = json.loads((tmp_path / "out/reproduce.json").read_text())
    assert list(result["classes"]) == ["candle", "pendulum", "window"] and not result["failed"]


def test_something_something_class_by_class(tmp_path: Path) -> None:
    home = miniatures.write_ssv2(tmp_path / "data")
    result = api.reproduce(
        "ssv2", home, out=tmp_path / "out", classes="closing, rolling", **OPTIONS
    )
    assert list(result["classes"]) == ["closing", "rolling"]
    aucs = [one["numbers"]["combined, mean"] for one in result["classes"].values()]
    # What is abnormal for the one is what is normal for the other.
    assert sorted(aucs) == [0, 1] and result["ours"]["combined, mean"] == 0.5
    assert "the other nine classes are the anomalies is our reading" in " ".join(result["differs"])


def test_nothing_overridden_and_nothing_missing_is_like_with_like(tmp_path: Path) -> None:
    """The words for a complete copy in the published setting, which takes hours to train."""
    from dataclasses import asdict

    from mnad.reproduce.run import Reproduction

    setting = published_setting("ped2", "prediction", "official")
    told = publication("ped2", "prediction")
    work = Reproduction("ped2", tmp_path, tmp_path / "o", setting, setting, 0, False, told)
    data = Dataset("ped2", tmp_path, (), (), "x")
    evaluation = {
        "kind": "frames",
        "frames_detail": {},
        "auc": {"per_clip_minmax_micro": 0.96, "causal_micro": 0.9, "macro": None},
        "parts": {key: {"per_clip_minmax_micro": 0.9} for key in ("psnr", "distance")},
        "controls": {"squared_difference": {"per_clip_minmax_micro": 0.9}},
        "protocol": {
            "warnings": [],
            "labels_sha256": "",
            "weights_sha256": "",
            "lambda": 0.6,
            "memory": {"policy": "carried"},
            "label_source": "x",
            "versions": {},
            "device": "cpu",
        },
        "failed": {},
    }

    def evaluated(model: Path, spec: str, into: Path) -> None:
        (into / "evaluation.json").write_text(json.dumps(evaluation))

    result = work.run({"ped2": "x"}, lambda _: data, lambda *_: None, evaluated)
    assert result["like_with_like"] and result["differs"] == [] and result["overrides"] == {}
    text = reproduction_text(result)
    assert "Like with like: the published setting and protocol" in text
    assert "0.9600      0.970" in text and asdict(setting)["epochs"] == 60
    evaluation["protocol"]["warnings"] = ["ped2 has 11 test clips here."]  # type: ignore[index]
    (tmp_path / "o/ped2/evaluation.json").unlink()
    evaluated_into = tmp_path / "o/ped2"
    (evaluated_into / "evaluation.json").write_text(json.dumps(evaluation))
    result = work.run({"ped2": "x"}, lambda _: data, lambda *_: None, evaluated)
    assert not result["like_with_like"] and "ped2 has 11 test clips here." in result["differs"][0]


@pytest.mark.parametrize(
    ("preset", "rate", "differs"),
    [
        (
            "official",
            None,
            [
                "learning rate is 0.0002, the published one is 2e-05.",
                "That learning rate is the one that the public code trains at.",
            ],
        ),
        ("official", 2e-5, []),
        ("official", 1e-3, ["learning rate is 0.001, the published one is 2e-05."]),
        ("paper", None, []),
        ("paper", 2e-4, ["learning rate is 0.0002, the published one is 2e-05."]),
    ],
)
def test_the_papers_learning_rate_of_the_reconstruction(
    tmp_path: Path, preset: Preset, rate: float | None, differs: list[str]
) -> None:
    """The public code's command trains it at ten times the published one."""
    from dataclasses import replace

    from mnad.reproduce.run import Reproduction

    usual = published_setting("ped2", "reconstruction", preset)
    setting = usual if rate is None else replace(usual, learning_rate=rate)
    told = publication("ped2", "reconstruction")
    work = Reproduction("ped2", tmp_path, tmp_path, setting, usual, 0, False, told)
    assert work._differs({"ped2": {"protocol": {"warnings": []}, "failed": {}}}) == differs


def test_another_setting_takes_another_folder(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path / "data")
    api.reproduce("ped2", home, out=tmp_path / "out", **OPTIONS)
    with pytest.raises(UsageError, match=r"another setting \(seed 0, not 1; items 10, not 5\)"):
        api.reproduce("ped2", home, out=tmp_path / "out", seed=1, items=5, **OPTIONS)


def test_other_labels_are_measured_anew_and_other_training_clips_are_refused(
    tmp_path: Path,
) -> None:
    home = miniatures.write_ped2(tmp_path / "data")
    out = tmp_path / "out"
    before = api.reproduce("ped2", home, out=out, **OPTIONS)
    weights = (out / "ped2/model/model.safetensors").stat().st_mtime_ns
    ranges = next(home.rglob("UCSDped2.m"))
    ranges.write_text(ranges.read_text().replace("[5:9]", "[6:10]"))
    after = api.reproduce("ped2", home, out=out, **OPTIONS)
    assert (out / "ped2/model/model.safetensors").stat().st_mtime_ns == weights
    fresh = mnad.evaluate(out / "ped2/model", f"ped2:{home}", device="cpu")
    assert after["ours"]["frame AUC, causal"] == fresh["auc"]["causal_micro"]
    assert after["classes"]["ped2"]["labels_sha256"] == fresh["protocol"]["labels_sha256"]
    assert before["classes"]["ped2"]["labels_sha256"] != fresh["protocol"]["labels_sha256"]
    first = next(home.rglob("Train001"))
    shutil.copytree(first, first.with_name("Train009"))
    with pytest.raises(UsageError, match="was trained on other clips"):
        api.reproduce("ped2", home, out=out, **OPTIONS)


def test_pixels_stand_in_the_summary(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path / "data")
    result = api.reproduce("ped2", home, out=tmp_path / "out", pixels=True, **OPTIONS)
    evaluation = json.loads((tmp_path / "out/ped2/evaluation.json").read_text())
    for name in ("error", "heat"):
        found = evaluation["pixels"]["maps"][name]
        assert result["ours"][f"pixel AUROC, {name}"] == found["pixel_auroc"]["auroc"]
        assert result["ours"][f"TBDC, {name}"] == found["regions"]["tbdc"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ped2", "DATA", "--preset", "camera"], 2, "nothing was published"),
        (
            ["phantom", "DATA", "--classes", "magnets"],
            2,
            "has no class magnets: choose of pendulum",
        ),
        (["phantom", "nowhere"], 1, "is not a folder"),
        (["phantom", "DATA", "--height", "30"], 2, "height is 30; use a multiple of 8"),
        (["mvtec", "DATA", "--task", "prediction"], 1, "neither train/good nor test/good"),
    ],
)
def test_what_cannot_be(
    words: list[str], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = miniatures.write_phantom(tmp_path / "data")
    words = [str(home) if word == "DATA" else word for word in words]
    assert main(["reproduce", *words, "--out", str(tmp_path / "out")]) == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "restore the label files that ped2 comes with"),
        (["--pixels"], "has no pixel masks: leave out --pixels."),
    ],
)
def test_what_cannot_be_measured_is_not_trained_for(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = miniatures.write_repackaged(tmp_path / "data", "ped2")
    if not words:
        (home / "ped2.mat").unlink()
    command = ["reproduce", "ped2", str(home), "--out", str(tmp_path / "out"), *WORDS, *words]
    assert main(command) != 0
    assert says in (said := capsys.readouterr().err) and "NAME.csv" not in said
    assert not (tmp_path / "out").exists()


def test_no_class_is_trained_for_that_cannot_be_measured(tmp_path: Path) -> None:
    import shutil

    home = miniatures.write_phantom(tmp_path / "data")
    shutil.copytree(home, home.with_name("candle"))
    with pytest.raises(MnadError, match=r"no class .* came through.* has no pixel masks"):
        api.reproduce("phantom", home.parent, out=tmp_path / "out", pixels=True, **OPTIONS)
    assert not list((tmp_path / "out").glob("*/model"))


def test_where_there_is_no_data_no_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "avenue", "/nowhere"]) == 1
    assert "/nowhere" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_ped1_is_not_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reproduce", "ped1", str(tmp_path)])
    assert "ped1" in capsys.readouterr().err


def test_the_published_settings_are_the_recipes() -> None:
    recipes = Path(__file__).parents[2] / "recipes"
    names: tuple[Name, ...] = ("ped2", "avenue", "shanghaitech")
    presets: tuple[Preset, ...] = ("official", "paper")
    tasks: tuple[Task, ...] = ("prediction", "reconstruction")
    for name in names:
        for preset in presets:
            for task in tasks:
                said = yaml.safe_load((recipes / f"{name}-{preset}-{task}.yaml").read_text())
                setting = published_setting(name, task, preset)
                assert {key: getattr(setting, key) for key in said} == said
                rate = 2e-5 if (preset, task) == ("paper", "reconstruction") else 2e-4
                assert setting.learning_rate == rate and setting.policy == "carried"


def test_published_numbers() -> None:
    """As method papers and boards list them."""
    cases: tuple[tuple[Name, Task], ...] = (
        ("ped2", "prediction"),
        ("avenue", "reconstruction"),
        ("phantom", "prediction"),
        ("ssv2", "prediction"),
        ("loco", "reconstruction"),
    )
    found = {
        case: {key: one.value for key, one in publication(*case).figures.items()} for case in cases
    }
    assert found["ped2", "prediction"] == {"frame AUC, per clip": 0.970}
    assert found["avenue", "reconstruction"] == {"frame AUC, per clip": 0.828}
    assert found["phantom", "prediction"] == {"combined, mean": 0.55}
    assert found["ssv2", "prediction"] == {"combined, mean": 0.52}
    loco = found["loco", "reconstruction"]
    assert list(loco.values()) == [0.600, 0.702, 0.651, 0.339]
    assert loco["image AUROC, mean"] == pytest.approx((0.600 + 0.702) / 2)


def test_classes_are_found_where_they_lie(tmp_path: Path) -> None:
    home = miniatures.write_loco(tmp_path)
    for path in (home, home.parent, tmp_path):
        assert classes_of("loco", path) == {"pushpins": f"loco:{home}"}
    assert len(classes_of("ssv2", tmp_path)) == 10
    assert classes_of("ped2", tmp_path) == {"ped2": f"ped2:{tmp_path}"}
    with pytest.raises(MnadError, match="give the folder of mvtec that has"):
        classes_of("mvtec", tmp_path)
