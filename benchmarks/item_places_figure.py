"""The figure of docs/what-the-memory-does.md: which item each place of the query map takes.

python benchmarks/item_places_figure.py docs/figures/item-places.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from script import run

from mnad.reports.figures import DIM, INK, head, new_figure, save

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("png", type=Path, help="the figure to write")
    png = parser.parse_args().png
    figure = new_figure(7.2, 3.9)
    panels = figure.subplots(1, 2)
    for axes, seed in zip(panels, (1, 2), strict=True):
        found = json.loads((RESULTS / f"item-places-seed{seed}.json").read_text())
        places = np.array(found["item_of_each_place"])
        used, numbered = np.unique(places, return_inverse=True)
        colours = ListedColormap(colormaps["tab10"](range(len(used))))
        axes.imshow(numbered.reshape(places.shape), cmap=colours, interpolation="nearest")
        share = found["queries_that_take_the_item_of_their_place"]
        axes.set_title(f"seed {seed}: {len(used)} of 10 items used", fontsize=9, color=INK)
        axes.set_xlabel(f"{100 * share:.2f} % of the queries take this item", fontsize=8, color=DIM)
        axes.set_xticks([])
        axes.set_yticks([])
    head(figure, "The item that is nearest at each place of the 32 x 32 query map", "")
    save(figure, png, "png")


if __name__ == "__main__":
    run(main)
