"""Normal footage that a person names, as a model takes it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.models.folder import Model
from mnad.scoring.steady import Steady
from mnad.video.cache import Stretches, load_clips
from mnad.video.find import find_sources, listed, name_of
from mnad.video.thin import given_rate, say_what_is_assumed, taken_rate


class NormalFootage(NamedTuple):
    """Decoded clips.

    Attributes:
        clips: (T, H, W, c) uint8 at the size of the model's network.
        names: of the clips, the same for what a clip with holes is cut into.
        rate: frames per second of the clips.
    """

    clips: Sequence[NDArray[np.uint8]]
    names: list[str]
    rate: float


def normal_footage(
    model: Model,
    sources: Sequence[str],
    rate: float | None,
    cache_dir: str | Path | None,
    faults: MutableMapping[int, str] | None = None,
) -> NormalFootage:
    """Decode sources at the size and rate of a model, without the camera's shake.

    Args:
        model: whose.
        sources: video files, folders of videos, folders of frames, or patterns.
        rate: frames per second of folders of images, which do not say it; None: 25.
        cache_dir: where decoded frames go that do not fit into memory.
        faults: as for `load_clips`.

    Raises:
        UsageError: there are none, or a rate is given and none is a folder of images.
        MnadError: a source cannot be read, or with `faults` none can; or their rates differ.
    """
    network, wanted = model.config.network, model.config.rate
    paths = find_sources(listed(sources))
    if not paths:
        raise UsageError("no normal footage is given; give videos, or folders of frames.")
    known = None if rate is None else given_rate(rate, paths)
    if known is None:
        say_what_is_assumed(paths, wanted)
    rates = [rate for path in paths if (rate := _rate_of(path, wanted, known)) is not None]
    if rates and max(rates) > 1.2 * min(rates):
        raise MnadError(
            f"the sources have from {min(rates):g} to {max(rates):g} frames per second; calibrate "
            "on footage of one rate, that of the camera."
        )
    size = (network.height, network.image_width, network.channels)
    stretches = Stretches(Steady if network.window > 1 else None)
    clips = load_clips(
        paths,
        *size,
        cache_dir=cache_dir,
        rate=wanted,
        regions=model.regions,
        folder_rate=known,
        filters=stretches,
        faults=faults,
        progress=True,
    )
    names = [name_of(path) for path in paths]
    return NormalFootage(*stretches.cut(clips, names, network.window, faults or ()), rates[0])


def _rate_of(path: Path, wanted: float | None, known: Fraction | None) -> float | None:
    """Frames per second that are taken of a source; None if it cannot be read."""
    try:
        return taken_rate(path, wanted, known)
    except MnadError:
        return None
