"""The causal score for cameras on UCSD Ped2: frames, pixels, events; nothing looks ahead.

    mnad train ped2:PED2 --out MODEL --config recipes/ped2-compact-cpu.yaml --hold_out 0.2 --seed 1
    python benchmarks/camera_score.py MODEL PED2 --json FILE

Threshold and ranks come from the training clips that were held out. Each clip is streamed once, as
a camera would be, its memory frozen.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from tqdm import tqdm

from mnad.datasets import open_dataset
from mnad.detector import Detector, FrameScore
from mnad.events.event import Event, Observed
from mnad.events.machine import EventConfig, EventMachine
from mnad.metrics.frame import bootstrap_auc, causal_micro, macro, per_clip_minmax_micro
from mnad.video.source import open_source

BINS = 20_000
HIGHEST = 50.0
"""Heat of the last bin of the histograms; what is hotter is counted there."""


class PixelCurve:
    """Pixel AUROC in bounded memory: histograms of the heat of normal and abnormal pixels."""

    def __init__(self) -> None:
        self.counts = np.zeros((2, BINS))

    def add(self, heat: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Take in a frame; the heat is resized to the mask, bilinearly."""
        height, width = mask.shape
        sized = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
        # The logarithm spreads the bins over the small values, where most pixels are.
        level = np.log1p(1000 * np.minimum(sized, HIGHEST)) / np.log1p(1000 * HIGHEST)
        index = np.minimum((level * BINS).astype(int), BINS - 1)
        for kind in (0, 1):
            chosen = index[mask == bool(kind)]
            self.counts[kind] += np.bincount(chosen, minlength=BINS)

    def auroc(self) -> float:
        """Area under the ROC curve; pixels of one bin count as ties."""
        normal, abnormal = self.counts / self.counts.sum(1, keepdims=True)
        below = np.cumsum(normal) - normal
        return float((abnormal * (below + normal / 2)).sum())


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact (Garwood) 95 % interval of the mean of a count."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * count + 2) / 2)


def main() -> None:
    """Measure and print; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, help="the folder of Ped2, with pixel_masks.npz")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    detector = Detector.load(given.model, runtime="torch")
    calibration, reference = detector.model.calibration, detector.model.reference
    if calibration is None or reference is None or detector.threshold is None:
        raise SystemExit("the model has no calibration: train it with --hold_out 0.2")
    dataset = open_dataset(f"ped2:{given.data}")
    assert dataset.rate is not None
    masks = np.load(given.data / "pixel_masks.npz")
    pixels = PixelCurve()
    labels: dict[str, NDArray[np.float64]] = {}
    score: dict[str, NDArray[np.float64]] = {}
    peak: dict[str, NDArray[np.float64]] = {}
    events: dict[str, list[dict[str, Any]]] = {}
    for clip in tqdm(dataset.test, unit="clip"):
        assert clip.labels is not None
        stream, truth = detector.stream(), masks[f"Test{int(clip.name):03d}"]
        machine = EventMachine(EventConfig(detector.threshold), clip.name, None)
        scored: list[FrameScore] = []
        messages: list[Event] = []
        with open_source(clip.path, detector.model.config.network.channels) as source:
            for frame in source:
                found = stream.push(frame.pixels, frame.index / dataset.rate)
                if found is None or found.heat is None:
                    continue
                scored.append(found)
                seconds = found.index / dataset.rate
                messages += machine.push(Observed(found.index, seconds, found.score, found.boxes))
                pixels.add(found.heat, truth[found.index])
        messages += machine.close(len(truth) / dataset.rate)
        index = [one.index for one in scored]
        labels[clip.name] = clip.labels[index].astype(float)
        score[clip.name] = np.array([one.score for one in scored])
        peak[clip.name] = np.array([one.peak for one in scored])
        events[clip.name] = [
            {"start": m.start, "end": m.end, "peak": m.peak_score}
            for m in messages
            if m.phase == "end"
        ]
    # Ped2 has one abnormal stretch a clip: it is found if an event overlaps it.
    reached = 0
    for clip in dataset.test:
        assert clip.labels is not None
        times = np.flatnonzero(clip.labels) / dataset.rate
        told = events[clip.name]
        reached += any(((times >= e["start"]) & (times <= e["end"])).any() for e in told)
    interval = bootstrap_auc(labels, score)
    counted = calibration.threshold.counted
    result = {
        "dataset": "ped2",
        "frames": int(sum(map(len, labels.values()))),
        "auc": {
            "causal": causal_micro(labels, score).auc,
            "causal, not smoothed": causal_micro(labels, peak).auc,
            "per_clip_minmax": per_clip_minmax_micro(labels, score).auc,
            "macro": macro(labels, score).auc,
            "causal_interval_95": None if interval is None else [interval.low, interval.high],
        },
        "pixel_auroc": pixels.auroc(),
        "false_alarms_on_held_out_clips": {
            "count": counted,
            "interval_95": poisson_interval(counted),
            "seconds": calibration.threshold.hours * 3600,
        },
        "clips_in_which_an_event_overlaps_the_anomaly": f"{reached} of {len(events)}",
        "events": events,
        "calibration": calibration.sentences(),
        "protocol": {
            "score": f"mean absolute error of {reference.side}-pixel blocks"
            + (
                " against what 1 % of the training frames exceed at their place"
                if reference.by_place
                else ""
            )
            + ", the highest ranked among held-out normal frames, causal median of 0.5 s; no "
            "look-ahead",
            "block": "median side of what moves in the training clips, by place half; no label",
            "memory": "frozen",
            "pixels": "heat resized bilinearly to 240x360, all pixels of all scored frames pooled",
            "training": detector.model.training,
            "command": " ".join(["python", *sys.argv]),
        },
        "versions": {name: version(name) for name in ("mnad", "torch", "numpy")},
        "machine": platform.processor() or platform.machine(),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.json is not None:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
