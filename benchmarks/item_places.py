"""Does the memory tell what is seen, or where? Which item each place of the query map takes.

    python benchmarks/item_places.py MODEL ped2:PED2 [--stride 30] [--json FILE]

For windows all over the test clips, the item nearest to each query is compared with the item that
most windows take at the same place of the map. If they agree everywhere, the items code places.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from mnad.datasets import open_dataset
from mnad.models.folder import load_model
from mnad.network.window import split_window
from mnad.video.cache import load_clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--stride", type=int, default=30, help="frames between two windows")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = load_model(given.model)
    config = model.config.network
    found = []
    for clip in open_dataset(given.data, labels=False).test:
        frames = load_clip(clip.path, config.height, config.image_width, config.channels)
        for first in range(0, len(frames) - config.window + 1, given.stride):
            window = torch.from_numpy(frames[first : first + config.window][None].copy())
            with torch.inference_mode():
                out = model.network(split_window(window, config)[0], None)
            found.append(out.similarity[0].argmax(-1).numpy())
    items = np.stack(found)  # (windows, places)
    usual = np.array([np.bincount(column).argmax() for column in items.T])
    rows, columns = config.feature_size
    result = {
        "windows": len(items),
        "queries_that_take_the_item_of_their_place": float((items == usual).mean()),
        "places_with_one_item_in_all_windows": float((items == items[0]).all(0).mean()),
        "item_of_each_place": usual.reshape(rows, columns).tolist(),
    }
    print({name: value for name, value in result.items() if name != "item_of_each_place"})
    if given.json is not None:
        given.json.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
