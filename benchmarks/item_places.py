"""Does the memory tell what moves, what stands there, or where? Which item each query takes.

    python benchmarks/item_places.py MODEL ped2:PED2 [--stride 30] [--json FILE]

For windows all over the test clips, the item nearest to each query is compared with the item that
most windows take at the same place of the map. If they agree everywhere, the items tell nothing of
what moves; they may stand for the place itself, as zero padding tells how far the border is, or for
the scenery that a fixed camera sees there. So the same windows are shown again with their pictures
moved by half (what leaves on one side comes in on the other) or turned over: where the usual item
of the place and that of the scenery now seen there differ, which one is taken? And if they do not
agree: is it where something moves?
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from script import run

from mnad.datasets import open_dataset
from mnad.models.builtin import resolve
from mnad.models.folder import Model, load_model
from mnad.network.window import split_window
from mnad.video.cache import load_clips
from mnad.writing import require_folder

Items = NDArray[np.int64]
CHANGES: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "moved across": lambda picture: np.roll(picture, picture.shape[-1] // 2, -1),
    "moved down": lambda picture: np.roll(picture, picture.shape[-2] // 2, -2),
    "mirrored": lambda picture: picture[..., ::-1],
    "upside down": lambda picture: picture[..., ::-1, :],
}
"""Of pictures and, alike, of maps of queries, both (…, rows, columns)."""
MOTION = (0, 0.5, 0.75, 0.9, 0.97, 1)
"""Shares of the queries between which they are told apart by how much moves there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--stride", type=int, default=30, help="frames between two windows")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)
    model = load_model(resolve(given.model))
    windows = [*every(model, given.data, given.stride)]
    items = taken(model, windows)  # (windows, rows, columns)
    usual = np.apply_along_axis(lambda one: np.bincount(one).argmax(), 0, items)
    moves = motion(windows, items.shape)
    result = {
        "windows": len(items),
        "queries_that_take_the_item_of_their_place": float((items == usual).mean()),
        "places_with_one_item_in_all_windows": float((items == items[0]).all(0).mean()),
        "another_item_than_usual_by_motion": by_motion(items != usual, moves),
        "item_of_each_place": usual.tolist(),
        "pictures": {},
    }
    for name, change in CHANGES.items():
        found, scenery = taken(model, [change(one) for one in windows]), change(usual)
        told = scenery != usual
        result["pictures"][name] = {
            "places_that_tell": int(told.sum()),
            "take_the_item_of_the_place": share(found == usual, told),
            "take_the_item_of_the_scenery": share(found == scenery, told),
        }
    shown = {name: value for name, value in result.items() if name != "item_of_each_place"}
    print(json.dumps(shown, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result) + "\n")


def every(model: Model, data: str, stride: int) -> Iterator[NDArray[np.uint8]]:
    """The windows (T, c, H, W), so many frames apart, of all test clips."""
    config = model.config.network
    for clip in open_dataset(data, labels=False).test:
        size = config.height, config.image_width, config.channels
        (frames,) = load_clips([clip.path], *size)
        for first in range(0, len(frames) - config.window + 1, stride):
            yield np.moveaxis(frames[first : first + config.window], -1, 1)


def taken(model: Model, windows: Sequence[NDArray[np.uint8]]) -> Items:
    """The item (N, rows, columns) nearest to each query of N windows (T, c, H, W)."""
    found = []
    for window in windows:
        frames = torch.from_numpy(np.moveaxis(window, 1, -1).copy()).unsqueeze(0)
        with torch.inference_mode():
            out = model.network(split_window(frames, model.config.network)[0], None)
        found.append(out.similarity[0].argmax(-1).numpy())
    return np.stack(found).reshape(-1, *model.config.network.feature_size)


def motion(windows: Sequence[NDArray[np.uint8]], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """How much the frames of a window change at each query (N, rows, columns), in grey levels."""
    seen = (np.abs(np.diff(window.astype(np.float64), axis=0)).mean((0, 1)) for window in windows)
    count, rows, columns = shape
    change = np.stack([*seen])  # (N, H, W)
    blocks = (count, rows, change.shape[1] // rows, columns, change.shape[2] // columns)
    return np.asarray(change.reshape(blocks).mean((2, 4)), np.float64)


def by_motion(odd: NDArray[np.bool_], moves: NDArray[np.float64]) -> list[dict[str, float]]:
    """Share of queries with another item than the usual, from where little moves to where much."""
    found = []
    for least, most in pairwise(np.quantile(moves, MOTION).tolist()):
        band = (moves >= least) & (moves <= most)
        found.append({"from": least, "to": most, "share": float(odd[band].mean())})
    return found


def share(true: NDArray[np.bool_], where: NDArray[np.bool_]) -> float | None:
    """Of the places that tell, in all windows; None if there is none."""
    return float(true[:, where].mean()) if where.any() else None


if __name__ == "__main__":
    run(main)
