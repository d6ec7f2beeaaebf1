"""`mnad bench` as a user meets it, on a network that is as small as it gets."""

from __future__ import annotations

import json
import stat
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mnad.bench.footage import first_frames, write_scene
from mnad.bench.prepare import make, untrained
from mnad.bench.process import Worker
from mnad.bench.rounds import in_rounds
from mnad.cli import main
from mnad.config import NetworkConfig
from mnad.errors import MnadError
from mnad.models.folder import save_model
from mnad.scene.scene import SceneConfig

SMALL = ["--runtimes", "torch", "--widths", "0.05", "--sizes", "32x32", "--streams", "1"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "scene.mp4"
    return write_scene(path, SceneConfig(height=48, width=48), 20)


def test_a_whole_measurement(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "b.json"), "--markdown", str(tmp_path / "b.md")]
    words = ["bench", *SMALL, "--video", str(video), "--repeats", "2", "--threads", "1", *files]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "untrained" in shown and "runtime" in shown
    result = json.loads((tmp_path / "b.json").read_text())
    assert result["command"].startswith("mnad bench --video") and result["threads"] == 1
    assert result["failed"] == result["missing"] == [] and result["peak"]["cpu"]["gflops"] > 0
    (row,) = result["rows"]
    assert (row["runtime"], row["width"], row["size"]) == ("torch", 0.05, "32x32")
    assert {name: len(found) for name, found in row["rounds"].items()} == {
        "network": 2,
        "update": 2,
        "plain": 2,
        "everything": 2,
    }
    # Of three runs of eight frames at most the second is timed, up to where the third began; its
    # unusual frames made events, or there were none.
    assert all(one["frames"] == 8 for one in row["rounds"]["plain"])
    assert all(one["events"] is not None for one in row["rounds"]["plain"])
    for number in ("frames_per_second", "ms_per_frame_p95", "end_to_end_frames_per_second"):
        assert row[number] > 0
    assert 0 < row["update_share_of_frame"] < 1
    assert row["peak_mib"] >= row["peak_mib_network_alone"] > 0
    assert (tmp_path / "b.md").read_text().count("| torch |") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"b.json", "b.md"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--runtimes", "tflite"], "'tflite' is unknown"),
        (["--sizes", "256"], "columns x rows"),
        (["--sizes", "30x32"], "multiple of 8"),
        (["--widths", "wide"], "is no number"),
        (["--widths", "9"], "between 0.03 and 4"),
        (["--streams", "0"], "from 1 up"),
        (["--streams", "1,²"], "from 1 up"),
        (["--sizes", "32x³2"], "columns x rows"),
        (["--streams", "1,,2"], "commas"),
        (["--repeats", "0"], "1 or more"),
        (["--threads", "0"], "1 or more"),
        (["--json", "/nowhere/b.json"], "folder that is there"),
        (["nowhere"], "does not exist"),
    ],
)
def test_wrong_usage_ends_with_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said and said.count("\n") == 1


def test_a_video_that_is_none_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.mp4").write_text("no video")
    assert main(["bench", *SMALL, "--video", str(tmp_path / "v.mp4"), "--repeats", "1"]) == 1
    said = capsys.readouterr().err
    assert "v.mp4" in said and "Traceback" not in said


def test_a_video_must_have_enough_of_the_frames_that_the_model_looks_at(tmp_path: Path) -> None:
    """Eight frames are one run, of which no speed can be told: it was a division by 0."""
    scene = SceneConfig(height=48, width=48, rate=Fraction(25))
    video = write_scene(tmp_path / "v.mp4", scene, 32)
    network = NetworkConfig(channels=1, height=32, image_width=32)
    with pytest.raises(MnadError, match=r"has 11 frames of those .* 8 a second; .* of 16 or more"):
        first_frames(video, network, rate=8.0)
    every = first_frames(video, network)
    looked_at = first_frames(video, network, rate=12.5)
    np.testing.assert_array_equal(looked_at, every[::2])
    assert len(every) == 32


def test_exports_of_a_model_that_may_not_be_written_to_are_made_of_a_copy(
    video: Path, tmp_path: Path
) -> None:
    network = NetworkConfig(channels=1, width=0.05, height=32, image_width=32)
    save_model(tmp_path / "m", untrained(network, video))
    (tmp_path / "m").chmod(0o555)
    folders = {"model": str(tmp_path / "m"), "folder": str(tmp_path / "copy")}
    make({**folders, "video": str(video), "threads": None})
    assert (tmp_path / "copy").stat().st_mode & stat.S_IWUSR


CHILD = """
import os
from mnad.bench.process import serve
from mnad.errors import MnadError
def make(spec):
    def answer(asked):
        print("not an answer")
        if spec["name"] == "bad": raise MnadError("has a fault.")
        if spec["name"] == "dead": os._exit(3)
        return {"did": asked["do"]}
    return answer
serve(make)
"""


def test_rows_are_asked_in_turn_and_those_that_fail_leave_the_others() -> None:
    names = ("good", "bad", "dead")
    made = [Worker([sys.executable, "-c", CHILD], n, {"name": n}) for n in names]
    turns = []
    try:
        workers = dict(zip(names, made, strict=True))
        asks = {name: ("network", "plain") for name in names}
        found, failed = in_rounds(workers, asks, 2, lambda: turns.append(1))
    finally:
        for one in made:
            one.close()
    assert {ask: [one["did"] for one in told] for ask, told in found.pop("good").items()} == {
        "network": ["network"] * 2,
        "plain": ["plain"] * 2,
    }
    assert not found and failed["bad"] == "bad: has a fault."
    assert "exit code 3" in failed["dead"] and len(turns) == 6


def test_a_process_that_cannot_start_is_told() -> None:
    with pytest.raises(MnadError, match="exit code 1: ImportError"):
        Worker([sys.executable, "-c", "raise ImportError('no such thing')"], "it", {})
