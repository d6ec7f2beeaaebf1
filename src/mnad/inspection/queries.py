"""Queries of normal frames, drawn at random."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mnad.datasets.clip import Clip, Dataset, require_labels, require_training
from mnad.errors import MnadError, UsageError
from mnad.evaluation.clips import Intake
from mnad.models.folder import Model
from mnad.runtime.runtime import Runtime

Footage = Literal["training", "test"]

FRAMES = 250
"""Most frames that the queries are drawn from: many scenes, and yet soon computed."""


class Sampled(NamedTuple):
    """Queries of normal frames.

    Attributes:
        queries: (n, C) float32, unit norm.
        frames: how many frames they are of.
    """

    queries: NDArray[np.float32]
    frames: int


def sample_queries(
    model: Model, dataset: Dataset, runtime: Runtime, footage: Footage, count: int, seed: int
) -> Sampled:
    """Draw frames, and of each the same number of places, all without replacement.

    Models of one size get the same frames and places.

    Args:
        model: the model.
        dataset: where the frames are from.
        runtime: what computes the queries.
        footage: frames of the training clips, or the normal ones of the test clips.
        count: queries wanted; there are fewer where the clips have not as many.
        seed: of the draws.

    Raises:
        UsageError: fewer than one query is wanted.
        MnadError: there are no such clips, or the test clips have no labels or no normal frames.
    """
    if count < 1:
        raise UsageError(f"queries is {count}; it must be 1 or more.")
    if footage == "training":
        require_training(dataset)
    else:
        require_labels(dataset)
    network, rng = model.config.network, np.random.default_rng(seed)
    clips = dataset.train if footage == "training" else dataset.test
    after = network.window - 1 - network.target
    drawn = _frames(clips, network.target, after, min(FRAMES, count), rng)
    if not drawn:
        raise MnadError(
            f"{dataset.root} has no normal frame to draw queries from; choose other footage."
        )
    places = _places(model)
    sizes = [len(part) for part in np.array_split(np.arange(count), len(drawn))]
    intake = Intake.of_model(model, dataset)
    found: list[NDArray[np.float32]] = []
    window: deque[NDArray[np.uint8]]
    for clip in clips:
        wanted = [
            (frame, size)
            for (name, frame), size in zip(drawn, sizes, strict=True)
            if name == clip.name and size
        ]
        window, numbers = deque(maxlen=network.window), deque[int](maxlen=network.window)
        for taken in intake.frames(clip.path) if wanted else ():
            window.append(taken.pixels)
            numbers.append(taken.number)
            if len(window) < network.window or numbers[network.target] < wanted[0][0]:
                continue
            # The first one taken at or after the frame drawn: not all are, of thinned footage.
            _, size = wanted.pop(0)
            if clip.labels is None or not clip.labels[numbers[network.target]]:
                batch = torch.from_numpy(np.stack(window))[None].to(runtime.device)
                query = runtime.score(batch)[0][0].cpu().numpy()
                found.append(query[rng.choice(places, min(size, len(places)), replace=False)])
            if not wanted:
                break
    if not found:
        raise MnadError(f"{dataset.root} has no clip as long as the model's window; give longer.")
    return Sampled(np.concatenate(found), len(found))


def _frames(
    clips: Sequence[Clip], before: int, after: int, most: int, rng: np.random.Generator
) -> list[tuple[str, int]]:
    """Clip and number of the frames drawn, in their order."""
    known = [
        (clip.name, frame)
        for clip in clips
        for frame in range(before, clip.length - after)
        if clip.labels is None or (frame < len(clip.labels) and not clip.labels[frame])
    ]
    chosen = rng.permutation(len(known))[:most]
    return [known[i] for i in sorted(chosen.tolist())]


def _places(model: Model) -> NDArray[np.int64]:
    """Places of the memory's grid at least half of which is looked at."""
    rows, columns = model.config.network.feature_size
    if model.mask is None:
        return np.arange(rows * columns)
    share = model.mask.reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    return np.flatnonzero(share.ravel() >= 0.5)
