"""How the score of single frames is to be smoothed: on things that go the usual ways, no label.

    python benchmarks/smoothing.py PED2 CLIPS --models MODEL ... --json FILE

The score of a frame is the rank of its highest block among the clean training clips that training
keeps back (the file says which models were trained on them all the same). Frame AUC of it alone, of
its median over a span, and of its mean with exponentially falling weights. Over doctored copies of
the kept clips (`usual_ways.py`), mean over the four families:

* ``seen``: frames in which a thing is seen, against the clean clips alone;
* ``all``: all frames of copies and clean clips, as labelled, so that a late answer costs twice;
* ``oracle``: the test set of Ped2, causal, for comparison only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cut_outs import cut_outs
from numpy.typing import ArrayLike, NDArray
from other_cameras import CAMERAS, PED2_DONORS
from script import run
from tqdm import tqdm
from usual_ways import FAMILIES, Copy, copies_of

from mnad import __version__
from mnad.calibration.holdout import hold_out, known_share
from mnad.config import NetworkConfig
from mnad.datasets import open_dataset
from mnad.datasets.clip import Dataset
from mnad.metrics.frame import causal_micro
from mnad.models.folder import Model, load_model
from mnad.scoring.reference import Rank, squash
from mnad.scoring.smooth import causal_mean
from mnad.scoring.stream import Scorer
from mnad.video.cache import load_clips
from mnad.writing import require_folder

Floats = NDArray[np.float64]
Smooth = Callable[[Floats, float], Floats]
Tested = tuple[Floats, NDArray[np.bool_]]

MEDIANS = (0.5, 1.0)
MEANS = (0.15, 0.25, 0.35, 0.5, 1.0)
"""Seconds."""
RUN = 8


def main() -> None:
    over_models(of_model, str(__doc__), "smoothing.py")


def over_models(
    of_model: Callable[[Model, Dataset, Path], dict[str, dict[str, float]]], doc: str, script: str
) -> None:
    """Ask models what the command line of a script names, and write and print their means.

    Args:
        of_model: AUC of a model by form, then by what it is over.
        doc: of the script: a line, the command up to ``--json FILE``, the protocol.
        script: its name.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("ped2", type=Path)
    parser.add_argument("clips", type=Path, help="the fixed-camera clips things are cut out of")
    parser.add_argument("--models", nargs="+", type=Path, required=True, help="of Ped2")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    require_folder(given.json)
    dataset = open_dataset(f"ped2:{given.ped2}")
    models = [load_model(path) for path in given.models]
    by_model = [of_model(model, dataset, given.clips) for model in models]
    auc = {
        form: {on: round(float(np.mean([m[form][on] for m in by_model])), 4) for on in of_form}
        for form, of_form in by_model[0].items()
    }
    result = {
        "protocol": " ".join(doc.partition("--json FILE")[2].split()),
        "command": f"python benchmarks/{script} PED2 CLIPS --models MODEL ... --json FILE",
        "models": [about(model, dataset) for model in models],
        "auc": auc,
        "by_model": by_model,
        "versions": {"mnad": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    for form, row in auc.items():
        print(f"{form:24s}", *(f"{on} {value:.4f}" for on, value in row.items()))


def about(model: Model, dataset: Dataset) -> dict[str, Any]:
    """What a model is, and whether it was trained on the clips that are doctored here."""
    network = model.config.network
    size = (network.height, network.image_width, network.channels)
    every = load_clips([clip.path for clip in dataset.train], *size)
    share = known_share(hold_out(every, 0.2, network.window)[1], model.known)
    return {**asdict(model.config), "training": model.training, "share_trained_on": share}


def forms() -> dict[str, Smooth]:
    """The ways to smooth that are compared."""
    found: dict[str, Smooth] = {"single frames": lambda values, rate: values}
    found |= {f"median of {s:g} s": partial(causal_median, span=s) for s in MEDIANS}
    return found | {f"mean, 1/e in {s:g} s": partial(mean_of, span=s) for s in MEANS}


def of_model(model: Model, dataset: Dataset, clips: Path) -> dict[str, dict[str, float]]:
    """AUC by form, then by what it is over."""
    network = model.config.network
    assert dataset.rate is not None
    held, copies = on_usual_ways(dataset, clips, network)
    clean = [peaks(model, clip) for clip in tqdm(held, desc="clean")]
    doctored: dict[str, list[Tested]] = {family: [] for family in FAMILIES}
    for copy in tqdm(copies, desc="doctored"):
        label = copy.label[network.target :]
        doctored[copy.family].append((peaks(model, copy.frames), label))
    oracle: list[Tested] = []
    size = (network.height, network.image_width, network.channels)
    for clip in tqdm(dataset.test, desc="test"):
        assert clip.labels is not None
        frames = load_clips([clip.path], *size)[0]
        oracle.append((peaks(model, frames), clip.labels[network.target :].astype(bool)))
    rank = Rank(np.concatenate(clean))

    def told(smooth: Smooth, peak: Floats) -> Floats:
        assert dataset.rate is not None
        return smooth(squash(rank.surprise(peak)), dataset.rate)

    result = {}
    for form, smooth in forms().items():
        of_clean = [(told(smooth, one), np.zeros(len(one), bool)) for one in clean]
        seen, every = [], []
        for family in FAMILIES:
            own = [(told(smooth, peak), label) for peak, label in doctored[family]]
            seen.append(auc_of([(s[label], label[label]) for s, label in own] + of_clean))
            every.append(auc_of(own + of_clean))
        result[form] = {
            "seen": float(np.mean(seen)),
            "all": float(np.mean(every)),
            "oracle": auc_of([(told(smooth, peak), label) for peak, label in oracle]),
        }
    return result


def on_usual_ways(
    dataset: Dataset, clips: Path, network: NetworkConfig
) -> tuple[list[NDArray[np.uint8]], list[Copy]]:
    """The training clips of Ped2 that training keeps back, and copies of them with things in."""
    size = (network.height, network.image_width, network.channels)
    every = load_clips([clip.path for clip in dataset.train], *size)
    held = hold_out(every, 0.2, network.window)[1]
    donors = [thing for donor in PED2_DONORS for thing in cut_outs(clips / CAMERAS[donor].file)]
    return held, list(copies_of(every, held, donors, np.random.default_rng(1)))


def peaks(model: Model, clip: NDArray[np.uint8]) -> Floats:
    """The error of the highest block of each scored frame of a clip (T, H, W, c)."""
    scorer = Scorer(model.torch_runtime, "frozen", model.mask, model.blocks)
    stream = scorer.open()
    found: list[float] = []
    for first in range(0, len(clip), RUN):
        run = scorer.push_run(stream, list(clip[first : first + RUN]))
        found += [parts.peak for parts in run if parts is not None]
    return np.array(found)


def auc_of(tested: Sequence[Tested]) -> float:
    labels = {str(i): label.astype(float) for i, (_, label) in enumerate(tested)}
    auc = causal_micro(labels, {str(i): score for i, (score, _) in enumerate(tested)}).auc
    assert auc is not None
    return auc


def mean_of(values: Floats, rate: float, span: float) -> Floats:
    """The mean of those so far, weights falling to 1/e in `span` seconds."""
    return causal_mean(np.arange(len(values)) / rate, values, span)


def causal_median(values: ArrayLike, rate: float, span: float = 0.5) -> Floats:
    """Of each of `values` (n,) and those before it within `span` seconds: their median."""
    x = np.asarray(values, np.float64)
    # Half a millisecond for the rounding of times: 0.5 s of 10 frames/s are always 5 frames.
    count = max(1, int(np.ceil((span - 5e-4) * rate)))
    return np.array([np.median(x[max(0, i + 1 - count) : i + 1]) for i in range(len(x))])


if __name__ == "__main__":
    run(main)
