"""The promise of the threshold: on rendered footage, alarms counted against the rate asked for.

::

    OMP_NUM_THREADS=1 python benchmarks/promise.py --work FOLDER --json FILE [--minutes 120]

One place, seen by one camera. A model is trained on normal footage, its threshold is set on other
normal footage for 1 and for 10 false alarms per hour, and both are tested on as much normal footage
again and on footage with an anomaly every 15 s. Every clip has people, weather and noise of its own
seed. Live scoring and events, as on a camera. FOLDER keeps what is finished: a killed run goes on.
One moment of the footage moves a threshold for 1 per hour, so what is found at as many false alarms
in all normal footage that was not trained on, by whatever threshold, is said beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from script import run

from mnad import __version__
from mnad.calibration.calibrate import calibrate_model, smoothed
from mnad.calibration.rate import Scored, Threshold, thresholds_for
from mnad.config import MethodConfig, ModelConfig, NetworkConfig, Preset, TrainConfig
from mnad.detector import Detector
from mnad.events.event import Observed
from mnad.events.machine import EventConfig, EventMachine
from mnad.metrics.events import poisson_interval, wilson_interval
from mnad.metrics.frame import causal_micro
from mnad.models.folder import Model, load_model, save_model
from mnad.presets import preset_of, scale_of
from mnad.runtime.pick import open_graph
from mnad.scene.scene import SceneConfig, render
from mnad.scene.traffic import KINDS
from mnad.training.loop import Footage, main
from mnad.training.precision import computes_bf16
from mnad.writing import require_folder

Clip = dict[str, NDArray[Any]]
Told = tuple[float, float, float]

PLACE = SceneConfig(height=96, width=128, rate=Fraction(5), channels=1)
RATE = float(PLACE.rate)
SEEDS = {
    "train": range(1000, 1004),
    "calibrate": range(2000, 2012),
    "test": range(3000, 3012),
    "anomalies": range(4000, 4004),
}
SHARES = {"train": 1 / 6, "calibrate": 1.0, "test": 1.0, "anomalies": 0.45}  # of --minutes
PER_HOUR = (1.0, 10.0)
FALSE_ALARMS = (0, 1, 2, 3, 5, 8, 12, 20)
STEP = 0.002  # between thresholds
SLACK = 0.5  # seconds in which an alarm is still that of an anomaly that has left
SIZES = {"below 10 %": 0.1, "10 to 20 %": 0.2, "above 20 %": 1.01}


class Anomaly(NamedTuple):
    """When an abnormal track, or a pair of them, was first and last seen, and its delay."""

    kind: str
    size: str
    first: float
    last: float
    delay: float | None


def promise() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--json", type=Path, required=True)
    arguments.add_argument("--minutes", type=float, default=120.0)
    arguments.add_argument("--preset", default="camera", help="or official: the squares of eq. 9")
    arguments.add_argument("--lambda_pseudo", type=float, help="the preset's, unless given")
    arguments.add_argument("--lambda_camera", type=float, help="the preset's, unless given")
    arguments.add_argument("--vary_light", type=float, help="the preset's, unless given")
    arguments.add_argument("--vary_noise", type=float, help="the preset's, unless given")
    arguments.add_argument("--seed", type=int, default=0, help="of the training")
    arguments.add_argument("--most_windows", type=int, help="of each of the two epochs")
    given = arguments.parse_args()
    require_folder(given.json)
    names = ("lambda_pseudo", "lambda_camera")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    method = replace(preset_of(given.preset, "prediction")[0], **changes)
    scale = scale_of(given.preset)
    light = scale.vary_light if given.vary_light is None else given.vary_light
    noise = scale.vary_noise if given.vary_noise is None else given.vary_noise
    given.work.mkdir(parents=True, exist_ok=True)
    seconds = {part: 60 * given.minutes * SHARES[part] / len(SEEDS[part]) for part in SEEDS}
    frames = {part: round(RATE * length) for part, length in seconds.items()}
    recipe = TrainConfig(
        epochs=2,
        learning_rate=1e-3,
        precision="bf16" if computes_bf16(torch.device("cpu")) else "fp32",
        seed=given.seed,
        vary_light=light,
        vary_noise=noise,
        most_windows=given.most_windows,
    )
    model = calibrated(given.work, frames, given.preset, method, recipe)
    assert model.calibration is not None and model.reference is not None
    # From the scores that calibrate_model set the first on, and further ones.
    known = model.reference
    scores = np.split(known.score(known.peak, known.distance), len(SEEDS["calibrate"]))
    stretches = [smoothed(single, RATE) for single in scores]
    thresholds = thresholds_for(stretches, PER_HOUR)
    assert abs(thresholds[0].score - model.calibration.threshold.score) < 1e-6
    normal, odd = (
        [scored(given.work, model, seed, frames[part]) for seed in SEEDS[part]]
        for part in ("test", "anomalies")
    )
    pooled = [{str(i): clip[name] for i, clip in enumerate(odd)} for name in ("label", "score")]
    result = {
        "protocol": " ".join(str(__doc__).partition("120]")[2].split()),
        "command": "python benchmarks/promise.py --work FOLDER "
        f"--minutes {given.minutes:g} --preset {given.preset} "
        f"--lambda_pseudo {method.lambda_pseudo:g} --lambda_camera {method.lambda_camera:g} "
        f"--vary_light {light:g} --vary_noise {noise:g} --seed {given.seed}"
        + (f" --most_windows {given.most_windows}" if given.most_windows else ""),
        "versions": {"mnad": __version__}
        | {package.__name__: package.__version__ for package in (torch, np, scipy)},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} used",
        "scene": {**asdict(PLACE), "rate": str(PLACE.rate)},
        "seeds": {part: list(seeds) for part, seeds in SEEDS.items()},
        "minutes": {part: given.minutes * share for part, share in SHARES.items()},
        "network": asdict(model.config.network),
        "method": asdict(model.config.method),
        "training": model.training,
        "block": model.reference.block,
        "causal_auc": causal_micro(*pooled).auc,
        "thresholds": [judged(one, normal, odd) for one in thresholds],
        "at_as_many_false_alarms": at_as_many([*map(clip_of, stretches), *normal], odd),
    }
    given.json.write_text(json.dumps(result, indent=2) + "\n")


def calibrated(
    work: Path, frames: dict[str, int], preset: Preset, method: MethodConfig, recipe: TrainConfig
) -> Model:
    """The model, of a camera's size, calibrated; what of it `work` holds is not made again."""
    for done in ("calibrated", "model"):
        if (work / done / "config.json").exists():
            model = load_model(work / done)
            usual, asked = asdict(TrainConfig()), asdict(recipe)
            if (model.config.preset, model.config.method) != (preset, method) or any(
                model.training.get(name, usual[name]) != asked[name] for name in asked
            ):
                raise SystemExit(f"{work / done} was trained otherwise: another --work")
            if done == "calibrated":
                return model
    if not (work / "model" / "config.json").exists():
        width = scale_of("camera").width
        network = NetworkConfig(channels=1, width=width, height=96, image_width=128)
        config = ModelConfig(network, method, preset, RATE)
        clips = normal_clips(work, "train", frames)
        footage = Footage("rendered scene", tuple(map(str, SEEDS["train"])), clips)
        device = torch.device("cpu")
        main(footage, work / "model", config, recipe, device, resume=True)
    clips, names = normal_clips(work, "calibrate", frames), [*map(str, SEEDS["calibrate"])]
    model = load_model(work / "model")
    engine = open_graph(model, "openvino")
    model = calibrate_model(model, clips, names, RATE, PER_HOUR[0], runtime=engine, by_place=True)
    save_model(work / "calibrated", model)
    return model


def normal_clips(work: Path, part: str, frames: dict[str, int]) -> list[NDArray[np.uint8]]:
    """Clips of normal footage (T, H, W, 1), mapped from files."""
    for seed in SEEDS[part]:
        if not (work / f"normal-{seed}.npy").exists():
            print(f"rendering {seed}", flush=True)
            beside = work / "part.npy"
            np.save(beside, np.stack([f.pixels for f in render(PLACE, seed, frames[part])]))
            os.replace(beside, work / f"normal-{seed}.npy")
    return [np.load(work / f"normal-{seed}.npy", mmap_mode="r") for seed in SEEDS[part]]


def scored(work: Path, model: Model, seed: int, frames: int) -> Clip:
    """A clip scored live: seconds, peak, distance, score and label (n,) of its frames; its boxes.

    A box is a row: number of the frame, number of the track, index of its kind, height in pixels.
    """
    file = work / f"scores-{seed}.npz"
    if not file.exists():
        print(f"scoring {seed} after {time.process_time():.0f} s of CPU", flush=True)
        stream = Detector(model, runtime=open_graph(model, "openvino")).stream()
        rows, boxes = [], []
        for number, frame in enumerate(render(PLACE, seed, frames, seed in SEEDS["anomalies"])):
            found = stream.push(frame.pixels, number / RATE)
            if found is not None:
                row = (number / RATE, found.peak, found.distance, found.score, frame.label)
                rows.append(row)
            for b in frame.boxes:
                boxes.append((number, b.track, KINDS.index(b.kind), b.y1 - b.y0 + 1))
        names = ("seconds", "peak", "distance", "score", "label")
        columns = dict(zip(names, np.array(rows).T, strict=True))
        columns["boxes"] = np.array(boxes, np.int64).reshape(-1, 4)
        np.savez(beside := work / f"part-{seed}.npz", **columns)
        os.replace(beside, file)
    return dict(np.load(file))


def judged(threshold: Threshold, normal: list[Clip], odd: list[Clip]) -> dict[str, Any]:
    """What came of one threshold."""
    alarms = [len(events_of(clip, threshold.score)) for clip in normal]
    hours = sum(len(clip["seconds"]) for clip in normal) / RATE / 3600
    anomalies: list[Anomaly] = []
    beside, free = 0, 0
    for clip in odd:
        events = events_of(clip, threshold.score)
        own = anomalies_of(clip, events, threshold.score)
        spans = [(one.first, one.last + SLACK) for one in own]
        beside += sum(all(end < a or b < start for a, b in spans) for start, _, end in events)
        free += sum(all(t < a or b < t for a, b in spans) for t in clip["seconds"])
        anomalies += own
    return {
        "calibration": asdict(threshold),
        "normal": counted(sum(alarms), hours) | {"by_clip": alarms},
        "beside_anomalies": counted(beside, free / RATE / 3600),
        "anomalies": recalled(anomalies),
        "by_kind": {k: recalled([one for one in anomalies if one.kind == k]) for k in KINDS},
        "by_size": {s: recalled([one for one in anomalies if one.size == s]) for s in SIZES},
    }


def clip_of(stretch: Scored) -> Clip:
    """Of calibration footage what `events_of` looks at."""
    return {"seconds": stretch.seconds, "score": stretch.score}


def at_as_many(normal: list[Clip], odd: list[Clip]) -> dict[str, Any]:
    """What is found by the lowest threshold with no more than so many false alarms."""
    hours = sum(len(clip["seconds"]) for clip in normal) / RATE / 3600
    lowest: dict[int, float] = {}
    threshold, alarms = 1.0, 0
    while alarms <= FALSE_ALARMS[-1] and threshold > 0:
        lowest |= {most: threshold for most in FALSE_ALARMS if alarms <= most}
        threshold -= STEP
        alarms = max(alarms, sum(len(events_of(clip, threshold)) for clip in normal))
    rows = []
    for most, at in lowest.items():
        found = [one for clip in odd for one in anomalies_of(clip, events_of(clip, at), at)]
        by_kind = {k: sum(one.delay is not None for one in found if one.kind == k) for k in KINDS}
        rows.append(
            {
                "false_alarms": most,
                "threshold": at,
                "anomalies": len(found),
                "found": sum(by_kind.values()),
                "by_kind": by_kind,
            }
        )
    return {"hours": hours, "rows": rows}


def events_of(clip: Clip, threshold: float) -> list[Told]:
    """The events of a clip: when each began, was told of and ended."""
    machine = EventMachine(EventConfig(threshold), "", None)
    told: list[Told] = []
    for number, (now, score) in enumerate(zip(clip["seconds"], clip["score"], strict=True)):
        messages = machine.push(Observed(number, float(now), float(score)))
        if number == len(clip["seconds"]) - 1:
            messages += machine.close(float(now))
        for message in messages:
            if message.phase == "start":
                told.append((message.start, float(now), float(now)))
            elif message.end is not None:
                told[-1] = (*told[-1][:2], message.end)
    return told


def anomalies_of(clip: Clip, events: list[Told], threshold: float) -> list[Anomaly]:
    """The anomalies of a clip; what comes as a pair, one close behind the other, is one of them.

    One is found by an event that is announced and has an abnormal frame while it is seen. An event
    that was open before, such as a false alarm, counts from its first abnormal frame in that time.
    """
    frame, track, kind, height = clip["boxes"].T
    abnormal = clip["seconds"][clip["score"] >= threshold]
    found = []
    for slot in np.unique((track - 1) // 2):
        own = (track - 1) // 2 == slot
        first, last = float(frame[own].min() / RATE), float(frame[own].max() / RATE)
        size = next(name for name, high in SIZES.items() if height[own].max() < high * PLACE.height)
        seen = abnormal[(abnormal >= first) & (abnormal <= last + SLACK)]
        alarms = [
            max(float(t), announced)
            for start, announced, end in events
            if announced <= last + SLACK
            for t in seen[(seen >= start) & (seen <= end)]
        ]
        delay = min(alarms) - first if alarms else None
        found.append(Anomaly(KINDS[kind[own][0]], size, first, last, delay))
    return found


def counted(events: int, hours: float) -> dict[str, Any]:
    """A count per hour with its exact 95 % interval (Garwood 1936); `hours` is above 0."""
    interval = [end / hours for end in poisson_interval(events)]
    return {"events": events, "hours": hours, "per_hour": events / hours, "interval": interval}


def recalled(anomalies: Sequence[Anomaly]) -> dict[str, Any]:
    """Recall with its 95 % interval (Wilson 1927), and the delays of what was found in seconds."""
    found = [one.delay for one in anomalies if one.delay is not None]
    n, k = len(anomalies), len(found)
    counts: dict[str, Any] = {"anomalies": n, "found": k}
    if n:
        counts |= {"recall": k / n, "interval": list(wilson_interval(k, n))}
    if k:
        middle, late = np.quantile(found, [0.5, 0.9]).round(2).tolist()
        counts |= {"median_delay": middle, "delay_90_percent": late}
    return counts


if __name__ == "__main__":
    run(promise)
