"""mnad evaluate."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import json as json_lib
from pathlib import Path
from typing import Any

from mnad.config import Device, Policy, RuntimeName
from mnad.errors import UsageError


def evaluate(
    model: str | Path,
    data: str,
    *,
    json: Path | None = None,
    plot: Path | None = None,
    policy: Policy = "carried",
    streams: int = 1,
    lambda_score: float | None = None,
    device: Device = "auto",
    runtime: RuntimeName = "torch",
) -> dict[str, Any]:
    """Measure a model on labelled test clips, in every protocol of the field.

    Args:
        model: a model folder.
        data: NAME:PATH of a data set of the field (docs/datasets.md), a prepared copy, or a folder
            of one's own with labels or masks beside each clip.
        json: file for all numbers, frame by frame too.
        plot: PNG or SVG file for the score curves with the ground truth shaded.
        policy: memory at test time: carried across clips in order (public code), reset per clip,
            or frozen.
        streams: clips scored side by side; not with a carried memory.
        lambda_score: weight of the PSNR in the combined score; null: the model's.
        device: auto, cpu or cuda.
        runtime: torch, openvino, openvino-int8, onnx or onnx-int8; auto: what detect would take.
    """
    from mnad.datasets import open_dataset
    from mnad.evaluation.run import evaluate_model
    from mnad.reports.plots import evaluation_plot
    from mnad.runtime.pick import load_runtime
    from mnad.writing import write

    if streams < 1:
        raise UsageError(f"streams is {streams}; it must be 1 or more.")
    loaded, engine = load_runtime(model, device, runtime)
    dataset = open_dataset(data)
    result = evaluate_model(
        loaded,
        dataset,
        runtime=engine,
        policy=policy,
        lockstep=streams,
        lambda_score=lambda_score,
    )
    if json is not None:
        write(Path(json), json_lib.dumps(result, indent=1) + "\n")
    if plot is not None:
        detail = result["frames_detail"]
        auc = result["auc"]["causal_micro"]
        evaluation_plot(
            plot,
            {n: (d["index"], d["score"] or d["distance"], d["label"]) for n, d in detail.items()},
            title=f"{Path(model).name} on {result['dataset']}",
            auc="causal AUC undefined" if auc is None else f"causal AUC {auc:.3f}",
        )
    return result
