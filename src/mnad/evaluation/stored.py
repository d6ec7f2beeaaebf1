"""Evaluations that were written before, as far as they still are of the data at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mnad.datasets.clip import Dataset


def stored(file: Path, dataset: Dataset) -> dict[str, Any] | None:
    """An evaluation as `evaluate_model` gave it; None where it has to be made.

    So it has where there is none, and where the data set has other test clips or other labels by
    now: what is measured by the old ones must not stand beside what is measured by the new ones.

    Args:
        file: its JSON.
        dataset: labelled test clips.
    """
    if not file.exists():
        return None
    result: dict[str, Any] = json.loads(file.read_bytes())
    detail = result["frames_detail"]
    labels = {clip.name: clip.labels for clip in dataset.test}
    if labels.keys() != {*detail, *result["failed"]}:
        return None
    for name, clip in detail.items():
        known = labels[name]
        if known is None or len(known) <= clip["index"][-1]:
            return None
        if not np.array_equal(known[clip["index"]], clip["label"]):
            return None
    return result
