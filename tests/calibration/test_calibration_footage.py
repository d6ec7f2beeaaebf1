"""Normal footage as a model takes it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from perturb import shake

from mnad.calibration.footage import normal_footage
from mnad.config import ModelConfig, NetworkConfig
from mnad.datasets import open_dataset
from mnad.models.folder import Model, build_network
from mnad.video.cache import load_clips
from mnad.video.sink import VideoSink


@pytest.mark.parametrize(("frames_in", "steadied"), [(4, True), (1, False)])
def test_the_shake_is_taken_out_where_streams_do_so(
    data: Path, tmp_path: Path, frames_in: int, steadied: bool
) -> None:
    """A clip of Ped2 moved by up to two pixels of the network, written, and read again."""
    dataset = open_dataset(f"ped2:{data / 'ped2'}")
    (still,) = load_clips([dataset.train[0].path], 160, 256, 1)
    shaken = shake(still[:80], np.random.default_rng(0), most=2)
    with VideoSink(tmp_path / "pole.mp4", Fraction(10), (160, 256)) as sink:
        for number, frame in enumerate(shaken):
            sink.write(frame.repeat(3, -1), number / 10)
    task = "prediction" if frames_in == 4 else "reconstruction"
    network = NetworkConfig(task, frames_in, 1, 0.05, height=160, image_width=256)
    config = ModelConfig(network, preset="camera", rate=10.0)
    footage = normal_footage(
        Model(config, build_network(config)), [str(tmp_path / "pole.mp4")], None, None
    )
    (clip,) = footage.clips
    assert clip.shape == (80, 160, 256, 1)
    # After two seconds next to nothing moves but people.
    moves = [
        np.abs(np.diff(one[20:].astype(float), axis=0)).mean() for one in (clip, shaken, still[:80])
    ]
    if steadied:
        assert moves[0] < 1.5 * moves[2] < 0.4 * moves[1]
    else:
        assert moves[0] == pytest.approx(moves[1], rel=0.1)
