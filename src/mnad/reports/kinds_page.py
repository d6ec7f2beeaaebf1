"""The report of an evaluation of whole clips or images as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnad.evaluation.kinds_text import (
    POOLED,
    SCORES,
    Table,
    image_table,
    localisation_table,
    number,
    video_table,
)
from mnad.reports.facts import flat
from mnad.reports.html import write_html


def write_kind_page(
    path: Path, model: str, result: Mapping[str, Any], files: Mapping[str, str]
) -> None:
    """Write the page; it needs nothing else.

    Args:
        path: the file, in the folder of the results.
        model: its name.
        result: of `mnad.evaluation.run.evaluate_model`, of kind ``clips`` or ``images``.
        files: names of what lies beside the page, and what they are.

    Raises:
        MnadError: the file cannot be written.
    """
    write_html(path, "evaluation_kinds.html.j2", _content(model, result, files))


def _content(model: str, result: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    clips = result["kind"] == "clips"
    tables = [video_table(result)] if clips else [image_table(result), localisation_table(result)]
    # What is measured in place is part of the protocol as well.
    protocol = dict(result["protocol"])
    if not clips:
        protocol["localisation"] = result["localisation"]["protocol"]
    return {
        "title": f"{model} on {result['dataset']}",
        "verdict": _verdict(result),
        "facts": list(_facts(result)),
        "warnings": [*protocol["warnings"], *result["failed"].values()],
        "clips": clips,
        "tables": [_shown(table) for table in tables],
        "intervals": list(_intervals(result)) if clips else [],
        "maps": {} if clips else result["localisation"]["protocol"]["maps"],
        "strips": list(_strips(result)),
        "rows": list(_rows(result)) if clips else [],
        "protocol": list(flat(protocol)),
        "files": files,
    }


def _verdict(result: Mapping[str, Any]) -> str:
    if result["kind"] == "clips":
        name, auc = next(iter(result["video_auc"].items()))
        told = ", ".join(f"{number(auc[pooling])} {word}" for pooling, word in POOLED.items())
        return f"Video AUC {told} ({SCORES[name]})"
    name, found = next(iter(result["image_auroc"].items()))
    return f"Image AUROC {number(found['all'])}, by the {SCORES[name]}"


def _facts(result: Mapping[str, Any]) -> Iterator[str]:
    protocol = result["protocol"]
    if result["kind"] == "clips":
        yield f"{result['clips']:,} clips, {result['abnormal_clips']:,} of them abnormal"
        yield f"{result['scored_frames']:,} of {result['frames']:,} frames scored"
    else:
        yield f"{result['scored_frames']:,} images"
        yield f"{result['abnormal_frames']:,} of them with defects"
    yield f"memory: {protocol['memory']['policy']}"
    yield f"{protocol['runtime']} on {protocol['device']}"


def _shown(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": table.columns,
        "rows": [(name, [number(value) for value in values]) for name, values in table.rows],
    }


def _intervals(result: Mapping[str, Any]) -> Iterator[str]:
    for pooling, found in result["video_auc_interval_95"].items():
        if found:
            yield f"{POOLED[pooling]}: {number(found[0])} to {number(found[1])}"


def _strips(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line of dots for each folder of clips or images, all on one axis from least to most."""
    if result["kind"] == "clips":
        first = next(iter(result["video_auc"]))
        groups: dict[str, list[tuple[float, str]]] = {}
        for name, clip in result["clip_scores"].items():
            folder = (
                name.partition("/")[0] if "/" in name else ("normal", "abnormal")[clip["label"]]
            )
            groups.setdefault(folder, []).append((clip[first]["mean"], name))
    else:
        groups = {
            folder: [
                (score, f"{folder}, image {index}")
                for index, score in zip(clip["index"], clip["highest_error"], strict=True)
            ]
            for folder, clip in result["frames_detail"].items()
        }
    scores = np.array([score for dots in groups.values() for score, _ in dots])
    low, span = float(scores.min()), float(np.ptp(scores)) or 1.0
    for folder, dots in groups.items():
        yield {
            "name": folder,
            "count": len(dots),
            "normal": folder in ("good", "normal"),
            "dots": [((score - low) / span, f"{name}: {score:.4g}") for score, name in dots],
        }


def _rows(result: Mapping[str, Any]) -> Iterator[tuple[str, str, int, list[str]]]:
    """Clips by falling mean of the first score."""
    first = next(iter(result["video_auc"]))
    clips = result["clip_scores"].items()
    for name, clip in sorted(clips, key=lambda pair: -pair[1][first]["mean"]):
        label = ("normal", "abnormal")[clip["label"]]
        yield name, label, clip["frames"], [f"{clip[first][p]:.4f}" for p in POOLED]
