from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from street import HEIGHT, RATE, WIDTH, street

from mnad.calibration.calibrate import calibrate_model
from mnad.config import ModelConfig, NetworkConfig, TrainConfig
from mnad.models.folder import Model
from mnad.training.loop import Footage, main
from mnad.video.regions import Regions

NETWORK = NetworkConfig(channels=1, width=0.05, height=HEIGHT, image_width=WIDTH)


def learnt(
    out: Path, network: NetworkConfig = NETWORK, windows: int = 320, regions: Regions | None = None
) -> Model:
    """A model of the street, calibrated, for at most 10 frames per second."""
    finish = partial(calibrate_model, clips=[street(240, 8)], names=["held"], rate=RATE, per_hour=6)
    return main(
        Footage("street", ("clip",), [street(windows, 9)]),
        out,
        ModelConfig(network, rate=RATE),
        TrainConfig(2, 8, 4e-3, most_windows=windows),
        torch.device("cpu"),
        progress=False,
        regions=regions,
        finish=partial(finish, progress=False),
    )


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a calibrated model of the street."""
    folder = tmp_path_factory.mktemp("street") / "model"
    learnt(folder)
    return folder
