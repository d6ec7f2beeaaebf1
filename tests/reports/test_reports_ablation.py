"""The plot of an ablation: its dots lie where the numbers are, and what is missing is said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mnad.errors import MnadError, UsageError
from mnad.reports.ablation import MISSING, Dots, ablation_plot
from mnad.reports.figures import CURVES

ROWS = [Dots("official", [0.80, 0.90], [0.85, 0.85], 0.97), Dots("paper", [], [])]


def places(path: Path, colour: str) -> list[float]:
    """Columns of the blobs of a colour, from left to right."""
    picture = cv2.imread(str(path))
    assert picture is not None
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    mask = (np.abs(picture[..., ::-1].astype(int) - rgb) < 40).all(-1)
    mask[int(0.6 * len(mask)) :] = False  # the legend
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return sorted(centres[i, 0] for i in range(1, len(stats)) if stats[i, 4] > 30)


def test_dots_lie_in_the_proportion_of_the_numbers(tmp_path: Path) -> None:
    shown = [Dots("a", [0.2, 0.4, 0.9], [], None), *[Dots(str(n), [], []) for n in range(4)]]
    ablation_plot(tmp_path / "a.png", shown, "title")
    low, middle, high = places(
        tmp_path / "a.png", "#4095C6"
    )  # the colour of dots that shine through
    assert (middle - low) / (high - low) == pytest.approx(0.2 / 0.7, abs=0.02)


def test_what_is_published_and_what_is_missing_is_drawn(tmp_path: Path) -> None:
    ablation_plot(tmp_path / "a.svg", ROWS, "Ablation on ped2")
    text = (tmp_path / "a.svg").read_text()
    assert MISSING in text and CURVES[2].lower() in text.lower()
    ablation_plot(tmp_path / "b.svg", [Dots("official", [0.8], [0.8])])
    text = (tmp_path / "b.svg").read_text()
    assert MISSING not in text and CURVES[2].lower() not in text.lower()


@pytest.mark.parametrize("rows", [1, 2, 3, 12])
def test_the_legend_is_whole_however_few_rows_there_are(tmp_path: Path, rows: int) -> None:
    """Of each row and of the legend a diamond of the same size, none of them at the edge."""
    shown = [Dots(f"row {n}", [0.80, 0.90], [0.85], 0.97) for n in range(rows)]
    ablation_plot(tmp_path / "a.png", shown, "title")
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    rgb = [int(CURVES[2][i : i + 2], 16) for i in (1, 3, 5)]
    mask = (np.abs(picture[..., ::-1].astype(int) - rgb) < 40).all(-1).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    assert len(sizes) == rows + 1 and sizes.min() > 0.8 * sizes.max()
    # The longest mark is that of the mean, black: in the last rows of pixels there is nothing.
    assert picture[-8:].min() > 240


def test_no_rows_and_another_suffix_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MnadError, match="no rows to plot"):
        ablation_plot(tmp_path / "a.png", [])
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        ablation_plot(tmp_path / "a.gif", ROWS)
