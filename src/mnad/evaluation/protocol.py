"""What the numbers of an evaluation depend on, and what was published."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from mnad.config import NetworkConfig, Policy
from mnad.datasets.clip import Dataset, Kind
from mnad.evaluation.clips import ClipScores
from mnad.evaluation.images import IMAGE_RULES
from mnad.evaluation.summary import RULES, labels_digest
from mnad.evaluation.whole_clips import CLIP_RULES
from mnad.models.folder import Model
from mnad.runtime.runtime import Runtime
from mnad.scoring.smooth import SECONDS

PUBLISHED = {
    ("ped2", "prediction"): 0.970,
    ("ped2", "reconstruction"): 0.902,
    ("avenue", "prediction"): 0.885,
    ("avenue", "reconstruction"): 0.828,
    ("shanghaitech", "prediction"): 0.705,
    ("shanghaitech", "reconstruction"): 0.698,
}
"""Frame AUC of Table 1 of the paper, per-clip min-max micro."""
_RULES: dict[Kind, dict[str, str]] = {
    "frames": {
        "macro_rule": "mean of per-clip AUC of per-clip min-max scores; one-class clips skipped",
        **RULES,
    },
    "clips": CLIP_RULES,
    "images": IMAGE_RULES,
}


def camera_rule(model: Model) -> dict[str, Any] | None:
    """How the score for cameras is made, and what it rests on."""
    reference, calibration = model.reference, model.calibration
    if reference is None:
        return None
    return {
        "block": reference.block,
        "by_place": reference.by_place,
        "weight": reference.weight,
        "smoothing_seconds": SECONDS,
        "normal_frames": _normal_frames(model),
        "calibration": None if calibration is None else calibration.sentences(),
        "threshold": None if calibration is None else calibration.threshold.score,
    }


def _normal_frames(model: Model) -> str | None:
    """Whether the frames that scores are ranked among were trained on; None without such frames."""
    if model.reference is None:
        return None
    share = 1.0 if model.calibration is None else model.calibration.trained_on
    if 0 < share < 1:
        return f"{100 * share:.3g} % trained on, the others held out"
    return "trained on" if share else "held out"


def normalisation(kind: Kind, frames: str | None) -> str:
    """How parts are brought to one scale.

    Args:
        kind: what a label is about.
        frames: whether the normal frames that parts are ranked among were trained on, in words;
            None where there are no such frames.
    """
    causal = "none but of a part alone, as the model was shown no normal frames to rank among"
    if frames is not None:
        causal = f"two parts by ranks among normal frames ({frames}), one alone as it is"
    if kind == "frames":
        return (
            "each part min-max scaled within its clip (looks ahead) or over the whole set (looks "
            f"ahead); causal: {causal}; no smoothing"
        )
    return f"combined, without look-ahead: {causal}; the parts as they are"


def protocol_of(
    model: Model,
    dataset: Dataset,
    runtime: Runtime,
    policy: Policy,
    weight: float,
    chosen: bool,
    clips: Sequence[ClipScores],
    labels: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the numbers depend on.

    Args:
        model: the model.
        dataset: what it was evaluated on.
        runtime: what computed the scores.
        policy: of the memory.
        weight: of the PSNR in the combined score.
        chosen: whether the policy was asked for.
        clips: their scores.
        labels: of the scored frames.
    """
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
        "first_frames": _first_frames(network, clips),
        "preset": model.config.preset,
        "task": network.task,
        "network": asdict(network),
        "method": asdict(method),
        "rate": model.config.rate,
        "regions": None if model.regions is None else model.regions.as_dict(),
        "lambda": weight if network.memory else 1.0,
        "camera": camera_rule(model),
        "normalisation": normalisation(dataset.kind, _normal_frames(model)),
        **_RULES[dataset.kind],
        "memory": {
            "policy": policy if network.memory else "none",
            "order": "clips in natural order, without those that failed"
            if policy == "carried"
            else "independent",
            "chosen": "by the caller" if chosen else f"usual for {dataset.kind}",
            "gamma": method.gamma,
            "regular_error": method.regular_error,
            "share_of_frames_that_updated": float(np.mean(updated)),
        },
        "selection": "last epoch",
        "training": model.training,
        "weights_sha256": weights.hexdigest(),
        "published": {
            "auc": PUBLISHED.get((dataset.name, network.task)),
            "protocol": "per_clip_minmax_micro, paper's Table 1",
        },
        "versions": {
            "mnad": version("mnad"),
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "device": runtime.device.type,
        "runtime": runtime.name,
    }


def _first_frames(network: NetworkConfig, clips: Sequence[ClipScores]) -> str:
    """Which frames have no score; of thinned clips those between the taken ones have none too."""
    steps = [int(np.median(np.diff(clip.index))) for clip in clips if len(clip.index) > 1]
    least, most = min(steps, default=1), max(steps, default=1)
    each = str(least) if least == most else f"{least} to {most}"
    taken = "" if most == 1 else f"one frame in {each} is taken; of those "
    return (
        f"{taken}{network.target} not scored at the start of each clip, "
        f"{network.window - 1 - network.target} at its end"
    )
