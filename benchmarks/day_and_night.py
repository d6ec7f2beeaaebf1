"""What a camera learns of the night by having seen it, and what it knows without.

::

    OMP_NUM_THREADS=2 python benchmarks/day_and_night.py PED2 --models DIR --json FILE

UCSD Ped2 by day is as it is, ten frames a second. By night it is what a camera makes of it that
switches to infrared and doubles its exposure: grey levels of an exponent of 0.7, times the light of
a lamp at the camera (a Gaussian around the middle of the picture, a little below it), Gaussian
noise of 5 grey levels, five frames a second. Three sites are learnt from as `mnad watch` does it,
by its own footage folder and training process: one has seen the training clips by day, one has seen
the same clips by day and by night, in turn, and, to tell what fewer frames cost from what another
light does, one has seen them by day at five frames a second, the even frames and then the odd ones.
Every fourth training clip is kept from both,
to count false alarms on. The threshold is for six false alarms an hour, by what `mnad watch` keeps
back itself. All are trained for all of twelve epochs, of about as many windows.

Then they watch the clips that were kept back and the test set, by day and by night: what share of
the frames has a score, frame AUC of the causal score, what comes to the threshold, in how many
clips there is an event, and in how many the camera itself is called ill, by what. The model of the
day is also shown the night at ten frames a second, as of a camera that keeps its rate. One seed;
nothing is chosen by any of it. The AUC is over the frames that have a score. Errors are measured by
place, as on a camera of one's own, which is known to fail on Ped2, whose anomalies go where people
go (`ped2.md`); and against the contrast, by the same networks calibrated so on the same footage.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from script import run
from sklearn.metrics import roc_auc_score
from tqdm.auto import tqdm
from watched_clip import digests, reaches, watch_clip

import mnad
from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.holdout import hold_out
from mnad.camera.health import Health
from mnad.datasets import open_dataset
from mnad.datasets.clip import Clip
from mnad.scoring.steady import Steady
from mnad.video.cache import load_clips
from mnad.watch.footage import Footage
from mnad.watch.learn import learn
from mnad.watch.normal import load_footage
from mnad.watch.site import Settings, Site
from mnad.writing import require_folder, write_json

HEIGHT, WIDTH, RATE, NOISE = 160, 256, 10.0, 5.0
SETTINGS = Settings(HEIGHT, WIDTH, false_alarms_per_hour=6.0, training_minutes=600.0, seed=1)
Pixels = NDArray[np.uint8]
Row = dict[str, Any]
Seen = tuple[bool, float, int]
"""Whether by night, frames per second, and the number of the first one."""
SITES: dict[str, Sequence[Seen]] = {
    "day": [(False, 10.0, 0)],
    "day and night": [(False, 10.0, 0), (True, 5.0, 0)],
    "day, half the frames": [(False, 5.0, 0), (False, 5.0, 1)],
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path, help="the folder of Ped2")
    arguments.add_argument("--models", type=Path, required=True, help="folder of the two sites")
    arguments.add_argument("--json", type=Path, required=True)
    given = arguments.parse_args()
    require_folder(given.json)
    dataset = open_dataset(f"ped2:{given.data}")
    normal = dataset.train[3::4]
    seen = [clip for clip in dataset.train if clip not in normal]
    rows: list[Row] = []
    models: Row = {}
    for site, seen_as in SITES.items():
        folder = given.models / site.replace(", ", "-").replace(" ", "-")
        if not (folder / "model" / "normal.safetensors").exists():
            learnt(folder, seen, seen_as)
        detector = mnad.Detector.load(folder / "model", "cpu")
        assert detector.model.calibration is not None
        models[site] = digests(folder / "model") | {
            "knows_frames_per_second": detector.model.calibration.rate,
            "threshold": detector.threshold,
            "calibration": detector.model.calibration.sentences(),
            "runtime": detector.runtime.name,
        }
        for errors, own in (("by place", detector), ("contrast", against_contrast(folder))):
            for shown, rate in (("day", 10.0), ("night", 5.0), ("night", 10.0)):
                if site != "day" and shown == "night" and rate == RATE:
                    continue
                how = {"learnt": site, "errors": errors, "threshold": own.threshold}
                how |= {"shown": shown, "frames_per_second": rate}
                rows.append(how | watched(own, dataset.test, normal, shown == "night", rate))
    result = {
        "protocol": " ".join(str(__doc__).partition("FILE\n")[2].split()),
        "command": "OMP_NUM_THREADS=2 python benchmarks/day_and_night.py PED2 --models DIR "
        "--json FILE",
        "mnad": mnad.__version__,
        "seed": SETTINGS.seed,
        "clips_learnt_from": [clip.name for clip in seen],
        "clips_kept_back": [clip.name for clip in normal],
        "models": models,
        "rows": rows,
    }
    write_json(given.json, result)


def pixels_of(clip: Clip, night: bool, rate: float = RATE) -> Pixels:
    """A clip (T, h, w, 1), at ten frames a second by day."""
    pixels = load_clips([clip.path], HEIGHT, WIDTH, 1)[0]
    shown: Pixels = infrared(pixels, int(clip.name)) if night else pixels
    return shown[:: round(RATE / rate)]


def infrared(pixels: Pixels, seed: int) -> Pixels:
    """What a camera sees by its own lamp: (T, h, w, 1)."""
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[1:3]
    y, x = np.mgrid[0:height, 0:width]
    lamp = np.exp(-(((x / width - 0.5) / 0.45) ** 2) - ((y / height - 0.65) / 0.45) ** 2)
    lit = 230 * (pixels / 255) ** 0.7 * lamp[..., None]
    seen: Pixels = np.clip(lit + rng.normal(0, NOISE, pixels.shape), 0, 255).astype(np.uint8)
    return seen


def learnt(folder: Path, clips: Sequence[Clip], seen_as: Sequence[Seen]) -> None:
    """A site's model, of these clips as a camera has shown them, each in all of these ways."""
    site, now = Site(folder), 0.0
    site.begin(SETTINGS)
    footage = Footage(site.footage, 1e9)
    for clip in clips:
        for night, rate, first in seen_as:
            for frame in pixels_of(clip, night)[first :: round(RATE / rate)]:
                footage.push(frame, now)
                now += 1 / rate
            footage.interrupt()
    learn(site, SETTINGS, folder / "model")


def against_contrast(folder: Path) -> mnad.Detector:
    """A site's detector as it would be without `--by_place`, calibrated on what was kept back."""
    detector = mnad.Detector.load(folder / "model", "cpu")
    network = detector.model.config.network
    clips, rate = load_footage(Site(folder).footage, (), Steady)
    _, held = hold_out([one for one in clips if len(one) > network.window], 0.2, network.window)
    names = [str(number) for number in range(len(held))]
    per_hour, runtime = SETTINGS.false_alarms_per_hour, detector.runtime
    model = calibrate_model(
        detector.model, held, names, rate, per_hour, runtime=runtime, trained_on=True
    )
    return mnad.Detector(model, runtime=runtime)


def watched(
    detector: mnad.Detector, test: Sequence[Clip], normal: Sequence[Clip], night: bool, rate: float
) -> Row:
    """What a model makes of the test set, and of clips that are normal."""
    threshold, every = detector.threshold or 0.0, round(RATE / rate)
    row: Row = {}
    for name, clips in (("test", test), ("normal", normal)):
        score, label, frames, events, found, ill = [], [], 0, 0, 0, dict[str, int]()
        for clip in tqdm(clips, unit="clip"):
            pixels = pixels_of(clip, night, rate)
            one = watch_clip(detector, clip.name, pixels, rate)
            own = np.zeros(len(pixels)) if clip.labels is None else clip.labels[::every]
            score.append(one.score)
            label.append(own[one.frames])
            frames += len(pixels)
            events += bool(one.events)
            found += reaches(one, own.astype(np.uint8), rate)
            for what in blinded(detector, pixels, rate):
                ill[what] = ill.get(what, 0) + 1
        scores, labels = np.concatenate(score), np.concatenate(label)
        row[name] = {
            "clips": len(clips),
            "frames": frames,
            "scored": len(scores),
            "auc": float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else None,
            "normal_frames_above": int((scores[labels == 0] >= threshold).sum()),
            "normal_frames": int((labels == 0).sum()),
            "clips_with_events": events,
            "clips_whose_anomaly_an_event_overlaps": found,
            "clips_with_camera_events": ill,
        }
    return row


def blinded(detector: mnad.Detector, pixels: Pixels, rate: float) -> set[str]:
    """What the camera is called in a clip, repeated to a minute, as no state is told at once."""
    calibration = detector.model.calibration
    assert calibration is not None and calibration.view is not None
    health = Health(calibration.view, rate)
    there_and_back = np.concatenate([pixels, pixels[::-1]])
    told: set[str] = set()
    for number in range(round(60 * rate)):
        frame = there_and_back[number % len(there_and_back)]
        told |= {change.what for change in health.push(frame, number / rate)}
    return told


if __name__ == "__main__":
    run(main)
