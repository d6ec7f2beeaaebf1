"""Where in the frames: what `evaluate` measures in its pass is what the metrics give by hand."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import miniatures
import numpy as np
import pytest
import torch
from footage import TINY, in_any_light
from sklearn.metrics import roc_auc_score

import mnad
from mnad.cli import main
from mnad.datasets.clip import Clip, Dataset
from mnad.errors import MnadError, UsageError
from mnad.evaluation.pixels import THRESHOLDS, PixelLook
from mnad.evaluation.truth import Maps, Truth
from mnad.metrics.pixel import DualPixelCriterion, PixelRoc, UcsdCriterion
from mnad.metrics.region_maps import track_maps
from mnad.metrics.region_sweep import RegionSweep
from mnad.scoring.stream import FrameParts
from mnad.video.regions import Regions

OFFICIAL: dict[str, Any] = {**TINY, "preset": "official"}


class InMemory:
    """Masks that are arrays; frames in `gone` have none."""

    def __init__(self, masks: np.ndarray, gone: tuple[int, ...] = ()) -> None:
        self.masks, self.gone = masks, gone

    def at(self, frame: int) -> np.ndarray | None:
        return None if frame in self.gone else self.masks[frame].astype(bool)


def made(folder: Path, clips: dict[str, tuple[np.ndarray, Any]]) -> Dataset:
    """A data set of labels and masks alone."""
    test = tuple(
        Clip(name, folder, len(labels), labels.astype(np.uint8), masks)
        for name, (labels, masks) in clips.items()
    )
    return Dataset("made", folder, (), test, "hand")


def parts(index: int, error: np.ndarray) -> FrameParts:
    found = torch.from_numpy(error)
    return FrameParts(index, 0.0, 0.0, 0.0, 0.0, False, found, found)


def by_hand(frames: list[tuple[str, np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """The metrics fed one frame after the other."""
    roc, ucsd, dual = PixelRoc(), UcsdCriterion(), DualPixelCriterion()
    sweep = RegionSweep(THRESHOLDS)
    for clip in dict.fromkeys(clip for clip, _, _ in frames):
        own = [(found, mask) for name, found, mask in frames if name == clip]
        for (found, mask), tracks in zip(own, track_maps(m for _, m in own), strict=True):
            roc.add(found, mask)
            ucsd.add(found, mask)
            dual.add(found, mask)
            sweep.add(clip, found, tracks)
    named = {"pixel_auroc": roc, "ucsd": ucsd, "dual_pixel": dual, "regions": sweep}
    return {name: asdict(meter.value()) for name, meter in named.items()}  # type: ignore[attr-defined]


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, values in expected.items():
        for key, value in values.items():
            if key != "detections":  # at another threshold, where some were left out
                assert found[name][key] == pytest.approx(value), (name, key)


def test_hand_made_maps_give_what_the_metrics_give(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = {name: np.zeros((6, 12, 16), np.uint8) for name in ("a", "b")}
    masks["a"][2:5, 3:6, 4:9] = 1
    masks["b"][1:, 8:11, 0:4] = 1
    clips = {name: (np.asarray(own.any(axis=(1, 2))), InMemory(own)) for name, own in masks.items()}
    look = PixelLook(Maps(None), Truth.of_dataset(made(tmp_path, clips), None), 12)
    frames = []
    for clip, own in masks.items():
        for t in range(6):
            error = rng.random((12, 16), dtype=np.float32) * 0.4 + own[t] * np.float32(0.3)
            look(clip, t, parts(t, error))
            frames.append((clip, error, own[t]))
    told = look.numbers("hand", [])
    assert_same(told["maps"]["error"], by_hand(frames))
    values = np.concatenate([found.ravel() for _, found, _ in frames])
    truth = np.concatenate([mask.ravel() for _, _, mask in frames])
    assert told["maps"]["error"]["pixel_auroc"]["auroc"] == pytest.approx(
        roc_auc_score(truth, values)
    )
    assert (told["frames"], told["clips"]) == (12, 2)
    assert set(told["maps"]) == set(told["protocol"]["maps"]) == {"error"}


def test_a_perfect_map_is_perfect_and_its_inverse_finds_nothing(tmp_path: Path) -> None:
    mask = np.zeros((4, 12, 16), np.uint8)
    mask[2:, 3:6, 4:9] = 1
    for right in (True, False):
        data = made(tmp_path, {"a": (np.array([0, 0, 1, 1]), InMemory(mask))})
        look = PixelLook(Maps(None), Truth.of_dataset(data, None), 4)
        for t in range(4):
            shown = mask[t] if right else mask[::-1][t]
            look("a", t, parts(t, shown.astype(np.float32)))
        found = look.numbers("hand", [])["maps"]["error"]
        # 4 x 192 pixels, 30 of them abnormal; the inverse has 30 normal ones above all others.
        auroc = 1 if right else pytest.approx(0.5 * 708 / 738)
        assert found["pixel_auroc"]["auroc"] == auroc
        if right:
            assert (found["ucsd"]["auc"], found["dual_pixel"]["eer_interpolated"]) == (1, 0)
            # Once everything fires, 15 of 192 pixels are less than a tenth: all are lost again.
            assert found["dual_pixel"]["auc"] == 0.5
            assert (found["regions"]["rbdc"], found["regions"]["tbdc"]) == (1, 1)
            assert found["regions"]["tracks"] == 1
        else:
            assert found["ucsd"]["auc"] == found["regions"]["rbdc"] == 0


def test_what_has_no_mask(tmp_path: Path) -> None:
    """A normal clip or frame is normal everywhere; what is abnormal somewhere is left out."""
    mask = np.zeros((4, 12, 16), np.uint8)
    mask[2:, 3:6, 4:9] = 1
    labels = np.array([0, 0, 1, 1])
    data = made(
        tmp_path,
        {
            "masked": (labels, InMemory(mask, gone=(1, 3))),
            "normal": (np.zeros(4), None),
            "unknown": (labels, None),
        },
    )
    look = PixelLook(Maps(None), Truth.of_dataset(data, None), 12)
    for clip in ("masked", "normal", "unknown"):
        for t in range(4):
            look(clip, t, parts(t, np.full((6, 8), 0.1, np.float32)))
    told = look.numbers("hand", ["normal"])
    assert told["left_out_clips"] == ["unknown"] and told["left_out_frames"] == 1
    assert told["in_part"] == ["normal"] and told["frames"] == 3 + 4
    # All are of the size of the masks, also where there is none.
    assert told["maps"]["error"]["pixel_auroc"]["pixels"] == 7 * 12 * 16
    assert told["maps"]["error"]["pixel_auroc"]["abnormal"] == 15


def test_masks_of_several_sizes_in_a_clip_are_told_by_clip_and_frame(tmp_path: Path) -> None:
    class Shrinking:
        def at(self, frame: int) -> np.ndarray:
            return np.zeros((6, 8) if frame < 2 else (3, 4), bool)

    dataset = made(tmp_path, {"hall": (np.zeros(4), Shrinking())})
    look = PixelLook(Maps(None), Truth.of_dataset(dataset, None), 4)
    for frame in range(2):
        look("hall", frame, parts(frame, np.ones((6, 8), np.float32)))
    told = "clip hall has masks of 8x6 pixels and, of frame 2, one of 4x3: give it masks of one"
    with pytest.raises(MnadError, match=told):
        look("hall", 2, parts(2, np.ones((6, 8), np.float32)))


def test_what_regions_cut_off_is_cut_off_the_masks(tmp_path: Path) -> None:
    mask = np.zeros((2, 12, 16), np.uint8)
    mask[:, 0:4, 0:8] = 1
    mask[1, 0:4, 8:12] = 1
    data = made(tmp_path, {"a": (np.ones(2), InMemory(mask))})
    truth = Truth.of_dataset(data, Regions(crop=(0.5, 0.0, 1.0, 0.5)))
    np.testing.assert_array_equal(truth.at("a", 0), np.zeros((6, 8)))
    np.testing.assert_array_equal(truth.at("a", 1), mask[1, :6, 8:])


def test_what_is_ignored_counts_in_no_number(tmp_path: Path) -> None:
    """Whatever the map and the masks are there: as if only the other half had been measured."""
    rng = np.random.default_rng(3)
    masks = np.zeros((6, 12, 16), np.uint8)
    masks[2:4, 3:6, 9:12] = 1  # seen
    masks[3:6, 5:9, 2:14] = 1  # seen in part
    errors = rng.random((6, 12, 16), dtype=np.float32) * 0.4 + masks * np.float32(0.1)
    errors[:, :, :8] *= 4
    left = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    found = {}
    for name, regions, columns in (
        ("ignored", Regions(ignore=(left,)), slice(None)),
        ("cropped", Regions(crop=(0.5, 0.0, 1.0, 1.0)), slice(8, None)),
    ):
        data = made(tmp_path, {"a": (masks.any(axis=(1, 2)), InMemory(masks))})
        look = PixelLook(Maps(None), Truth.of_dataset(data, regions), 6)
        for t in range(6):
            look("a", t, parts(t, np.ascontiguousarray(errors[t][:, columns])))
        found[name] = look.numbers("hand", [])["maps"]["error"]
    assert found["ignored"] == found["cropped"]
    assert found["ignored"]["pixel_auroc"]["pixels"] == 6 * 12 * 8
    assert found["ignored"]["pixel_auroc"]["abnormal"] == int(masks[:, :, 8:].sum())


def test_images_are_not_measured_by_a_model_that_ignores_a_part_of_them(tmp_path: Path) -> None:
    spec = f"mvtec:{miniatures.write_mvtec(tmp_path)}"
    looked = {"ignore": [[[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]]}
    (tmp_path / "looked.json").write_text(json.dumps(looked))
    options = {**OFFICIAL, "task": "reconstruction", "regions": tmp_path / "looked.json"}
    mnad.train(spec, out=tmp_path / "m", **options)
    with pytest.raises(UsageError, match=r"bottle.* is of images.* include or ignore polygons"):
        mnad.evaluate(tmp_path / "m", spec)


def test_thresholds_that_cannot_count_are_left_out_and_change_nothing() -> None:
    rng = np.random.default_rng(1)
    sweeps = [RegionSweep(THRESHOLDS), RegionSweep(THRESHOLDS, most_frames=20)]
    for t in range(20):
        found = rng.random((24, 32), dtype=np.float32) ** 4
        tracks = np.zeros((24, 32), np.int32)
        tracks[4:9, 4:9] = 1
        found[4:9, 4:9] += rng.random(dtype=np.float32)
        for sweep in sweeps:
            sweep.add("a", found, tracks if t > 9 else None)
    whole, part = (asdict(sweep.value()) for sweep in sweeps)
    assert part.pop("detections") != whole.pop("detections")  # at another threshold
    assert part == whole and 0 < whole["rbdc"] < 1
    with pytest.raises(UsageError, match="more than the 20 frames that were announced"):
        sweeps[1].add("a", found, None)


@pytest.fixture(scope="module")
def ped2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    """A model of the miniature, its spec, and the result with pixels; a report beside it."""
    root = tmp_path_factory.mktemp("pixels")
    spec = f"ped2:{miniatures.write_ped2(root)}"
    mnad.train(spec, out=root / "model", **OFFICIAL)
    result = mnad.evaluate(
        root / "model", spec, pixels=True, policy="frozen", report=root / "report"
    )
    return root, spec, result


def test_the_maps_are_those_of_a_live_stream(ped2: tuple[Path, str, dict[str, Any]]) -> None:
    root, spec, result = ped2
    detector = in_any_light(root / "model")
    frames: dict[str, list[tuple[str, np.ndarray, np.ndarray]]] = {"error": [], "heat": []}
    home = Path(spec.partition(":")[2])
    for clip in range(3):
        stream = detector.stream()
        masks = miniatures.masks(miniatures.TEST_FRAMES, miniatures.abnormal_in(clip))
        folder = home / "Test" / f"Test{clip + 1:03d}"
        for file in sorted(folder.glob("[0-9]*.tif")):
            image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
            assert image is not None
            scored = stream.push(image.astype(np.uint8))
            if scored is None:
                continue
            assert scored.heat is not None
            for name, found in (("error", scored.error), ("heat", scored.heat)):
                sized = cv2.resize(found, (36, 24), interpolation=cv2.INTER_LINEAR)
                frames[name].append((folder.name, sized, masks[scored.index]))
    assert result["pixels"]["frames"] == result["scored_frames"] == 24
    for name, own in frames.items():
        assert_same(result["pixels"]["maps"][name], by_hand(own))


def test_measuring_pixels_changes_no_score(ped2: tuple[Path, str, dict[str, Any]]) -> None:
    root, spec, result = ped2
    without = mnad.evaluate(root / "model", spec, policy="frozen", streams=3)
    assert "pixels" not in without
    assert without["auc"] == pytest.approx(result["auc"])
    assert without["protocol"]["memory"] == result["protocol"]["memory"]


def test_ped1_is_measured_where_it_has_masks(
    ped2: tuple[Path, str, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"ped1:{miniatures.write_ped1(tmp_path)}"
    file = tmp_path / "o.json"
    assert main(["evaluate", str(ped2[0] / "model"), spec, "--pixels", "--json", str(file)]) == 0
    found = json.loads(file.read_text())["pixels"]
    assert (found["clips"], found["left_out_clips"]) == (1, ["Test001", "Test003"])
    assert found["maps"]["heat"]["ucsd"]["auc"] is None  # that clip is wholly abnormal
    assert "left out of the pixel numbers: Test001, Test003" in capsys.readouterr().out


def test_text_and_page_show_them(
    ped2: tuple[Path, str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, spec, result = ped2
    assert main(["evaluate", str(root / "model"), spec, "--pixels", "--policy", "frozen"]) == 0
    lines = capsys.readouterr().out.splitlines()
    html = (root / "report" / "evaluation.html").read_text()
    table = re.search(r'<table class="numbers" id="pixels">(.*?)</table>', html, re.S)
    assert table is not None
    for name, of_map in result["pixels"]["maps"].items():
        values = [
            of_map["pixel_auroc"]["auroc"],
            of_map["ucsd"]["auc"],
            of_map["ucsd"]["eer_interpolated"],
            of_map["dual_pixel"]["auc"],
            of_map["dual_pixel"]["eer_interpolated"],
            of_map["regions"]["rbdc"],
            of_map["regions"]["tbdc"],
        ]
        expected = [name, *(f"{value:.4f}" for value in values)]
        assert expected in [line.split() for line in lines]
        assert "".join(f"<td>{cell}</td>" for cell in expected) in table[1]
    assert "cut out anew at each of 513 fixed thresholds" in html


def test_without_masks_it_says_so(trained: tuple[Path, Path]) -> None:
    model, data = trained
    with pytest.raises(UsageError, match="has no pixel masks: leave out --pixels"):
        mnad.evaluate(model, str(data), pixels=True)


def test_a_mask_that_cannot_be_read_fails_its_clip(
    ped2: tuple[Path, str, dict[str, Any]], tmp_path: Path
) -> None:
    home = miniatures.write_ped2(tmp_path)
    (home / "Test/Test001_gt/007.bmp").write_bytes(b"none")
    result = mnad.evaluate(ped2[0] / "model", f"ped2:{home}", pixels=True)
    assert set(result["failed"]) == {"Test001"} and "007.bmp" in result["failed"]["Test001"]
    assert result["clips"] == 2 and result["pixels"]["in_part"] == ["Test001"]
    assert result["pixels"]["frames"] == 16 + 2
