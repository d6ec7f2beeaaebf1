"""What an error is to be measured against, where not against its place: four scenes.

::

    mnad train avenue:AVENUE_SAMPLE --out AVENUE --preset camera --width 0.125 --height 144 \\
        --learning_rate 1e-3 --epochs 15 --seed 1 --no_by_place --hold_out 0 \\
        --method.reconstruction_loss mse
    python benchmarks/promise.py --work RENDERED --json promise.json   # trains RENDERED/model
    python benchmarks/error_measures.py PED2 CLIPS --models MODEL ... \\
        --avenue AVENUE AVENUE_SAMPLE --rendered RENDERED --json FILE

Frame AUC of the highest block, causal median of half a second, of: the absolute error; the same
over the contrast around each pixel (Gaussian of 1 to 3 pixels) plus a floor, then the mean of the
block; and the mean error of the block over its mean contrast plus a floor. On

* ``usual ways``: clean and doctored copies of the training clips of Ped2 that were kept back
  (`usual_ways.py`), mean over the four families and the models; no label;
* ``rendered``: 10 rendered minutes with anomalies;
* ``avenue``: two labelled clips of another data set, of which two clips were trained on;
* ``oracle``: the test set of Ped2, for comparison only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from promise import PLACE, RATE, SEEDS, normal_clips
from script import run
from smoothing import causal_median, on_usual_ways
from usual_ways import FAMILIES

from mnad import __version__
from mnad.calibration.things import block_size
from mnad.datasets import open_dataset
from mnad.metrics.frame import causal_micro
from mnad.models.folder import Model, load_model
from mnad.scene.scene import render
from mnad.scoring.peaks import block_errors
from mnad.scoring.windows import Windows
from mnad.video.cache import load_clips
from mnad.writing import require_folder

Floats = NDArray[np.float32]
Clip = tuple[NDArray[np.uint8], NDArray[Any]]

FLOORS = (0.03, 0.05, 0.1)
AROUND = (1.0, 2.0, 3.0)
RENDERED_FRAMES = 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("ped2", type=Path)
    parser.add_argument("clips", type=Path, help="the fixed-camera clips things are cut out of")
    parser.add_argument("--models", nargs="+", type=Path, required=True, help="of Ped2")
    parser.add_argument("--avenue", nargs=2, type=Path, metavar=("MODEL", "DATA"))
    parser.add_argument("--rendered", type=Path, help="the --work of promise.py")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    require_folder(given.json)
    scenes: dict[str, list[dict[str, float]]] = {}
    for path in given.models:
        for scene, found in of_ped2(load_model(path), given.ped2, given.clips):
            scenes.setdefault(scene, []).append(found)
    if given.rendered:
        scenes["rendered"] = [of_rendered(given.rendered)]
    if given.avenue:
        scenes["avenue"] = [of_avenue(load_model(given.avenue[0]), given.avenue[1])]
    table: dict[str, dict[str, float]] = {}
    for scene, rows in scenes.items():
        for form in rows[0]:
            mean = float(np.mean([row[form] for row in rows]))
            table.setdefault(form, {})[scene] = round(mean, 4)
    result = {
        "protocol": " ".join(str(__doc__).partition("--json FILE")[2].split()),
        "command": "python benchmarks/error_measures.py PED2 CLIPS --models MODEL ... --json FILE",
        "models": [load_model(path).training for path in given.models],
        "auc": table,
        "by_model": scenes,
        "versions": {"mnad": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    for form, row in table.items():
        print(f"{form:32s}", *(f"{scene} {auc:.4f}" for scene, auc in row.items()))


def of_ped2(model: Model, ped2: Path, clips: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Forms on doctored copies, and on the test set."""
    assert model.reference is not None
    network, block = model.config.network, model.reference.block
    size = (network.height, network.image_width, network.channels)
    dataset = open_dataset(f"ped2:{ped2}")
    assert dataset.rate is not None
    held, copies = on_usual_ways(dataset, clips, network)
    clean = [peaks(model, clip, block) for clip in held]
    doctored = [
        (copy.family, peaks(model, copy.frames, block), copy.label[network.target :])
        for copy in copies
    ]
    found = []
    for family in FAMILIES:
        # Only frames in which a thing is seen, against clean clips alone.
        own = [(p, label) for name, p, label in doctored if name == family]
        found.append(aucs(clean, own, dataset.rate))
    yield "usual ways", {f: float(np.mean([one[f] for one in found])) for f in found[0]}
    tested = []
    for clip in dataset.test:
        assert clip.labels is not None
        frames = load_clips([clip.path], *size)[0]
        tested.append((peaks(model, frames, block), clip.labels[network.target :]))
    yield "oracle", aucs([], tested, dataset.rate)


def of_rendered(work: Path) -> dict[str, float]:
    model = load_model(work / "model")
    # The clips are there already: of how many frames they were does not matter.
    block = block_size(normal_clips(work, "train", {"train": 0}))
    tested = []
    for seed in list(SEEDS["anomalies"])[:2]:
        frames = list(render(PLACE, seed, RENDERED_FRAMES, True))
        label = np.array([f.label for f in frames])[model.config.network.target :]
        tested.append((peaks(model, np.stack([f.pixels for f in frames]), block), label))
    return aucs([], tested, RATE)


def of_avenue(model: Model, data: Path) -> dict[str, float]:
    assert model.reference is not None
    network = model.config.network
    dataset = open_dataset(f"avenue:{data}")
    assert dataset.rate is not None
    tested = []
    for clip in dataset.test:
        assert clip.labels is not None
        size = (network.height, network.image_width, network.channels)
        found = peaks(model, load_clips([clip.path], *size)[0], model.reference.block)
        tested.append((found, clip.labels[network.target :]))
    return aucs([], tested, dataset.rate)


def peaks(model: Model, clip: NDArray[np.uint8], block: int) -> dict[str, Floats]:
    """By form the highest block of each scored frame of a clip (T, H, W, 1)."""
    network = model.config.network
    windows = Windows([clip], ["clip"], network.window)
    runtime = model.torch_runtime
    found: dict[str, list[Floats]] = {}
    order = [range(i, min(i + 8, len(windows))) for i in range(0, len(windows), 8)]
    for batch in windows.batches(order, runtime.device):
        error = runtime.score(batch)[1].error.sqrt()
        seen = batch[:, network.target].numpy().mean(-1) / 255.0
        steep = np.hypot(*np.gradient(seen, axis=(1, 2))).astype(np.float32)
        plain = block_errors(error, block)
        slope = block_errors(torch.from_numpy(steep), block)
        forms = {"absolute": plain}
        for floor in FLOORS:
            forms[f"block over contrast + {floor}"] = plain / (slope + floor)
        for sigma in AROUND:
            around = np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in steep])
            for floor in FLOORS:
                relative = error / (torch.from_numpy(around) + floor)
                forms[f"around {sigma:g} + {floor}"] = block_errors(relative, block)
        for form, blocks in forms.items():
            found.setdefault(form, []).append(blocks.flatten(1).amax(1).numpy())
    return {form: np.concatenate(parts) for form, parts in found.items()}


def aucs(
    clean: Sequence[dict[str, Floats]],
    tested: Sequence[tuple[dict[str, Floats], NDArray[Any]]],
    rate: float,
) -> dict[str, float]:
    """AUC of each form; with clean clips, of abnormal frames against theirs alone."""
    result = {}
    for form in tested[0][0]:
        labels: dict[str, NDArray[np.float64]] = {}
        scores: dict[str, NDArray[np.float64]] = {}
        for i, (found, label) in enumerate(tested):
            kept = label.astype(bool) if clean else slice(None)
            labels[f"t{i}"] = label.astype(float)[kept]
            scores[f"t{i}"] = causal_median(found[form], rate)[kept]
        for i, found in enumerate(clean):
            scores[f"c{i}"] = causal_median(found[form], rate)
            labels[f"c{i}"] = np.zeros(len(found[form]))
        auc = causal_micro(labels, scores).auc
        assert auc is not None
        result[form] = auc
    return result


if __name__ == "__main__":
    run(main)
