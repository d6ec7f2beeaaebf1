"""What a calibration leaves with a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnad.calibration.rate import USUAL, Threshold
from mnad.camera.view import View
from mnad.events.machine import EventConfig

_ALIKE = 0.1
"""Highest smoothed score of normal footage in which nothing happens. Where anything does, a frame
in two is at 0.23 and one in ten at 0.5."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A threshold, what it was set on, and what the camera normally shows.

    Attributes:
        threshold: score from which on a frame is abnormal, and what may be expected of it.
        rate: frames per second of the footage.
        frames: of the footage that were scored.
        sources: names of the footage.
        trained_on: share of the frames that the model was trained on, 0..1.
        score: (n,) smoothed scores of its frames, to notice when normal scores drift.
        view: what the camera normally shows, to notice when something happens to the camera; None
            for a model that is given to others, as it holds a picture of the place.
        events: what makes an event, at any threshold, that this one was set for.
        faults: a sentence for each source that could not be read, or not to its end; not kept.
    """

    threshold: Threshold
    rate: float
    frames: int
    sources: tuple[str, ...]
    trained_on: float
    score: NDArray[np.float64]
    view: View | None
    faults: tuple[str, ...] = ()
    events: EventConfig = USUAL

    def sentences(self) -> list[str]:
        """The facts for people, one sentence each."""
        t = self.threshold
        low, high = t.interval
        told = [
            f"{spoken_hours(t.hours)} of normal footage ({self.frames} frames of "
            f"{len(self.sources)} source(s)) put the threshold at {t.score:.3f}.",
            f"False alarms expected there, per hour: {rounded(t.expected)}, 95 % interval "
            f"{rounded(low)} to {rounded(high)}; in that footage itself there were {t.counted}.",
        ]
        if t.ahead is not None:
            told.append(
                f"If the time ahead is like it, {spoken_hours(t.hours)} of it will have "
                f"{t.ahead[0]} to {t.ahead[1]} false alarms (95 %)."
            )
        return told + self.warnings()

    def warnings(self) -> list[str]:
        """What keeps the threshold from being trusted, one sentence each."""
        t, told = self.threshold, []
        if t.extrapolated:
            told.append(
                f"{spoken_hours(t.hours)} of normal footage is too short to have seen what happens "
                f"{_often(t.per_hour)}: the threshold is extrapolated, most likely higher than "
                f"longer footage would put it; calibrate on {spoken_hours(1 / t.per_hour)} or more."
            )
        if self.score.max() < _ALIKE:
            told.append(
                "In this normal footage the picture does not change, as of a camera that is "
                "covered or frozen: whatever moves will be told of; give footage in which what "
                "usually happens does."
            )
        elif self.trained_on > 0:
            told.append(
                f"{100 * self.trained_on:.0f} % of the calibration frames were trained on: their "
                "scores are too low, and there will be more false alarms than stated."
            )
        return told


def rounded(rate: float) -> str:
    """A rate per hour for people: two digits that count, and 0 for what is next to nothing."""
    return f"{float(f'{rate:.2g}'):.12g}" if rate >= 0.005 else "0"  # 220, and not 2.2e+02


def _often(per_hour: float) -> str:
    return "once an hour" if per_hour == 1 else f"{per_hour:g} times an hour"


def spoken_hours(hours: float) -> str:
    """A length of time for people, in seconds, minutes or hours."""
    minutes = 60 * hours
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.3g} min" if minutes < 90 else f"{hours:.1f} h"
