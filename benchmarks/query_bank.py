"""Could any memory of these queries tell? Distances to far more than ten items, in their place.

    python benchmarks/query_bank.py MODEL ped2:PED2 [--queries KIND] [--json FILE]

The network stays as it is. Its trained items are replaced by what a small memory cannot better: ten
to 3,000 queries of the training clips, chosen so that no other lies far from all of them (k-centre,
greedily, out of 50,000 drawn at random), and all queries that were ever seen at the same place of
the map. Distances are squared, as the public code has them. Of each frame they are averaged over
the map (the paper's score), or its highest place is taken, or its highest mean of 3 x 3 places.
Beside the distance alone: the paper's sum with the PSNR of the frame, lambda 0.6. Memory frozen.

What else may be remembered, with --queries, than the network's own, ``trained``:

* ``untrained``: those of the same network with weights drawn anew (seed 0, batch normalisation by
  training windows);
* ``skip-1``, ``skip-2``, ``skip-3``: what the encoder hands past the memory, all of a stage's map
  that belongs to a query's 8 x 8 pixels;
* ``errors``: how badly those 64 pixels are predicted, against the contrast around them
  (`mnad.scoring.contrast`);
* ``differences``: no network at all, but how they change from frame to frame of the window, the
  predicted one among them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from script import run
from torch import Tensor
from tqdm import tqdm

from mnad import __version__
from mnad.config import NetworkConfig
from mnad.datasets import open_dataset
from mnad.datasets.clip import Clip
from mnad.metrics.frame import causal_micro, macro, per_clip_minmax_micro
from mnad.models.builtin import resolve
from mnad.models.folder import Model, build_network, load_model
from mnad.network.mnad import MNAD
from mnad.network.window import split_window
from mnad.scoring.contrast import relative_error
from mnad.scoring.parts import psnr
from mnad.scoring.windows import Windows
from mnad.video.cache import load_clips
from mnad.writing import require_folder

Scores = dict[str, NDArray[np.float64]]
Far = Callable[[Tensor], Tensor]
"""How far queries (N, K, C) are from what a memory holds: (N, K), squared."""
LAMBDA = 0.6
SIZES = (10, 100, 1000, 3000)
DRAWN = 50_000
BATCH = 8
SIDE = 8
"""Pixels of the frame, down and across, that belong to a query."""
SKIPS = ("skip-1", "skip-2", "skip-3")
KINDS = ("trained", "untrained", *SKIPS, "errors", "differences")
READINGS: dict[str, Far] = {
    "mean": lambda far: far.mean((1, 2)),
    "highest": lambda far: far.amax((1, 2)),
    "highest 3 x 3": lambda far: F.avg_pool2d(far, 3, 1).amax((1, 2)),
}
"""What becomes of distances (N, rows, columns): (N,)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--queries", choices=KINDS, default="trained")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)
    model = load_model(resolve(given.model))
    if model.network.memory is None:
        raise SystemExit("give a model with memory")
    config = model.config.network
    dataset = open_dataset(given.data)
    items = model.network.memory.items.detach()
    queries = by_network(model.network)
    if given.queries == "untrained":
        queries, items = by_network(untrained(model, dataset.train)), items[:0]
    elif given.queries != "trained":
        queries, items = instead(given.queries, model.network), items[:0]
    seen = torch.cat([over(queries, clip, config) for clip in tqdm(dataset.train, unit="clip")])
    labels: Scores = {}
    tested: dict[str, Tensor] = {}
    unlike: Scores = {}
    for clip in tqdm(dataset.test, unit="clip"):
        assert clip.labels is not None
        tested[clip.name] = over(queries, clip, config)
        last = config.target + len(tested[clip.name])
        labels[clip.name] = clip.labels[config.target : last].astype(float)
        unlike[clip.name] = -over(likeness(model.network), clip, config).double().numpy()
    rows = []
    for name, far in memories(items, seen):
        maps = {n: far(query).reshape(-1, *config.feature_size) for n, query in tested.items()}
        for reading, of in READINGS.items():
            scores = {clip: of(found).double().numpy() for clip, found in maps.items()}
            rows.append({"memory": name, "reading": reading, **aucs(labels, scores, unlike)})
            print(rows[-1])
    result: dict[str, Any] = {
        "model": Path(given.model).name,
        "queries": given.queries,
        "training": model.training,
        "queries_of_training": seen.shape[0] * seen.shape[1],
        "frames": sum(len(one) for one in labels.values()),
        "psnr_alone": aucs(labels, unlike),
        "rows": rows,
        "versions": {"mnad": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    print("PSNR alone", result["psnr_alone"])
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


@torch.inference_mode()
def over(of: Callable[[Tensor], Tensor], clip: Clip, config: NetworkConfig) -> Tensor:
    """What a function of windows (B, T, H, W, c) gives for all of a clip."""
    frames = load_clips([clip.path], config.height, config.image_width, config.channels)
    windows = Windows(frames, [clip.name], config.window)
    found = []
    for first in range(0, len(windows), BATCH):
        found.append(of(windows.batch(range(first, min(first + BATCH, len(windows))))))
    return torch.cat(found)


def by_network(network: MNAD) -> Callable[[Tensor], Tensor]:
    """The queries (B, K, C) of windows, unit vectors."""
    return lambda windows: network(split_window(windows, network.config)[0]).query


def likeness(network: MNAD) -> Callable[[Tensor], Tensor]:
    """The PSNR (B,) of the frames of windows."""

    def of(windows: Tensor) -> Tensor:
        inputs, target = split_window(windows, network.config)
        return psnr((network(inputs).frame + 1) / 2, (target + 1) / 2, "one")

    return of


def instead(kind: str, network: MNAD) -> Callable[[Tensor], Tensor]:
    """What else of windows may be remembered: (B, K, C)."""
    if kind in SKIPS:
        stage = SKIPS.index(kind)

        def skipped(windows: Tensor) -> Tensor:
            inputs, _ = split_window(windows, network.config)
            return by_place(network.encoder(inputs)[1][stage], SIDE >> stage)

        return skipped
    if kind == "errors":

        def errors(windows: Tensor) -> Tensor:
            inputs, target = split_window(windows, network.config)
            error = (network(inputs).frame - target).square().mean(1) / 4  # of images in 0..1
            seen = windows[:, network.config.target].numpy()
            return by_place(relative_error(error, seen).sqrt()[:, None], SIDE)

        return errors
    return differences


def differences(windows: Tensor) -> Tensor:
    """How the pixels of each place change (B, K, (T - 1) * 64), in 0..1."""
    grey = windows.float().mean(-1) / 255  # (B, T, H, W)
    return by_place((grey[:, 1:] - grey[:, :-1]).abs(), SIDE)


def by_place(maps: Tensor, side: int) -> Tensor:
    """Maps (B, c, h, w) cut into squares: (B, K, c * side * side)."""
    return F.unfold(maps, side, stride=side).transpose(1, 2)


@torch.no_grad()
def untrained(model: Model, clips: tuple[Clip, ...]) -> MNAD:
    """A network like it with weights drawn anew, whose normalisation has seen the clips."""
    torch.manual_seed(0)
    network = build_network(model.config).train()
    for clip in clips:
        over(by_network(network), clip, network.config)
    return network.eval()


def memories(items: Tensor, seen: Tensor) -> Iterator[tuple[str, Far]]:
    """By name, what holds the trained items (M, C), or some or all of the queries (N, K, C)."""
    if len(items):
        yield "trained items", to_nearest(items)
    elif seen[0].norm(dim=-1).std() > 1e-3:  # of unit vectors it tells nothing
        yield "nothing: their length", lambda query: query.square().sum(-1)
    bank = centres(seen.flatten(0, 1), max(SIZES))
    for size in SIZES:
        yield f"{size:,} queries of training", to_nearest(bank[:size])
    places = [to_nearest(own) for own in seen.transpose(0, 1)]  # K of (N, C)
    yield (
        "all queries of the place",
        lambda query: torch.stack([far(query[:, k]) for k, far in enumerate(places)], 1),
    )


def to_nearest(items: Tensor) -> Far:
    """How far vectors (..., C) are from the nearest of the items (M, C): (...), squared."""
    length = items.square().sum(-1) / 2

    def far(query: Tensor) -> Tensor:
        flat = query.reshape(-1, query.shape[-1])
        parts = (flat[first : first + 4096] for first in range(0, len(flat), 4096))
        near = torch.cat([(part @ items.T - length).argmax(-1) for part in parts])
        # Not by the product, in whose rounding differences among vectors so much alike are lost.
        return (flat - items[near]).square().sum(-1).reshape(query.shape[:-1])

    return far


def centres(queries: Tensor, count: int) -> Tensor:
    """So many of the queries (N, C): always the one that lies farthest from those before."""
    drawn = torch.randperm(len(queries), generator=torch.Generator().manual_seed(0))[:DRAWN]
    candidates = queries[drawn]
    length = candidates.square().sum(-1)
    chosen = [0]
    far = torch.full((len(candidates),), torch.inf)
    for _ in range(count - 1):
        last = candidates[chosen[-1]]
        far = torch.minimum(far, length - 2 * (candidates @ last) + last.square().sum())
        chosen.append(int(far.argmax()))
    return candidates[chosen]


def aucs(labels: Scores, far: Scores, unlike: Scores | None = None) -> dict[str, float | None]:
    """Frame AUC of a score alone, and per clip with the PSNR."""
    found = {
        "per_clip": per_clip_minmax_micro(labels, far).auc,
        "causal": causal_micro(labels, far).auc,
        "macro": macro(labels, far).auc,
    }
    if unlike is not None:
        both = per_clip_minmax_micro(labels, unlike, far, weights=(LAMBDA, 1 - LAMBDA))
        found["with_psnr_per_clip"] = both.auc
    return found


if __name__ == "__main__":
    run(main)
