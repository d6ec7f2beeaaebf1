"""How much normal footage a threshold takes: alarms counted against the rate asked for.

::

    python benchmarks/short_calibration.py --work FOLDER --json FILE

FOLDER is that of `promise.py`, finished: two hours of normal footage of one rendered camera, scored
by a network that did not see it, and two others. From the first so many seconds are drawn, in one
piece or as whole clips, ranks and threshold are made of these alone, as `calibrate_model` makes
them, and the alarms that they raise in the other two hours are counted, and the anomalies of the
clips that have some and that they find. A hundred draws of each length.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from promise import RATE, SEEDS, Clip, anomalies_of, events_of
from script import run
from tqdm.auto import tqdm

from mnad import __version__
from mnad.calibration.calibrate import smoothed
from mnad.calibration.rate import threshold_for
from mnad.models.folder import load_model
from mnad.scoring.reference import Rank, squash
from mnad.writing import require_folder

Peaks = NDArray[np.float64]

SECONDS = (20, 60, 180, 600, 1800, 3600)
PER_HOUR = (1.0, 6.0)
DRAWS = 100


def short_calibration() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--json", type=Path, required=True)
    given = arguments.parse_args()
    require_folder(given.json)
    reference = load_model(given.work / "calibrated").reference
    assert reference is not None
    clips = np.split(reference.peak, len(SEEDS["calibrate"]))
    test, odd = (
        [dict(np.load(given.work / f"scores-{seed}.npz")) for seed in SEEDS[part]]
        for part in ("test", "anomalies")
    )
    result = {
        "protocol": " ".join(str(__doc__).partition("FILE\n")[2].split()),
        "command": "python benchmarks/short_calibration.py --work FOLDER --json FILE",
        "mnad": __version__,
        "test_hours": hours_of(test),
        "rows": [
            counted(clips, test, odd, seconds, per_hour)
            for seconds in tqdm(SECONDS)
            for per_hour in PER_HOUR
        ],
    }
    given.json.write_text(json.dumps(result, indent=2) + "\n")


def counted(
    clips: Sequence[Peaks],
    test: Sequence[Clip],
    odd: Sequence[Clip],
    seconds: int,
    per_hour: float,
) -> dict[str, Any]:
    """What came of thresholds from so many seconds.

    Args:
        clips: peaks of normal frames to draw from, at `RATE`.
        test: normal clips to count alarms in.
        odd: clips with anomalies.
        seconds: to draw.
        per_hour: false alarms to ask for.
    """
    draws: list[dict[str, Any]] = []
    for draw in range(DRAWS):
        parts = drawn(clips, seconds, np.random.default_rng([seconds, draw]))
        rank = Rank(np.concatenate(parts))
        found = threshold_for([smoothed(squash(rank.surprise(p)), RATE) for p in parts], per_hour)
        alarms = sum(len(events_of(ranked(clip, rank), found.score)) for clip in test)
        told = [
            one.delay is not None
            for clip in odd
            for own in [ranked(clip, rank)]
            for one in anomalies_of(own, events_of(own, found.score), found.score)
        ]
        draws.append(
            {
                "interval": found.interval,
                "extrapolated": found.extrapolated,
                "alarms_per_hour": alarms / hours_of(test),
                "recall": float(np.mean(told)),
            }
        )
    rates, low, high = np.array([(d["alarms_per_hour"], *d["interval"]) for d in draws]).T
    return {
        "seconds": seconds,
        "per_hour": per_hour,
        "mean": float(rates.mean()),
        "quantiles_0_10_50_90_100": np.quantile(rates, [0, 0.1, 0.5, 0.9, 1]).round(2).tolist(),
        "at_most_twice": float((rates <= 2 * per_hour).mean()),
        "within_interval": float(((low <= rates) & (rates <= high)).mean()),
        "above_interval": float((rates > high).mean()),
        "extrapolated": float(np.mean([one["extrapolated"] for one in draws])),
        "recall": float(np.mean([one["recall"] for one in draws])),
    }


def ranked(clip: Clip, rank: Rank) -> Clip:
    """The clip with the scores that these ranks give it."""
    return clip | {"score": smoothed(squash(rank.surprise(clip["peak"])), RATE).score}


def hours_of(clips: Sequence[Clip]) -> float:
    """Of scored footage."""
    return sum(len(clip["seconds"]) for clip in clips) / RATE / 3600


def drawn(clips: Sequence[Peaks], seconds: int, rng: np.random.Generator) -> list[Peaks]:
    """Peaks of `seconds` of footage: a piece of one clip, or whole clips and a piece."""
    left, parts = round(seconds * RATE), []
    for clip in rng.permutation(len(clips)):
        peaks = clips[clip]
        count = min(left, len(peaks))
        start = rng.integers(0, len(peaks) - count + 1)
        parts.append(peaks[start : start + count])
        left -= count
        if left < 2:
            break
    return parts


if __name__ == "__main__":
    run(short_calibration)
