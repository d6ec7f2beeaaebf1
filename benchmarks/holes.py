"""What holes in the frames do to alarms and to thresholds, noticed and not.

::

    OMP_NUM_THREADS=1 python benchmarks/holes.py PED2 --json FILE

The model that comes with the package, ped2-compact, by torch, its memory frozen. Footage is written
as H.264 of 2 Mbit/s whose time stamps keep the holes ("noticed"), as of a stream that stalled or a
recorder of what moves; and the same frames with the time stamps closed up, so that the hole is
"hidden" and windows reach over it. "Looked over" are the peaks of that by the true times, which is
what was scored before holes were noticed: the mean over a quarter second then hardly counts what
was before the hole.

Alarms: of each training clip of UCSD Ped2, all normal, frames are left out in the middle, and
`mnad detect` takes the file. A false alarm is an event in a clip that has none without the hole;
"after" is the highest score in the second after the hole. Thresholds: the training clips that the
model was not trained on, as one file, with pauses between them of 0.9 s or as long as the holes,
are calibrated on by `mnad calibrate` for 30 false alarms an hour: whole; with 0.9 s left out of
every 6; the same frames, 20 s apart there; hidden, but for the pauses; and spread evenly over the
time that those 20 s make, as they were taken to be before. What comes to each threshold is counted
on the test set; nothing is chosen by it.

Rates: of each training clip every eighth, fourth, third or second frame is left out, as of a camera
that falls to fewer frames in the dark, or of a machine that does not come along. What share of the
frames `mnad detect` scores, and what share of those comes to the threshold; "looked over" is the
file whose time stamps are closed up, whose leaps nothing betrays.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from perturb import encode
from robustness import kept_back, labels_of
from script import run
from tqdm.auto import tqdm
from watched_clip import digests, reaches, watch_clip

import mnad
from mnad.calibration.rate import Scored, alarms_at
from mnad.datasets import open_dataset
from mnad.datasets.clip import Clip
from mnad.models.builtin import copy_folder
from mnad.scoring.smooth import causal_mean
from mnad.video.source import open_source
from mnad.watch.files import Detection
from mnad.writing import require_folder, write_json

Row = dict[str, Any]
Pixels = NDArray[np.uint8]
Told = tuple[int, dict[str, NDArray[np.float64]]]
"""How many events, and columns of the table of scores."""

MODEL, KILOBITS, PER_HOUR = "ped2-compact", 2000, 30.0
HOLES = (1, 2, 3, 5, 12, 30, 60)
MISSING = {"none": 10**9, "every eighth": 8, "every fourth": 4, "every third": 3, "every second": 2}
EVERY, LEFT_OUT = 60, 9
"""Frames, of ten a second."""
KINDS = ("whole", "noticed", "looked over", "hidden")
RECORDED: dict[str, tuple[int | None, bool]] = {
    "whole": (None, False),
    "0.9 s of every 6": (LEFT_OUT, False),
    "20 s": (200, False),
    "hidden": (0, False),
    "20 s, spread": (200, True),
}
"""How many frames long a hole is by the clock, None without holes; and whether that is spread."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path, help="the folder of Ped2")
    arguments.add_argument("--json", type=Path, required=True)
    given = arguments.parse_args()
    require_folder(given.json)
    detector = mnad.Detector.load(MODEL, "cpu", runtime="torch")
    dataset = open_dataset(f"ped2:{given.data}")
    assert dataset.rate is not None
    rate = float(dataset.rate)
    kept = kept_back(detector, dataset.train)
    thresholds = [
        {"recorded": name} | threshold(kept, dataset.test, rate, *how)
        for name, how in tqdm(RECORDED.items(), unit="threshold")
    ]
    slowed = [rates(clip, rate) for clip in tqdm(dataset.train, unit="clip")]
    clips = [row for clip in tqdm(dataset.train, unit="clip") for row in alarms(clip, rate)]
    names = [clip.name for clip in kept]
    result = {
        "protocol": " ".join(str(__doc__).partition("FILE\n")[2].split()),
        "command": "OMP_NUM_THREADS=1 python benchmarks/holes.py PED2 --json FILE",
        "mnad": mnad.__version__,
        "model_sha256": digests(Path(MODEL)),
        "threshold": detector.threshold,
        "clips_kept_back": names,
        "alarms": summed(clips, names, detector.threshold or 0.0),
        "rates": [{"missing": name} | rated([one[name] for one in slowed]) for name in MISSING],
        "thresholds": thresholds,
        "clips": clips,
    }
    write_json(given.json, result)


def alarms(clip: Clip, rate: float) -> list[Row]:
    """What `mnad detect` makes of a clip, whole and with each hole."""
    pixels, model = pixels_of(clip), mnad.Detector.load(MODEL, "cpu", runtime="torch").model
    assert model.reference is not None and model.calibration is not None
    firsts = [(len(pixels) - hole) // 2 for hole in HOLES]
    lefts = [
        np.delete(np.arange(len(pixels)), np.s_[first : first + hole])
        for first, hole in zip(firsts, HOLES, strict=True)
    ]
    with TemporaryDirectory() as work:
        files = [Path(work) / f"{number}.mp4" for number in range(1 + 2 * len(HOLES))]
        encode(files[0], pixels, rate, KILOBITS)
        for index, left in enumerate(lefts):
            encode(files[1 + 2 * index], pixels[left], rate, KILOBITS, left)
            encode(files[2 + 2 * index], pixels[left], rate, KILOBITS)
        whole, *others = (with_table(one) for one in detected(files, Path(work)))
    rows = []
    for index, (hole, first, left) in enumerate(zip(HOLES, firsts, lefts, strict=True)):
        noticed, hidden = others[2 * index : 2 * index + 2]
        table = hidden[1]
        seconds = left[table["frame"].astype(int)] / rate
        single = model.reference.score(table["peak"], table["distance"])
        over = Scored(seconds, causal_mean(seconds, single))
        score = model.calibration.threshold.score
        looked: Told = alarms_at(over, score), table | {"score": over.score}
        row: Row = {"clip": clip.name, "seconds": hole / rate}
        kinds = dict(zip(KINDS, (whole, noticed, looked, hidden), strict=True))
        for name, (events, scores) in kinds.items():
            begins = first + hole if name == "whole" else first
            second = (begins <= scores["frame"]) & (scores["frame"] < begins + rate)
            row[name] = {"events": events, "after": float(scores["score"][second].max())}
        rows.append(row | {"frames_without_score": len(seconds) - len(noticed[1]["frame"])})
    return rows


def detected(files: Sequence[Path], work: Path) -> list[Detection]:
    """What `mnad detect` makes of files."""
    return mnad.detect(
        MODEL,
        [str(file) for file in files],
        out=work / "out",
        overlay=False,
        clips=False,
        device="cpu",
        runtime="torch",
    )


def rates(clip: Clip, rate: float) -> dict[str, Row]:
    """What `mnad detect` makes of a clip of which frames are left out all along, by `MISSING`."""
    pixels, found = pixels_of(clip), dict[str, Row]()
    threshold = mnad.Detector.load(MODEL, "cpu", runtime="torch").threshold or 0.0
    for name, every in MISSING.items():
        left = np.flatnonzero(np.arange(len(pixels)) % every != every - 1)
        with TemporaryDirectory() as work:
            files = [Path(work) / "noticed.mp4", Path(work) / "looked-over.mp4"]
            encode(files[0], pixels[left], rate, KILOBITS, left)
            encode(files[1], pixels[left], rate, KILOBITS)
            noticed, over = detected(files, Path(work))
            scores = with_table(noticed)[1]["score"] if noticed.frames else np.empty(0)
            found[name] = {
                "frames": len(left),
                "scored": len(scores),
                "above": int((scores >= threshold).sum()),
                "events": noticed.events or 0,
                "looked_over_scored": over.frames,
                "looked_over_above": int((with_table(over)[1]["score"] >= threshold).sum()),
                "looked_over_events": over.events,
            }
    return found


def rated(clips: Sequence[Row]) -> Row:
    """Over clips: sums, and of events the clips that have some."""
    row: Row = {name: sum(one[name] for one in clips) for name in clips[0] if "events" not in name}
    for name in ("events", "looked_over_events"):
        row[f"clips_with_{name}"] = sum(one[name] > 0 for one in clips)
    return row


def with_table(found: Detection) -> Told:
    """What `mnad detect` left of a file."""
    assert found.error is None and found.events is not None, found.error
    table = np.genfromtxt(found.out / "scores.csv", delimiter=",", names=True)
    return found.events, {name: table[name] for name in ("frame", "peak", "distance", "score")}


def summed(clips: Sequence[Row], kept: Sequence[str], threshold: float) -> list[Row]:
    """Over clips, for each length of hole."""
    rows: list[Row] = []
    for seconds in dict.fromkeys(one["seconds"] for one in clips):
        these = [one for one in clips if one["seconds"] == seconds]
        missing = sorted({one["frames_without_score"] for one in these})
        row: Row = {"seconds": seconds, "clips": len(these), "frames_without_score": missing}
        for kind in KINDS:
            after = [one[kind]["after"] for one in these]
            new = [one for one in these if one[kind]["events"] and not one["whole"]["events"]]
            row[kind] = {
                "clips_with_events": sum(one[kind]["events"] > 0 for one in these),
                "false_alarms": len(new),
                "false_alarms_of_kept_back": sum(one["clip"] in kept for one in new),
                "after_median": median(after),
                "after_highest": max(after),
                "after_at_threshold": sum(score >= threshold for score in after),
            }
        rows.append(row)
    return rows


def threshold(
    kept: Sequence[Clip], test: Sequence[Clip], rate: float, lasts: int | None, spread: bool
) -> Row:
    """A threshold from clips in one file, by `RECORDED`, and what comes to it."""
    numbers, left, pause = list[int](), list[Pixels](), max(LEFT_OUT, lasts or 0)
    for clip in kept:
        begins = numbers[-1] + 1 + pause if numbers else 0
        for number, pixels in enumerate(pixels_of(clip)):
            if lasts is None or number % EVERY < EVERY - LEFT_OUT:
                skipped = 0 if lasts is None else number // EVERY * (lasts - LEFT_OUT)
                numbers.append(begins + number + skipped)
                left.append(pixels)
    with TemporaryDirectory() as work:
        file, model = Path(work) / "normal.mp4", Path(work) / "model"
        if spread:
            encode(file, np.stack(left), rate * len(left) / numbers[-1], KILOBITS)
        else:
            encode(file, np.stack(left), rate, KILOBITS, np.array(numbers))
        copy_folder(MODEL, model)
        told = mnad.calibrate(model, [str(file)], false_alarms_per_hour=PER_HOUR, device="cpu")
        detector = mnad.Detector.load(model, "cpu", runtime="torch")
    watched = [watch_clip(detector, one.name, pixels_of(one), rate) for one in test]
    labels = [labels_of(clip) for clip in test]
    above = [one.score >= told.threshold.score for one in watched]
    odd = [own[one.frames] > 0 for own, one in zip(labels, watched, strict=True)]
    all_above, all_odd = np.concatenate(above), np.concatenate(odd)
    return {
        "frames": len(left),
        "frames_scored": told.frames,
        "rate": told.rate,
        "seconds": 3600 * told.threshold.hours,
        "threshold": told.threshold.score,
        "extrapolated": told.threshold.extrapolated,
        "abnormal_frames_above": float(all_above[all_odd].mean()),
        "normal_frames_above": float(all_above[~all_odd].mean()),
        "clips_with_abnormal_frames_above": sum(
            bool((a & b).any()) for a, b in zip(above, odd, strict=True)
        ),
        "clips_in_which_an_event_overlaps_the_anomaly": sum(
            reaches(one, own, rate) for one, own in zip(watched, labels, strict=True)
        ),
    }


def pixels_of(clip: Clip) -> Pixels:
    with open_source(clip.path, 1) as source:
        return np.stack([frame.pixels for frame in source])


if __name__ == "__main__":
    run(main)
