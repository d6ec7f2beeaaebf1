"""What does the decoder lose when the memory, or all of the bottleneck, tells it nothing?

    python benchmarks/memory_interventions.py MODEL ped2:PED2 [--stride 5] [--json FILE]

The trained network is left as it is; only what its decoder is given is changed, for every test
window that is tested, in one run (prediction, trained memory not updated):

    as trained          queries and what is read for them
    read of the place   what is read is replaced by its mean, over training windows, at that place
    bottleneck of the place   the queries are replaced by their mean at that place too: the decoder
                        is told nothing about what is seen but by the skips
    items at random     what is read is read, by the same weights, from random items of unit norm
    items permuted      what is read is read, by the same weights, from the items in another order
    nothing             zeros for queries and read

If frames and scores stay what they were, that part of the network carries nothing about content.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from script import run
from torch import Tensor
from tqdm import tqdm

from mnad.datasets import open_dataset
from mnad.metrics.frame import causal_micro, per_clip_minmax_micro
from mnad.models.folder import load_model
from mnad.network.mnad import MNAD
from mnad.network.window import split_window
from mnad.scoring.parts import psnr
from mnad.scoring.windows import Windows
from mnad.video.cache import load_clips
from mnad.writing import require_folder

TRAINING_WINDOWS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--stride", type=int, default=5, help="every so many windows are tested")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)
    model = load_model(given.model)
    network, config = model.network, model.config.network
    if network.memory is None or config.task != "prediction":
        raise SystemExit("give a prediction model with memory")
    dataset = open_dataset(given.data)

    def frames(path: Path) -> NDArray[np.uint8]:
        return load_clips([path], config.height, config.image_width, config.channels)[0]

    training = [frames(clip.path) for clip in dataset.train]
    windows = Windows(training, [clip.name for clip in dataset.train], config.window)
    place = mean_given(network, windows)
    score: dict[str, dict[str, list[float]]] = {}
    change: dict[str, list[float]] = {}
    labels: dict[str, NDArray[np.float64]] = {}
    for clip in tqdm(dataset.test, unit="clip"):
        assert clip.labels is not None
        seen = frames(clip.path)
        labels[clip.name] = clip.labels[config.window - 1 :: given.stride].astype(float)
        for first in range(0, len(seen) - config.window + 1, given.stride):
            window = torch.from_numpy(seen[first : first + config.window][None].copy())
            inputs, target = split_window(window, config)
            for name, frame, moved in variants(network, inputs, place):
                found = psnr((frame + 1) / 2, (target + 1) / 2, model.config.method.psnr_peak)
                score.setdefault(name, {}).setdefault(clip.name, []).append(-float(found))
                change.setdefault(name, []).append(moved)
    rows: dict[str, Any] = {}
    for name, by_clip in score.items():
        abnormal = {clip: np.array(values) for clip, values in by_clip.items()}
        everything = np.concatenate(list(abnormal.values()))
        normal = np.concatenate(list(labels.values())) == 0
        rows[name] = {
            "psnr_normal_db": round(-float(everything[normal].mean()), 3),
            "psnr_abnormal_db": round(-float(everything[~normal].mean()), 3),
            "auc_per_clip": per_clip_minmax_micro(labels, abnormal).auc,
            "auc_causal": causal_micro(labels, abnormal).auc,
            "change_of_the_output_grey_levels": round(float(np.mean(change[name])), 3),
        }
    result = {
        "model": Path(given.model).name,
        "stride": given.stride,
        "frames": len(everything),
        "rows": rows,
    }
    print(json.dumps(result, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


@torch.inference_mode()
def mean_given(network: MNAD, windows: Windows) -> Tensor:
    """(1, 2C, h, w): what the decoder is given at each place, on average over training windows."""
    assert network.memory is not None
    chosen = windows.spread(TRAINING_WINDOWS)
    total: Tensor | float = 0.0
    for index in tqdm(chosen, unit="window"):
        feature, _ = network.encoder(split_window(windows.batch([index]), network.config)[0])
        total = total + network.memory(feature).feature
    assert isinstance(total, Tensor)
    return total / len(chosen)


@torch.inference_mode()
def variants(network: MNAD, inputs: Tensor, place: Tensor) -> list[tuple[str, Tensor, float]]:
    """Name, frame in -1..1, and mean absolute change of the frame in grey levels of 255."""
    memory = network.memory
    assert memory is not None
    feature, maps = network.encoder(inputs)
    whole = memory(feature).feature  # (1, 2C, h, w): queries, then what is read for them
    channels = whole.shape[1] // 2
    query, usual = whole[:, :channels], place[:, channels:]
    drawn = torch.Generator().manual_seed(0)
    random = F.normalize(torch.rand(memory.items.shape, generator=drawn), dim=1)
    given = {
        "as trained": whole,
        "read of the place": torch.cat([query, usual], 1),
        "bottleneck of the place": place,
        "items at random": torch.cat([query, _read(network, feature, random)], 1),
        "items permuted": torch.cat([query, _read(network, feature, memory.items.roll(1, 0))], 1),
        "nothing": torch.zeros_like(whole),
    }
    found: list[tuple[str, Tensor, float]] = []
    for name, what in given.items():
        frame = network.decoder(what, maps).float()
        base = found[0][1] if found else frame
        found.append((name, frame, float((frame - base).abs().mean()) * 127.5))
    return found


def _read(network: MNAD, feature: Tensor, items: Tensor) -> Tensor:
    """(1, C, h, w): other items (M, C) read by the weights of the trained ones."""
    memory = network.memory
    assert memory is not None
    read: Tensor = memory(feature).similarity.softmax(-1) @ items
    return read.transpose(1, 2).reshape(1, -1, *feature.shape[-2:])


if __name__ == "__main__":
    run(main)
