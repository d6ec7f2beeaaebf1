"""What the robustness benchmark rests on: which clips were kept back, what a result is of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from footage import moving_square
from robustness import begun, kept_back
from watched_clip import Watched, reaches

from mnad.calibration.holdout import fingerprints
from mnad.config import ModelConfig, NetworkConfig
from mnad.datasets.clip import Clip
from mnad.detector import Detector
from mnad.models.folder import Model, build_network
from mnad.video.fit import fit

SMALL = NetworkConfig(channels=1, width=0.05, height=32, image_width=32)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    made = []
    for seed, name in enumerate(("01", "02", "03")):
        (tmp_path / name).mkdir()
        for t, frame in enumerate(moving_square(6, seed, size=48)):
            cv2.imwrite(str(tmp_path / name / f"{t}.png"), frame)
        made.append(Clip(name, tmp_path / name, 6))
    return made


def detector(*trained_on: int) -> Detector:
    torch.manual_seed(0)
    config = ModelConfig(SMALL)
    model = Model(config, build_network(config).eval().requires_grad_(False))
    seen = [
        np.stack([fit(frame, 32, 32, 1) for frame in moving_square(6, seed, size=48)])
        for seed in trained_on
    ]
    return Detector(replace(model, known=fingerprints(seen)))


def test_clips_kept_back_are_those_of_which_the_model_knows_no_frame(clips: list[Clip]) -> None:
    assert [clip.name for clip in kept_back(detector(0, 2), clips)] == ["02"]
    for none_or_all in (detector(), detector(0, 1, 2)):
        with pytest.raises(SystemExit, match="not trained on this Ped2"):
            kept_back(none_or_all, clips)


def test_a_result_goes_on_only_with_what_it_is_of(tmp_path: Path) -> None:
    file, now = tmp_path / "r.json", {"seed": 1, "runtime": "torch"}
    assert begun(file, now) == now | {"conditions": {}}
    file.write_text(json.dumps(now | {"conditions": {"none": {"auc": 0.5}}}))
    assert begun(file, now)["conditions"] == {"none": {"auc": 0.5}}
    with pytest.raises(SystemExit, match="another seed"):
        begun(file, now | {"seed": 2})


def test_an_event_reaches_an_anomaly_if_one_of_its_frames_lies_in_it() -> None:
    labels = np.repeat([0, 1, 0], 10).astype(np.uint8)  # abnormal from 1.0 to 1.9 s at 10 a second
    empty = np.empty(0)

    def event(start: float, end: float) -> Watched:
        one = {"start": start, "end": end, "peak": 1.0}
        return Watched(np.empty(0, np.int64), empty, empty, empty, [one])

    assert reaches(event(0.2, 1.0), labels, 10.0) and reaches(event(1.9, 2.5), labels, 10.0)
    assert not reaches(event(0.2, 0.9), labels, 10.0)
    assert not reaches(event(2.0, 2.5), labels, 10.0)
