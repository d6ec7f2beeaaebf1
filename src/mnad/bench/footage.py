"""The video that is scored: a rendered one where none is given."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.config import NetworkConfig
from mnad.errors import MnadError
from mnad.scene.dataset import training_clip
from mnad.scene.scene import SceneConfig
from mnad.video.fit import fit
from mnad.video.regions import Regions
from mnad.video.sink import VideoSink
from mnad.video.source import open_source
from mnad.video.thin import thinned

SCENE = SceneConfig(height=360, width=640, rate=Fraction(25))
FRAMES, SEED = 100, 0
LEAST = 12
"""Windows that a video must have."""
DECODED = 28
"""Frames that networks alone, calibration and quantization are given."""


def write_scene(path: Path, config: SceneConfig = SCENE, frames: int = FRAMES) -> Path:
    """Render a street into an H.264 file; the same to the bit each time, before compression."""
    with VideoSink(path, config.rate, (config.height, config.width)) as sink:
        for frame in training_clip(config, 0, frames, SEED):
            sink.write(frame.pixels)
    return path


def first_frames(
    path: Path,
    network: NetworkConfig,
    regions: Regions | None = None,
    rate: float | None = None,
) -> NDArray[np.uint8]:
    """The first frames of a video as a network takes them, (T, H, W, c).

    Args:
        path: the video.
        network: the dimensions.
        regions: what of the picture is looked at; all of it without.
        rate: frames per second that are looked at, of a video that has more; None for all.

    Raises:
        MnadError: no video, or a short one.
    """
    with open_source(path, network.channels) as source:
        looked_at = islice(thinned(source, rate), network.window + DECODED)
        frames = [frame.pixels for frame in looked_at]
    least = network.window - 1 + LEAST
    if len(frames) < least:
        which = "" if rate is None else f" of those that the model looks at, {rate:g} a second"
        raise MnadError(f"{path} has {len(frames)} frames{which}; give a video of {least} or more.")
    cropped = frames if regions is None else [regions.crop_of(frame) for frame in frames]
    size = network.height, network.image_width, network.channels
    return np.stack([fit(frame, *size) for frame in cropped])
