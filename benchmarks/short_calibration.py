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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from promise import RATE, SEEDS, Clip, anomalies_of, events_of
from script import run
from tqdm.auto import tqdm

from mnad import __version__
from mnad.calibration.calibrate import smoothed
from mnad.calibration.rate import Scored, threshold_for
from mnad.models.folder import load_model
from mnad.scoring.reference import Reference
from mnad.writing import require_folder

Parts = NDArray[np.float64]
"""Peak and distance of frames, (2, n)."""

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
    clips = calibrated_on(reference)
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
            counted(reference, clips, test, odd, seconds, per_hour)
            for seconds in tqdm(SECONDS)
            for per_hour in PER_HOUR
        ],
    }
    given.json.write_text(json.dumps(result, indent=2) + "\n")


def calibrated_on(reference: Reference) -> list[Parts]:
    """The clips that the reference was made of."""
    parts = np.stack([reference.peak, reference.distance])
    return np.split(parts, len(SEEDS["calibrate"]), axis=1)


def counted(
    known: Reference,
    clips: Sequence[Parts],
    test: Sequence[Clip],
    odd: Sequence[Clip],
    seconds: int,
    per_hour: float,
) -> dict[str, Any]:
    """What came of thresholds from so many seconds.

    Args:
        known: what ranks are made as.
        clips: normal ones to draw from, at `RATE`.
        test: normal clips to count alarms in.
        odd: clips with anomalies.
        seconds: to draw.
        per_hour: false alarms to ask for.
    """
    draws: list[dict[str, Any]] = []
    for draw in range(DRAWS):
        parts = drawn(clips, seconds, np.random.default_rng([seconds, draw]))
        own = known_from(known, parts)
        found = threshold_for([by(own, part) for part in parts], per_hour)
        alarms = sum(len(events_of(ranked(clip, own), found.score)) for clip in test)
        told = [
            one.delay is not None
            for clip in odd
            for scored in [ranked(clip, own)]
            for one in anomalies_of(scored, events_of(scored, found.score), found.score)
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


def known_from(known: Reference, parts: Sequence[Parts]) -> Reference:
    """The same reference with the ranks of these frames alone."""
    peak, distance = np.concatenate(parts, axis=1)
    return replace(known, peak=peak, distance=distance)


def by(known: Reference, parts: Parts) -> Scored:
    """Scores of consecutive frames by the ranks of a reference."""
    return smoothed(known.score(*parts), RATE)


def ranked(clip: Clip, known: Reference) -> Clip:
    """The clip with the scores that these ranks give it."""
    return clip | {"score": by(known, np.stack([clip["peak"], clip["distance"]])).score}


def hours_of(clips: Sequence[Clip]) -> float:
    """Of scored footage."""
    return sum(len(clip["seconds"]) for clip in clips) / RATE / 3600


def drawn(clips: Sequence[Parts], seconds: int, rng: np.random.Generator) -> list[Parts]:
    """`seconds` of footage: a piece of one clip, or whole clips and a piece."""
    left, parts = round(seconds * RATE), []
    for clip in rng.permutation(len(clips)):
        whole = clips[clip]
        count = min(left, whole.shape[1])
        start = rng.integers(0, whole.shape[1] - count + 1)
        parts.append(whole[:, start : start + count])
        left -= count
        if left < 2:
            break
    return parts


if __name__ == "__main__":
    run(short_calibration)
