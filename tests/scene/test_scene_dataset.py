"""The written data set: whole, readable by the package, true to the rendered frames."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from mnad.datasets.folder import open_folder
from mnad.errors import MnadError, UsageError
from mnad.metrics.controls import control_scores
from mnad.scene.dataset import testing_clip as rendered_test
from mnad.scene.dataset import training_clip, write_dataset
from mnad.scene.scene import SceneConfig
from mnad.scene.traffic import KINDS

SMALL = SceneConfig(height=64, width=96)
FRAMES = 40


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scene") / "a" / "b"
    assert write_dataset(root, SMALL, 1, 2, FRAMES, seed=3) == root
    return root


def luma(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as video:
        return np.stack([f.to_ndarray()[: f.height] for f in video.decode(video=0)])  # Y of YUV


def test_files_of_a_clip_agree(written: Path) -> None:
    names = {p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file()}
    beside = ("01.mp4", "01.npy", "01_masks.npz", "01_tracks.csv")
    expected = {"training/01.mp4"} | {f"testing/{n}" for n in beside}
    assert names == expected | {f"testing/{n.replace('01', '02')}" for n in beside}
    for clip in (0, 1):
        truth = list(rendered_test(SMALL, clip, FRAMES, seed=3))
        labels = np.load(written / f"testing/0{clip + 1}.npy")
        masks = np.load(written / f"testing/0{clip + 1}_masks.npz")["masks"]
        assert labels.dtype == np.uint8 and masks.dtype == np.bool_
        assert labels.tolist() == [f.label for f in truth]
        assert np.array_equal(masks, [f.mask for f in truth])
        with (written / f"testing/0{clip + 1}_tracks.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == sum(len(f.boxes) for f in truth) > 0
        for row in rows:
            x0, y0, x1, y1 = (int(row[c]) for c in ("x0", "y0", "x1", "y1"))
            assert masks[int(row["frame"]), y0 : y1 + 1, x0 : x1 + 1].any()
            assert row["kind"] in KINDS


def test_video_is_the_rendered_frames(written: Path) -> None:
    decoded = luma(written / "training/01.mp4")
    exact = np.stack([f.pixels for f in training_clip(SMALL, 0, FRAMES, seed=3)])
    # ITU-R BT.601 in limited range, which is what the file stores.
    stored = 16 + exact.astype(float) @ np.array([0.299, 0.587, 0.114]) * 219 / 255
    assert decoded.shape == stored.shape
    error = decoded - stored
    assert abs(error.mean()) < 0.35
    assert error.std() < 4


def test_the_package_reads_it(written: Path) -> None:
    dataset = open_folder(written, labels=True)
    assert [c.name for c in dataset.train] == ["01"]
    assert [(c.name, c.length) for c in dataset.test] == [("01", FRAMES), ("02", FRAMES)]
    labels = dataset.test[1].labels
    assert labels is not None and np.array_equal(labels, np.load(written / "testing/02.npy"))
    assert dataset.warnings == ()


def test_three_clips_hold_every_kind() -> None:
    seen = {b.kind for c in range(3) for f in rendered_test(SMALL, c, 300) for b in f.boxes}
    assert seen == set(KINDS)


def test_frame_differences_do_not_tell_the_anomalies() -> None:
    """The demo's clips are hard for the controls, and neither class of frames is rare."""
    config = SceneConfig(channels=1)
    scores: dict[str, list[NDArray[np.float64]]] = {
        "squared_difference": [],
        "squared_difference_block": [],
    }
    labels = []
    for clip in range(6):
        frames = list(rendered_test(config, clip, 150))
        labels.append([f.label for f in frames])
        found = control_scores(f.pixels for f in frames)
        for name, rows in scores.items():
            rows.append(found[name])
    y = np.concatenate([row[4:] for row in labels])
    assert 0.3 < y.mean() < 0.65
    for rows in scores.values():
        whole = np.concatenate([row[4:] for row in rows])
        scaled = np.concatenate([(r[4:] - r[4:].min()) / np.ptp(r[4:]) for r in rows])
        assert roc_auc_score(y, whole) <= 0.80
        assert roc_auc_score(y, scaled) <= 0.80


def test_counts_and_folders_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="test_clips is 0"):
        write_dataset(tmp_path, SMALL, test_clips=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(MnadError, match="file"):
        write_dataset(tmp_path / "file", SMALL)
