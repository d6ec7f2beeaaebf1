"""Single frames of test clips once more, as pictures: an evaluation keeps none."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mnad.datasets.clip import Dataset
from mnad.evaluation.clips import Intake
from mnad.models.folder import Model
from mnad.runtime.runtime import Runtime
from mnad.scoring.contrast import measured_error
from mnad.scoring.where import Where


class Seen(NamedTuple):
    """A frame and where its prediction failed.

    Attributes:
        picture: (H, W, 3) uint8 RGB, see `Frame.picture`; cropped to what is looked at, the rest
            hidden.
        error: (h, w) float32, squared error in 0..1 at the size of the network.
        distance: (r, c) float32, distance of the query at each place of the memory's grid to its
            nearest item; None without memory.
        heat: (h, w) float32, the error on the scale of normal footage (`mnad.scoring.where`);
            None for a model that was never shown any.
    """

    picture: NDArray[np.uint8]
    error: NDArray[np.float32]
    distance: NDArray[np.float32] | None
    heat: NDArray[np.float32] | None


def see_again(
    model: Model, dataset: Dataset, wanted: Mapping[str, Collection[int]], runtime: Runtime
) -> dict[tuple[str, int], Seen]:
    """Decode some frames once more and predict them with the memory as trained.

    Under the policies that update the memory a frame may have been scored with another one; the
    read is so even over the items that this hardly shows in a picture.

    Args:
        model: the model.
        dataset: of which the clips are.
        wanted: numbers of scored frames by the name of their test clip.
        runtime: what computes the error.

    Returns:
        By clip and frame number.
    """
    intake = Intake.of_model(model, dataset)
    network, found = model.config.network, {}
    for clip in dataset.test:
        numbers = set(wanted.get(clip.name, ()))
        # Frames as (picture, number, pixels); the picture only of those that are wanted.
        window: deque[tuple[NDArray[np.uint8] | None, int, NDArray[np.uint8]]]
        window = deque(maxlen=network.window)
        for frame, taken in intake.pictured(clip.path) if numbers else ():
            picture = frame.picture if taken.number in numbers else None
            window.append((picture, taken.number, taken.pixels))
            if len(window) < network.window:
                continue
            picture, number, _ = window[network.target]
            if picture is not None:
                pixels = np.stack([row[2] for row in window])
                found[clip.name, number] = _seen(model, runtime, picture, pixels)
                numbers.discard(number)
                if not numbers:
                    break
    return found


def _seen(
    model: Model, runtime: Runtime, picture: NDArray[np.uint8], window: NDArray[np.uint8]
) -> Seen:
    mask = None if model.mask is None else torch.tensor(model.mask, device=runtime.device)
    batch = torch.from_numpy(window)[None].to(runtime.device)
    query, parts = runtime.score(batch, mask=mask)
    error = parts.error[0].cpu().numpy()
    distance = None
    if runtime.items is not None:
        apart = torch.cdist(query[0], runtime.items).amin(-1)
        distance = apart.reshape(model.config.network.feature_size).cpu().numpy()
    heat, known = None, model.reference
    if known is not None:
        seen = window[model.config.network.target]
        measured = measured_error(parts.error, [seen], known.by_place, model.mask)
        heat = Where(known.level, known.floor, model.mask).map(measured[0].cpu().numpy())
    if model.regions is not None:
        picture = model.regions.crop_of(model.regions.hide(picture))
    return Seen(picture, error, distance, heat)
