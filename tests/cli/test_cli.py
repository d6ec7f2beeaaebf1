"""The commands as a user meets them: help, detection, and one sentence for every bad input."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import av
import cv2
import numpy as np
import pytest
from footage import TINY, moving_square

import mnad
from mnad import cli
from mnad.cli import COMMANDS, main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    folder = root / "clip"
    folder.mkdir()
    for t, frame in enumerate(moving_square(20, 0, size=48)):
        cv2.imwrite(str(folder / f"{t}.jpg"), frame)
    mnad.train(str(folder), out=root / "model", preset="official", **TINY)
    return root / "model"


def frames_in(folder: Path, count: int, size: tuple[int, int] = (40, 60)) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for t in range(count):
        cv2.imwrite(str(folder / f"f{t}.png"), rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    return folder


def video(path: Path, count: int = 12, size: tuple[int, int] = (41, 63)) -> Path:
    from fractions import Fraction

    from mnad.video.sink import VideoSink

    rng = np.random.default_rng(1)
    with VideoSink(path, Fraction(30000, 1001), size) as sink:
        for _ in range(count):
            sink.write(rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    return path


def test_help_is_quick_because_torch_is_not_imported() -> None:
    code = (
        "import sys, mnad.cli\n"
        "try: mnad.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'av', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name.split()[0] in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_any_more_ends_quietly(model: Path, unbuffered: str) -> None:
    """As in ``mnad info MODEL | head -1``: whatever is printed finds the pipe closed."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    for words, code in ((["info", str(model)], 141), (["info", "--help"], None)):
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "mnad", *words]
        done = subprocess.run(
            command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment
        )
        # argparse itself passes over a help that cannot be printed, where it comes to know of it.
        assert done.returncode == code if code else done.returncode in (0, 141)
        assert done.stderr == ""
        done = subprocess.run(command, stdout=write, stderr=write, env=environment)
        assert done.returncode == code if code else done.returncode in (0, 141)
        os.close(write)


def test_a_folder_of_another_user_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As that of a service, for whoever asks what it has seen."""

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "gate/events.jsonl")

    monkeypatch.setattr("mnad.watch.site.Site.mark", closed)
    assert main(["mark", "gate", "20261123T1913", "normal"]) == 1
    assert capsys.readouterr().err == (
        "mnad: gate/events.jsonl is not open to this user (Permission denied): run the command as "
        "its owner, or let this user in.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_on_a_full_disk_is_one_sentence(model: Path, unbuffered: str) -> None:
    command = [sys.executable, "-m", "mnad", "info", str(model)]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert done.returncode == 1
    assert done.stderr == (
        "mnad: what the command has to say cannot be written (No space left on device): make room, "
        "or send it elsewhere.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="sh closes the output")
def test_without_any_output_a_command_runs_all_the_same(model: Path) -> None:
    command = f"'{sys.executable}' -m mnad info '{model}' >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_explained(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    import inspect

    said = " ".join(capsys.readouterr().out.split())
    for name, parameter in inspect.signature(COMMANDS[command]).parameters.items():
        choices = "{" + ",".join(map(str, get_args(parameter.annotation))) + "}"
        assert name in said or choices in said, name
        assert f"{name} ({parameter.name}" not in said
    assert "<class" not in said


def test_paths_are_parsed_as_such_and_what_may_be_a_name_stays_text(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: ped2:./x\nout: m/\nregions: r.json\ncache_dir: c\nwidth: 0.5\n")

    def parsed(*words: str) -> list[object]:
        parser = cli._parser(list(words))
        chosen = parser.instantiate(parser.parse_args(words))[words[0]]
        names = ("model", "data", "out", "regions", "cache_dir")
        return [chosen[name] for name in names if name in chosen]

    recipe_alone = parsed("train", "--config", str(recipe))
    assert recipe_alone == ["ped2:./x", Path("m"), Path("r.json"), Path("c")]
    overridden = parsed("train", "--config", str(recipe), "./y", "--cache_dir", "null")
    assert overridden == ["./y", Path("m"), Path("r.json"), None]
    assert parsed("calibrate", "./ped2", "a.mp4") == ["./ped2", None]
    assert parsed("copy", "./ped2", "--out", "./m") == ["./ped2", Path("m")]


def test_detect_writes_a_table_a_video_and_a_plot(model: Path, tmp_path: Path) -> None:
    sources = [str(video(tmp_path / "in" / "one.mp4"))] if (tmp_path / "in").mkdir() is None else []
    sources.append(str(frames_in(tmp_path / "in" / "two", 9)))
    assert main(["detect", str(model), *sources, "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "one" / "scores.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [int(r["frame"]) for r in rows] == list(range(4, 12))
    assert float(rows[0]["seconds"]) == pytest.approx(4 * 1001 / 30000, abs=1e-6)
    assert all(0 <= float(r["score"]) <= 1 for r in rows)
    with av.open(str(tmp_path / "out" / "one" / "overlay.mp4")) as made:
        stream = made.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
        assert stream.average_rate is not None
        assert float(stream.average_rate) == pytest.approx(30000 / 1001)
        shown = [f.to_ndarray(format="rgb24") for f in made.decode(stream)]
    assert len(shown) == 12 and shown[0].shape[0] > 41 and shown[0].shape[1] == 64
    assert (tmp_path / "out" / "two" / "scores.png").exists()
    assert not list((tmp_path / "out").rglob("*.part*"))


def test_a_grey_model_draws_on_the_frame_in_colour(model: Path, tmp_path: Path) -> None:
    from fractions import Fraction

    from mnad.video.sink import VideoSink

    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    with VideoSink(tmp_path / "red.mp4", Fraction(25), (48, 64)) as sink:
        for _ in range(8):
            sink.write(red)
    mnad.detect(model, [str(tmp_path / "red.mp4")], out=tmp_path / "out")
    with av.open(str(tmp_path / "out" / "red" / "overlay.mp4")) as made:
        first = next(made.decode(video=0)).to_ndarray(format="rgb24")
    r, g, b = first[:48].reshape(-1, 3).mean(0)
    assert r > 150 and g < 60 and b < 60


def test_a_model_that_knows_no_normal_footage_has_no_score_and_no_nan(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported = tmp_path / "imported"
    imported.mkdir()
    for name in ("config.json", "model.safetensors"):
        (imported / name).write_bytes((model / name).read_bytes())
    source = frames_in(tmp_path / "clip", 8)
    assert main(["detect", str(imported), str(source), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{source}: 4 frames, no score -> {tmp_path / 'out' / 'clip'}"
    )


def test_two_sources_of_one_name_do_not_overwrite_each_other(model: Path, tmp_path: Path) -> None:
    a, b = frames_in(tmp_path / "x" / "cam", 6), frames_in(tmp_path / "y" / "cam", 7)
    found = mnad.detect(model, [str(a), str(b)], out=tmp_path / "out", overlay=False)
    assert [f.out.name for f in found] == ["cam", "cam-2"]
    assert [f.frames for f in found] == [2, 3]


def test_a_name_that_is_no_text_is_scored_like_any_other(model: Path, tmp_path: Path) -> None:
    """As older systems gave them: Latin-1 bytes, which are not UTF-8."""
    folder = tmp_path / "in"
    folder.mkdir()
    plain = video(folder / "plain.mp4")
    os.rename(plain, os.fsencode(folder) + b"/K\xe4se.mp4")
    command = [sys.executable, "-m", "mnad", "detect", str(model), str(folder), "--out"]
    said = subprocess.run([*command, str(tmp_path / "out")], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"{folder}/K\\udce4se.mp4: 8 frames")
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["K\ufffdse"]
    names = {one.name for one in (tmp_path / "out" / "K\ufffdse").iterdir()}
    assert {"scores.csv", "scores.png", "report.html", "overlay.mp4"} <= names


def test_scores_do_not_depend_on_the_overlay(model: Path, tmp_path: Path) -> None:
    clip = str(video(tmp_path / "v.mp4"))
    mnad.detect(model, [clip], out=tmp_path / "with")
    mnad.detect(model, [clip], out=tmp_path / "without", overlay=False)
    tables = [(tmp_path / d / "v" / "scores.csv").read_text() for d in ("with", "without")]
    assert tables[0] == tables[1]


def broken_sources(folder: Path) -> dict[str, tuple[Path, str]]:
    """Each kind of bad source, and a word that its sentence must hold."""
    folder.mkdir()
    (folder / "empty").mkdir()
    text = folder / "text.mp4"
    text.write_text("This is no video.")
    whole = video(folder / "whole.mp4", 40).read_bytes()
    # The index lies at the front, so a cut file still opens.
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "whole.mp4").unlink()
    (frames_in(folder / "hole", 12) / "f7.png").write_bytes(b"not an image")
    cv2.imwrite(str(frames_in(folder / "sizes", 12) / "f6.png"), np.zeros((20, 20, 3), np.uint8))
    return {
        "missing": (folder / "nowhere.mp4", "does not exist"),
        "empty": (folder / "empty", "holds no"),
        "one frame": (frames_in(folder / "one", 1), "window spans"),
        "short": (frames_in(folder / "short", 4), "window spans"),
        "unreadable image": (folder / "hole", "f7.png"),
        "sizes": (folder / "sizes", "f6.png"),
        "text": (text, "video"),
        "cut": (folder / "cut.mp4", "breaks at frame"),
    }


def test_every_bad_source_gets_its_sentence_and_the_good_one_its_results(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = broken_sources(tmp_path / "bad")
    good = frames_in(tmp_path / "good", 8)
    sources = [str(path) for path, _ in bad.values()]
    sources.insert(3, str(good))
    assert main(["detect", str(model), *sources, "--out", str(tmp_path / "out")]) == 1
    said = capfd.readouterr()
    sentences = [line for line in said.err.splitlines() if line.startswith("mnad: ")]
    assert "the model has no threshold" in sentences.pop()  # it was trained on next to nothing
    assert len(sentences) == len(bad) and "Traceback" not in said.err
    for (path, word), sentence in zip(bad.values(), sentences, strict=True):
        assert path.name in sentence and word in sentence, sentence
    assert (tmp_path / "out" / "good" / "overlay.mp4").exists()
    # What could be read before the break is not lost, and nothing is half-written.
    assert len((tmp_path / "out" / "hole" / "scores.csv").read_text().splitlines()) == 1 + 3
    assert not list((tmp_path / "out").rglob("*.part*"))


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["info", "nowhere"], 2, "does not exist"),
        (["train", "nowhere", "--out", "OUT"], 1, "does not exist"),
        (["train", "ped9:nowhere", "--out", "OUT"], 2, "not a known data set"),
        (["train", "CLIP", "--out", "OUT", "--height", "250"], 2, "multiple of 8"),
        (["train", "CLIP", "--out", "OUT", "--device", "cuda"], 2, "CUDA"),
        (
            ["train", "CLIP", "--out", "OUT", "--false_alarms_per_hour", "0"],
            2,
            "false_alarms_per_hour is 0",
        ),
        (["train", "CLIP", "--out", "OUT", "--learning_rate", "0"], 2, "learning_rate is 0"),
        (
            ["train", "CLIP", "--out", "OUT", "--method.lambda_camera", "1.5"],
            2,
            "lambda_camera is 1.5",
        ),
        (
            ["train", "CLIP", "--out", "OUT", "--method.lambda_camera", "0.6", "--no_memory"],
            2,
            "without memory there is no distance",
        ),
        (
            ["train", "CLIP", "--out", "OUT", "--method.lambda_pseudo", "-1"],
            2,
            "lambda_pseudo is -1",
        ),
        (
            ["train", "CLIP", "--out", "OUT", "--method.lambda_pseudo", "5", "--no_memory"],
            2,
            "lambda_pseudo is for prediction with memory",
        ),
        (
            ["train", "CLIP", "--out", "OUT", "--method.lambda_pseudo=5", "--task=reconstruction"],
            2,
            "lambda_pseudo is for prediction with memory",
        ),
        (["train", "CLIP", "--out", "OUT", "--seed", "4294967296"], 2, "seed is 4294967296; give"),
        (["figures", "MODEL", "CLIP", "--out", "OUT", "--seed", "-1"], 2, "seed is -1; give"),
        (["watch", "CLIP", "--out", "OUT", "--seed", "-1"], 2, "seed is -1; give"),
        (["demo", "--out", "OUT", "--seed", "-1"], 2, "seed is -1; give"),
        (["demo", "--out", "OUT", "--epochs", "0"], 2, "epochs is 0"),
        (["evaluate", "MODEL", "CLIP"], 1, "no labels"),
        (["evaluate", "MODEL", "CLIP", "--lambda_score", "60"], 2, "lambda_score is 60"),
        (["evaluate", "MODEL", "CLIP", "--lambda_score", "-1"], 2, "lambda_score is -1"),
        (["evaluate", "MODEL", "CLIP", "--lambda_score", ".nan"], 2, "lambda_score is nan"),
        (["evaluate", "MODEL", "CLIP", "--streams", "0"], 2, "streams"),
    ],
)
def test_bad_usage_and_data_end_with_a_sentence_and_a_code(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    sentence: str,
) -> None:
    import torch

    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("there is a CUDA GPU")
    clip = frames_in(tmp_path / "clip", 8)
    names = {"OUT": str(tmp_path / "out"), "CLIP": str(clip), "MODEL": str(model)}
    assert main([names.get(word, word) for word in words]) == code
    said = capsys.readouterr().err
    assert said.startswith("mnad: ") and sentence in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "x", "--out", "y", "--preset", "mine"],
        ["train", "x"],
        ["detect", "m", "s"],
        ["fly"],
        [],
    ],
)
def test_unusable_arguments_end_with_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_labels_longer_than_the_clip_are_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames_in(tmp_path / "data" / "testing" / "a", 9)
    (tmp_path / "data" / "testing" / "a.csv").write_text("first,last\n5,9\n")
    assert main(["evaluate", str(model), str(tmp_path / "data")]) == 1
    assert "a.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "code", "word"),
    [
        ("no weights", 1, "model.safetensors is missing"),
        ("no config", 2, "config.json"),
        ("newer", 1, "update mnad"),
        ("unknown key", 2, "newer version"),
        ("torn weights", 1, "damaged"),
        ("other weights", 1, "does not fit"),
        ("torn config", 1, "damaged"),
    ],
)
def test_a_broken_model_folder_says_what_is_wrong(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: str,
    code: int,
    word: str,
) -> None:
    import shutil

    broken = tmp_path / "m"
    shutil.copytree(model, broken)
    config, weights = broken / "config.json", broken / "model.safetensors"
    said = json.loads(config.read_text())
    if damage == "no weights":
        weights.unlink()
    elif damage == "no config":
        config.unlink()
    elif damage == "newer":
        config.write_text(json.dumps({**said, "format": 99}))
    elif damage == "unknown key":
        said["network"]["heads"] = 8
        config.write_text(json.dumps(said))
    elif damage == "torn weights":
        weights.write_bytes(weights.read_bytes()[:100])
    elif damage == "other weights":
        said["network"]["width"] = 0.1
        config.write_text(json.dumps(said))
    else:
        config.write_text(config.read_text()[:50])
    assert main(["info", str(broken)]) == code
    sentence = capsys.readouterr().err
    assert word in sentence and sentence.count("\n") == 1


def test_an_array_of_the_wrong_shape_is_refused(model: Path) -> None:
    detector = mnad.Detector.load(model)
    with pytest.raises(mnad.MnadError, match="uint8 arrays"):
        detector.score(np.zeros((8, 40, 40, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(mnad.MnadError, match="2 channels"):
        detector.score(np.zeros((8, 40, 40, 2), np.uint8))
    with pytest.raises(mnad.MnadError, match="window spans"):
        detector.score(np.zeros((4, 40, 40, 3), np.uint8))


def test_arrays_and_files_score_alike(model: Path, tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "clip", 9)
    found = mnad.detect(model, [str(folder)], out=tmp_path / "out", overlay=False)
    with (found[0].out / "scores.csv").open() as lines:
        psnr = [float(row["psnr"]) for row in csv.DictReader(lines)]
    grey = [cv2.imread(str(folder / f"f{t}.png"), cv2.IMREAD_GRAYSCALE) for t in range(9)]
    scores = mnad.Detector.load(model).score(np.stack(grey))
    np.testing.assert_allclose(scores.psnr, psnr, atol=1e-3)
    assert scores.index.tolist() == list(range(4, 9))


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self.file}",)


def test_import_runs_nothing_of_a_malicious_pickle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    torch.save({"weights": Evil(tmp_path / "harm")}, tmp_path / "model.pth")
    torch.save(torch.eye(10, 512), tmp_path / "keys.pt")
    files = [str(tmp_path / "model.pth"), str(tmp_path / "keys.pt")]
    assert main(["import", *files, "--out", str(tmp_path / "m")]) == 1
    said = capsys.readouterr().err
    assert "model.pth" in said and "system" in said and said.count("\n") == 1
    assert not (tmp_path / "harm").exists() and not (tmp_path / "m").exists()
    torch.load(tmp_path / "model.pth", weights_only=False)  # the file does do harm elsewhere
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize("journal", [False, True])
def test_a_log_of_months_has_the_time_of_its_lines(tmp_path: Path, journal: bool) -> None:
    """In a file; the journal writes it down itself."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "site.json").write_text("{}")
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "1.png"), np.zeros((16, 16), np.uint8))
    words = ["watch", str(frames), "--out", str(tmp_path / "site"), "--seed", "7"]
    environment = {key: value for key, value in os.environ.items() if key != "JOURNAL_STREAM"}
    if journal:
        environment["JOURNAL_STREAM"] = "8:1"
    run = [sys.executable, "-m", "mnad", *words]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    line = next(text for text in done.stderr.splitlines() if "keeps the seed" in text)
    time, said, _ = line.partition("mnad: ")
    assert said and (time == "" if journal else datetime.fromisoformat(time.strip()).tzinfo)


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["watch", "S"], "watch needs --out"),
        (["watch"], "watch needs SOURCE, --out"),
        (["mark", "SITE", "2026*"], "mark needs LABEL"),
        (["data", "prepare", "x"], "data prepare needs --out"),
    ],
)
def test_what_is_missing_is_named_as_it_is_written(
    words: list[str], needed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    command = " ".join(needed.split(" needs ")[0].split())
    assert capsys.readouterr().err == f"mnad: {needed}. See mnad {command} --help.\n"


DETECT = ("detect", "ped2-compact", "x.mp4", "--out", "o")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*DETECT, "--threshold", "abc"], "--threshold is 'abc'; it must be a number or null."),
        ([*DETECT, "--picture", "x"], "--picture is 'x'; it must be one of heat, paper."),
        (
            [*DETECT, "--events.min_seconds", "q"],
            "--events.min_seconds is 'q'; it must be a number.",
        ),
        ([*DETECT, "--at_once", "1.5"], "--at_once is '1.5'; it must be a whole number or null."),
        ([*DETECT, "--bogus", "3"], "--bogus 3 is not known here."),
        (
            [*DETECT, "--fail-on-event"],
            "--fail-on-event is not known here; perhaps --fail_on_event?",
        ),
        ([*DETECT, "--out"], "argument --out: expected one argument."),
        ([*DETECT, "--config", "no_option.yaml"], "ovrlay is not known here; perhaps --overlay?"),
        ([*DETECT, "--overlay=no"], "--overlay takes no value; say --overlay or --no_overlay."),
        (
            ["calibrate", "m", "a.mp4", "--by_place", "false"],
            "false is too much here: a switch takes no value; --no_… in place of --… is false.",
        ),
        (
            [*DETECT, "b.mp4"],
            "b.mp4 is too much here, or an option stands between it and what it belongs to.",
        ),
        (
            [*DETECT, "--events", "5"],
            "--events is '5'; it takes options of its own, such as --events.min_seconds.",
        ),
        ([*DETECT, "--events", "latin.yaml"], "A file of options is no text in UTF-8."),
        (
            [*DETECT, "--config", "null.yaml"],
            "--overlay is null; it must be true or false.",
        ),
        (
            [*DETECT, "--config", "section.yaml"],
            "--events is null; it takes options of its own, such as --events.min_seconds.",
        ),
        (
            [*DETECT, "--config", "below.yaml"],
            "--events.min_seconds is null; it must be a number.",
        ),
        (
            ["detect", "ped2-compact", "", "--out", "o"],
            "What comes after ped2-compact is empty, as of a shell variable that is not set.",
        ),
        (
            [*DETECT, "--regions="],
            "What comes after --regions= is empty, as of a shell variable that is not set.",
        ),
        (["mark", "S", "E", "norml"], "LABEL is 'norml'; it must be one of normal, anomaly."),
        (
            ["watch", "0", "--out", "o", "--channels", "2"],
            "--channels is '2'; it must be one of 1, 3.",
        ),
        ([], "A command is missing."),
        (["data"], "A command is missing: check or prepare."),
        (["score_file", "a"], "'score_file' is no command; perhaps score-file?"),
        (["data", "chek"], "'chek' is no command; perhaps check?"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("no_option.yaml").write_text("ovrlay: false\n")
    Path("latin.yaml").write_bytes(b"min_seconds: \xe9")
    Path("null.yaml").write_text("overlay:\n")
    Path("section.yaml").write_text("events:\n")
    Path("below.yaml").write_text("events:\n  min_seconds:\n")
    with pytest.raises(SystemExit, match="2"):
        main(words)
    command = f"{words[0]} " if words[:1] and words[0] in ("data", *COMMANDS) else ""
    assert capsys.readouterr().err == f"mnad: {said} See mnad {command}--help.\n"


@pytest.mark.parametrize("several", ["sources: a.mp4", "sources: [a.mp4]", "sources:\n  - a.mp4"])
def test_a_command_takes_its_options_from_a_file_but_those_given_besides(
    several: str, tmp_path: Path
) -> None:
    recipe = tmp_path / "found.yaml"
    recipe.write_text(
        f"model: ped2-compact\n{several}\nout: found\noverlay: false\nthreshold: 0.5\n"
        "events:\n  min_seconds: 2\nalarms:\n  webhook: https://example.org\n"
    )

    def parsed(*words: str) -> dict[str, Any]:
        parser = cli._parser(list(words))
        return dict(parser.instantiate(parser.parse_args(words))[words[0]].as_dict())

    alone = parsed("detect", "--config", str(recipe))
    assert alone["model"] == "ped2-compact" and alone["sources"] == ["a.mp4"]
    assert alone["out"] == Path("found") and alone["overlay"] is False and alone["threshold"] == 0.5
    assert alone["events"].min_seconds == 2 and alone["events"].merge_seconds > 0
    assert alone["alarms"].webhook == "https://example.org"
    mixed = parsed("detect", "--config", str(recipe), "m", "b", "c", "--events.min_seconds", "3")
    assert mixed["model"] == "m" and mixed["sources"] == ["b", "c"] and mixed["threshold"] == 0.5
    assert mixed["events"].min_seconds == 3


def test_the_events_of_mark_are_several_and_those_of_detect_a_file(tmp_path: Path) -> None:
    recipe, times = tmp_path / "options.yaml", tmp_path / "times.yaml"
    times.write_text("min_seconds: 4\n")

    def parsed(*words: str) -> Any:
        parser = cli._parser(list(words))
        return parser.instantiate(parser.parse_args([*words, "--config", str(recipe)]))[words[0]]

    recipe.write_text(f"events: {times}\n")
    assert parsed(*DETECT).events.min_seconds == 4
    recipe.write_text("site: gate\nevents: 20261123T1913Z\nlabel: normal\n")
    assert parsed("mark").events == ["20261123T1913Z"]


@pytest.mark.parametrize("written", ["0", "01", "2026-11-23", "1e3", "yes", "10.5", "'0'"])
def test_text_in_a_file_is_what_is_written(written: str, tmp_path: Path) -> None:
    recipe = tmp_path / "options.yaml"
    recipe.write_text(f"source: {written}\nout: {written}\nthreshold: 1e-1\nregions: null\n")
    words = ["watch", "--config", str(recipe)]
    parser = cli._parser(words)
    found = parser.instantiate(parser.parse_args(words))["watch"]
    assert found.source == written.strip("'") and found.out == Path(written.strip("'"))
    assert found.threshold == 0.1 and found.regions is None


@pytest.mark.parametrize(
    "words",
    [
        ["detect", "ADDRESS", "ped2-compact", "--out", "out"],  # the other way round
        ["watch", "ADDRESS", "ADDRESS", "--out", "out"],
        ["watch", "ADDRESS", "--out", "out", "--threshold", "ADDRESS"],
        ["watch", "ADDRESS", "--out", "out", "--regions", "ADDRESS"],
        ["detect", "ped2-compact", "a.mp4", "--out", "out", "--alarms", "ADDRESS"],
        ["detect", "ped2-compact", "a.mp4", "--out", "out", "--no_such", "ADDRESS"],
        ["train", "footage", "--out", "out", "--config", "ADDRESS"],
        ["data", "check", "footage", "ADDRESS"],
        ["ADDRESS"],
    ],
)
def test_a_password_given_in_the_wrong_place_is_not_repeated(
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a command says ends up in the log of a service."""
    monkeypatch.chdir(tmp_path)
    try:
        code = main(
            [word.replace("ADDRESS", "rtsp://admin:Sesame7@10.0.0.7/cam") for word in words]
        )
    except SystemExit as ended:
        code = int(str(ended.code))
    said = capsys.readouterr()
    assert code in (1, 2)
    assert "10.0.0.7/cam" in said.err + said.out
    assert "Sesame7" not in said.err + said.out
