"""What the memory's distance adds to the score for cameras: on usual ways, no label.

    python benchmarks/with_distance.py PED2 CLIPS --models MODEL ... --json FILE

The surprises (`mnad.scoring.reference`) of the highest block and of the memory's distance, each
among the clean training clips that training keeps back, are weighted as eq. 16 weights its parts;
the sum is ranked among the same clips again, and smoothed as the score for cameras is. Memory
frozen. Frame AUC over doctored copies of the kept clips (`usual_ways.py`), mean over the families:

* ``seen``: frames in which a thing is seen, against the clean clips alone; by family, too: those of
  ``fast2`` and ``fast3`` walk too fast, as skipped frames teach it in training; ``strange`` are
  people and cars of other clips at walking speed, of which no training has seen the like;
* ``all``: all frames of copies and clean clips, as labelled, so that a late answer costs twice;
* ``oracle``: the test set of Ped2, causal, for comparison only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from script import run
from smoothing import RUN, Floats, Tested, auc_of, mean_of, on_usual_ways, over_models
from tqdm import tqdm
from usual_ways import FAMILIES

from mnad.datasets.clip import Dataset
from mnad.models.folder import Model
from mnad.scoring.reference import Rank, squash
from mnad.scoring.smooth import SECONDS
from mnad.scoring.stream import Scorer
from mnad.video.cache import load_clips

WEIGHTS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
"""Of the highest block; the rest is the distance's. The paper's lambda is 0.6."""


def main() -> None:
    over_models(of_model, str(__doc__), "with_distance.py")


def of_model(model: Model, dataset: Dataset, clips: Path) -> dict[str, dict[str, float]]:
    """AUC by weight of the highest block, then by what it is over."""
    network = model.config.network
    rate = dataset.rate
    assert rate is not None
    held, copies = on_usual_ways(dataset, clips, network)
    clean = [parts_of(model, clip) for clip in tqdm(held, desc="clean")]
    doctored: dict[str, list[tuple[Floats, NDArray[np.bool_]]]] = {name: [] for name in FAMILIES}
    for copy in tqdm(copies, desc="doctored"):
        label = copy.label[network.target :]
        doctored[copy.family].append((parts_of(model, copy.frames), label))
    tested: list[tuple[Floats, NDArray[np.bool_]]] = []
    size = (network.height, network.image_width, network.channels)
    for clip in tqdm(dataset.test, desc="test"):
        assert clip.labels is not None
        parts = parts_of(model, load_clips([clip.path], *size)[0])
        tested.append((parts, clip.labels[network.target :].astype(bool)))
    normal = np.concatenate(clean, axis=1)
    ranks = [Rank(part) for part in normal]

    def mixed(parts: Floats, weight: float) -> Floats:
        block, far = (rank.surprise(part) for rank, part in zip(ranks, parts, strict=True))
        return weight * block + (1 - weight) * far

    result = {}
    for weight in WEIGHTS:
        rank = Rank(mixed(normal, weight))

        def told(parts: Floats, weight: float = weight, rank: Rank = rank) -> Floats:
            return mean_of(squash(rank.surprise(mixed(parts, weight))), rate, SECONDS)

        of_clean: list[Tested] = [(told(one), np.zeros(one.shape[1], bool)) for one in clean]
        row, every = {}, []
        for family in FAMILIES:
            own = [(told(parts), label) for parts, label in doctored[family]]
            row[family] = auc_of([(s[label], label[label]) for s, label in own] + of_clean)
            every.append(auc_of(own + of_clean))
        result[f"{weight:g}"] = {
            "seen": float(np.mean([*row.values()])),
            "all": float(np.mean(every)),
            "oracle": auc_of([(told(parts), label) for parts, label in tested]),
            **row,
        }
    return result


def parts_of(model: Model, clip: NDArray[np.uint8]) -> Floats:
    """Of each scored frame of a clip (T, H, W, c) the highest block and the distance: (2, n)."""
    scorer = Scorer(model.torch_runtime, "frozen", model.mask, model.blocks)
    stream = scorer.open()
    found: list[tuple[float, float]] = []
    for first in range(0, len(clip), RUN):
        run_of = scorer.push_run(stream, list(clip[first : first + RUN]))
        found += [(parts.peak, parts.distance) for parts in run_of if parts is not None]
    return np.array(found).T


if __name__ == "__main__":
    run(main)
