"""Other cameras: three short clips of fixed cameras, with moving cut-outs blended into them.

::

    OMP_NUM_THREADS=1 python benchmarks/other_cameras.py CLIPS --work FOLDER [--json FILE]

CLIPS holds the three files of intel-iot-devkit/sample-videos that are named below. Of each clip the
first 60 % is trained on, the next 15 % calibrated on, and the rest watched: as it is, for false
alarms, and in copies into which whole people or cars of another clip were blended, one every 8 s
for 2 to 3 s on a straight line from border to border, 4 to 20 % of the frame's height, as bright on
average as what they cover. FOLDER keeps what is finished: a killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from cut_outs import Object, blend, cut_outs, scaled
from recall import SIZES, SLACK, at_threshold, together
from script import run

from mnad import __version__, api
from mnad.calibration.calibrate import smoothed
from mnad.calibration.rate import threshold_for
from mnad.detector import Detector
from mnad.errors import MnadError
from mnad.events.log import latest, read_events
from mnad.metrics.frame import causal_micro
from mnad.models.folder import load_model
from mnad.training.precision import computes_bf16
from mnad.video.sink import VideoSink
from mnad.video.source import FOLDER_RATE, open_source
from mnad.watch.judge import Judge
from mnad.watch.options import WatchOptions
from mnad.watch.pairs import Pairing
from mnad.writing import require_folder


class Camera(NamedTuple):
    """A clip: its file, epochs (500 steps or less in all) and whose things it is shown."""

    file: str
    epochs: int
    donors: tuple[str, ...]


CAMERAS = {
    "car": Camera("car-detection.mp4", 9, ("person",)),
    "bottle": Camera("bottle-detection.mp4", 3, ("person", "car")),
    "person": Camera("one-by-one-person-detection.mp4", 1, ("car",)),
}
PED2_DONORS = ("person", "car")
"""Whose things score_forms.py shows to Ped2."""
EDGES = {"train": (0.0, 0.6), "calibrate": (0.6, 0.75), "rest": (0.75, 1.0)}
PER_HOUR = (1.0, 10.0, 60.0)
OBJECTS = 16
"""Per clip, as many of each size."""
FIRST, EVERY, SHORTEST, LONGEST = 1.5, 8.0, 2.0, 3.0
"""Seconds: the first object, from one to the next (longer than the pause that ends an event)."""
PUBLIC_COPIES = 2
"""Copies that are watched by `mnad.api.detect` too, with overlay, clips and report."""


def other_cameras() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clips", type=Path)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    if given.json:
        require_folder(given.json)
    cameras = {name: camera_of(given.clips, given.work, name) for name in CAMERAS}
    result = {
        "protocol": " ".join(str(__doc__).partition("CLIPS holds")[2].split()),
        "command": "OMP_NUM_THREADS=1 python benchmarks/other_cameras.py CLIPS --work FOLDER",
        "versions": {"mnad": __version__, "torch": torch.__version__, "numpy": np.__version__},
        "cameras": cameras,
        "together": {key: together(cameras.values(), key) for key in map("{:g}".format, PER_HOUR)},
    }
    for camera in cameras.values():
        for found in camera["at"].values():
            del found["rows"]
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if given.json:
        write(given.json, text)


def camera_of(clips: Path, work: Path, name: str) -> dict[str, Any]:
    """Everything about one clip."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    split(clips / CAMERAS[name].file, folder)
    if not (folder / "model" / "config.json").exists():
        say(f"{name}: training")
        api.train(
            str(folder / "train.mp4"),
            out=folder / "model",
            preset="camera",
            hold_out=0,
            epochs=CAMERAS[name].epochs,
            learning_rate=1e-3,
            precision="bf16" if computes_bf16(torch.device("cpu")) else "fp32",
            resume=(folder / "model").exists(),
        )
    calibration = calibrated(folder)
    blended(clips, folder, name)
    copies = sorted(folder.glob("blended-*.mp4"))
    thresholds = {key: one["score"] for key, one in calibration["thresholds"].items()}
    watched = [watch(folder, path, thresholds) for path in (folder / "rest.mp4", *copies)]
    objects = [objects_of(path) for path in copies]
    shown = [folder / "rest.mp4", *copies[:PUBLIC_COPIES]]
    if not (folder / "found" / copies[PUBLIC_COPIES - 1].stem / "report.html").exists():
        shutil.rmtree(folder / "found", ignore_errors=True)
        api.detect(folder / "model", [str(path) for path in shown], out=folder / "found")
    return {
        "file": CAMERAS[name].file,
        "calibration": calibration,
        "copies": len(copies),
        "frames": [len(one["scores"]) for one in watched],
        "frame_auc": frame_auc(watched[1:], objects, 2),
        "frame_auc_unsmoothed_peak": frame_auc(watched[1:], objects, 3),
        "events_of_detect": [told_by_detect(folder / "found" / path.stem) for path in shown],
        "at": {key: at_threshold(watched, objects, key) for key in thresholds},
    }


def split(clip: Path, folder: Path) -> None:
    """Write the three parts, each with the times of its frames, from 0."""
    if all((folder / f"{part}.mp4").exists() for part in EDGES):
        return
    with open_source(clip) as source:
        count = sum(1 for _ in source)
        frames = iter(source)
        for part, (begin, end) in EDGES.items():
            with VideoSink(folder / f"{part}.mp4", source.rate or FOLDER_RATE, source.size) as sink:
                own = [next(frames) for _ in range(round(begin * count), round(end * count))]
                for frame in own:
                    sink.write(frame.rgb, frame.seconds - own[0].seconds)


def calibrated(folder: Path) -> dict[str, Any]:
    """The threshold for each rate, what the calibration says, and why the wanted one was refused.

    Where the part for calibration is too short, the part that was trained on is added.
    """
    file, model = folder / "calibrated.json", folder / "model"
    if not file.exists():
        refused, given = None, [str(folder / "calibrate.mp4")]
        try:
            calibration = api.calibrate(
                model, given, false_alarms_per_hour=PER_HOUR[0], by_place=True
            )
        except MnadError as error:
            refused = str(error).replace(f"{folder}/", "")
            given.append(str(folder / "train.mp4"))
            calibration = api.calibrate(
                model, given, false_alarms_per_hour=PER_HOUR[0], by_place=True, trained_on=True
            )
        # Further thresholds from the same scores, as api.calibrate sets the first.
        reference = load_model(model).reference
        assert reference is not None
        single = reference.score(reference.peak, reference.distance)
        stretch = smoothed(single, calibration.rate)
        found = {f"{PER_HOUR[0]:g}": calibration.threshold}
        found |= {f"{rate:g}": threshold_for([stretch], rate) for rate in PER_HOUR[1:]}
        thresholds = {key: asdict(one) for key, one in found.items()}
        told = {"refused": refused, "says": calibration.sentences(), "thresholds": thresholds}
        write(file, json.dumps(told))
    kept: dict[str, Any] = json.loads(file.read_text())
    return kept


def blended(clips: Path, folder: Path, name: str) -> None:
    """Write the copies of the rest and what was blended into each."""
    with open_source(folder / "rest.mp4") as source:
        frames, rate, (height, width) = list(source), source.rate, source.size
    seconds = [float(frame.seconds) for frame in frames]
    room = seconds[-1] - FIRST - LONGEST - SLACK
    slots = int(room / EVERY) + 1
    if (folder / f"blended-{OBJECTS // slots - 1:02d}.mp4").exists():
        return
    say(f"{name}: blending")
    donors = [cut_outs(clips / CAMERAS[donor].file) for donor in CAMERAS[name].donors]
    rng = np.random.default_rng([0, list(CAMERAS).index(name)])
    for copy in range(OBJECTS // slots):
        made = [frame.rgb.copy() for frame in frames]
        objects = []
        early = FIRST + rng.uniform(0, room - (slots - 1) * EVERY)
        for slot in range(slots):
            size = (copy * slots + slot) % len(SIZES)
            donor = donors[copy % len(donors)]
            thing = scaled(donor[rng.integers(len(donor))], rng.uniform(*SIZES[size]) * height)
            start = early + slot * EVERY
            span = (start, start + rng.uniform(SHORTEST, LONGEST))
            objects.append(blend(made, seconds, span, thing, size, rng))
        path = folder / f"blended-{copy:02d}.mp4"
        write(path.with_suffix(".json"), json.dumps([asdict(one) for one in objects]))
        with VideoSink(path, rate or FOLDER_RATE, (height, width)) as sink:
            for frame, pixels in zip(frames, made, strict=True):
                sink.write(pixels, frame.seconds)


def watch(folder: Path, video: Path, thresholds: dict[str, float]) -> dict[str, Any]:
    """What the loop of `mnad detect` tells of a video at each threshold, and its scores.

    A row of the scores: number of the frame, seconds, score, block peak.
    """
    file = folder / f"watched-{video.stem}.json"
    if not file.exists():
        say(f"{folder.name}: watching {video.stem}")
        model = load_model(folder / "model")
        assert model.calibration is not None
        # The lowest threshold, because only an abnormal frame has boxes.
        lowest = replace(model.calibration.threshold, score=min(thresholds.values()))
        model = replace(model, calibration=replace(model.calibration, threshold=lowest))
        detector = Detector(model)
        judges = {
            key: Judge(detector, WatchOptions(threshold=score), video.stem, None)
            for key, score in thresholds.items()
        }
        told: dict[str, dict[str, Any]] = {key: {} for key in thresholds}
        scores = []
        with open_source(video, model.config.network.channels) as source:
            pairing = Pairing(detector, source.rate)
            for frame, scored, _, fitted in chain.from_iterable(
                pairing.push([frame]) for frame in source
            ):
                if scored is None or fitted is None:
                    continue
                scores.append((frame.index, float(frame.seconds), scored.score, scored.peak))
                for key, judge in judges.items():
                    for event in judge.push(frame, scored, fitted, False):
                        told[key][event.id] = event.as_dict()
        for key, judge in judges.items():
            told[key] |= {event.id: event.as_dict() for event in judge.close()}
        events = {key: list(by_id.values()) for key, by_id in told.items()}
        write(file, json.dumps({"scores": scores, "events": events}))
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def frame_auc(watched: list[dict[str, Any]], objects: list[list[Object]], column: int) -> float:
    """Of all scored frames of the copies, by whether an object is seen."""
    scores = {str(n): np.array(one["scores"])[:, column] for n, one in enumerate(watched)}
    labels = {
        str(n): np.array([any(str(row[0]) in o.boxes for o in own) for row in one["scores"]])
        for n, (one, own) in enumerate(zip(watched, objects, strict=True))
    }
    auc = causal_micro(labels, scores).auc
    assert auc is not None
    return auc


def objects_of(video: Path) -> list[Object]:
    return [Object(**one) for one in json.loads(video.with_suffix(".json").read_text())]


def told_by_detect(folder: Path) -> int:
    """How many anomalies the public command told of a video."""
    events = latest(read_events(folder / "events.jsonl"))
    return sum(event.kind == "anomaly" for event in events)


def write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text)
    os.replace(beside, path)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(other_cameras)
