"""Evaluate a model on a data set, with everything that belongs beside the numbers."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from mnad.config import Policy
from mnad.datasets.clip import Clip, Dataset, Prepared, require_fit, require_labels
from mnad.errors import MnadError
from mnad.evaluation.clips import ClipScores, Intake, score_clips
from mnad.evaluation.summary import (
    arrays,
    camera_scores,
    combined,
    damages,
    intervals,
    labels_digest,
    measure,
    per_clip_table,
    plain,
    single,
)
from mnad.metrics.controls import control_scores
from mnad.models.folder import Model
from mnad.runtime.runtime import Runtime
from mnad.scoring.smooth import SECONDS
from mnad.scoring.stream import Scorer

PUBLISHED = {
    ("ped2", "prediction"): 0.970,
    ("ped2", "reconstruction"): 0.902,
    ("avenue", "prediction"): 0.885,
    ("avenue", "reconstruction"): 0.828,
    ("shanghaitech", "prediction"): 0.705,
    ("shanghaitech", "reconstruction"): 0.698,
}
"""Frame AUC of Table 1 of the paper, per-clip min-max micro."""


def evaluate_model(
    model: Model,
    dataset: Dataset,
    *,
    runtime: Runtime | None = None,
    policy: Policy = "carried",
    lockstep: int = 1,
    lambda_score: float | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Score every test clip and measure the scores in every protocol.

    Args:
        model: the model.
        dataset: labelled test clips.
        runtime: what computes the scores; None: torch.
        policy: memory at test time: ``carried`` across clips in order (public code), ``reset`` per
            clip, ``frozen``.
        lockstep: clips scored side by side; the numbers do not depend on it. Not with ``carried``.
        lambda_score: weight of the PSNR part instead of the preset's.
        progress: show a progress bar.

    Returns:
        What `mnad evaluate --json` writes; AUC in 0..1, None where undefined. ``failed`` names the
        clips that could not be scored, and why.

    Raises:
        MnadError: no clip could be scored, or clips lack labels.
    """
    require_labels(dataset)
    network = model.config.network
    taken = Prepared(network.height, network.image_width, network.channels)
    cropped = model.regions is not None and model.regions.crop is not None
    require_fit(dataset, taken, network.window, cropped)
    weight = model.config.method.lambda_score if lambda_score is None else lambda_score
    runtime = runtime or model.torch_runtime
    scorer = Scorer(runtime, policy, model.mask, model.blocks)
    intake = Intake(
        model.config.network, dataset.rate, model.config.rate, model.regions, dataset.damaged
    )
    total = sum(clip.length for clip in dataset.test)
    with tqdm(total=total, unit="frame", disable=None if progress else True) as bar:
        clips, failed = score_clips(
            scorer,
            intake,
            [(clip.name, clip.path) for clip in dataset.test],
            1 if policy == "carried" else lockstep,
            bar.update,
        )
    by_name = {clip.name: clip for clip in dataset.test}
    if not clips:
        raise MnadError(f"no clip of {dataset.root} could be scored: {next(iter(failed.values()))}")
    clips = [clip for clip in clips if labels_fit(clip, by_name[clip.name], failed)]
    if not clips:
        raise MnadError(f"no clip of {dataset.root} could be scored: {next(iter(failed.values()))}")
    labels = {c.name: _labels(by_name[c.name])[c.index].astype(float) for c in clips}
    psnr = arrays(clips, "psnr")
    distance = arrays(clips, "distance") if model.config.network.memory else None
    main = combined(psnr, distance, weight, model.reference)
    found = measure(labels, main)
    parts = {"psnr": measure(labels, single(psnr, -1.0))["auc"]}
    parts["distance"] = (
        measure(labels, single(distance))["auc"]
        if distance is not None
        else dict.fromkeys(parts["psnr"])
    )
    camera = None
    if model.reference is not None:
        parts["peak"] = measure(labels, single(arrays(clips, "peak")))["auc"]
        camera = camera_scores(clips, model.reference)
        parts["camera"] = measure(labels, single(camera))["auc"]
    result = {
        "dataset": dataset.name,
        "clips": len(clips),
        "frames": sum(clip.length for clip in dataset.test if clip.name in labels),
        "scored_frames": sum(len(y) for y in labels.values()),
        "abnormal_frames": int(sum(y.sum() for y in labels.values())),
        **found,
        "auc_interval_95": intervals(labels, main),
        "parts": parts,
        "controls": _controls(clips, by_name, Intake(network, damaged=dataset.damaged), labels),
        "macro": per_clip_table(labels, main),
        "damage": damages(labels, main),
        "protocol": _protocol(model, dataset, runtime, policy, weight, clips, labels),
        "failed": failed,
        "frames_detail": {
            clip.name: {
                "index": clip.index,
                "seconds": clip.seconds,
                "psnr": clip.psnr,
                "distance": clip.distance,
                "regular": clip.regular,
                "peak": clip.peak,
                "camera": None if camera is None else camera[clip.name],
                "per_clip": main.per_clip[clip.name],
                "whole_set": main.whole_set[clip.name],
                "score": main.causal[clip.name] if main.causal is not None else None,
                "label": labels[clip.name].astype(int),
                "updated": clip.updated,
            }
            for clip in clips
        },
    }
    out: dict[str, Any] = plain(result)
    return out


def camera_rule(model: Model) -> dict[str, Any] | None:
    """How the score for cameras is made, and what it rests on."""
    reference, calibration = model.reference, model.calibration
    if reference is None:
        return None
    return {
        "block": reference.block,
        "smoothing_seconds": SECONDS,
        "normal_frames": "trained on" if calibration is None else "held out",
        "calibration": None if calibration is None else calibration.sentences(),
        "threshold": None if calibration is None else calibration.threshold.score,
    }


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


def _controls(
    clips: Sequence[ClipScores],
    by_name: Mapping[str, Clip],
    intake: Intake,
    labels: Mapping[str, Any],
) -> dict[str, dict[str, float | None]]:
    scores: dict[str, dict[str, Any]] = {}
    for number, clip in enumerate(clips):
        frames = intake.frames(by_name[clip.name].path)
        whole = control_scores((frame.pixels for frame in frames), number)
        for name, values in whole.items():
            scores.setdefault(name, {})[clip.name] = values[clip.index]
    return {name: measure(labels, single(part))["auc"] for name, part in scores.items()}


def _protocol(
    model: Model,
    dataset: Dataset,
    runtime: Runtime,
    policy: Policy,
    weight: float,
    clips: Sequence[ClipScores],
    labels: Mapping[str, Any],
) -> dict[str, Any]:
    method, network = model.config.method, model.config.network
    updated = [u for clip in clips for u in clip.updated]
    weights = hashlib.sha256()
    for name, tensor in sorted(model.network.state_dict().items()):
        weights.update(name.encode() + tensor.cpu().numpy().tobytes())
    return {
        "dataset": str(dataset.name),
        "label_source": dataset.label_source,
        "labels_sha256": labels_digest(labels),
        "warnings": list(dataset.warnings),
        "first_frames": f"{network.target} not scored at the start of each clip, "
        f"{network.window - 1 - network.target} at its end",
        "preset": model.config.preset,
        "task": network.task,
        "lambda": weight if network.memory else 1.0,
        "camera": camera_rule(model),
        "normalisation": "each part by its clip (looks ahead), by the whole set (looks ahead), "
        "or by its rank among training frames (causal); no smoothing",
        "memory": {
            "policy": policy if network.memory else "none",
            "order": "clips in natural order" if policy == "carried" else "independent",
            "gamma": method.gamma,
            "regular_error": method.regular_error,
            "share_of_frames_that_updated": float(np.mean(updated)),
        },
        "macro_rule": "mean of per-clip AUC of per-clip min-max scores; one-class clips skipped",
        "eer_rule": "interpolated on the ROC curve",
        "ap_rule": "step sum",
        "interval_rule": "95 % bootstrap over clips, 2,000 draws, seed 0",
        "selection": "last epoch",
        "training": model.training,
        "weights_sha256": weights.hexdigest(),
        "published": {
            "auc": PUBLISHED.get((dataset.name, network.task)),
            "protocol": "per_clip_minmax_micro, paper's Table 1",
        },
        "versions": {
            "mnad": version("mnad"),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": runtime.device.type,
        "runtime": runtime.name,
    }
