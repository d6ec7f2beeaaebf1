"""Figures of the paper about the memory (Fig. 1, 5, 6) and about where (Fig. 4), as PNG or SVG."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnad.reports.figures import CURVES, DIM, INK, head, kind_of, new_figure, plain, save, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Embedded:
    """Queries and items in a plane.

    Attributes:
        queries: (n, 2).
        items: (M, 2).
        nearest: (n,) index of each query's nearest item.
        note: a line of numbers below the panel.
    """

    queries: NDArray[np.floating[Any]]
    items: NDArray[np.floating[Any]]
    nearest: NDArray[np.integer[Any]]
    note: str = ""


def feature_plot(
    path: str | os.PathLike[str], panels: Mapping[str, Embedded], title: str = "", note: str = ""
) -> None:
    """Fig. 1 and 6: queries in the colour of their nearest item, items as numbered stars."""
    kind = kind_of(path)
    figure = new_figure(5.6 * len(panels), 6.2)
    grid: Any = figure.subplots(1, len(panels), squeeze=False)
    for axes, (name, one) in zip(grid.flat, panels.items(), strict=True):
        colours = np.array(_colours(max(1, len(one.items))))
        axes.scatter(*one.queries.T, s=4, c=colours[one.nearest], linewidths=0, rasterized=True)
        edge = dict(s=190, marker="*", edgecolors=INK, linewidths=0.9, zorder=3)
        axes.scatter(*one.items.T, c=colours[: len(one.items)], **edge)
        for number, (x, y) in enumerate(one.items):
            axes.annotate(
                str(number),
                (x, y),
                (5, 5),
                textcoords="offset points",
                fontsize=8,
                color=INK,
                zorder=4,
                bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.75},
            )
        _bare(axes)
        axes.set_title(short(name, 48), loc="left", fontsize=9, color=INK)
        axes.set_xlabel(one.note, fontsize=8, color=DIM)
    head(figure, title, note)
    save(figure, path, kind)


def probability_plot(
    path: str | os.PathLike[str],
    panels: Mapping[str, tuple[NDArray[np.floating[Any]], str]],
    most: float,
    title: str = "",
    note: str = "",
) -> None:
    """Fig. 5: matching probabilities of some queries over the items, with a line of numbers.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        panels: by model the probabilities (queries, items) and the line.
        most: the probability with the darkest colour.
        title: such as the name of the data set.
        note: at the right of the top.
    """
    kind = kind_of(path)
    widest = max(p.shape[1] for p, _ in panels.values())
    figure = new_figure(max(5.2, 0.47 * widest + 1.3) * len(panels), 5.0)
    grid: Any = figure.subplots(1, len(panels), squeeze=False)
    for axes, (name, (weight, line)) in zip(grid.flat, panels.items(), strict=True):
        axes.imshow(weight, cmap="Blues", vmin=0, vmax=most, aspect="auto")
        if weight.shape[1] <= 20:
            for (row, column), value in np.ndenumerate(weight):
                axes.text(
                    column,
                    row,
                    f"{value:.2f}".lstrip("0"),
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white" if value > 0.6 * most else INK,
                )
        _bare(axes)
        axes.set_xticks(_ticks(weight.shape[1]))
        axes.set_yticks(range(len(weight)), range(1, len(weight) + 1))
        axes.tick_params(labelsize=8, length=0, labelcolor=INK)
        axes.set_title(short(name, 48), loc="left", fontsize=9, color=INK)
        axes.set_xlabel(f"item\n{line}", fontsize=8, color=DIM)
        axes.set_ylabel("query", fontsize=8, color=DIM)
    head(figure, title, note)
    save(figure, path, kind)


def items_plot(
    path: str | os.PathLike[str],
    panels: Mapping[str, tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]],
    title: str = "",
    note: str = "",
) -> None:
    """The load of the items and how alike they are.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        panels: by model the share of queries (M,) and the cosines between items (M, M).
        title: such as the name of the data set.
        note: at the right of the top.
    """
    kind = kind_of(path)
    figure = new_figure(8.6, 0.5 + 3.5 * len(panels))
    grid: Any = figure.subplots(len(panels), 2, squeeze=False)
    for (left, right), (name, (usage, cosine)) in zip(grid, panels.items(), strict=True):
        plain(left)
        left.bar(range(len(usage)), usage, color=_colours(len(usage)), width=0.75)
        left.axhline(1 / len(usage), color=DIM, linewidth=0.9, linestyle=(0, (4, 3)))
        left.set(xticks=_ticks(len(usage)), ylim=(0, None), xlabel="item")
        left.set_ylabel("share of queries (dashed: even)")
        left.set_title(short(name, 48), loc="left", fontsize=9, color=INK)
        shown = right.imshow(cosine, cmap="RdBu_r", vmin=-1, vmax=1)
        _bare(right)
        right.set(xticks=_ticks(len(usage)), yticks=_ticks(len(usage)))
        right.tick_params(labelsize=8, length=0, labelcolor=INK)
        right.set_title("cosine between items", loc="left", fontsize=9, color=INK)
        bar = figure.colorbar(shown, ax=right, shrink=0.85)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, colors=DIM)
    head(figure, title, note)
    save(figure, path, kind)


def abnormal_plot(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    rows: Mapping[str, Sequence[Picture]],
    title: str = "",
    note: str = "",
) -> None:
    """Fig. 4: rows of pictures under their headings.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        columns: headings.
        rows: by the name of the scene a picture (H, W, 3) uint8 RGB for each heading.
        title: such as the name of the data set.
        note: at the right of the top.
    """
    kind = kind_of(path)
    height, width = next(iter(rows.values()))[0].shape[:2]
    each = 2.9
    tall = each * min(1.4, height / width)
    figure = new_figure(each * len(columns) + 0.4, 0.8 + tall * len(rows))
    grid: Any = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, pictures) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            _bare(axes)
            axes.imshow(picture)
        line[0].set_ylabel(name, fontsize=8, color=INK)
    for axes, heading in zip(grid[0], columns, strict=True):
        axes.set_title(short(heading, 40), loc="left", fontsize=8.5, color=INK)
    head(figure, title, note)
    save(figure, path, kind)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)


def _ticks(count: int) -> range:
    return range(0, count, -(-count // 20))


def _colours(count: int) -> list[tuple[float, float, float]]:
    """As many colours as items; the palette of the curves first, as far as it goes."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if count <= len(CURVES):
        return [to_rgb(colour) for colour in CURVES[:count]]
    table = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"]
    places = range(count) if count <= 20 else np.linspace(0.04, 0.96, count)
    return [to_rgb(table(place)) for place in places]
