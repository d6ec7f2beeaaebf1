"""The result of an ablation as a table, for a terminal and as Markdown. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mnad.bench.table import cells, markdown_table, text_table

Column = tuple[str, str, Callable[[Any], str]]


def _auc(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{round(value, 1):g}"


COLUMNS: tuple[Column, ...] = (
    ("name", "row", str),
    ("n", "seeds", str),
    ("auc", "AUC", _auc),
    ("sd", "sd", _auc),
    ("min", "min", _auc),
    ("max", "max", _auc),
    ("difference", "diff", _signed),
    ("difference_sd", "sd of diff", _auc),
    ("published", "paper", _auc),
    ("psnr_alone", "PSNR", _auc),
    ("distance_alone", "distance", _auc),
    ("causal", "causal", _auc),
    ("macro", "macro", _auc),
    ("camera", "camera", _auc),
    ("updated", "updated", _auc),
    ("items_unused", "unused", _count),
    ("largest_item_share", "largest", _auc),
    ("item_similarity", "alike", _auc),
    ("read_sharpness", "weight", _auc),
    ("read_entropy", "entropy", _auc),
    ("share_by_place", "by place", _auc),
)
ON_TERMINAL = (
    *("name", "n", "auc", "sd", "min", "max", "difference", "psnr_alone", "distance_alone"),
    *("causal", "macro", "camera", "items_unused", "share_by_place"),
)

LEGEND = (
    "AUC: frame AUC of the row's score, each part min-max scaled by its clip (the paper's "
    "protocol): mean, sample sd, min and max over the seeds; all further columns are means",
    "diff: AUC less that of the row that this one is a change of, seed by seed, and its sd",
    "PSNR, distance: AUC of that part alone, same protocol",
    "causal: AUC without look-ahead, by ranks among training frames; macro: mean of the clips' AUC",
    "camera: causal AUC of the score for cameras, of the same network",
    "updated: share of test frames that moved the memory; where it is 0, frozen and reset change "
    "nothing",
    "unused: items that are nearest to no query; largest: share of queries of the most used item; "
    "alike: mean cosine between items",
    "weight: mean largest weight of the read; entropy: of its weights, 1 = all items alike",
    "by place: share of queries whose item is the usual one at their place; near 1 the memory "
    "tells nothing of what moves",
)


def markdown(result: dict[str, Any]) -> str:
    """Table, legend, what each row is, and the protocol."""
    head, lines = cells(_flat(result), COLUMNS)
    protocol = result["protocol"]
    settings = ", ".join(
        f"{name} {value}" for name, value in protocol["common"].items() if value is not None
    )
    told = [
        f"Data: {result['data']}; seeds: {', '.join(map(str, result['seeds']))}; {settings}.",
        f"Selection: {protocol['selection']}. Lambda: {protocol['lambda']}. Smoothing: "
        f"{protocol['smoothing']}.",
    ]
    warnings = protocol.get("warnings", [])  # not known before anything is tested
    if warnings:
        told.append(f"Of the data: {' '.join(warnings)}")
    parts = [
        f"# Ablation on {result['data']}",
        " ".join(told),
        markdown_table(head, lines),
        "\n".join(f"- {line}" for line in LEGEND),
        "## Rows",
        "\n".join(
            f"- `{row['name']}`: {row['about']}"
            + (f" (against `{row['against']}`)" if row["against"] else "")
            for row in result["rows"]
        ),
    ]
    if result["failed"]:
        parts.append("\n".join(["## Failed", "", *(f"- {line}" for line in result["failed"])]))
    return "\n\n".join(parts)


def text(result: dict[str, Any]) -> str:
    """The main columns for a terminal."""
    columns = [column for column in COLUMNS if column[0] in ON_TERMINAL]
    return text_table(*cells(_flat(result), columns))


def _flat(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows with one value a column; rows of which no seed is there yet have none."""
    flat = []
    for row in result["rows"]:
        found = {name: numbers["mean"] for name, numbers in row["numbers"].items()}
        auc = row["numbers"].get("auc", {})
        found |= {name: auc.get(name) for name in ("sd", "min", "max")}
        found |= {"name": row["name"], "n": auc.get("n", 0), "published": row["published"]}
        if row["difference"] is not None:
            found["difference"] = row["difference"]["mean"]
            found["difference_sd"] = row["difference"]["sd"]
        flat.append(found)
    return flat
