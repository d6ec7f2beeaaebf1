"""From normal footage that was kept back to the threshold of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mnad.calibration.holdout import trained_share
from mnad.calibration.measure import measure
from mnad.calibration.rate import BLOCK_SECONDS, USUAL, Scored, threshold_for
from mnad.calibration.result import Calibration
from mnad.calibration.things import block_size
from mnad.camera.view import View
from mnad.errors import MnadError, UsageError
from mnad.events.machine import EventConfig
from mnad.models.folder import Model
from mnad.progress import hidden
from mnad.runtime.runtime import Runtime
from mnad.scoring.smooth import causal_mean
from mnad.scoring.windows import Windows

KEPT_SCORES = 50_000
SHORTEST_SECONDS = 4 * BLOCK_SECONDS
"""Of normal footage that can carry a threshold at all."""


def calibrate_model(
    model: Model,
    clips: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    rate: float,
    per_hour: float,
    *,
    runtime: Runtime | None = None,
    by_place: bool = False,
    trained_on: bool = False,
    events: EventConfig | None = None,
    progress: bool = True,
) -> Model:
    """A model whose score and threshold rest on normal footage that it was not trained on.

    Its memory is frozen, as it is on a camera. What is usual at each place stays what it was in
    the training: were it learnt from this footage too, the scores of it would be too low.

    Args:
        model: any model.
        clips: (T, H, W, c) uint8 at the size of its network, each without gaps.
        names: of the clips; several may be of one source.
        rate: frames per second of the clips.
        per_hour: false alarms per hour to allow.
        runtime: what will score its frames, as a threshold holds for one runtime; None: torch.
        by_place: measure the error of each block against what is usual at its place.
        trained_on: accept footage that the model was trained on.
        events: what makes an event, at any threshold; None: what its calibration was for, if any.
        progress: show a progress bar.

    Raises:
        UsageError: `per_hour` is not above 0, the model was trained on this footage, or it does
            not know what is usual at a place, as an imported one.
        MnadError: the footage is shorter than `SHORTEST_SECONDS`, or no clip is longer than a
            window.
    """
    require_per_hour(per_hour)
    if events is None:
        events = USUAL if model.calibration is None else model.calibration.events
    share = trained_share(clips, model.known, trained_on)
    seconds = sum(map(len, clips)) / rate
    if seconds < SHORTEST_SECONDS:
        raise MnadError(
            f"{', '.join(dict.fromkeys(names))}: {seconds:.1f} s of normal footage cannot carry a "
            f"threshold; give {SHORTEST_SECONDS:g} s at the very least, and better an hour."
        )
    window = model.config.network.window
    if max(map(len, clips)) <= window:
        raise MnadError(
            f"no clip of this footage is longer than the {window} frames that a window spans, so "
            "that their scores have no course in time: give longer clips."
        )
    windows = Windows(clips, names, window)
    known = model.reference
    if by_place and known is None:
        raise UsageError(
            "by_place needs a model that saw normal footage in its training; an imported one did "
            "not: leave --by_place out, or train a model."
        )
    block = block_size(clips) if known is None else known.block
    usual = np.ones((), np.float32) if known is None else known.usual
    with tqdm(
        total=len(windows), unit="frame", desc="calibration", disable=hidden(progress)
    ) as bar:
        reference = measure(
            runtime or model.torch_runtime,
            windows,
            range(len(windows)),
            block,
            usual,
            by_place,
            model.mask,
            lambda error: bar.update(len(error)),
        )
    if known is not None:
        reference = reference.widened(known)
    owner = np.array([clip for clip, _, _ in windows.places])
    single = reference.score(reference.peak, reference.distance)
    stretches = [smoothed(single[owner == clip], rate) for clip in range(len(clips))]
    scores = np.concatenate([one.score for one in stretches])
    calibration = Calibration(
        threshold=threshold_for(stretches, float(per_hour), events=events),
        rate=rate,
        frames=len(windows),
        sources=tuple(dict.fromkeys(names)),
        trained_on=share,
        score=thinned(scores),
        view=View.learn((frame for clip in clips for frame in clip), rate),
        events=events,
    )
    return replace(model, reference=reference, calibration=calibration)


def require_per_hour(per_hour: float) -> None:
    """See that a threshold can be set for so many false alarms; cheap, to be asked first.

    Raises:
        UsageError: not above 0.
    """
    if not 0 < per_hour < np.inf:
        raise UsageError(f"false_alarms_per_hour is {per_hour}; give a number above 0.")


def thinned(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of scores (n,) so many, evenly spread, as a model keeps."""
    return scores[:: -(-len(scores) // KEPT_SCORES)]


def smoothed(single: NDArray[np.float64], rate: float) -> Scored:
    """The smoothed scores of consecutive frames (n,) at `rate` frames per second."""
    seconds = np.arange(len(single)) / rate
    return Scored(seconds, causal_mean(seconds, single))
