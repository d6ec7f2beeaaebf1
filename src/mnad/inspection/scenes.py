"""The most abnormal frame of some test clips, and how well each part of the score ranks frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mnad.datasets.clip import Dataset
from mnad.errors import MnadError
from mnad.evaluation.again import Seen, see_again
from mnad.evaluation.clips import Intake, score_clips
from mnad.evaluation.run import labels_fit
from mnad.evaluation.summary import arrays, combined, measure, single
from mnad.models.folder import Model
from mnad.runtime.runtime import Runtime
from mnad.scoring.stream import Scorer


class Scene(NamedTuple):
    """The frame of a test clip with the highest score.

    Attributes:
        clip: its name.
        frame: its number, from 0.
        label: 1 is abnormal; None without labels.
        seen: its picture, error and distances.
    """

    clip: str
    frame: int
    label: int | None
    seen: Seen


class Test(NamedTuple):
    """What the test clips tell.

    Attributes:
        places: clip and number of the most abnormal frames, in the order of the clips.
        auc: of ``psnr`` and ``distance`` alone by protocol, 0..1; None without labels.
        failed: clips that could not be scored, and why.
    """

    places: list[tuple[str, int]]
    auc: dict[str, dict[str, float | None]] | None
    failed: dict[str, str]


def score_test(model: Model, dataset: Dataset, runtime: Runtime, most: int) -> Test:
    """Score all test clips with the memory as trained.

    Args:
        model: the model.
        dataset: its test clips need no labels.
        runtime: what computes the scores.
        most: clips to choose, evenly spread; of clips with labels, those with abnormal frames.

    Raises:
        MnadError: no clip could be scored.
    """
    intake = Intake(
        model.config.network, dataset.rate, model.config.rate, model.regions, dataset.damaged
    )
    paths = [(clip.name, clip.path) for clip in dataset.test]
    scorer = Scorer(runtime, "frozen", model.mask)
    clips, failed = score_clips(scorer, intake, paths, 1, lambda _: None)
    if not clips:
        raise MnadError(f"no clip of {dataset.root} could be scored: {next(iter(failed.values()))}")
    by_name = {clip.name: clip for clip in dataset.test}
    psnr = arrays(clips, "psnr")
    distance = arrays(clips, "distance") if runtime.items is not None else None
    score = combined(psnr, distance, model.config.method.lambda_score, None).per_clip
    labels = {
        clip.name: np.asarray(by_name[clip.name].labels)[clip.index].astype(float)
        for clip in clips
        if by_name[clip.name].labels is not None and labels_fit(clip, by_name[clip.name], failed)
    }
    auc = None
    if labels:
        auc = {"psnr": measure(labels, single({c: psnr[c] for c in labels}, -1.0))["auc"]}
        if distance is not None:
            auc["distance"] = measure(labels, single({c: distance[c] for c in labels}))["auc"]
    able = [clip for clip in clips if clip.name not in labels or labels[clip.name].any()]
    spread = np.unique(np.linspace(0, len(able) - 1, min(most, len(able))).round().astype(int))
    chosen = [able[i] for i in spread]
    places = [(clip.name, clip.index[int(np.argmax(score[clip.name]))]) for clip in chosen]
    return Test(places, auc, failed)


def scenes_at(
    model: Model, dataset: Dataset, runtime: Runtime, places: list[tuple[str, int]]
) -> list[Scene]:
    """The pictures of frames, their errors and distances by a model."""
    wanted: dict[str, list[int]] = {}
    for clip, frame in places:
        wanted.setdefault(clip, []).append(frame)
    seen = see_again(model, dataset, wanted, runtime)
    labels = {clip.name: clip.labels for clip in dataset.test}

    def label(clip: str, frame: int) -> int | None:
        known = labels[clip]
        return None if known is None or frame >= len(known) else int(known[frame])

    return [Scene(c, f, label(c, f), seen[c, f]) for c, f in places if (c, f) in seen]
