"""Data sets as the commands take them: check, prepare, train and evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import miniatures
import numpy as np
import pytest
from footage import TINY

import mnad
from mnad.cli import main
from mnad.datasets import open_dataset
from mnad.errors import MnadError, UsageError
from mnad.video.cache import load_clips
from mnad.video.fit import resize
from mnad.video.source import open_source

VIDEO = {
    "ped1": miniatures.write_ped1,
    "ped2": miniatures.write_ped2,
    "avenue@owner": miniatures.write_avenue,
    "shanghaitech": miniatures.write_shanghaitech,
    "phantom": miniatures.write_phantom,
    "ssv2@closing": miniatures.write_ssv2,
}
IMAGES = {"mvtec": miniatures.write_mvtec, "loco": miniatures.write_loco}


@pytest.mark.parametrize("name", VIDEO)
def test_every_video_set_trains_and_evaluates(name: str, tmp_path: Path) -> None:
    spec = f"{name}:{VIDEO[name](tmp_path / 'data')}"
    model = mnad.train(spec, out=tmp_path / "model", **TINY)
    assert model.config.preset == "official"
    result = mnad.evaluate(tmp_path / "model", spec)
    dataset = open_dataset(spec)
    assert not result["failed"]
    assert result["clips"] == len(dataset.test)
    assert result["abnormal_frames"] == sum(int(clip.labels[4:].sum()) for clip in dataset.test)
    assert result["protocol"]["label_source"] == dataset.label_source
    assert result["protocol"]["warnings"] == list(dataset.warnings)
    assert result["protocol"]["published"]["auc"] == (0.97 if name == "ped2" else None) or (
        name == "shanghaitech"
    )


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_for_networks_of_one_frame(name: str, tmp_path: Path) -> None:
    spec = f"{name}:{IMAGES[name](tmp_path / 'data')}"
    with pytest.raises(UsageError, match="of single images but the network spans 5 frames"):
        mnad.train(spec, out=tmp_path / "model", **TINY)
    mnad.train(spec, out=tmp_path / "model", task="reconstruction", **TINY)
    result = mnad.evaluate(tmp_path / "model", spec)
    assert (result["scored_frames"], result["abnormal_frames"]) == (10, 6)


# A prepared copy


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["ped1", "avenue@owner", "phantom", "loco"])
def test_a_copy_is_to_the_bit_what_a_network_sees(name: str, channels: int, tmp_path: Path) -> None:
    spec = f"{name}:{ {**VIDEO, **IMAGES}[name](tmp_path / 'data') }"
    copy = mnad.prepare_data(
        spec, out=tmp_path / "copy", height=16, image_width=24, channels=channels
    )
    original, prepared = open_dataset(spec), open_dataset(copy.out)
    assert (prepared.name, prepared.kind, prepared.rate) == (
        original.name,
        original.kind,
        original.rate,
    )
    assert prepared.label_source == original.label_source
    assert copy.frames == sum(
        c.length for c in (*original.train, *original.validation, *original.test)
    )
    for part in ("train", "validation", "test"):
        for a, b in zip(getattr(original, part), getattr(prepared, part), strict=True):
            assert (a.name, a.length) == (b.name, b.length)
            with open_source(a.path, channels, damaged=original.damaged) as source:
                expected = [resize(frame.pixels, 16, 24) for frame in source]
            (clip,) = load_clips([b.path], 16, 24, channels)
            np.testing.assert_array_equal(clip, expected)
            if part == "test":
                np.testing.assert_array_equal(a.labels, b.labels)
                assert (a.masks is None) == (b.masks is None)


def test_a_copy_gives_the_same_model_and_the_same_numbers(tmp_path: Path) -> None:
    spec = f"ped1:{miniatures.write_ped1(tmp_path / 'data')}"
    code = ["data", "prepare", spec, "--out", str(tmp_path / "copy"), "--channels", "1"]
    assert main([*code, "--height", "32", "--image_width", "32"]) == 0
    results = []
    for name, data in (("a", spec), ("b", str(tmp_path / "copy"))):
        mnad.train(data, out=tmp_path / name, **TINY)
        results.append(mnad.evaluate(tmp_path / name, data))
        results[-1]["protocol"].pop("training")
    assert results[0] == results[1]
    with pytest.raises(UsageError, match=r"was prepared for 32x32, grey, uncropped, and the netw"):
        mnad.train(str(tmp_path / "copy"), out=tmp_path / "c", **{**TINY, "height": 40})


def test_a_copy_that_cannot_be(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path / "data")
    spec = f"ped2:{home}"
    out = tmp_path / "copy"
    mnad.prepare_data(spec, out=out, height=16, image_width=16)
    with pytest.raises(UsageError, match="is there already"):
        mnad.prepare_data(spec, out=out)
    with pytest.raises(UsageError, match="is a prepared copy itself"):
        mnad.prepare_data(str(out), out=tmp_path / "other")
    (home / "Train/Train001/001.tif").unlink()
    with pytest.raises(MnadError, match="has other clips than when"):
        open_dataset(out)
    home.rename(home.with_name("moved"))
    with pytest.raises(MnadError, match=r"copy is a copy of ped2:.*where labels and masks are rea"):
        open_dataset(out)
    (out / "prepared.json").write_text("{")
    with pytest.raises(MnadError, match=r"prepared\.json cannot be read: prepare the copy again"):
        open_dataset(out)


def test_half_a_copy_is_never_there(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "training" / "a"
    miniatures.write_images(folder, miniatures.frames(4, 1), "{}.png")
    (folder / "3.png").write_bytes(b"broken")
    with pytest.raises(MnadError, match=r"3\.png cannot be read"):
        mnad.prepare_data(str(tmp_path / "own"), out=tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_clips_of_several_rates_have_no_copy(tmp_path: Path) -> None:
    for name, rate in (("a", 10), ("b", 30)):
        miniatures.write_video(
            tmp_path / "own" / f"{name}.mp4", miniatures.frames(8, 1), "libx264", rate
        )
    with pytest.raises(MnadError, match="has clips of 10, 30 frames per second"):
        mnad.prepare_data(str(tmp_path / "own"), out=tmp_path / "copy")
    (tmp_path / "own" / "b.mp4").unlink()
    mnad.prepare_data(str(tmp_path / "own"), out=tmp_path / "copy", height=16, image_width=16)
    dataset = open_dataset(tmp_path / "copy")
    assert dataset.own and dataset.rate == 10
    # Its one clip is both sets and is there once.
    assert dataset.train[0].path == dataset.test[0].path


def test_arrays_that_are_no_frames(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 5), np.uint8))
    with pytest.raises(MnadError, match=r"a\.npy holds uint8 of the shape \(3, 4, 5\)"):
        open_source(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(b"none")
    with pytest.raises(MnadError, match="cannot be read as frames"):
        open_source(tmp_path / "a.npy")


# Looking


def test_check_says_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = miniatures.write_ped1(tmp_path)
    assert main(["data", "check", f"ped1:{tmp_path}"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"ped1: {home}",
        "layout: the owners': Train/Train001/001.tif",
        "labels are of: video, a label for each frame",
        "training: 2 clips, 20 frames; 36x24 pixels; 10 frames/s; numbered from 1",
        "testing: 3 clips, 36 frames; 36x24 pixels; 10 frames/s; numbered from 1",
        "labels: UCSDped1.m",
        "abnormal: 19 of 36 frames in 3 clips",
        "wholly abnormal: Test002",
        "masks: TestNNN_gt of 1 of 3 clips",
        "warnings: 10",
    ]
    assert said.err.count("mnad: warning: ") == 10
    assert "Test/Test003/005.tif is damaged" in said.err
    assert "ped1 has frames of 36x24 here; 238x158 are reported." in said.err


def test_check_compares_masks_with_labels_and_frames(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path)
    masks = home / "Test" / "Test001_gt"
    cv2.imwrite(str(masks / "002.bmp"), np.full(miniatures.SIZE, 255, np.uint8))
    cv2.imwrite(str(masks / "003.bmp"), np.zeros((5, 7), np.uint8))
    told = mnad.check_data(f"ped2:{home}")["warnings"]
    assert told[-2:] == [
        "ped2: 1 masks of clip Test001 are 7x5, its frames 36x24.",
        "ped2: in 1 frames of clip Test001 mask and label disagree on whether anything is "
        "abnormal.",
    ]
    unread = mnad.check_data(f"ped2:{home}", masks=False)["warnings"]
    assert not any("mask" in sentence for sentence in unread)
    json.dumps(mnad.check_data(f"ped2:{home}"))


@pytest.mark.parametrize("count", [miniatures.TEST_FRAMES - 2, miniatures.TEST_FRAMES + 3])
def test_check_counts_masks_and_frames(tmp_path: Path, count: int) -> None:
    home = miniatures.write_repackaged(tmp_path, "ped2")
    made = {
        f"Test{clip + 1:03d}": miniatures.masks(count, range(0)).astype(bool) for clip in range(3)
    }
    made["Test003"] = miniatures.masks(miniatures.TEST_FRAMES, miniatures.abnormal_in(2))
    np.savez(home / "pixel_masks.npz", **made)
    told = mnad.check_data(f"ped2:{home}")["warnings"]
    sentence = f"has 12 frames but {count} masks; take those that belong to it."
    assert [line for line in told if "masks;" in line] == [
        f"ped2: clip {name} {sentence}" for name in ("01", "02")
    ]
    # The labels of the first clip are abnormal in frames 4 to 8, of the second in all.
    differ = [line for line in told if "mask and label disagree" in line]
    assert len(differ) == 2 and f"in {min(count, 12)} frames of clip 02" in differ[1]


def test_check_of_every_frame_finds_what_cannot_be_read(tmp_path: Path) -> None:
    home = miniatures.write_shanghaitech(tmp_path)
    spec = f"shanghaitech:{home}"
    whole = mnad.check_data(spec, frames=True)["warnings"]
    assert whole == [
        *open_dataset(spec).warnings,
        "shanghaitech has frames of 36x24 here; 856x480 are reported.",
    ]
    (home / "testing/frames/01_0015/005.jpg").write_bytes(b"broken")
    video = home / "training/videos/01_001.avi"
    video.write_bytes(video.read_bytes()[:-3000])
    told = mnad.check_data(spec, frames=True)["warnings"]
    assert sum("005.jpg cannot be read as an image" in sentence for sentence in told) == 1
    assert any("01_001.avi" in sentence for sentence in told)
    first = mnad.check_data(spec)["warnings"]
    assert not any("005.jpg" in sentence for sentence in first)


def test_check_names_the_test_clips_without_labels(own_folder: Path) -> None:
    """`mnad evaluate` refuses them, and refers to this."""
    before = mnad.check_data(str(own_folder))["warnings"]
    files = sorted((own_folder / "testing").glob("*.csv"))
    files[0].unlink()
    assert [w for w in mnad.check_data(str(own_folder))["warnings"] if w not in before] == [
        f"{own_folder.name}: test clip {files[0].stem} has no labels; mnad evaluate refuses it "
        "without."
    ]
    for file in files[1:]:
        file.unlink()
    (told,) = [w for w in mnad.check_data(str(own_folder))["warnings"] if w not in before]
    assert "its test clips have no labels" in told
    assert mnad.check_data(str(own_folder))["label_source"] == "none"


def test_check_of_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", f"ped2:{tmp_path / 'gone'}"]) == 1
    assert "get ped2 from http://www.svcl.ucsd.edu/" in capsys.readouterr().err
    assert main(["data", "check", f"ped7:{tmp_path}"]) == 2
    with pytest.raises(SystemExit):
        main(["data"])
    assert "check" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        (
            "avenue:avenue-sample",
            [
                "training: 2 clips, 389 frames; 640x360 pixels; 25 frames/s",
                "testing: 2 clips, 349 frames; 640x360 pixels; 25 frames/s",
                "abnormal: 207 of 349 frames in 2 clips",
                "warnings: 5",
            ],
        ),
        (
            "phantom:phantom/magnets",
            [
                "labels are of: video, one label for each clip",
                "testing: 64 clips, 20484 frames; 360x640 (62), 640x360 (2) pixels; 30 frames/s",
                "abnormal: 34 of 64 clips",
                "warnings: none",
            ],
        ),
        (
            "ped2:ped2",
            [
                "testing: 12 clips, 2010 frames; 360x240 pixels; 10 frames/s; numbered from 0",
                "abnormal: 1648 of 2010 frames in 12 clips",
                "wholly abnormal: 08, 09, 10, 11",
                "warnings: none",
            ],
        ),
    ],
)
def test_check_of_real_data(
    data: Path, spec: str, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, folder = spec.partition(":")
    assert main(["data", "check", f"{name}:{data / folder}"]) == 0
    assert set(lines) <= set(capsys.readouterr().out.splitlines())


def test_prepare_refuses_a_size_that_no_network_has(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path)
    with pytest.raises(UsageError, match="height is 30; use a multiple of 8"):
        mnad.prepare_data(f"ped2:{home}", out=tmp_path / "copy", height=30)
