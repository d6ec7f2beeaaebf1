"""Evaluate a model on a data set, with everything that belongs beside the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mnad.config import Policy
from mnad.datasets.clip import Clip, Dataset, Kind, Prepared, require_fit, require_labels
from mnad.errors import MnadError, UsageError
from mnad.evaluation.clips import ClipScores, Intake, score_clips
from mnad.evaluation.frames import controls_of, frame_numbers, has
from mnad.evaluation.images import ImageLook, image_aurocs, image_controls
from mnad.evaluation.pixels import PixelLook
from mnad.evaluation.protocol import protocol_of
from mnad.evaluation.summary import arrays, camera_scores, combined, plain
from mnad.evaluation.truth import Maps, Truth
from mnad.evaluation.whole_clips import clip_numbers, raw_parts
from mnad.models.folder import Model
from mnad.progress import hidden
from mnad.runtime.runtime import Runtime
from mnad.scoring.stream import Scorer

USUAL_POLICY: dict[Kind, Policy] = {"frames": "carried", "clips": "reset", "images": "frozen"}
"""Of the memory at test time. Whole clips and images are sorted by label, so that a memory carried
from one to the next would be another for normal and for abnormal ones."""


def evaluate_model(
    model: Model,
    dataset: Dataset,
    *,
    runtime: Runtime | None = None,
    policy: Policy | None = None,
    lockstep: int = 1,
    lambda_score: float | None = None,
    pixels: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Score every test clip and measure the scores as the kind of the data set allows.

    Args:
        model: the model.
        dataset: labelled test clips.
        runtime: what computes the scores; None: torch.
        policy: memory at test time: ``carried`` across clips in order (public code), ``reset`` per
            clip, ``frozen``; None: `USUAL_POLICY`.
        lockstep: clips scored side by side. Batches round otherwise, by about 1e-6, which min-max
            scaling shows of a clip that stands still. Not with ``carried`` nor with `pixels`.
        lambda_score: weight of the PSNR part instead of the model's, 0..1.
        pixels: measure where in the frames, too, in the same pass; of images also the heat map.
        progress: show a progress bar.

    Returns:
        What `mnad evaluate --json` writes; AUC in 0..1, None where undefined. ``failed`` names the
        clips that could not be scored, and why.

    Raises:
        MnadError: no clip could be scored, or clips lack labels.
        UsageError: a weight out of its range, `pixels` without masks, a network that does not fit
            the data set, or images and a model that ignores a part of them.
    """
    if lambda_score is not None and not 0 <= lambda_score <= 1:
        raise UsageError(f"lambda_score is {lambda_score:g}; it is a weight from 0 to 1.")
    require_labels(dataset)
    network = model.config.network
    taken = Prepared(network.height, network.image_width, network.channels)
    cropped = model.regions is not None and model.regions.crop is not None
    require_fit(dataset, taken, network.window, cropped)
    weight = model.config.method.lambda_score if lambda_score is None else lambda_score
    runtime = runtime or model.torch_runtime
    chosen, policy = policy is not None, policy or USUAL_POLICY[dataset.kind]
    look = _look(model, dataset, pixels)
    scorer = Scorer(runtime, policy, model.mask, model.blocks)
    intake = Intake.of_model(model, dataset)
    total = sum(clip.length for clip in dataset.test)
    with tqdm(total=total, unit="frame", disable=hidden(progress)) as bar:
        clips, failed = score_clips(
            scorer,
            intake,
            [(clip.name, clip.path) for clip in dataset.test],
            # The masks of one clip at a time are held.
            1 if policy == "carried" or look is not None else lockstep,
            bar.update,
            look,
        )
    by_name = {clip.name: clip for clip in dataset.test}
    clips = [clip for clip in clips if labels_fit(clip, by_name[clip.name], failed)]
    if not clips:
        raise MnadError(f"no clip of {dataset.root} could be scored: {next(iter(failed.values()))}")
    labels = {c.name: _labels(by_name[c.name])[c.index].astype(float) for c in clips}
    distance = arrays(clips, "distance") if has(clips, "distance") else None
    main = combined(arrays(clips, "psnr"), distance, weight, model.reference)
    camera = None if model.reference is None else camera_scores(clips, model.reference)
    ahead = dataset.kind == "frames"
    numbers: dict[str, Any]
    controls = controls_of(clips, by_name, Intake(network, damaged=dataset.damaged))
    if isinstance(look, ImageLook):
        parts = {**look.highest(labels), **raw_parts(clips, main.causal, None)}
        if model.reference is not None:
            parts["peak"] = arrays(clips, "peak")
        numbers = {"image_auroc": image_aurocs(parts), "controls": image_controls(controls)}
        numbers["localisation"] = look.numbers(dataset.mask_source)
    elif ahead:
        numbers = frame_numbers(clips, labels, main, camera, controls)
    else:
        numbers = clip_numbers(labels, raw_parts(clips, main.causal, camera), controls)
    if isinstance(look, PixelLook):
        numbers["pixels"] = look.numbers(dataset.mask_source, list(failed))
    detail = {
        clip.name: {
            "index": clip.index,
            "seconds": clip.seconds,
            "psnr": clip.psnr,
            "distance": clip.distance,
            "regular": clip.regular,
            "peak": clip.peak,
            "camera": None if camera is None else camera[clip.name],
            "per_clip": main.per_clip[clip.name] if ahead else None,
            "whole_set": main.whole_set[clip.name] if ahead else None,
            "score": main.causal[clip.name] if main.causal is not None else None,
            "label": labels[clip.name].astype(int),
            "updated": clip.updated,
        }
        for clip in clips
    }
    if isinstance(look, ImageLook):
        for name, scores in look.highest(labels)["highest_error"].items():
            detail[name]["highest_error"] = scores
    result: dict[str, Any] = plain(
        {
            "dataset": dataset.name,
            "kind": dataset.kind,
            "clips": len(clips),
            "frames": sum(clip.length for clip in dataset.test if clip.name in labels),
            "scored_frames": sum(len(y) for y in labels.values()),
            "abnormal_frames": int(sum(y.sum() for y in labels.values())),
            **numbers,
            "protocol": protocol_of(model, dataset, runtime, policy, weight, chosen, clips, labels),
            "failed": failed,
            "frames_detail": detail,
        }
    )
    return result


def _look(model: Model, dataset: Dataset, pixels: bool) -> ImageLook | PixelLook | None:
    """What is to be seen of the frames besides their scores."""
    regions = model.regions
    if dataset.kind == "images":
        if regions is not None and (regions.include or regions.ignore):
            raise UsageError(
                f"{dataset.name} is of images, whose measures take every pixel, and the model has "
                "include or ignore polygons: evaluate one without, a crop may be."
            )
        maps = Maps.of_model(model, heat=pixels)
        return ImageLook(maps, Truth.of_dataset(dataset, regions), dataset)
    if not pixels:
        return None
    most = sum(clip.length for clip in dataset.test)
    return PixelLook(Maps.of_model(model), Truth.of_dataset(dataset, regions), most)


def _labels(clip: Clip) -> np.ndarray[Any, Any]:
    assert clip.labels is not None
    return np.asarray(clip.labels)


def labels_fit(scored: ClipScores, clip: Clip, failed: dict[str, str]) -> bool:
    """Whether every scored frame of a clip has a label; else `failed` gets a sentence about it."""
    if scored.index[-1] < len(_labels(clip)):
        return True
    failed[clip.name] = (
        f"clip {clip.name} gave frame {scored.index[-1]} but has {len(_labels(clip))} labels; "
        "label every frame of it."
    )
    return False
