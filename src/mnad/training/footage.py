"""The normal footage of a data set, as a model is trained on it."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from fractions import Fraction
from pathlib import Path

from mnad.calibration.footage import NormalFootage
from mnad.config import ModelConfig
from mnad.datasets import Dataset
from mnad.scoring.steady import Steady
from mnad.scoring.windows import require_long
from mnad.video.cache import Stretches, load_clips
from mnad.video.regions import Regions
from mnad.video.source import without_rate
from mnad.video.thin import taken_rate

_LOG = logging.getLogger("mnad")


def training_footage(
    dataset: Dataset,
    config: ModelConfig,
    regions: Regions | None,
    cache_dir: str | Path | None,
    faults: MutableMapping[int, str],
) -> NormalFootage:
    """Decode the training clips of a data set; where frames are missing, they are cut.

    Those of a camera are steadied, as detect and watch will see them; the protocols of the field
    take frames as they are.

    Args:
        dataset: whose.
        config: what is trained on them.
        regions: whose crop is cut out; None: the whole frame.
        cache_dir: where decoded frames go that do not fit into memory.
        faults: takes what of one's own videos could not be read, as by `load_clips`: a recorder's
            last file is often cut. Of a data set of the field nothing may be missing.

    Raises:
        MnadError: a clip cannot be read, or is shorter than a window.
    """
    network = config.network
    paths = [clip.path for clip in dataset.train]
    names = [clip.name for clip in dataset.train]
    rate = None if dataset.rate is None else Fraction(dataset.rate)
    filters = Steady if config.preset == "camera" and network.window > 1 else None
    stretches = None if all(map(without_rate, paths)) else Stretches(filters)
    clips = load_clips(
        paths,
        network.height,
        network.image_width,
        network.channels,
        cache_dir=cache_dir,
        rate=config.rate,
        regions=regions,
        folder_rate=rate,
        damaged=dataset.damaged,
        filters=stretches or filters,
        faults=faults if dataset.own and stretches else None,
        progress=True,
    )
    for sentence in faults.values():
        _LOG.warning("warning: %s", sentence)
    good = next((path for path, clip in zip(paths, clips, strict=True) if len(clip)), paths[0])
    if stretches is not None:
        clips, names = stretches.cut(clips, names, network.window, faults)
    require_long(clips, names, network.window)  # while it has the name that its owner knows
    return NormalFootage(clips, names, taken_rate(good, config.rate, rate))
