"""Plots of scores, as PNG or SVG files.

matplotlib is imported inside the functions, because it takes long, and used without pyplot,
because that keeps state for the whole process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mnad.errors import MnadError
from mnad.metrics.curves import Band
from mnad.reports.figures import (
    CURVES,
    DIM,
    GRID,
    INK,
    check_lengths,
    curve,
    head,
    kind_of,
    new_figure,
    plain,
    save,
    shade,
    short,
    span,
    time_axis,
)

SHADED = "shaded: abnormal in the ground truth"


def score_plot(
    path: str | os.PathLike[str],
    seconds: ArrayLike,
    psnr: ArrayLike,
    distance: ArrayLike,
    score: ArrayLike,
    threshold: float | None = None,
    title: str = "",
) -> None:
    """Plot score, PSNR and distance of one video over a shared time axis.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        seconds: (T,) time of each frame, rising.
        psnr: (T,) in dB; NaN where there is none, here and below.
        distance: (T,) of the queries to their nearest memory items.
        score: (T,) in 0..1, high is abnormal.
        threshold: score from which on a frame is an alarm, drawn as a dashed line.
        title: such as the name of the video.

    Raises:
        UsageError: a suffix other than these two.
        MnadError: no frames, columns of differing lengths, or a file that cannot be written.
    """
    kind = kind_of(path)
    t = np.asarray(seconds, float)
    columns = [np.asarray(c, float) for c in (score, psnr, distance)]
    check_lengths(path, t, *columns)
    figure = new_figure(10, 5.6)
    panels: Any = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    names = ("score", "PSNR (dB)", "distance")
    for axes, name, column, colour in zip(panels, names, columns, CURVES[:3], strict=True):
        plain(axes)
        curve(axes, t, column, color=colour, linewidth=1.3)
        axes.set_ylabel(name)
    panels[0].set_ylim(-0.03, 1.03)
    if threshold is not None:
        panels[0].axhline(threshold, color=INK, linewidth=1, linestyle=(0, (5, 3)))
        panels[0].annotate(
            f"threshold {threshold:.3g}",
            (1, threshold),
            (-4, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=INK,
        )
    panels[-1].set_xlim(span(t))
    time_axis(panels[-1], t)
    figure.align_ylabels(panels)
    head(figure, title, "")
    save(figure, path, kind)


def evaluation_plot(
    path: str | os.PathLike[str],
    clips: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    title: str = "",
    auc: str = "",
) -> None:
    """Plot the scores of all clips of a data set, abnormal frames shaded.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        clips: for each name the frame indices, the scores in 0..1 (NaN where there is none) and
            the labels (1 is abnormal), each (T,).
        title: such as the name of the data set.
        auc: what to write beside it, such as ``AUC 0.948``.

    Raises:
        UsageError: a suffix other than these two.
        MnadError: no clips, columns of differing lengths, or a file that cannot be written.
    """
    kind = kind_of(path)
    if not clips:
        raise MnadError(f"{path}: there are no clips to plot; evaluate at least one.")
    across = next((n for n, most in ((1, 1), (2, 4), (3, 15), (4, 32)) if len(clips) <= most), 6)
    down = math.ceil(len(clips) / across)
    width = max(7.0, min(3.3, 15 / across) * across)
    figure = new_figure(width, 0.6 + down * (1.3 if across > 1 else 2.6))
    grid: Any = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in grid.flat[len(clips) :]:
        axes.remove()
    for axes, (name, columns) in zip(grid.flat, clips.items(), strict=False):
        index, score, label = (np.asarray(c, float) for c in columns)
        check_lengths(f"{path}, clip {name}", index, score, label)
        plain(axes)
        shade(axes, index, label > 0)
        curve(axes, index, score, color=CURVES[0], linewidth=1.2)
        axes.set_xlim(span(index))
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks([0, 0.5, 1], ["0", "", "1"])
        axes.locator_params(axis="x", nbins=4, integer=True)
        axes.set_title(short(name, 40), loc="left", fontsize=8, color=INK, pad=3)
    figure.supxlabel("frame", fontsize=9, color=DIM)
    figure.supylabel("score", fontsize=9, color=DIM)
    head(figure, title, "   ".join(filter(None, (auc, SHADED))))
    save(figure, path, kind)


def roc_plot(
    path: str | os.PathLike[str],
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
    title: str = "",
    bands: Mapping[str, Band] | None = None,
) -> None:
    """Plot ROC curves.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        curves: for each name the false positive rates and the true positive rates, both rising
            from 0 to 1, and the area under the curve.
        title: such as the name of the data set.
        bands: of some of them, what lies between their ends.

    Raises:
        UsageError: a suffix other than these two.
        MnadError: no curves, columns of differing lengths, or a file that cannot be written.
    """
    names = ("false positive rate", "true positive rate", "AUC")
    _rates_plot(path, curves, title, bands or {}, names, "default", (0, 1))


def precision_recall_plot(
    path: str | os.PathLike[str],
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
    share: float,
    title: str = "",
    bands: Mapping[str, Band] | None = None,
) -> None:
    """Plot precision over recall, in steps.

    Args:
        path: file to write, ``.png`` or ``.svg``.
        curves: for each name the recalls at which the steps end, rising to 1, their precisions,
            and the sum of the steps, which is the average precision.
        share: of abnormal frames, the precision of a chance detector.
        title: such as the name of the data set.
        bands: of some of them, what lies between their ends.

    Raises:
        UsageError: a suffix other than these two.
        MnadError: no curves, columns of differing lengths, or a file that cannot be written.
    """
    names = ("recall", "precision", "AP")
    _rates_plot(path, curves, title, bands or {}, names, "steps-pre", (share, share))


def _rates_plot(
    path: str | os.PathLike[str],
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, float]],
    title: str,
    bands: Mapping[str, Band],
    names: tuple[str, str, str],
    drawstyle: str,
    chance: tuple[float, float],
) -> None:
    kind = kind_of(path)
    if not curves:
        raise MnadError(f"{path}: there are no curves to plot; give at least one.")
    figure = new_figure(5.4, 5.4)
    axes = figure.subplots()
    plain(axes)
    axes.grid(True, axis="x", color=GRID, linewidth=0.8)
    axes.plot([0, 1], chance, color=DIM, linewidth=0.8, linestyle=(0, (2, 3)))
    for number, (name, (across, up, area)) in enumerate(curves.items()):
        x, y = np.asarray(across, float), np.asarray(up, float)
        check_lengths(f"{path}, curve {name}", x, y)
        if drawstyle != "default":  # a step reaches back to where the one before it ended
            x, y = np.append(0, x), np.append(y[:1], y)
        colour = CURVES[number % len(CURVES)]
        if name in bands:
            band = bands[name]
            axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            x,
            y,
            drawstyle=drawstyle,
            color=colour,
            linestyle="-" if number < len(CURVES) else "--",
            linewidth=1.6,
            label=f"{area:.3f}   {short(name, 40)}",
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    legend = axes.legend(
        loc="lower right",
        fontsize=9,
        framealpha=1,
        edgecolor=GRID,
        title=names[2],
        alignment="left",
    )
    legend.get_title().set(fontsize=8, color=DIM)
    head(figure, title, "band: 95 % by clip" if bands else "")
    save(figure, path, kind)
