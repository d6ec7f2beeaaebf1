"""The most abnormal frame of some test clips, and how well each part of the score ranks frames."""

from __future__ import annotations

from collections.abc import Sequence
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
        scores: abnormality (eq. 16, 0..1 within the clip) by clip and frame number; of clips with
            labels, those with abnormal frames.
        auc: of ``psnr`` and ``distance`` alone by protocol, 0..1; None without labels.
        failed: clips that could not be scored, and why.
    """

    scores: dict[str, dict[int, float]]
    auc: dict[str, dict[str, float | None]] | None
    failed: dict[str, str]


def score_test(model: Model, dataset: Dataset, runtime: Runtime) -> Test:
    """Score all test clips with the memory as trained.

    Args:
        model: the model.
        dataset: its test clips need no labels.
        runtime: what computes the scores.

    Raises:
        MnadError: no clip could be scored.
    """
    intake = Intake.of_model(model, dataset)
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
    scores = {
        clip.name: dict(zip(clip.index, score[clip.name].tolist(), strict=True))
        for clip in clips
        if clip.name not in labels or labels[clip.name].any()
    }
    return Test(scores, auc, failed)


def most_abnormal(test: Test, others: Sequence[Test], most: int) -> list[tuple[str, int]]:
    """Clip and number of the most abnormal frames, in the order of the clips.

    Args:
        test: by whose scores.
        others: of other models that are to show the same frames. They need not have scored all of
            them, as with a longer window or another rate.
        most: clips to choose, evenly spread.
    """
    shared = {
        clip: [n for n in scores if all(n in other.scores.get(clip, ()) for other in others)]
        for clip, scores in test.scores.items()
    }
    able = [clip for clip, numbers in shared.items() if numbers]
    spread = np.unique(np.linspace(0, len(able) - 1, min(most, len(able))).round().astype(int))
    return [
        (clip, max(shared[clip], key=test.scores[clip].__getitem__))
        for clip in (able[i] for i in spread)
    ]


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
