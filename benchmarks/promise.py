"""The promise of the threshold: on rendered footage, alarms counted against the rate asked for.

::

    OMP_NUM_THREADS=1 python benchmarks/promise.py --work FOLDER [--json FILE] [--minutes 180]

One place, seen by one camera. A model is trained on normal footage, its threshold is set on other
normal footage for 1 and for 10 false alarms per hour, and both are tested on as much normal footage
again and on footage with an anomaly every 15 s. Every clip has people, weather and noise of its own
seed. Live scoring and events, as on a camera. FOLDER keeps what is finished: a killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from mnad import __version__
from mnad.calibration.calibrate import calibrate_model, smoothed
from mnad.calibration.rate import Scored, Threshold, threshold_for
from mnad.config import ModelConfig, NetworkConfig, TrainConfig, preset_of
from mnad.detector import Detector
from mnad.events.event import Observed
from mnad.events.machine import EventConfig, EventMachine
from mnad.metrics.frame import causal_micro
from mnad.models.folder import Model, load_model, save_model
from mnad.scene.scene import SceneConfig, render
from mnad.scene.traffic import KINDS
from mnad.training.loop import Footage, main

PLACE = SceneConfig(height=96, width=128, rate=Fraction(5), channels=1)
RATE = float(PLACE.rate)
SEEDS = {
    "train": range(1000, 1004),
    "calibrate": range(2000, 2012),
    "test": range(3000, 3012),
    "anomalies": range(4000, 4004),
}
PER_HOUR = (1.0, 10.0)
SLACK = 0.5
"""Seconds after an anomaly has left in which an alarm is still its own: the span of the median."""
SIZES = {"below 10 %": (0.0, 0.1), "10 to 20 %": (0.1, 0.2), "above 20 %": (0.2, 1.01)}


class Told(NamedTuple):
    """An event: times of its start, of the message about it and of its end."""

    start: float
    announced: float
    end: float


class Anomaly(NamedTuple):
    """A track or a pair of them: when it was first and last seen; the height of its largest box."""

    kind: str
    first: float
    last: float
    height: float


def promise() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--minutes", type=float, default=180.0)
    given = arguments.parse_args()
    minutes = {
        "train": given.minutes / 9,
        "calibrate": given.minutes,
        "test": given.minutes,
        "anomalies": given.minutes / 3,
    }
    frames = {part: round(60 * RATE * minutes[part] / len(SEEDS[part])) for part in SEEDS}
    model = calibrated(given.work, frames)
    assert model.calibration is not None and model.reference is not None
    first = model.calibration.threshold
    # The second threshold from the same scores, as calibrate_model sets the first.
    peaks = np.split(model.reference.score(model.reference.peak), len(SEEDS["calibrate"]))
    stretches = [smoothed(one, RATE) for one in peaks]
    thresholds = [first, *(threshold_for(stretches, per_hour) for per_hour in PER_HOUR[1:])]
    normal = [scored(given.work, model, seed, frames["test"], False) for seed in SEEDS["test"]]
    odd = [
        scored(given.work, model, seed, frames["anomalies"], True) for seed in SEEDS["anomalies"]
    ]
    labels = {str(i): clip["label"] for i, clip in enumerate(odd)}
    result: dict[str, Any] = {
        "protocol": " ".join(str(__doc__).split("::")[-1].split("[--minutes 180]")[-1].split()),
        "command": "OMP_NUM_THREADS=1 python benchmarks/" + " ".join(["promise.py", *sys.argv[1:]]),
        "mnad": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "scene": asdict(PLACE) | {"rate": str(PLACE.rate)},
        "seeds": {part: list(seeds) for part, seeds in SEEDS.items()},
        "minutes": minutes,
        "network": asdict(model.config.network),
        "training": model.training,
        "block": model.reference.block,
        "causal_auc": causal_micro(
            labels, {str(i): clip["score"] for i, clip in enumerate(odd)}
        ).auc,
        "thresholds": [judged(threshold, normal, odd) for threshold in thresholds],
    }
    print(json.dumps(result, indent=2))
    if given.json:
        write(given.json, (json.dumps(result, indent=2) + "\n").encode())


def calibrated(work: Path, frames: dict[str, int]) -> Model:
    """The trained and calibrated model; what of it `work` holds is not made again."""
    if (work / "calibrated" / "config.json").exists():
        return load_model(work / "calibrated")
    if not (work / "model" / "config.json").exists():
        network = NetworkConfig(
            channels=1, width=0.25, frames_in=4, height=PLACE.height, image_width=PLACE.width
        )
        config = ModelConfig(network, preset_of("official", "prediction")[0], "official", RATE)
        clips = [normal_clip(work, seed, frames["train"]) for seed in SEEDS["train"]]
        footage = Footage("rendered scene", tuple(map(str, SEEDS["train"])), clips)
        recipe = TrainConfig(epochs=4, learning_rate=1e-3, precision="bf16")
        main(footage, work / "model", config, recipe, torch.device("cpu"), resume=True)
    clips = [normal_clip(work, seed, frames["calibrate"]) for seed in SEEDS["calibrate"]]
    names = [str(seed) for seed in SEEDS["calibrate"]]
    model = calibrate_model(load_model(work / "model"), clips, names, RATE, PER_HOUR[0])
    save_model(work / "calibrated", model)
    return model


def normal_clip(work: Path, seed: int, frames: int) -> NDArray[np.uint8]:
    """A clip of normal footage (T, H, W, 1), mapped from a file."""
    file = work / f"normal-{seed}.npy"
    if not file.exists():
        say(f"rendering {frames} frames of seed {seed}")
        beside = file.with_suffix(".part.npy")
        work.mkdir(parents=True, exist_ok=True)
        np.save(beside, np.stack([frame.pixels for frame in render(PLACE, seed, frames)]))
        os.replace(beside, file)
    found: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return found


def scored(
    work: Path, model: Model, seed: int, frames: int, anomalies: bool
) -> dict[str, NDArray[Any]]:
    """A clip scored live: seconds, peak, score and label (n,) of its frames, and its boxes.

    A box is a row: number of the frame, number of the track, index of its kind, height in pixels.
    """
    file = work / f"scores-{seed}.npz"
    if not file.exists():
        say(f"scoring {frames} frames of seed {seed}")
        stream = Detector(model).stream()
        rows, boxes = [], [np.zeros((0, 4), np.int64)]
        for number, frame in enumerate(render(PLACE, seed, frames, anomalies)):
            found = stream.push(frame.pixels, number / RATE)
            boxes += [
                np.array([[number, b.track, KINDS.index(b.kind), b.y1 - b.y0 + 1]])
                for b in frame.boxes
            ]
            if found is not None:
                rows.append((number / RATE, found.peak, found.score, float(frame.label)))
        columns = dict(zip(("seconds", "peak", "score", "label"), np.array(rows).T, strict=True))
        beside = file.with_suffix(".part.npz")
        np.savez(beside, **columns, boxes=np.concatenate(boxes))
        os.replace(beside, file)
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def judged(
    threshold: Threshold, normal: list[dict[str, NDArray[Any]]], odd: list[dict[str, NDArray[Any]]]
) -> dict[str, Any]:
    """What came of one threshold."""
    alarms = [len(events_of(clip, threshold.score)) for clip in normal]
    hours = sum(Scored(clip["seconds"], clip["score"]).duration for clip in normal) / 3600
    looked: list[tuple[Anomaly, float | None]] = []
    beside, free = 0, 0
    for clip in odd:
        events, seen = events_of(clip, threshold.score), anomalies_of(clip)
        looked += [(one, delay_of(one, clip, events, threshold.score)) for one in seen]
        spans = [(one.first, one.last + SLACK) for one in seen]
        beside += sum(all(e.end < a or b < e.start for a, b in spans) for e in events)
        free += sum(all(t < a or b < t for a, b in spans) for t in clip["seconds"])
    heights = {name: partial(_within, *limits) for name, limits in SIZES.items()}
    return {
        "calibration": asdict(threshold),
        "normal": counted(sum(alarms), hours) | {"by_clip": alarms},
        "beside_anomalies": counted(beside, free / RATE / 3600),
        "anomalies": recalled(looked),
        "by_kind": {kind: recalled(p for p in looked if p[0].kind == kind) for kind in KINDS},
        "by_height": {
            name: recalled(p for p in looked if within(p[0].height))
            for name, within in heights.items()
        },
    }


def _within(low: float, high: float, height: float) -> bool:
    return low <= height < high


def events_of(clip: dict[str, NDArray[Any]], threshold: float) -> list[Told]:
    """The events of a clip, as the event machine tells them."""
    machine = EventMachine(EventConfig(threshold), "", None)
    told: list[Told] = []
    times = [float(t) for t in clip["seconds"]]
    for number, now in enumerate(times):
        for message in machine.push(Observed(number, now, float(clip["score"][number]))):
            if message.phase == "start":
                told.append(Told(message.start, now, now))
            elif message.end is not None:
                told[-1] = told[-1]._replace(end=message.end)
    for message in machine.close(times[-1]):
        assert message.end is not None
        told[-1] = told[-1]._replace(end=message.end)
    return told


def anomalies_of(clip: dict[str, NDArray[Any]]) -> list[Anomaly]:
    """The anomalies of a clip; what comes as a pair, one close behind the other, is one of them."""
    frame, track, kind, height = clip["boxes"].T
    found = []
    for slot in np.unique((track - 1) // 2):
        own = (track - 1) // 2 == slot
        first, last = frame[own].min() / RATE, frame[own].max() / RATE
        found.append(
            Anomaly(KINDS[kind[own][0]], first, last, float(height[own].max()) / PLACE.height)
        )
    return found


def delay_of(
    one: Anomaly, clip: dict[str, NDArray[Any]], events: list[Told], threshold: float
) -> float | None:
    """Seconds from the first sight of an anomaly to its alarm; None if it was missed.

    It is found if an event of which a frame is abnormal while it is seen was announced by then. An
    event that was open already, such as a false alarm, is its alarm from that frame on.
    """
    end = one.last + SLACK
    inside = (clip["seconds"] >= one.first) & (clip["seconds"] <= end)
    abnormal = clip["seconds"][inside & (clip["score"] >= threshold)]
    for event in events:
        own = abnormal[(abnormal >= event.start) & (abnormal <= event.end)]
        if len(own) and event.announced <= end:
            return float(max(own[0], event.announced)) - one.first
    return None


def counted(events: int, hours: float) -> dict[str, Any]:
    """A count per hour with its exact (Garwood) 95 % interval, or None if there was no time."""
    low = chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    high = chi2.ppf(0.975, 2 * events + 2) / 2
    rates = [float(n / hours) for n in (events, low, high)] if hours else [None] * 3
    return {"events": events, "hours": hours, "per_hour": rates[0], "interval": rates[1:]}


def recalled(looked: Iterable[tuple[Anomaly, float | None]]) -> dict[str, Any]:
    """Recall with its Wilson 95 % interval, and delays of what was found in seconds."""
    every = [delay for _, delay in looked]
    found, n, z = [d for d in every if d is not None], len(every), norm.ppf(0.975)
    if not n:
        return {"anomalies": 0, "found": 0}
    p = len(found) / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    delays = [round(float(q), 2) for q in np.quantile(found, [0.5, 0.9])] if found else [None] * 2
    return {
        "anomalies": n,
        "found": len(found),
        "recall": p,
        "interval": [float(middle - half), float(middle + half)],
        "median_delay": delays[0],
        "delay_90_percent": delays[1],
    }


def write(file: Path, content: bytes) -> None:
    beside = file.with_name(file.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, file)


def say(line: str) -> None:
    print(f"{time.process_time():.0f} s of CPU: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    promise()
