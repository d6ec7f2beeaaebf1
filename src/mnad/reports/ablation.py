"""The plot of an ablation: every seed a dot, so that nobody takes a mean for a fact."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mnad.errors import MnadError
from mnad.reports.figures import (
    CURVES,
    DIM,
    GRID,
    INK,
    head,
    kind_of,
    legend_below,
    new_figure,
    plain,
    save,
)

MISSING = "no seed yet"


@dataclass(frozen=True)
class Dots:
    """A row of the plot.

    Attributes:
        name: of the row.
        values: AUC of each seed, 0..1.
        psnr: AUC of the PSNR alone, of each seed.
        published: the paper's figure, or None.
    """

    name: str
    values: Sequence[float]
    psnr: Sequence[float]
    published: float | None = None


def ablation_plot(path: str | os.PathLike[str], rows: Sequence[Dots], title: str = "") -> None:
    """Plot the AUC of each seed of each row, the mean, the PSNR alone and the paper's figure.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        rows: from the top down; a row without values says so.
        title: such as the data set.

    Raises:
        UsageError: a suffix other than these two.
        MnadError: no rows, or a file that cannot be written.
    """
    kind = kind_of(path)
    if not rows:
        raise MnadError(f"{path}: there are no rows to plot; give at least one.")
    figure = new_figure(8.5, 1.5 + 0.27 * len(rows))
    axes: Any = figure.subplots()
    plain(axes)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    labels: dict[str, Any] = {}
    for y, row in enumerate(rows):
        if row.psnr:
            labels["PSNR alone, mean"] = axes.scatter(
                [sum(row.psnr) / len(row.psnr)],
                [y],
                s=34,
                facecolors="none",
                edgecolors=DIM,
                linewidths=1,
                zorder=3,
            )
        if row.published is not None:
            labels["the paper"] = axes.scatter(
                [row.published], [y], marker="D", s=24, color=CURVES[2], zorder=4
            )
        if row.values:
            mean = sum(row.values) / len(row.values)
            labels["a seed"] = axes.scatter(
                row.values, [y] * len(row.values), s=20, color=CURVES[0], alpha=0.75, zorder=5
            )
            labels["mean"] = axes.scatter(
                [mean], [y], marker="|", s=150, color=INK, linewidths=1.6, zorder=6
            )
        else:
            axes.annotate(
                MISSING,
                (0, y),
                (4, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=DIM,
            )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    axes.set_xlabel("frame AUC, per-clip min-max", fontsize=9, color=DIM)
    if labels:
        legend_below(figure, labels)
    head(figure, title, "")
    save(figure, path, kind)
