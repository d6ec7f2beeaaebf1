"""The numbers of an evaluation as CSV, whole, so that they can be read back as they were."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FRAMES = {
    "frame": "index",
    "seconds": "seconds",
    "label": "label",
    "psnr": "psnr",
    "distance": "distance",
    "peak": "peak",
    "score_per_clip": "per_clip",
    "score_whole_set": "whole_set",
    "score_causal": "score",
    "score_camera": "camera",
}
"""Columns of the table of frames, and the keys of ``frames_detail`` that they hold."""

DAMAGE = ("damage", "missed", "false_alarms", "without")


def frames_csv(result: Mapping[str, Any]) -> str:
    """A row for each scored frame; empty where a part or score is not known.

    Of images there is also the highest error of a pixel, by which they are measured.
    """
    keys = dict(FRAMES)
    if result["kind"] == "images":
        keys["highest_error"] = "highest_error"
    rows = []
    for name, clip in result["frames_detail"].items():
        columns = [clip[key] or [None] * len(clip["index"]) for key in keys.values()]
        rows += [(name, *values) for values in zip(*columns, strict=True)]
    return _csv(("clip", *keys), rows)


def clips_csv(result: Mapping[str, Any]) -> str:
    """A row for each clip: its frames, its own AUC, what it costs the pooled AUC by protocol."""
    damage = result["damage"]
    head = [f"{part}_{protocol}" for protocol in damage for part in DAMAGE]
    rows = []
    for name, clip in result["macro"]["clips"].items():
        costs = [
            None if of_clips is None else of_clips[name][part]
            for of_clips in damage.values()
            for part in DAMAGE
        ]
        rows.append((name, clip["normal"], clip["abnormal"], clip["auc"], *costs))
    return _csv(("clip", "normal", "abnormal", "auc", *head), rows)


def clip_scores_csv(result: Mapping[str, Any]) -> str:
    """A row for each clip of an evaluation of whole clips: label, length, scores by pooling."""
    scores = list(result["video_auc"])
    rows = []
    for name, clip in result["clip_scores"].items():
        pooled = [value for score in scores for value in clip[score].values()]
        rows.append((name, clip["label"], clip["frames"], *pooled))
    poolings = list(next(iter(result["video_auc"].values())))
    head = [f"{score}_{pooling}" for score in scores for pooling in poolings]
    return _csv(("clip", "label", "frames", *head), rows)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
