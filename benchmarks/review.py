"""What `mnad review` makes of a threshold from three minutes, after an hour and two of watching.

::

    python benchmarks/review.py --work FOLDER --json FILE

FOLDER is that of `promise.py`, finished. Ranks and a threshold come from three minutes, drawn as in
`short_calibration.py`. Then other clips of the same normal footage are watched, in random order,
and the threshold is set anew on their scores by those ranks, as `mnad review --apply` sets it. Into
them nothing is put; or one anomaly an hour, and of these those that the first threshold tells are
marked; or they are not. What the thresholds raise is counted in two further hours of normal footage
and in three clips with anomalies; those that are put in are of a fourth. A hundred draws, one alarm
an hour asked for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from promise import SEEDS, SLACK, Clip, anomalies_of, events_of
from script import run
from short_calibration import by, calibrated_on, drawn, hours_of, known_from, ranked
from tqdm.auto import tqdm

from mnad import __version__
from mnad.calibration.rate import Scored, alarms_at, threshold_for
from mnad.models.folder import load_model
from mnad.writing import require_folder

SECONDS, PER_HOUR, DRAWS = 180, 1.0, 100
WATCHED_CLIPS = (6, 11)
"""Of ten minutes each."""


def review() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--json", type=Path, required=True)
    given = arguments.parse_args()
    require_folder(given.json)
    reference = load_model(given.work / "calibrated").reference
    assert reference is not None
    clips = calibrated_on(reference)
    test, (put, *odd) = (
        [dict(np.load(given.work / f"scores-{seed}.npz")) for seed in SEEDS[part]]
        for part in ("test", "anomalies")
    )
    draws: dict[str, list[tuple[float, float]]] = {}
    for draw in tqdm(range(DRAWS)):
        rng = np.random.default_rng([SECONDS, draw])
        (piece,) = drawn(clips, SECONDS, rng)
        # That clip is not watched: some of it was calibrated on.
        others = [clip for clip in clips if not np.shares_memory(piece, clip)]
        known = known_from(reference, [piece])
        first = threshold_for([by(known, piece)], PER_HOUR)
        tests = [ranked(clip, known) for clip in test], [ranked(clip, known) for clip in odd]
        draws.setdefault("three minutes", []).append(counted(first.score, *tests))
        order = rng.permutation(len(others))
        for count in WATCHED_CLIPS:
            watched = [by(known, others[index]) for index in order[:count]]
            hours = sum(one.duration for one in watched) / 3600
            strange = anomalies_in(ranked(put, known), round(hours), rng)
            missed = [one for one in strange if not alarms_at(one, first.score)]
            for name, also in {
                "no anomalies": [],
                "one anomaly an hour, marked where told": missed,
                "one anomaly an hour, not marked": strange,
            }.items():
                found = threshold_for(watched + also, PER_HOUR)
                draws.setdefault(f"{60 * hours:.0f} minutes watched, {name}", []).append(
                    counted(found.score, *tests)
                )
    result = {
        "protocol": " ".join(str(__doc__).partition("FILE\n")[2].split()),
        "command": "python benchmarks/review.py --work FOLDER --json FILE",
        "mnad": __version__,
        "test_hours": hours_of(test),
        "asked_per_hour": PER_HOUR,
        "rows": {name: summed(rows) for name, rows in draws.items()},
    }
    given.json.write_text(json.dumps(result, indent=2) + "\n")


def anomalies_in(clip: Clip, count: int, rng: np.random.Generator) -> list[Scored]:
    """Scores of so many of the anomalies of a clip, each for itself."""
    spans = [(one.first, one.last + SLACK) for one in anomalies_of(clip, [], 2.0)]
    chosen = [spans[index] for index in rng.permutation(len(spans))[:count]]
    kept = [(clip["seconds"] >= first) & (clip["seconds"] <= last) for first, last in chosen]
    return [Scored(clip["seconds"][own], clip["score"][own]) for own in kept]


def counted(threshold: float, test: Sequence[Clip], odd: Sequence[Clip]) -> tuple[float, float]:
    """Alarms an hour in normal footage, and the share of anomalies that are found."""
    alarms = sum(len(events_of(clip, threshold)) for clip in test)
    told = [
        one.delay is not None
        for clip in odd
        for one in anomalies_of(clip, events_of(clip, threshold), threshold)
    ]
    return alarms / hours_of(test), float(np.mean(told))


def summed(rows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Mean and spread over the draws."""
    alarms, recall = np.array(rows).T
    names = "quantiles_0_10_50_90_100"
    quantiles = [0, 0.1, 0.5, 0.9, 1]
    return {
        "alarms_per_hour": {
            "mean": float(alarms.mean()),
            names: np.quantile(alarms, quantiles).round(2).tolist(),
        },
        "recall": {
            "mean": float(recall.mean()),
            names: np.quantile(recall, quantiles).round(3).tolist(),
        },
    }


if __name__ == "__main__":
    run(review)
