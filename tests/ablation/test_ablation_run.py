"""`mnad ablate` on a toy data set gives what train and evaluate give, whatever is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import miniatures
import numpy as np
import pytest
import torch
from footage import TINY, moving_square, write_own
from safetensors.torch import load_file

import mnad
from mnad import api
from mnad.ablation import run as room
from mnad.cli import main
from mnad.errors import MnadError, UsageError

OPTIONS: dict[str, Any] = {**TINY, "epochs": 2, "precision": "fp32", "device": "cpu"}
ROWS = "no-memory,official,frozen,no-gate,psnr-only,distance-only"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own(tmp_path_factory.mktemp("ablation") / "own", 140)


@pytest.fixture(scope="module")
def whole(data: Path) -> Path:
    """An ablation that nobody disturbed."""
    out = data.parent / "whole"
    api.ablate(str(data), out=out, rows=ROWS, seeds=2, **OPTIONS)
    return out


def rows_of(out: Path) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads((out / "ablation.json").read_text())["rows"]}


def by_seed(out: Path) -> dict[str, Any]:
    """All numbers of all seeds."""
    return {
        (name, what): numbers["by_seed"]
        for name, row in rows_of(out).items()
        for what, numbers in row["numbers"].items()
    }


def test_the_table_is_what_train_and_evaluate_give(whole: Path, data: Path, tmp_path: Path) -> None:
    rows = rows_of(whole)
    found = []
    for seed in (1, 2):
        model = tmp_path / f"m{seed}"
        mnad.train(str(data), out=model, preset="official", seed=seed, **OPTIONS)
        ours = load_file(whole / f"prediction-official-{seed}" / "model.safetensors")
        theirs = load_file(model / "model.safetensors")
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        found.append({p: mnad.evaluate(model, str(data), policy=p) for p in ("carried", "frozen")})
    for name, policy, part in (
        ("official", "carried", None),
        ("frozen", "frozen", None),
        ("psnr-only", "carried", "psnr"),
        ("distance-only", "carried", "distance"),
    ):
        numbers = rows[name]["numbers"]
        for ours, protocol in (
            ("auc", "per_clip_minmax_micro"),
            ("causal", "causal_micro"),
            ("macro", "macro"),
        ):
            told = [one[policy] for one in found]
            values = [(r["parts"][part] if part else r["auc"])[protocol] for r in told]
            assert list(numbers[ours]["by_seed"].values()) == pytest.approx(values)
            assert numbers[ours]["mean"] == pytest.approx(sum(values) / 2)
            assert numbers[ours]["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
            assert (numbers[ours]["min"], numbers[ours]["max"]) == (min(values), max(values))


def test_models_made_at_the_same_time_are_the_same(whole: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    api.ablate(str(data), out=out, rows=ROWS, seeds=2, jobs=2, **OPTIONS)
    assert by_seed(out).keys() == by_seed(whole).keys()
    for folder in ("prediction-official-1", "prediction-official-2", "prediction-no-memory-2"):
        weights, other = (load_file(one / folder / "model.safetensors") for one in (whole, out))
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, other[name])
    for key, values in by_seed(whole).items():
        assert by_seed(out)[key] == pytest.approx(values, abs=1e-3, nan_ok=True), key
    with pytest.raises(UsageError, match="jobs is 0"):
        api.ablate(str(data), out=out, rows=ROWS, jobs=0, **OPTIONS)


def test_how_the_data_differ_stands_beside_the_papers_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out = miniatures.write_ped2(tmp_path / "data"), tmp_path / "out"
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
    command = ["ablate", f"ped2:{home}", "--out", str(out), "--rows", "official", "--seeds", "1"]
    assert main([*command, *options]) == 0
    sentence = "ped2 has 2 training clips here, the official one 16."
    assert sentence in (out / "ablation.md").read_text()
    assert f"mnad: warning: {sentence}" in capsys.readouterr().err


def test_damaged_frames_are_made_up_for_as_in_training_and_evaluation(tmp_path: Path) -> None:
    """Ped1 as distributed has one in a test clip; here another is in a training clip."""
    home = miniatures.write_ped1(tmp_path)
    (home / "Train/Train002/005.tif").write_bytes(b"\x00" * 400)
    spec, out = f"ped1:{home}", tmp_path / "out"
    result = api.ablate(spec, out=out, rows="official", seeds=1, **OPTIONS)
    assert result["failed"] == []
    assert json.loads((out / "prediction-official-1/memory.json").read_text())["windows"] == 3 * 8
    mnad.train(spec, out=tmp_path / "m", preset="official", seed=1, **OPTIONS)
    ours = load_file(out / "prediction-official-1" / "model.safetensors")
    theirs = load_file(tmp_path / "m" / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_windows_over_a_hole_in_a_video_are_left_out_as_in_training(
    data: Path, tmp_path: Path
) -> None:
    import av

    own, out = tmp_path / "own", tmp_path / "out"
    shutil.copytree(data / "testing", own / "testing")
    (own / "training").mkdir()
    with av.open(str(own / "training/a.mp4"), "w") as sink:
        stream: Any = sink.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        for t, pixels in zip(
            (*range(12), *range(200, 212)), moving_square(24, seed=0), strict=True
        ):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[..., 0]), "gray")
            frame.pts = t
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    api.ablate(str(own), out=out, rows="official", seeds=1, **OPTIONS)
    mnad.train(own, out=tmp_path / "m", preset="official", seed=1, **OPTIONS)
    ours, theirs = (
        json.loads((folder / "config.json").read_text())["training"]
        for folder in (out / "prediction-official-1", tmp_path / "m")
    )
    assert ours["windows"] == theirs["windows"] == 2 * 8 and ours["data"] == theirs["data"]


def test_rows_rest_on_as_few_models_as_they_can(whole: Path) -> None:
    folders = {path.name for path in whole.iterdir() if path.is_dir()}
    assert folders == {f"prediction-{n}-{s}" for n in ("no-memory", "official") for s in (1, 2)}
    tests = {path.stem for path in (whole / "prediction-official-1" / "tests").iterdir()}
    assert tests == {"carried", "frozen", "no-gate"}
    rows = rows_of(whole)
    updated = {
        name: json.loads((whole / "prediction-official-1" / "tests" / f"{name}.json").read_text())[
            "protocol"
        ]["memory"]["share_of_frames_that_updated"]
        for name in tests
    }
    assert updated["frozen"] == 0 and updated["no-gate"] == 1
    assert rows["no-gate"]["method"]["gamma"] == 1e9
    assert rows["no-gate"]["numbers"]["updated"]["mean"] == 1
    assert rows["official"]["method"]["gamma"] == 0.01


def test_what_is_told_beside_a_number(whole: Path) -> None:
    result = json.loads((whole / "ablation.json").read_text())
    rows = rows_of(whole)
    memory = rows["official"]["numbers"]
    usage = rows["official"]["item_usage"]
    assert set(usage) == {"1", "2"} and sum(usage["1"]) == pytest.approx(1, abs=1e-4)
    assert memory["items_unused"]["by_seed"]["1"] == sum(share == 0 for share in usage["1"])
    assert 0.1 <= memory["read_sharpness"]["mean"] <= 0.46  # the bounds for ten items
    assert 0.9 < memory["read_entropy"]["mean"] <= 1
    assert rows["no-memory"]["numbers"]["items_unused"]["mean"] is None
    assert (rows["no-memory"]["policy"], rows["no-memory"]["lambda"]) == ("none", 1)
    auc = {n: rows[n]["numbers"]["auc"]["by_seed"] for n in ("no-memory", "official")}
    gains = [auc["no-memory"][s] - auc["official"][s] for s in "12"]
    assert rows["no-memory"]["difference"]["mean"] == pytest.approx(sum(gains) / 2)
    protocol = result["protocol"]
    assert "last epoch" in protocol["selection"] and protocol["smoothing"] == "none"
    assert protocol["common"]["width"] == 0.05 and protocol["labels_sha256"]
    assert result["failed"] == [] and result["seeds"] == [1, 2]


def test_the_table_for_people(whole: Path) -> None:
    text = (whole / "ablation.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head = [cell.strip() for cell in lines[0].split("|")[1:-1]]
    cells = {line.split("|")[1].strip(): line.split("|")[1:-1] for line in lines[2:]}
    assert list(cells) == ROWS.split(",")
    auc = rows_of(whole)["frozen"]["numbers"]["auc"]
    assert cells["frozen"][head.index("AUC")].strip() == f"{auc['mean']:.3f}"
    assert cells["frozen"][head.index("seeds")].strip() == "2"
    assert cells["no-memory"][head.index("unused")].strip() == ""
    assert "no row, seed, epoch or weight was chosen by test labels" in text
    assert (whole / "ablation.png").read_bytes()[:4] == b"\x89PNG"


def test_the_plot_shows_every_seed_that_the_table_counts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auc = {"by_seed": {"1": 0.0, "2": 0.9, "3": None}}
    row = {"name": "a", "numbers": {"auc": auc, "psnr_alone": auc}, "published": None}
    result = {"data": "own", "rows": [row]}
    monkeypatch.setattr(room.Ablation, "run", lambda self, told: told(result))
    monkeypatch.setattr("mnad.ablation.table.markdown", lambda result: "")
    shown: list[Any] = []
    monkeypatch.setattr("mnad.reports.ablation.ablation_plot", lambda *given: shown.append(given))
    api.ablate(str(data), out=tmp_path / "out", **OPTIONS)
    ((_, (dots,), _),) = shown
    assert dots.values == dots.psnr == [0.0, 0.9]


def test_started_again_nothing_is_done_twice_and_rows_and_seeds_are_added(
    whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "again"))
    trained: list[str] = []
    tested: list[str] = []
    train, test = room.main, room.evaluate_model
    monkeypatch.setattr(room, "main", lambda *a, **k: (trained.append(a[1].name), train(*a, **k)))
    monkeypatch.setattr(
        room, "evaluate_model", lambda *a, **k: (tested.append(k["policy"]), test(*a, **k))[1]
    )
    before = by_seed(out)
    for file in out.rglob("*.safetensors"):
        if file.name.startswith("model"):  # the weights are not needed for what is tested
            file.unlink()
    api.ablate(str(data), out=out, rows=ROWS, seeds=2, **OPTIONS)
    assert (trained, tested) == ([], []) and by_seed(out) == before
    shutil.rmtree(out)
    shutil.copytree(whole, out)
    api.ablate(str(data), out=out, rows="items-2,no-memory", seeds=1, **OPTIONS)
    api.ablate(str(data), out=out, rows="psnr-only,reset", seeds=3, **OPTIONS)
    assert trained == ["prediction-items-2-1", "prediction-official-3"]
    assert sorted(tested) == ["carried", "carried", "reset", "reset", "reset"]
    assert list(rows_of(out)) == ["psnr-only", "reset"]
    api.ablate(str(data), out=out, rows="psnr-peak,official", seeds=1, **OPTIONS)
    peak = rows_of(out)["psnr-peak"]["numbers"]
    assert peak["causal"]["mean"] is None and peak["auc"]["mean"] is not None


def test_a_folder_of_other_settings_is_refused(whole: Path, data: Path) -> None:
    with pytest.raises(UsageError, match=r"other settings \(width 0\.05, not 0\.06\)"):
        api.ablate(str(data), out=whole, rows="official", **{**OPTIONS, "width": 0.06})
    with pytest.raises(UsageError, match="seeds is 0"):
        api.ablate(str(data), out=whole, seeds=0, **OPTIONS)
    with pytest.raises(UsageError, match=r"learning_rate is 0\.0; it must be above 0"):
        api.ablate(str(data), out=whole, rows="official", learning_rate=0.0, **OPTIONS)


def test_what_was_tested_by_other_labels_is_tested_anew(
    whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, moved = (shutil.copytree(one, tmp_path / one.name) for one in (whole, data))
    trained: list[str] = []
    monkeypatch.setattr(room, "main", lambda *a, **k: trained.append(a[1].name))
    (moved / "testing/c.csv").write_text("first,last\n4,9\n")
    api.ablate(str(moved), out=out, rows="official,frozen", seeds=1, **OPTIONS)
    protocol = json.loads((out / "ablation.json").read_text())["protocol"]
    for name, policy in (("official", "carried"), ("frozen", "frozen")):
        model = out / "prediction-official-1"
        fresh = mnad.evaluate(model, str(moved), policy=policy)  # type: ignore[arg-type]
        ours = rows_of(out)[name]["numbers"]["auc"]["mean"]
        assert ours == fresh["auc"]["per_clip_minmax_micro"]
        assert protocol["labels_sha256"] == fresh["protocol"]["labels_sha256"]
    assert trained == []


def test_a_folder_from_before_an_option_was_there_is_gone_on_with(
    whole: Path, data: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(whole, tmp_path / "out")
    plan = json.loads((out / "plan.json").read_text())
    del plan["models"]["prediction-official"]["network"]["padding"]
    (out / "plan.json").write_text(json.dumps(plan))
    api.ablate(str(data), out=out, rows="official", seeds=1, **OPTIONS)
    plan["models"]["prediction-official"]["network"]["items"] = 11
    (out / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(UsageError, match=r"other settings \(the model prediction-official\)"):
        api.ablate(str(data), out=out, rows="official", seeds=1, **OPTIONS)


def test_auto_on_another_machine_does_not_mix_precisions(
    whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(whole, tmp_path / "out")
    options = {**OPTIONS, "precision": "auto"}
    for known in ("fp32", "auto"):  # the second as plans were written once
        plan = json.loads((out / "plan.json").read_text())
        plan["common"]["precision"] = known
        (out / "plan.json").write_text(json.dumps(plan))
        api.ablate(str(data), out=out, rows="official", seeds=1, **options)
        assert json.loads((out / "plan.json").read_text())["common"]["precision"] == "fp32"
    monkeypatch.setattr("mnad.training.precision.takes_bf16", lambda *_: True)
    with pytest.raises(UsageError, match=r"other settings \(precision fp32, not bf16\)"):
        api.ablate(str(data), out=out, rows="official", seeds=1, **options)


def test_a_copy_for_another_network_is_refused_before_anything_is_trained(
    data: Path, tmp_path: Path
) -> None:
    copy, out = tmp_path / "copy", tmp_path / "out"
    api.prepare_data(str(data), out=copy, height=40, image_width=48, channels=1)
    with pytest.raises(UsageError, match=r"prepared for 48x40, grey.* takes 32x32, grey"):
        api.ablate(str(copy), out=out, rows="official", seeds=1, **OPTIONS)
    assert not (out / "plan.json").exists() and not list(out.rglob("*.safetensors"))


def test_two_at_a_time_are_refused(data: Path, tmp_path: Path) -> None:
    from mnad.lock import locked

    with (
        locked(tmp_path / "out", "ablates in"),
        pytest.raises(UsageError, match="another mnad ablates in"),
    ):
        api.ablate(str(data), out=tmp_path / "out", rows="official", **OPTIONS)


def test_another_model_in_the_place_of_one_is_refused(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    other = {**OPTIONS, "width": 0.1}
    mnad.train(str(data), out=out / "prediction-official-1", preset="official", seed=1, **other)
    result = api.ablate(str(data), out=out, rows="official", seeds=1, **OPTIONS)
    assert "holds a model with other settings" in result["failed"][0]


def test_a_row_that_fails_leaves_the_others(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = room.main

    def sometimes(footage: Any, out: Path, *rest: Any, **options: Any) -> Any:
        if "loss-squared-sum" in out.name:
            raise MnadError("the losses are no numbers any more.")
        return train(footage, out, *rest, **options)

    monkeypatch.setattr(room, "main", sometimes)
    words = [f"--{name}={value}" for name, value in OPTIONS.items()]
    words += [f"--out={tmp_path / 'out'}", "--rows=loss-squared-sum,no-memory", "--seeds=1"]
    assert main(["ablate", str(data), *words]) == 1
    said = capsys.readouterr()
    assert "prediction-loss-squared-sum-1: the losses are no numbers any more." in said.err
    assert "no-memory" in said.out and "AUC" in said.out
    rows = rows_of(tmp_path / "out")
    assert (
        rows["no-memory"]["missing_seeds"] == [] and rows["no-memory"]["numbers"]["auc"]["n"] == 1
    )
    assert rows["loss-squared-sum"]["missing_seeds"] == [1]


def test_test_clips_shorter_than_the_window_of_a_row_cost_that_row_alone(
    data: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short"
    shutil.copytree(data, short)
    for folder in (short / "training").iterdir():
        for t in range(14, 18):
            shutil.copy(folder / "0.png", folder / f"{t}.png")
    result = api.ablate(str(short), out=tmp_path / "out", rows="R-16,R", seeds=1, **OPTIONS)
    (sentence,) = result["failed"]
    assert sentence.startswith("reconstruction-frames-16-1: no clip has the 16 frames")
    assert [row["missing_seeds"] for row in result["rows"]] == [[1], []]


def test_killed_at_any_moment_and_started_again_it_ends_with_the_same_numbers(
    whole: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    options = {**OPTIONS, "rows": "official,frozen", "seeds": 1}
    command = (
        "import time, mnad.training.loop as loop\n"
        "from mnad import api\n"
        "loop.CHECKPOINT_SECONDS = 0\n"  # in the middle of epochs too
        "step = loop.Fitter.step\n"
        "loop.Fitter.step = lambda *a: (time.sleep(0.05), step(*a))[1]\n"
        f"api.ablate({str(data)!r}, out={str(out)!r}, **{options!r})\n"
    )
    moments = [
        lambda: any(out.glob("prediction-official-1/training/state.pt")),
        lambda: any(out.glob("prediction-official-1/tests/*.json")),
    ]
    for moment in [*moments, lambda: False]:
        process = subprocess.Popen(
            [sys.executable, "-c", command], env=os.environ, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if moment():
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.wait()
    assert process.returncode == 0
    expected = by_seed(whole)
    for name, found in by_seed(out).items():
        assert found == {"1": expected[name]["1"]}
    file = "prediction-official-1/model.safetensors"
    one, two = (load_file(folder / file) for folder in (out, whole))
    assert all(torch.equal(one[key], two[key]) for key in two)
    assert not list(out.rglob("*.part"))
