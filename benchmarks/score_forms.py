"""Which form of the camera score tells things that do not belong from normal footage: no label.

::

    mnad train ped2:PED2 --out MODEL --preset camera --width 0.25 --epochs 5 --seed 1 \\
        --method.reconstruction_loss mse
    python benchmarks/other_cameras.py CLIPS --work WORK        # trains the three cameras
    python benchmarks/score_forms.py CLIPS --work WORK --ped2 MODEL PED2 --json FILE

The cameras are trained as in other_cameras.py. For each of them: training footage says what error
is usual at each place; footage that was kept back is normal; and copies of it, into which whole
people or cars of another clip were blended (as in other_cameras.py, other seeds), hold what is not.
The AUC is that of frames with such a thing against all other frames of clean footage and copies, no
look-ahead, after the causal median of half a second. Nothing of a test set is read.

A form: the mean absolute error of a block, blocks at every place (exact) or a quarter of a block
apart (grid), of the usual size, half of it or twice, divided by what training frames reach there
(their maximum, or 99th percentile; of the place or of its neighbourhood), but at least by the
q-quantile of that over all places. The frame's score is the highest over places and sizes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from cut_outs import CutOut, blend, cut_outs, scaled
from numpy.typing import NDArray
from other_cameras import CAMERAS, PED2_DONORS
from recall import SIZES
from script import run
from smoothing import causal_median

from mnad import __version__
from mnad.calibration.holdout import hold_out
from mnad.datasets import open_dataset
from mnad.metrics.frame import causal_micro
from mnad.models.folder import Model, load_model
from mnad.scoring.windows import Windows
from mnad.video.cache import load_clips
from mnad.video.fit import fit
from mnad.video.source import open_source
from mnad.video.thin import thinned
from mnad.writing import require_folder

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]

COPIES, SECONDS = 6, (2.0, 3.0)
"""Copies of each held-out clip, and how long a thing crosses it."""
TRAINING_WINDOWS = 600
QUANTILES = (0.5, 0.75, 0.9, 0.95)


class Camera(NamedTuple):
    """Footage at the size of the network.

    Attributes:
        model: trained on `train`.
        train: clips (T, H, W, c).
        held: clips of normal footage that was kept back, as they were decoded (T, h, w, 3).
        rate: frames per second.
        donors: what is blended in.
    """

    model: Model
    train: list[Frames]
    held: list[Frames]
    rate: float
    donors: list[CutOut]


class Blocks(NamedTuple):
    """Block errors of n frames: by size the grid (n, rows, columns), and the exact maximum (n,)."""

    grids: dict[int, Floats]
    exact: Floats


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clips", type=Path)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--ped2", nargs=2, type=Path, metavar=("MODEL", "PED2"))
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    if given.json:
        require_folder(given.json)
    result: dict[str, Any] = {
        "protocol": " ".join(str(__doc__).partition("as in other_cameras.py. ")[2].split()),
        "command": "python benchmarks/score_forms.py CLIPS --work WORK --ped2 MODEL PED2",
        "versions": {"mnad": __version__, "torch": torch.__version__, "numpy": np.__version__},
        "cameras": {},
    }
    for name, camera in cameras(given.clips, given.work, given.ped2):
        print(name, file=sys.stderr, flush=True)
        result["cameras"][name] = forms_of(measured(camera, np.random.default_rng([1, len(name)])))
    names = next(iter(result["cameras"].values()))["auc"]
    result["mean"] = {
        form: round(float(np.mean([c["auc"][form] for c in result["cameras"].values()])), 4)
        for form in names
    }
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if given.json:
        given.json.write_text(text)


def cameras(clips: Path, work: Path, ped2: list[Path] | None) -> Iterator[tuple[str, Camera]]:
    """The cameras one by one."""
    for name, one in CAMERAS.items():
        model = load_model(work / name / "model")
        network = model.config.network
        size = (network.height, network.image_width, network.channels)
        train = load_clips([work / name / "train.mp4"], *size, rate=model.config.rate)
        with open_source(work / name / "calibrate.mp4") as source:
            seen = [(float(f.seconds), f.rgb) for f in thinned(source, model.config.rate)]
        rate = (len(seen) - 1) / (seen[-1][0] - seen[0][0])
        donors = [thing for donor in one.donors for thing in cut_outs(clips / CAMERAS[donor].file)]
        yield name, Camera(model, train, [np.stack([p for _, p in seen])], rate, donors)
    if ped2 is not None:
        model = load_model(ped2[0])
        network = model.config.network
        size = (network.height, network.image_width, network.channels)
        dataset = open_dataset(f"ped2:{ped2[1]}", labels=False)
        paths = [clip.path for clip in dataset.train]
        train, held = hold_out(load_clips(paths, *size), 0.2, network.window)
        kept = [load_clips([p], *size)[0] for p in paths]
        held_paths = [p for p, c in zip(paths, kept, strict=True) if any(same(c, h) for h in held)]
        whole = []
        for path in held_paths:
            with open_source(path) as source:
                whole.append(np.stack([f.rgb for f in source]))
        assert len(whole) == len(held) and dataset.rate is not None
        donors = [thing for donor in PED2_DONORS for thing in cut_outs(clips / CAMERAS[donor].file)]
        yield "ped2", Camera(model, train, whole, dataset.rate, donors)


def same(one: Frames, other: Frames) -> bool:
    return one.shape == other.shape and bool((one == other).all())


class Measured(NamedTuple):
    """What the forms are made of: sizes of blocks, errors of training frames and of clips."""

    sizes: dict[str, int]
    usual: Blocks
    clips: dict[str, Blocks]
    labels: dict[str, NDArray[np.float64]]
    things: int
    rate: float


def measured(camera: Camera, rng: np.random.Generator) -> Measured:
    """Score training footage, footage that was kept back, and the copies with things in them."""
    assert camera.model.reference is not None
    block = camera.model.reference.block
    network = camera.model.config.network
    named = {"half": max(2, block // 2), "usual": block, "twice": min(2 * block, 80)}
    sizes = list(named.values())
    windows = Windows(camera.train, [str(i) for i in range(len(camera.train))], network.window)
    usual = blocks_of(camera.model, windows, windows.spread(TRAINING_WINDOWS), sizes)
    clips: dict[str, Blocks] = {}
    labels: dict[str, NDArray[np.float64]] = {}
    objects = 0
    for number, clip in enumerate(camera.held):
        for copy in range(-1, COPIES):
            frames = [frame.copy() for frame in clip]
            label = np.zeros(len(frames))
            if copy >= 0:
                objects += with_things(frames, label, camera, rng)
            name = f"{number}/{copy}"
            own = np.stack(
                [fit(f, network.height, network.image_width, network.channels) for f in frames]
            )
            one = Windows([own], [name], network.window)
            clips[name] = blocks_of(camera.model, one, range(len(one)), sizes)
            labels[name] = label[network.target :]
    return Measured(named, usual, clips, labels, objects, camera.rate)


def forms_of(found: Measured) -> dict[str, Any]:
    """The AUC of every form."""
    sizes, clips = found.sizes, found.clips
    scores = {"exact, plain": {name: blocks.exact for name, blocks in clips.items()}}
    for size, pixels in sizes.items():
        scores[f"{size}, plain"] = {n: c.grids[pixels].max((1, 2)) for n, c in clips.items()}
    chosen = (("usual",), ("half",), ("half", "usual"), ("half", "usual", "twice"))
    for some, top, around, q in product(
        chosen, ("maximum", "99 %"), ("place", "neighbourhood"), QUANTILES
    ):
        levels = {n: level_of(found.usual.grids[sizes[n]], top, around, q) for n in some}
        scores[f"{' and '.join(some)}, {top} of the {around}, q {q}"] = {
            name: np.max([(c.grids[sizes[n]] / levels[n]).max((1, 2)) for n in some], axis=0)
            for name, c in clips.items()
        }
    smoothed = {
        form: {name: causal_median(values, found.rate) for name, values in by_clip.items()}
        for form, by_clip in scores.items()
    }
    return {
        "block": sizes["usual"],
        "frames": int(sum(map(len, found.labels.values()))),
        "with_a_thing": int(sum(label.sum() for label in found.labels.values())),
        "things": found.things,
        "auc": {form: auc(found.labels, by_clip) for form, by_clip in smoothed.items()},
    }


def with_things(
    frames: list[Frames], label: NDArray[np.float64], camera: Camera, rng: np.random.Generator
) -> int:
    """Blend things into a clip, in place, one every 5 s; returns how many."""
    seconds = [number / camera.rate for number in range(len(frames))]
    count = max(1, int(seconds[-1] // 5))
    for number in range(count):
        room = max(seconds[-1] / count - SECONDS[1], 0.1)
        start = number * seconds[-1] / count + rng.uniform(0, room)
        height = rng.uniform(*SIZES[int(rng.integers(len(SIZES)))]) * frames[0].shape[0]
        thing = scaled(camera.donors[rng.integers(len(camera.donors))], height)
        span = (start, start + rng.uniform(*SECONDS))
        made = blend(frames, seconds, span, thing, 0, rng)
        label[[int(index) for index in made.boxes]] = 1
    return count


def blocks_of(
    model: Model, windows: Windows, chosen: Sequence[int], sizes: Sequence[int]
) -> Blocks:
    """Block errors of the target frames of some windows."""
    grids: dict[int, list[Floats]] = {size: [] for size in sizes}
    exact: list[Floats] = []
    order = [chosen[i : i + 4] for i in range(0, len(chosen), 4)]
    runtime = model.torch_runtime
    for batch in windows.batches(order, runtime.device):
        absolute = runtime.score(batch)[1].error.sqrt()[:, None]
        for size in sizes:
            step = max(1, size // 4)
            pooled = F.avg_pool2d(absolute, size, step, ceil_mode=True, count_include_pad=False)
            grids[size].append(pooled[:, 0].numpy())
        exact.append(F.avg_pool2d(absolute, sizes[1], 1).amax((1, 2, 3)).numpy())
    return Blocks({size: np.concatenate(g) for size, g in grids.items()}, np.concatenate(exact))


def level_of(usual: Floats, top: str, around: str, q: float) -> Floats:
    """What to divide the errors of blocks by, at each place (rows, columns)."""
    level = usual.max(0) if top == "maximum" else np.quantile(usual, 0.99, axis=0)
    if around == "neighbourhood":  # as far as a block reaches
        level = np.asarray(cv2.dilate(level.astype(np.float32), np.ones((9, 9))))
    return np.asarray(np.maximum(level, np.quantile(level, q)), np.float32)


def auc(labels: dict[str, Any], scores: dict[str, Any]) -> float:
    found = causal_micro(labels, scores).auc
    assert found is not None
    return round(found, 4)


if __name__ == "__main__":
    run(main)
