"""Figures of docs/what-the-memory-does.md: changes of the method, items, widths, queries.

    python benchmarks/memory_figures.py docs/figures

They are drawn of the files in results/: of what `mnad ablate`, `item_places.py` and `query_bank.py`
wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from script import run

from mnad.reports.figures import (
    ABNORMAL,
    CURVES,
    DIM,
    INK,
    head,
    legend_below,
    new_figure,
    plain,
    save,
)

RESULTS = Path(__file__).parent / "results"
OFFICIAL, WITHOUT = "official, as the public code", "without memory"
ABOUT = {
    "P": OFFICIAL,
    "official": OFFICIAL,
    "P-no-memory": WITHOUT,
    "no-memory": WITHOUT,
    "no-losses": "neither loss of the memory",
    "compactness": "compactness without separateness",
    "separateness": "separateness without compactness",
    "learnt-items": "items learnt by gradient",
    "as-memae": "towards MemAE: 2,000 learnt items",
    "momentum-0.9": "items moved by momentum",
    "items-1": "one item",
    "items-50": "fifty items",
    "temperature-0.1": "a sharp read",
    "read-gradient": "the gradient passes the read",
    "update-assigned": "maximum over the item's own queries",
    "memory-paper": "the memory's losses as printed",
    "reflect": "mirror images beyond the border",
    "read-alone": "the decoder gets the read alone",
    "skips-1": "the coarsest skip alone",
    "skips-0": "no skips",
    "loss-squared-sum": "equation 9: squares, summed",
    "loss-norm-mean": "equation 9: norms, their mean",
    "paper": "all as printed",
    "loss-norm": "equation 9 alone as printed: norms, summed",
    "no-memory-loss-norm": "the same without memory",
    "loss-norm-skip": "the same with memory, and skipped frames",
    "loss-norm-pseudo": "those, and deformed things that move",
}
"""What each row is called, from the top down."""
FILES = (
    *("width-0.125", "width-0.125-seed-1", "avx512-seeds", "avx512", "readings", "memory", "items"),
    *("loss-parts", "loss-norm", "loss-norm-no-memory", "loss-norm-skip", "loss-norm-pseudo"),
)
SHOWN = {
    "auc": "the paper's number (per clip)",
    "psnr_alone": "PSNR alone (per clip)",
    "camera": "score for cameras (causal)",
    "distance_alone": "distance alone (per clip)",
}
PARTS = ("auc", "psnr_alone", "distance_alone")  # the older results have no other
WIDTHS = {"0.125": "loss-norm", **{w: f"loss-norm-width-{w}" for w in ("0.25", "0.5", "1")}}
MOVING = {
    "items-200": "both losses",
    "separateness": "separateness without compactness",
    "loss-norm-epochs-60": "both, beside equation 9 as printed; sixty epochs",
    "compactness": "compactness without separateness",
    "as-memae": "towards MemAE, neither loss",
}
REMEMBERED = {
    "items-200": "its queries, both losses",
    "compactness": "its queries, compactness alone",
    "as-memae": "its queries, towards MemAE",
    "loss-norm-epochs-60": "its queries, equation 9 as printed, sixty epochs",
    "compact": "its queries, the built-in model",
    "untrained": "those of random weights",
    "skip-3": "what the third skip passes (built-in model)",
    "skip-2": "the second",
    "skip-1": "the first",
    "differences": "how the pixels change, no network",
    "errors": "how badly the pixels are predicted",
}
"""What a memory of 3,000 prototypes is made of, by the end of the name of its result."""
LIKE = {"mean": "mean of the map, as the paper", "highest 3 x 3": "its highest 3 x 3 places"}


def rows_of(name: str) -> list[dict[str, Any]]:
    found = json.loads((RESULTS / f"ablation-ped2-{name}.json").read_text())["rows"]
    return list(found)


def trainings() -> dict[str, dict[tuple[float, float], None]]:
    """AUC and that of the PSNR alone, of every training of a row, each once."""
    found: dict[str, dict[tuple[float, float], None]] = {about: {} for about in ABOUT.values()}
    for row in (row for file in FILES for row in rows_of(file) if row["name"] in ABOUT):
        both = (row["numbers"].get(what, {}).get("by_seed", {}) for what in ("auc", "psnr_alone"))
        # Some results hold the same training.
        found[ABOUT[row["name"]]] |= dict.fromkeys(
            zip(*(one.values() for one in both), strict=True)
        )
    return found


def begun(inches: float) -> tuple[Any, Any]:
    """A figure of a height, and its axes."""
    figure = new_figure(8.5, inches)
    axes: Any = figure.subplots()
    plain(axes)
    return figure, axes


def changes(file: Path) -> None:
    found = trainings()
    figure, axes = begun(6.4)
    axes.grid(False, axis="y")
    official = [auc for auc, _ in found[OFFICIAL]]
    axes.axvspan(min(official), max(official), color=ABNORMAL, alpha=0.6, lw=0)
    labels: dict[str, Any] = {}
    for y, values in enumerate(found.values()):
        for auc, psnr in values:
            labels["PSNR alone"] = axes.scatter(
                psnr, y, s=34, facecolors="none", edgecolors=DIM, linewidths=1, zorder=3
            )
            labels["a training: PSNR and distance"] = axes.scatter(
                auc, y, s=20, color=CURVES[0], zorder=4
            )
    paper = axes.scatter(0.970, 0, marker="D", s=24, color=CURVES[2], zorder=4)
    axes.scatter(0.943, 1, marker="D", s=24, color=CURVES[2], zorder=4)
    labels["the paper (full width, 60 epochs)"] = paper
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_yticks(range(len(found)), list(found), fontsize=8)
    axes.set_xlabel("frame AUC, per-clip min-max, UCSD Ped2", fontsize=9, color=DIM)
    legend_below(figure, labels)
    head(figure, "One change at a time", f"band: {len(official)} trainings of official")
    save(figure, file, "png")


def numbers_of_items() -> dict[int, list[dict[str, float]]]:
    """Of every training of the official row and of those with more and fewer items: its numbers."""
    found: dict[int, dict[tuple[float, ...], dict[str, float]]] = {}
    for row in (row for file in FILES for row in rows_of(file)):
        name, own = row["name"], row.get("network", {}).get("items")
        if own is None or not (ABOUT.get(name) == OFFICIAL or name.startswith("items-")):
            continue
        for seed in row["numbers"]["auc"]["by_seed"]:
            one = {what: row["numbers"][what]["by_seed"][seed] for what in PARTS}
            found.setdefault(own, {})[tuple(one.values())] = one
    return {own: list(found[own].values()) for own in sorted(found)}


def items(file: Path) -> None:
    figure, axes = begun(4.0)
    found = numbers_of_items()
    for what, colour in zip(PARTS, CURVES, strict=False):
        means = [fmean(one[what] for one in found[own]) for own in found]
        axes.plot(list(found), means, color=colour, label=SHOWN[what])
        for own, trained in found.items():
            axes.scatter(
                [own] * len(trained), [one[what] for one in trained], s=18, color=colour, zorder=4
            )
    axes.set_xscale("log")
    axes.set_xticks(list(found), list(map(str, found)), fontsize=9, color=INK)
    axes.minorticks_off()
    axes.set_xlabel("items", fontsize=9, color=DIM)
    axes.set_ylabel("frame AUC, UCSD Ped2", fontsize=9, color=DIM)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    head(
        figure,
        "The prediction is the same from 1 to 2,000 items",
        "official, 5 epochs; dots: trainings",
    )
    save(figure, file, "png")


def widths(file: Path) -> None:
    figure, axes = begun(4.0)
    places = range(len(WIDTHS))
    numbers = [
        next(row["numbers"] for row in rows_of(name) if row["name"] == "loss-norm")
        for name in WIDTHS.values()
    ]
    for (what, label), colour in zip(SHOWN.items(), CURVES, strict=False):
        axes.plot(places, [one[what]["mean"] for one in numbers], color=colour, label=label)
        for place, one in zip(places, numbers, strict=True):
            seeds = list(one[what]["by_seed"].values())
            axes.scatter([place] * len(seeds), seeds, s=18, color=colour, zorder=4)
    axes.set_xticks(places, [f"width {width}" for width in WIDTHS], fontsize=9, color=INK)
    axes.set_ylabel("frame AUC, UCSD Ped2", fontsize=9, color=DIM)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    head(figure, "Wider networks detect no better", "equation 9 as printed, 5 epochs; dots: seeds")
    save(figure, file, "png")


def moving(file: Path) -> None:
    figure, axes = begun(4.0)
    for (name, label), colour in zip(MOVING.items(), CURVES, strict=False):
        found = json.loads((RESULTS / f"item-scenery-{name}.json").read_text())
        bands = found["another_item_than_usual_by_motion"]
        shares = [100 * band["share"] for band in bands]
        axes.plot(range(len(bands)), shares, color=colour, marker="o", ms=4, label=label)
    axes.set_xticks(
        range(5),
        ["nothing\n(half of them)", "noise", "a little", "more", "most\n(3 % of them)"],
        fontsize=9,
        color=INK,
    )
    axes.set_xlabel("what moves at the place of the query", fontsize=9, color=DIM)
    axes.set_ylabel("another item than usual there, %", fontsize=9, color=DIM)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    head(figure, "With separateness the memory does not see what moves", "ten items, 200, 2,000")
    save(figure, file, "png")


def remembered(file: Path) -> None:
    figure, axes = begun(4.4)
    axes.grid(False, axis="y")
    for y, name in enumerate(REMEMBERED):
        found = json.loads((RESULTS / f"query-bank-{name}.json").read_text())
        of = {r["reading"]: r for r in found["rows"] if r["memory"].startswith("3,000")}
        for (reading, label), colour in zip(LIKE.items(), CURVES, strict=False):
            kept = {} if y else {"label": label}
            axes.scatter(of[reading]["causal"], y, s=24, color=colour, zorder=4, **kept)
        likeness = found["psnr_alone"]["causal"]
        kept = {} if y else {"label": "PSNR of the same network"}
        axes.scatter(likeness, y, s=34, facecolors="none", edgecolors=DIM, zorder=3, **kept)
    axes.set_ylim(len(REMEMBERED) - 0.4, -0.6)
    axes.set_yticks(range(len(REMEMBERED)), list(REMEMBERED.values()), fontsize=8)
    axes.set_xlabel("frame AUC, causal, UCSD Ped2", fontsize=9, color=DIM)
    handles, named = axes.get_legend_handles_labels()
    legend_below(figure, dict(zip(named, handles, strict=True)))
    head(figure, "What a memory can tell by", "distance to 3,000 prototypes")
    save(figure, file, "png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="that takes the figures")
    folder = parser.parse_args().folder
    changes(folder / "changes.png")
    items(folder / "items.png")
    widths(folder / "widths.png")
    moving(folder / "moving.png")
    remembered(folder / "remembered.png")


if __name__ == "__main__":
    run(main)
