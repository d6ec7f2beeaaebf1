"""Folders of images do not say how many frames a second they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import miniatures
import numpy as np
import pytest

import mnad
from mnad.cli import main
from mnad.config import ModelConfig, NetworkConfig
from mnad.datasets import at_rate, open_dataset
from mnad.errors import UsageError
from mnad.models.folder import Model, save_model
from mnad.network.mnad import MNAD

SMALL: dict[str, Any] = {"width": 0.05, "height": 32, "image_width": 48, "epochs": 1}


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A hundred images to train on, and sixty of which the second half is abnormal."""
    for part, count in (("training", 100), ("testing", 60)):
        folder = tmp_path / "own" / part / "walk"
        folder.mkdir(parents=True)
        for number in range(count):
            picture = np.full((32, 48), 90 + number, np.uint8)
            cv2.imwrite(str(folder / f"{number:03}.png"), picture)
    (tmp_path / "own/testing/walk.csv").write_text("first,last\n30,59\n")
    return tmp_path / "own"


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In place of a training: the lengths of its clips."""
    lengths: list[int] = []
    monkeypatch.setattr(
        "mnad.training.loop.main", lambda footage, *_, **__: lengths.extend(map(len, footage.clips))
    )
    return lengths


def test_training_takes_the_images_for_what_they_are(
    footage: Path, tmp_path: Path, trained_on: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    mnad.train(footage, out=tmp_path / "a", hold_out=0, folder_rate=10, **SMALL)
    assert trained_on == [100] and "--folder_rate" not in caplog.text
    mnad.train(footage, out=tmp_path / "b", hold_out=0, folder_rate=20, **SMALL)
    assert trained_on == [100, 50]
    # Not told, 25 are assumed, of which the preset looks at one in two; that is said.
    mnad.train(footage, out=tmp_path / "c", hold_out=0, **SMALL)
    assert trained_on == [100, 50, 50]
    assert "taken as 25 per second, of which one in 2 is looked at" in caplog.text


def test_an_evaluation_too(footage: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = NetworkConfig(channels=1, width=0.05, height=32, image_width=48)
    save_model(tmp_path / "model", Model(ModelConfig(network, rate=10.0), MNAD(network)))
    for given, frames in ((10, 56), (20, 26), (None, 26)):
        caplog.clear()
        found = mnad.evaluate(tmp_path / "model", footage, folder_rate=given)
        detail = found["frames_detail"]["walk"]
        assert len(detail["label"]) == frames and sum(detail["label"]) == frames // 2 + 2
        assert ("--folder_rate" in caplog.text) == (given is None)


def test_a_rate_that_is_known_is_not_given(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = open_dataset(f"ped2:{miniatures.write_ped2(tmp_path / 'data')}")
    with pytest.raises(UsageError, match="ped2 has 10 frames per second, as is known of it"):
        at_rate(known, 25, None)
    assert at_rate(known, None, 10) is known
    for words, part in (("0", "folder_rate is 0"), ("2000", "folder_rate is 2000")):
        wanted = ["train", str(footage), "--out", str(tmp_path / "no"), "--folder_rate", words]
        assert main(wanted) == 2
        assert part in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
