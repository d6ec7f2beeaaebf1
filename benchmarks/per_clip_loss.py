"""Where the points are that a frame AUC of per-clip min-max lacks.

    python benchmarks/per_clip_loss.py MODEL ped2:PED2 [--json FILE]

Per-clip min-max takes the lowest score of each finished clip for 0, and its highest for 1. In a
clip that is abnormal from its first frame to its last, something abnormal then counts as the most
normal there is. So the AUC of three scores (the highest block error, the causal score for cameras,
PSNR) is measured over all clips, and over those alone that have frames of both kinds; as they are,
and smoothed by a Gaussian over each finished clip, as is usual in the field. And of the pairs of an
abnormal and a normal frame that are in the wrong order, it is said which clip the abnormal one is
of.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from script import run
from tqdm import tqdm

from mnad import __version__
from mnad.datasets import open_dataset
from mnad.detector import Detector
from mnad.metrics.frame import causal_micro, per_clip_minmax_micro
from mnad.video.cache import load_clips
from mnad.writing import require_folder

Values = Mapping[str, NDArray[Any]]

SIGMAS = (0, 1, 2, 4, 8, 12)
"""Frames; 0 is the score as it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)
    detector = Detector.load(given.model, runtime="torch")
    network = detector.model.config.network
    labels: dict[str, NDArray[Any]] = {}
    scores: dict[str, dict[str, NDArray[Any]]] = {"block error": {}, "causal score": {}, "PSNR": {}}
    for clip in tqdm(open_dataset(given.data).test):
        assert clip.labels is not None
        size = network.height, network.image_width, network.channels
        (frames,) = load_clips([clip.path], *size)
        found = detector.score(frames)
        labels[clip.name] = clip.labels[found.index]
        parts = zip(scores, (found.peak, found.score, -found.psnr), strict=True)
        for name, values in parts:
            scores[name][clip.name] = values
    both = [name for name, own in labels.items() if 0 < own.sum() < len(own)]
    result = {
        "protocol": " ".join(__doc__.partition("FILE]\n")[2].split()),
        "command": "python benchmarks/per_clip_loss.py MODEL ped2:PED2 --json FILE",
        "mnad": __version__,
        "frames": {n: {"abnormal": int(o.sum()), "of": len(o)} for n, o in labels.items()},
        "scores": {name: told(labels, values, both) for name, values in scores.items()},
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


def told(labels: Values, values: Values, both: list[str]) -> dict[str, Any]:
    """The AUC of one score, and where it lacks points.

    Args:
        labels: (T,) by clip, 1 = abnormal.
        values: (T,) by clip, high = abnormal.
        both: the clips that have frames of both kinds.
    """
    rows = {}
    for sigma in SIGMAS:
        smooth = {n: gaussian_filter1d(v, sigma) if sigma else v for n, v in values.items()}
        some = {name: smooth[name] for name in both}
        rows[f"sigma {sigma}"] = {
            "all clips": per_clip_minmax_micro(labels, smooth).auc,
            "clips of both kinds": per_clip_minmax_micro({n: labels[n] for n in both}, some).auc,
        }
    return {
        "pooled as it is": causal_micro(labels, values).auc,
        "per clip": rows,
        "lost by the abnormal frames of": lost(labels, values),
    }


def lost(labels: Values, values: Values) -> dict[str, float]:
    """Share of all pairs that are in the wrong order, by the clip of the abnormal frame."""
    scaled = {n: (v - v.min()) / (v.max() - v.min()) for n, v in values.items()}
    normal = np.sort(np.concatenate([scaled[n][labels[n] == 0] for n in scaled]))
    abnormal = {n: scaled[n][labels[n] == 1] for n in scaled}
    pairs = len(normal) * sum(map(len, abnormal.values()))
    shares = {}
    for name, own in abnormal.items():
        above = len(normal) - np.searchsorted(normal, own, side="right")
        equal = len(normal) - np.searchsorted(normal, own, side="left") - above
        shares[name] = float((above + equal / 2).sum() / pairs)
    return shares


if __name__ == "__main__":
    run(main)
