from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import loadmat

from mnad.errors import MnadError, UsageError
from mnad.metrics.controls import block_maximum, control_scores
from mnad.metrics.frame import causal_micro, per_clip_minmax_micro

Frames = NDArray[np.uint8]


def frames(seed: int, count: int = 5, channels: int = 3) -> Frames:
    size = (count, 12, 17, channels)
    return np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)


def test_difference_by_hand() -> None:
    # 51 is a fifth of 255; one pixel of four, one channel of three, and it got darker.
    before, after = np.full((2, 2, 3), 60, np.uint8), np.full((2, 2, 3), 60, np.uint8)
    after[1, 0, 2] = 9
    scores = control_scores([before, after], block=1)
    assert scores["squared_difference"] == pytest.approx([0, 0.04 / 12])
    assert scores["squared_difference_block"] == pytest.approx([0, 0.04 / 3])


@pytest.mark.parametrize("block", [1, 3, 4, 12])
def test_block_maximum_around_every_pixel(block: int) -> None:
    def mirrored(i: int, size: int) -> int:
        return -i if i < 0 else 2 * (size - 1) - i if i >= size else i

    values = np.random.default_rng(1).random((12, 17))
    reach = range(-(block // 2), block - block // 2)
    means = [
        np.mean([values[mirrored(i + a, 12), mirrored(j + b, 17)] for a in reach for b in reach])
        for i in range(12)
        for j in range(17)
    ]
    assert block_maximum(values, block) == pytest.approx(max(means), abs=1e-12)


@pytest.mark.parametrize("block", [7, 36])
def test_block_maximum_against_opencv(block: int) -> None:
    # Largest towards one corner after the other: there the border decides.
    slope = np.random.default_rng(2).random((40, 50)) + np.add.outer(np.arange(40), np.arange(50))
    for values in (slope, slope[::-1], slope[:, ::-1], slope[::-1, ::-1]):
        means = cv2.boxFilter(values, cv2.CV_64F, (block, block), borderType=cv2.BORDER_REFLECT_101)
        assert block_maximum(values, block) == pytest.approx(means.max(), abs=1e-9)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_block_maximum_of_an_error_map_in_single_or_half_precision(kind: type) -> None:
    # Summed in its own type it was 0.06 % off in float32, and no number in float16.
    values = (np.random.default_rng(3).random((1080, 1920)) ** 8).astype(kind)
    means = cv2.boxFilter(
        values.astype(np.float64), cv2.CV_64F, (4, 4), borderType=cv2.BORDER_REFLECT_101
    )
    assert block_maximum(values, 4) == pytest.approx(means.max(), rel=1e-9)


def test_block_maximum_of_extreme_maps() -> None:
    assert block_maximum(np.full((2, 3), 0.25), 36) == pytest.approx(0.25)
    assert block_maximum(np.full((1, 1), 7), 5) == 7
    with pytest.raises(UsageError, match="block is 0"):
        block_maximum(np.zeros((2, 3)), 0)


def test_control_scores_of_a_clip() -> None:
    clip = frames(3)
    scores = control_scores(iter(clip), clip=7, block=4)
    assert scores["constant"].tolist() == [0] * 5
    assert scores["random"].tolist() == np.random.default_rng(7).random(5).tolist()
    assert scores["frame_index"].tolist() == [0, 1, 2, 3, 4]
    assert scores["clip_id"].tolist() == [7] * 5
    assert scores["mean_intensity"] == pytest.approx(clip.mean(axis=(1, 2, 3)) / 255)
    pairs = list(itertools.pairwise(clip))
    maps = [((a / 255 - b / 255) ** 2).mean(axis=2) for a, b in pairs]
    means = [0.0] + [one.mean() for one in maps]
    blocks = [0.0] + [block_maximum(one, 4) for one in maps]
    assert scores["squared_difference"] == pytest.approx(means, abs=1e-15)
    assert scores["squared_difference_block"] == pytest.approx(blocks, abs=1e-12)


def test_control_scores_survive_a_reused_buffer() -> None:
    clip = frames(4)

    def decode() -> Iterator[Frames]:
        buffer = np.empty_like(clip[0])
        for frame in clip:
            buffer[:] = frame
            yield buffer

    reused = control_scores(decode())
    for name, values in control_scores(iter(clip)).items():
        assert reused[name].tolist() == values.tolist()


def test_control_scores_of_no_frames() -> None:
    assert {len(values) for values in control_scores(iter([])).values()} == {0}


def test_bad_frames() -> None:
    clip = frames(5, 2)
    with pytest.raises(MnadError, match="one size"):
        control_scores([clip[0], clip[1][:, :-1]])
    for bad in (clip[0] / 255, clip[0, :, :, 0], clip[0, :0]):
        with pytest.raises(MnadError, match="give uint8 frames"):
            control_scores([bad])


def test_ped2_controls(data: Path) -> None:
    folders = sorted((data / "ped2" / "testing" / "frames").iterdir())
    ranges = loadmat(data / "ped2" / "ped2.mat", squeeze_me=True)["gt"]
    labels: dict[str, NDArray[np.int64]] = {}
    controls: dict[str, dict[str, NDArray[np.float64]]] = {}
    for number, (folder, clip) in enumerate(zip(folders, ranges, strict=True)):
        grey = (
            cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.glob("*.jpg"))
        )
        resized = (cv2.resize(f, (256, 256))[:, :, None] for f in grey if f is not None)
        for name, values in control_scores(resized, clip=number).items():
            controls.setdefault(name, {})[folder.name] = values[4:]
        y = np.zeros(len(values), dtype=np.int64)
        for start, end in np.reshape(clip, (2, -1)).T:
            y[start - 1 : end] = 1
        labels[folder.name] = y[4:]
    assert sum(len(y) for y in labels.values()) == 1962
    assert sum(int(y.sum()) for y in labels.values()) == 1620
    found = {
        name: (causal_micro(labels, s).auc, per_clip_minmax_micro(labels, s).auc)
        for name, s in controls.items()
    }
    # Frames 4 onwards of every clip, resized to 256 x 256: causal, per-clip min-max.
    assert found["squared_difference"] == pytest.approx((0.798, 0.914), abs=0.002)
    assert found["squared_difference_block"] == pytest.approx((0.887, 0.901), abs=0.002)
    assert found["frame_index"] == pytest.approx((0.739, 0.746), abs=0.001)
    assert found["clip_id"][1] == 0.5 and found["constant"] == (0.5, 0.5)
    assert found["random"] == pytest.approx((0.5, 0.5), abs=0.04)
