"""The causal score for cameras on UCSD Ped2: frames, pixels, events; nothing looks ahead.

    mnad train ped2:PED2 --out MODEL --config recipes/ped2-official-cpu.yaml --hold_out 0.2 --seed 1
    python benchmarks/camera_score.py MODEL PED2 --json FILE

Threshold and ranks come from the training clips that were held out. Each clip is streamed once, as
a camera would be, its memory frozen.
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from script import run
from tqdm import tqdm
from watched_clip import digests, reaches, watch_clip

from mnad.datasets import open_dataset
from mnad.detector import Detector
from mnad.evaluation.truth import Truth, resized
from mnad.metrics.events import poisson_interval
from mnad.metrics.frame import bootstrap_auc, causal_micro, macro, per_clip_minmax_micro
from mnad.metrics.pixel import PixelRoc
from mnad.stream import FrameScore
from mnad.video.source import open_source
from mnad.writing import require_folder


def main() -> None:
    """Measure and print; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a model folder, or the name of a built-in one")
    parser.add_argument("data", type=Path, help="the folder of Ped2, with its pixel masks")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)

    detector = Detector.load(given.model, runtime="torch")
    calibration, reference = detector.model.calibration, detector.model.reference
    if calibration is None or reference is None or detector.threshold is None:
        raise SystemExit("the model has no calibration: train it with --hold_out 0.2")
    dataset = open_dataset(f"ped2:{given.data}")
    assert dataset.rate is not None
    truth = Truth.of_dataset(dataset, None)
    located = PixelRoc()
    labels: dict[str, NDArray[np.float64]] = {}
    score: dict[str, NDArray[np.float64]] = {}
    peak: dict[str, NDArray[np.float64]] = {}
    events: dict[str, list[dict[str, Any]]] = {}
    reached = 0
    for clip in tqdm(dataset.test, unit="clip"):
        assert clip.labels is not None

        def add(pixels: NDArray[np.uint8], found: FrameScore | None, name: str = clip.name) -> None:
            mask = None if found is None else truth.at(name, found.index)
            if found is not None and found.heat is not None and mask is not None:
                located.add(resized(found.heat, mask.shape), mask)

        with open_source(clip.path, detector.model.config.network.channels) as source:
            frames = (frame.pixels for frame in source)
            watched = watch_clip(detector, clip.name, frames, dataset.rate, add)
        labels[clip.name] = clip.labels[watched.frames].astype(float)
        score[clip.name], peak[clip.name] = watched.score, watched.peak
        events[clip.name] = watched.events
        # Ped2 has one abnormal stretch a clip.
        reached += reaches(watched, clip.labels, dataset.rate)
    interval = bootstrap_auc(labels, score)
    counted = calibration.threshold.counted
    result = {
        "dataset": "ped2",
        "model_sha256": digests(given.model),
        "frames": int(sum(map(len, labels.values()))),
        "auc": {
            "causal": causal_micro(labels, score).auc,
            "causal, not smoothed": causal_micro(labels, peak).auc,
            "per_clip_minmax": per_clip_minmax_micro(labels, score).auc,
            "per_clip_minmax, of the peak itself": per_clip_minmax_micro(labels, peak).auc,
            "macro": macro(labels, score).auc,
            "causal_interval_95": None if interval is None else [interval.low, interval.high],
        },
        "pixel_auroc": located.value().auroc,
        "false_alarms_on_held_out_clips": {
            "count": counted,
            "interval_95": poisson_interval(counted),
            "seconds": calibration.threshold.hours * 3600,
        },
        "clips_in_which_an_event_overlaps_the_anomaly": f"{reached} of {len(events)}",
        "events": events,
        "calibration": calibration.sentences(),
        "protocol": {
            "score": f"mean absolute error of {reference.side}-pixel blocks against "
            + (
                "what 1 % of the training frames exceed at their place"
                if reference.by_place
                else "the contrast around each pixel"
            )
            + ", the highest ranked among held-out normal frames, causal mean, 1/e in 0.25 s; no "
            "look-ahead",
            "block": "median side of what moves in the training clips, by place half; no label",
            "memory": "frozen",
            "pixels": "heat resized bilinearly to 240x360, all pixels of all scored frames pooled",
            "training": detector.model.training,
            "command": "python benchmarks/camera_score.py MODEL PED2 --json FILE",
        },
        "versions": {name: version(name) for name in ("mnad", "torch", "numpy")},
        "machine": platform.processor() or platform.machine(),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    run(main)
