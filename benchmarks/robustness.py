"""The score for cameras on UCSD Ped2 when the picture is not what it was trained on.

::

    OMP_NUM_THREADS=1 python benchmarks/robustness.py MODEL PED2 --json FILE

One model, its threshold as it was set, its memory frozen; every test clip, and every training clip
that was kept back, is changed in the same way (perturb.py) and streamed once. False alarms are
events on the clips that were kept back, which set the threshold: unchanged they have none almost
by construction. FILE is written after every condition; started again, the script goes on.
"""

from __future__ import annotations

import argparse
import json
import platform
import zlib
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from perturb import Perturb, conditions
from script import run
from tqdm import tqdm
from watched_clip import Watched, digests, reaches, watch_clip

from mnad.calibration.holdout import known_share
from mnad.config import RuntimeName
from mnad.datasets import open_dataset
from mnad.datasets.clip import Clip
from mnad.detector import Detector
from mnad.events.event import Event
from mnad.metrics.events import poisson_interval
from mnad.metrics.frame import bootstrap_auc, causal_micro, per_clip_minmax_micro
from mnad.models.builtin import resolve
from mnad.runtime.exports import find_export
from mnad.stream import FrameScore
from mnad.video.source import Frame, open_source
from mnad.watch.judge import Judge
from mnad.watch.options import WatchOptions
from mnad.writing import require_folder, write_json

Frames = NDArray[np.uint8]


class Told(NamedTuple):
    """What came of one clip.

    Attributes:
        watched: its scores, and events of the score alone.
        told: events of the scene as `mnad detect` tells them, none while the camera is ill.
        camera: what was told of the camera itself.
    """

    watched: Watched
    told: int
    camera: list[str]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("data", type=Path, help="the folder of Ped2")
    arguments.add_argument("--json", type=Path, required=True)
    arguments.add_argument(
        "--runtime",
        choices=get_args(RuntimeName)[1:],
        help="without it: openvino if the model is exported for it, else torch",
    )
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--clips", type=int, help="only so many of each kind, for a quick look")
    given = arguments.parse_args()
    require_folder(given.json)
    runtime = given.runtime or runtime_of(given.model)
    detector = Detector.load(given.model, runtime=runtime)
    if detector.threshold is None:
        raise SystemExit("the model has no calibration: train it with --hold_out 0.2")
    dataset = open_dataset(f"ped2:{given.data}")
    assert dataset.rate is not None
    rate = float(dataset.rate)
    test = dataset.test[: given.clips]
    normal = kept_back(detector, dataset.train)[: given.clips]
    result = begun(given.json, protocol(detector, given, runtime, test, normal))
    made = conditions(rate)
    for name, (words, perturb) in tqdm(made.items(), unit="condition"):
        if name not in result["conditions"]:
            found = condition(detector, perturb, name, given.seed, test, normal, rate)
            result["conditions"][name] = {"what": words} | found
            write_json(given.json, result)
    print(table(result))


def runtime_of(model: Path) -> RuntimeName:
    """OpenVINO in fp32 if the model is exported for it, else torch."""
    export = find_export(resolve(model), "openvino")
    return "torch" if export is None or export.changed else "openvino"


def kept_back(detector: Detector, clips: Sequence[Clip]) -> list[Clip]:
    """The training clips of which no frame was trained on, by the model's own fingerprints."""
    model, fitted, shares = detector.model, detector.stream().fitted, []
    for clip in clips:
        with open_source(clip.path, model.config.network.channels) as source:
            frames = np.stack([fitted(frame.pixels) for frame in source])
        shares.append(known_share([frames], model.known))
    kept = [clip for clip, share in zip(clips, shares, strict=True) if share == 0]
    if not 0 < len(kept) < len(clips):
        raise SystemExit(
            f"of {len(kept)} of {len(clips)} training clips the model knows no frame: it was not "
            "trained on this Ped2 with whole clips kept back (--hold_out 0.2)"
        )
    return kept


def protocol(
    detector: Detector,
    given: argparse.Namespace,
    runtime: str,
    test: Sequence[Clip],
    normal: Sequence[Clip],
) -> dict[str, Any]:
    """All that a result depends on."""
    return {
        "dataset": "ped2",
        "model_sha256": digests(given.model),
        "threshold": detector.threshold,
        "runtime": runtime,
        "seed": given.seed,
        "test_clips": [clip.name for clip in test],
        "clips_kept_back": [clip.name for clip in normal],
        "protocol": " ".join(str(__doc__).partition("MODEL PED2 --json FILE")[2].split()),
        "command": "OMP_NUM_THREADS=1 python benchmarks/robustness.py MODEL PED2 --json FILE"
        + (f" --clips {given.clips}" if given.clips else ""),
        "versions": {name: version(name) for name in ("mnad", "torch", "numpy", "av")},
        "machine": platform.processor() or platform.machine(),
    }


def begun(file: Path, now: dict[str, Any]) -> dict[str, Any]:
    """What is there already of the same measurement."""
    if not file.exists():
        return now | {"conditions": {}}
    result: dict[str, Any] = json.loads(file.read_text())
    other = [key for key in now if result.get(key) != now[key]]
    if other:
        raise SystemExit(f"{file} is of another {', '.join(other)}; remove it or give another")
    return result


def condition(
    detector: Detector,
    perturb: Perturb,
    name: str,
    seed: int,
    test: Sequence[Clip],
    normal: Sequence[Clip],
    rate: float,
) -> dict[str, Any]:
    """All numbers of one condition."""
    far: list[float] = []
    told: dict[str, list[Told]] = {}
    for kind, clips in (("test", test), ("normal", normal)):
        told[kind] = []
        for clip in tqdm(clips, desc=f"{name}, {kind}", unit="clip", leave=False):
            with open_source(clip.path, detector.model.config.network.channels) as source:
                frames = np.stack([frame.pixels for frame in source])
            # Of its own for each clip: a run that goes on draws what one without a break does.
            rng = np.random.default_rng([seed, zlib.crc32(f"{name}/{kind}/{clip.name}".encode())])
            changed = perturb(frames, rng)
            far.append(float(np.square(changed - frames.astype(np.float32)).mean()))
            told[kind].append(watch(detector, clip.name, changed, rate))
    error = float(np.mean(far))
    return {
        "psnr_to_original": 10 * float(np.log10(255**2 / error)) if error else None,
        "auc": aucs(test, [one.watched for one in told["test"]]),
        "clips_in_which_an_event_overlaps_the_anomaly": sum(
            reaches(one.watched, labels_of(clip), rate)
            for clip, one in zip(test, told["test"], strict=True)
        ),
        "test": counted(told["test"]),
        "false_alarms": false_alarms(told["normal"], detector.threshold or 0.0, rate),
    }


def watch(detector: Detector, name: str, frames: Frames, rate: float) -> Told:
    """One clip, by the score alone and as it is told."""
    judge = Judge(detector, WatchOptions(), name, None)
    fitted = detector.stream().fitted
    messages: list[Event] = []

    def tell(pixels: Frames, found: FrameScore | None) -> None:
        if found is not None:
            seconds = Fraction(found.index / rate).limit_denominator(1000)
            frame = Frame(pixels, found.index, seconds)
            messages.extend(judge.push(frame, found, fitted(pixels), live=False))

    watched = watch_clip(detector, name, frames, rate, tell)
    messages += judge.close()
    begin = [one for one in messages if one.phase == "start"]
    return Told(
        watched,
        sum(one.kind == "anomaly" for one in begin),
        [one.what for one in begin if one.kind == "camera"],
    )


def aucs(test: Sequence[Clip], watched: Sequence[Watched]) -> dict[str, Any]:
    """Of frames; None where a class is missing."""
    names = [clip.name for clip in test]
    labels = {
        clip.name: labels_of(clip)[one.frames].astype(float)
        for clip, one in zip(test, watched, strict=True)
    }
    score = dict(zip(names, (one.score for one in watched), strict=True))
    psnr = dict(zip(names, (-one.psnr for one in watched), strict=True))
    interval = bootstrap_auc(labels, score)
    return {
        "causal": causal_micro(labels, score).auc,
        "causal_interval_95": None if interval is None else [interval.low, interval.high],
        "per_clip_minmax": per_clip_minmax_micro(labels, score).auc,
        "per_clip_minmax_of_psnr": per_clip_minmax_micro(labels, psnr).auc,
    }


def false_alarms(told: Sequence[Told], threshold: float, rate: float) -> dict[str, Any]:
    """On clips in which nothing is abnormal."""
    scores = np.concatenate([one.watched.score for one in told])
    events = sum(len(one.watched.events) for one in told)
    return counted(told) | {
        "interval_95": poisson_interval(events),
        "seconds": len(scores) / rate,
        "frames_above": float((scores >= threshold).mean()),
    }


def counted(told: Sequence[Told]) -> dict[str, Any]:
    """Events of clips."""
    return {
        "events": sum(len(one.watched.events) for one in told),
        "events_told": sum(one.told for one in told),
        "camera": dict(Counter(what for one in told for what in one.camera)),
    }


def labels_of(clip: Clip) -> NDArray[np.uint8]:
    assert clip.labels is not None
    return clip.labels


def table(result: dict[str, Any]) -> str:
    """All of it for people, in Markdown."""
    seconds = next(iter(result["conditions"].values()))["false_alarms"]["seconds"]
    heads = (
        "picture",
        "PSNR to the original",
        "causal",
        "per clip",
        "per clip, PSNR alone",
        f"clips found, of {len(result['test_clips'])}",
        f"false events in {seconds:.0f} s, told",
        "normal frames above",
        "camera events, normal; test",
    )
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, one in result["conditions"].items():
        auc, alarms = one["auc"], one["false_alarms"]
        shown = (
            name,
            "" if one["psnr_to_original"] is None else f"{one['psnr_to_original']:.1f} dB",
            *(
                "" if auc[key] is None else f"{auc[key]:.3f}"
                for key in ("causal", "per_clip_minmax", "per_clip_minmax_of_psnr")
            ),
            str(one["clips_in_which_an_event_overlaps_the_anomaly"]),
            f"{alarms['events']}, {alarms['events_told']}",
            f"{100 * alarms['frames_above']:.0f} %",
            f"{camera(alarms['camera'])}; {camera(one['test']['camera'])}",
        )
        rows.append("| " + " | ".join(shown) + " |")
    return "\n".join(rows)


def camera(told: dict[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in told.items()) or "none"


if __name__ == "__main__":
    run(main)
