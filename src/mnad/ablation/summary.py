"""From the evaluations of all seeds to the numbers of a row."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from mnad.evaluation.summary import combined, measure
from mnad.scoring.reference import Reference

Numbers = dict[str, float | None]

FACTS = (
    "items_unused",
    "largest_item_share",
    "item_similarity",
    "read_sharpness",
    "read_entropy",
    "share_by_place",
)
WITHOUT_MEMORY = {
    ("ped2", "prediction"): 0.943,
    ("avenue", "prediction"): 0.845,
    ("shanghaitech", "prediction"): 0.668,
}
"""Frame AUC without memory: Table 1 less the gains (2.7, 4.0, 3.7) that the paper's text states."""


def numbers(
    result: Mapping[str, Any],
    memory: Mapping[str, Any] | None,
    lambda_score: float | None,
    reference: Reference | None,
) -> Numbers:
    """The numbers of one row and one seed.

    Args:
        result: of `evaluate_model`, as read from its JSON.
        memory: of `measure_memory`; None without memory.
        lambda_score: weight of the PSNR in the row's score; None for that of `result`.
        reference: parts of training frames, for the causal score with another weight.

    Returns:
        AUC 0..1 of the row's score in four protocols (``auc`` is the paper's, per clip), of the
        parts alone in the paper's, the causal one of the score for cameras, the share of test
        frames that updated the memory, and the facts of the trained memory; None where undefined.
    """
    auc, parts = result["auc"], result["parts"]
    if lambda_score == 1:
        auc = parts["psnr"]
    elif lambda_score == 0:
        auc = parts["distance"]
    elif lambda_score is not None:
        detail = result["frames_detail"]
        label, psnr, distance = (
            {clip: np.asarray(one[name], np.float64) for clip, one in detail.items()}
            for name in ("label", "psnr", "distance")
        )
        auc = measure(label, combined(psnr, distance, lambda_score, reference))["auc"]
    found: Numbers = {
        "auc": auc["per_clip_minmax_micro"],
        "whole_set": auc["whole_set_minmax_micro"],
        "causal": auc["causal_micro"],
        "macro": auc["macro"],
        "psnr_alone": parts["psnr"]["per_clip_minmax_micro"],
        "distance_alone": parts["distance"]["per_clip_minmax_micro"],
        # Not where the training frames were measured by another reading.
        "camera": parts.get("camera", {}).get("causal_micro"),
    }
    moved = result["protocol"]["memory"]["share_of_frames_that_updated"]
    found["updated"] = None if memory is None else moved
    return found | {name: None if memory is None else memory[name] for name in FACTS}


def over_seeds(values: Mapping[int, float | None]) -> dict[str, Any]:
    """Mean, sample standard deviation (None for one seed), extremes; and the values by seed.

    Undefined values do not count; all is None where none is left.
    """
    known = [value for value in values.values() if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "sd": statistics.stdev(known) if len(known) > 1 else None,
        "min": min(known) if known else None,
        "max": max(known) if known else None,
        "n": len(known),
        "by_seed": {str(seed): value for seed, value in values.items()},
    }


def row_numbers(by_seed: Mapping[int, Numbers]) -> dict[str, dict[str, Any]]:
    """Each number of a row over its seeds."""
    names = list(next(iter(by_seed.values()), {}))
    return {
        name: over_seeds({seed: found[name] for seed, found in by_seed.items()}) for name in names
    }


def difference(row: Mapping[int, Numbers], other: Mapping[int, Numbers]) -> dict[str, Any]:
    """AUC of a row less that of another, of each seed that both have."""
    values: dict[int, float | None] = {}
    for seed in row.keys() & other.keys():
        a, b = row[seed]["auc"], other[seed]["auc"]
        values[seed] = None if a is None or b is None else a - b
    return over_seeds(dict(sorted(values.items())))
