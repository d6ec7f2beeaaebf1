"""What all plots share: style, shading, down-sampling, and a file that is whole or absent."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.writing import discard

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

# Okabe and Ito's palette, which the colour-blind can tell apart.
CURVES = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9")
ABNORMAL = "#F8DFB0"
INK, DIM, GRID = "#222222", "#6B6B6B", "#E4E4E4"

_DPI = 150
# About twice the columns of pixels that the widest plot has.
_MOST_POINTS = 4000


def envelope(x: Array, y: Array, most: int = _MOST_POINTS) -> tuple[Array, Array]:
    """The lowest and the highest point of each of `most` / 2 equal parts, in their order.

    Unlike every n-th point or a mean, this keeps each peak. Curves of at most `most` points come
    back as they are; parts of which all is NaN stay NaN.

    Args:
        x: (T,).
        y: (T,).
        most: of the points that come back.

    Returns:
        x and y, (at most `most`,) each.
    """
    if len(y) <= most:
        return x, y
    each = math.ceil(2 * len(y) / most)
    parts = math.ceil(len(y) / each)
    padded = np.full(parts * each, np.nan)
    padded[: len(y)] = y
    rows = padded.reshape(parts, each)
    known = ~np.isnan(rows)
    lowest = np.where(known, rows, np.inf).argmin(axis=1)
    highest = np.where(known, rows, -np.inf).argmax(axis=1)
    pairs = np.sort(np.stack((lowest, highest), axis=1), axis=1)
    pick = (pairs + each * np.arange(parts)[:, None]).ravel()
    return x[pick], y[pick]


def check_lengths(what: object, first: Array, *others: NDArray[Any]) -> None:
    """Raise MnadError unless all columns are of one length above 0."""
    if not len(first):
        raise MnadError(f"{what}: there are no frames to plot; give at least one.")
    lengths = [len(first), *(len(o) for o in others)]
    if len(set(lengths)) > 1:
        raise MnadError(
            f"{what}: the columns to plot have {', '.join(map(str, lengths))} rows; "
            "give one value per frame in each."
        )


def kind_of(path: str | os.PathLike[str]) -> str:
    """``png`` or ``svg`` by the suffix; UsageError for another."""
    kind = Path(path).suffix.lower().lstrip(".")
    if kind not in ("png", "svg"):
        raise UsageError(f"{path}: plots are written as .png or .svg; choose one of these names.")
    return kind


def new_figure(width: float, height: float) -> Figure:
    """A white figure of so many inches that keeps its parts from overlapping."""
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.05)
    return figure


def plain(axes: Axes) -> None:
    """Take the chart junk off."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(DIM)
    axes.tick_params(colors=DIM, labelcolor=INK, labelsize=8, length=3)
    axes.yaxis.label.set(fontsize=9, color=INK)
    axes.xaxis.label.set(fontsize=9, color=INK)
    axes.grid(True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def shade(axes: Axes, x: Array, abnormal: NDArray[np.bool_]) -> None:
    """Shade the intervals of frames that are abnormal."""
    edges = np.diff(np.concatenate(([0], abnormal.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    until = np.append(x[1:], span(x)[1])
    axes.broken_barh(
        list(zip(x[starts], until[ends] - x[starts], strict=True)),
        (0, 1),
        transform=axes.get_xaxis_transform(),
        color=ABNORMAL,
        linewidth=0,
        zorder=0,
    )


def span(x: Array) -> tuple[float, float]:
    """Where the first frame begins and the last one ends, which lasts as long as the one before."""
    last = float(x[-1] - x[-2]) if len(x) > 1 else 0.0
    return float(x[0]), float(x[-1]) + (last if last > 0 else 1.0)


def curve(axes: Axes, x: Array, y: Array, **style: Any) -> None:
    """Draw a curve, with gaps where `y` is not finite (a perfect prediction's PSNR is infinite)."""
    axes.plot(*envelope(x, np.where(np.isfinite(y), y, np.nan)), **style)


def time_axis(axes: Axes, seconds: Array) -> None:
    """Label the x axis with seconds, or with minutes and hours where it is long."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    start, end = span(seconds)
    length = end - start
    steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200]
    step = next((s for s in steps if length <= 10 * s), 3600 * math.ceil(length / 36_000))

    def text(value: float, _: object) -> str:
        if length < 60:
            return f"{value:g}"
        minutes, rest = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.set_xlabel("time (s)" if length < 60 else "time")


def short(text: str, most: int) -> str:
    """`text`, its middle left out where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"


def head(figure: Figure, title: str, note: str) -> None:
    """Write the title at the left, its middle left out if too long, and the note at the right."""
    end = 0.99 * figure.bbox.width
    if note:
        # The same distance from the top, in inches, at any height.
        y = 1 - 0.09 / figure.get_figheight()
        right = figure.text(0.99, y, note, ha="right", va="top", fontsize=8, color=DIM)
        end = right.get_window_extent().x0 - 0.01 * figure.bbox.width
    if title or note:
        left = figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
        left.set_parse_math(False)  # a name may hold dollar signs
        with _any_script():
            for most in range(min(len(title), 200), 9, -1):
                left.set_text(short(title, most))
                if left.get_window_extent().x1 <= end:
                    break


@contextmanager
def _any_script() -> Iterator[None]:
    """A name in a script that the font lacks is drawn as boxes; the plot is none the worse."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def legend_below(figure: Figure, shown: Mapping[str, Artist]) -> None:
    """Name what is drawn in a line below the axes, which make room for it.

    A legend of the axes themselves would be cut off where there are few rows.
    """
    figure.legend(
        list(shown.values()),
        list(shown),
        loc="outside lower center",
        ncols=len(shown),
        fontsize=8,
        frameon=False,
    )


def save(figure: Figure, path: str | os.PathLike[str], kind: str) -> None:
    """Write the figure beside `path`, then rename, so that no half file is ever seen."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        # A file name may hold dollar signs, which is no formula.
        text.set_parse_math(False)
    whole = Path(path)
    beside = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    try:
        with _any_script():
            figure.savefig(beside, format=kind)
        os.replace(beside, whole)
    except OSError as problem:
        raise MnadError(
            f"{path} cannot be written ({problem.strerror}); choose another place."
        ) from problem
    finally:
        discard(beside)
