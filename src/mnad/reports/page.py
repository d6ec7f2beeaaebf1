"""The report of a run as one HTML file that opens from disk: verdict, timeline, events, facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from mnad.calibration.result import rounded
from mnad.events.event import Event
from mnad.reports.html import write_html
from mnad.reports.pictures import clock, embedded, round_times, spoken, svg_path, with_holes
from mnad.reports.wall import Wall

NOW_PAGE = "now.html"
"""What the camera shows now, where something writes that beside the report."""
MOST_PICTURES = 100
"""Events whose picture is embedded; of more events, those with the highest peaks."""
MOST_THRESHOLDS = 5
"""That held before and are named, the newest ones; all of them are drawn."""

UNSEEN = ("lost", "slow")
"""What befalls a camera so that nothing of it is scored."""
BLINDING = ("covered", "frozen", "moved", "out of focus")
"""What befalls it so that anomalies are held back."""

LONG_ENOUGH = 3600.0
"""Seconds that a camera was watched, before it is said how many alarms that came to."""


class Gap(NamedTuple):
    """A time without pictures.

    Attributes:
        began: seconds since the start of the source.
        ended: seconds since the start of the source.
        reason: a few words, without credentials.
    """

    began: float
    ended: float
    reason: str


@dataclass(frozen=True)
class Calibration:
    """What the threshold was set on, and what may be expected of it.

    Attributes:
        hours: of normal footage.
        false_alarms_per_hour: expected.
        interval: of that rate, 95 %.
        warnings: sentences, such as that the footage was too short for the rate asked for.
    """

    hours: float
    false_alarms_per_hour: float
    interval: tuple[float, float]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that the page tells.

    Attributes:
        title: name of the camera, video or run.
        source: what was watched, without credentials.
        duration_seconds: from the first frame to the last.
        frames: that were scored.
        curve: (n, 2) float, seconds in rising order and score 0..1; NaN where there is no score.
            All of it is drawn: a long run is thinned before, keeping its maxima, to some
            8,000 points.
        threshold: score from which on a frame counts as abnormal; None without calibration.
        earlier: thresholds that held before it, each with the second up to which, in order.
        started_at: wall-clock time of second 0, in the time zone to be shown; None for a file.
        rate: frames per second; None where it is unknown.
        events: the last message of each event, of both kinds, in the order of time. Thumbnails
            and clips are looked for beside the page.
        told: anomalies in all, where `events` are only the newest of them; None: `events` has all.
        gaps: times without pictures.
        calibration: None for a model that was not calibrated.
        by_hand: whether the threshold was given by a person, so that it is not the calibrated one.
        settings: name and value, as they are to be read.
        versions: of programs and models, likewise.
        warnings: sentences for the top of the page.
    """

    title: str
    source: str
    duration_seconds: float
    frames: int
    curve: NDArray[np.float64]
    threshold: float | None = None
    earlier: Sequence[tuple[float, float]] = ()
    started_at: datetime | None = None
    rate: float | None = None
    events: Sequence[Event] = ()
    told: int | None = None
    gaps: Sequence[Gap] = ()
    calibration: Calibration | None = None
    by_hand: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def anomalies(self) -> list[Event]:
        """Events of the scene."""
        return [event for event in self.events if event.kind == "anomaly"]

    @property
    def count(self) -> int:
        """Events of the scene in all, those included that are too old to be listed."""
        return max(self.told or 0, len(self.anomalies))

    @property
    def held(self) -> list[tuple[float, float, float]]:
        """From when to when each threshold held, and which; in order, none without calibration."""
        if self.threshold is None:
            return []
        since = [0.0, *(until for until, _ in self.earlier)]
        ends = [*since[1:], self.total]
        scores = [*(score for _, score in self.earlier), self.threshold]
        return [(f, t, score) for f, t, score in zip(since, ends, scores, strict=True) if t > f]

    @property
    def watched_from(self) -> float:
        """Second from which on it was watched: of a camera that of the first score.

        Its seconds count from the start of the run, and hours of learning may come before.
        """
        live = self.started_at is not None and len(self.curve) > 0
        return float(self.curve[0, 0]) if live else 0.0

    @property
    def watched_seconds(self) -> float:
        """Length of the time in which an anomaly would have been told."""
        since = self.watched_from
        watched = self.duration_seconds - since
        for began, ended in self._without(*UNSEEN, *BLINDING):
            watched -= max(0.0, ended - max(began, since))
            since = max(since, ended)
        return watched

    @property
    def unseen(self) -> list[tuple[float, float]]:
        """From when to when nothing was scored: no picture came, or hardly any; in order."""
        return self._without(*UNSEEN)

    def _without(self, *suffered: str) -> list[tuple[float, float]]:
        """From when to when there were no pictures, or the camera suffered one of these."""
        camera = [(e.start, self.end_of(e)) for e in self.events if e.what in suffered]
        return sorted([*camera, *((gap.began, gap.ended) for gap in self.gaps)])

    def end_of(self, event: Event) -> float:
        """When it ended, or up to when it is known to go on; seconds."""
        if event.end is not None:
            return event.end
        known = event.peak_seconds if event.kind == "anomaly" else self.duration_seconds
        return max(event.start, known)

    @property
    def total(self) -> float:
        """Seconds that the timeline spans, above 0."""
        known = [self.duration_seconds, *self.curve[-1:, 0], *(gap.ended for gap in self.gaps)]
        return float(max(*known, *map(self.end_of, self.events), 0.04))


def write_page(path: str | Path, report: Report) -> None:
    """Write the report: one HTML file below 15 MB that needs no network.

    Pictures of the events with the highest peaks are embedded; clips are linked by their path
    relative to the page. What is no longer there is left out.

    Args:
        path: the file, in the folder of the results.
        report: what it tells.

    Raises:
        MnadError: the file cannot be written.
    """
    path = Path(path)
    write_html(path, "page.html.j2", _content(report, path.parent))


def verdict(report: Report) -> str:
    """The run in one line."""
    length = spoken(report.watched_seconds)
    count = report.count
    if count:
        return f"{count:,} event{'s' if count > 1 else ''} in {length}"
    if not np.isfinite(report.curve[:, 1]).any():
        return f"Nothing was scored in {spoken(report.duration_seconds - report.watched_from)}"
    if report.threshold is None:
        return f"{length} scored, without a threshold"
    return f"Nothing unusual in {length}"


def _content(report: Report, folder: Path) -> dict[str, Any]:
    """The variables of the template."""
    wall = Wall(report.started_at, report.total)
    anomalies = report.anomalies
    lost = [began for began, _ in report.unseen]
    curve = with_holes(report.curve)
    by_peak = sorted(anomalies, key=lambda event: -event.peak_score)
    pictured = {event.id for event in by_peak[:MOST_PICTURES]}
    explained = {id_: event for event in report.events for id_ in event.explains}
    notes = []
    if report.count > len(anomalies):
        notes.append(f"The newest {len(anomalies):,} of {report.count:,} are listed.")
    if len(anomalies) > MOST_PICTURES:
        notes.append(f"The {MOST_PICTURES} with the highest peaks are shown with their picture.")
    return {
        "report": report,
        "verdict": verdict(report),
        "facts": list(_facts(report, wall)),
        "now": NOW_PAGE if (folder / NOW_PAGE).is_file() else "",
        "total": round(report.total, 2),
        "line": svg_path(curve, lost, closed=False),
        "area": svg_path(curve, lost, closed=True),
        "ticks": round_times(report.total, wall.since),
        "held": [tuple(round(value, 5) for value in span) for span in report.held],
        "events": [
            _event(e, report, wall, folder, e.id in pictured, explained.get(e.id))
            for e in anomalies
        ],
        "note": " ".join(notes),
        "camera": _camera(report, wall),
        "trust": _trust(report),
        "clock": clock,
        "spoken": spoken,
        "wall": wall.at,
        "data": {
            "total": round(report.total, 2),
            "wall": wall.milliseconds,
            "shifts": wall.shifts,
            "dated": wall.dated,
            "spans": [(round(e.start, 2), round(report.end_of(e), 2)) for e in anomalies],
            "times": np.round(curve[:, 0], 2).tolist(),
            "scores": [None if np.isnan(s) else round(s, 3) for s in curve[:, 1].tolist()],
        },
    }


def _facts(report: Report, wall: Wall) -> Iterator[str]:
    if wall.start is not None:
        yield f"from {wall.start:%Y-%m-%d %H:%M:%S %Z}".rstrip()
    yield f"{report.frames:,} frames" + (f" at {report.rate:.4g} per second" if report.rate else "")
    scores = report.curve[np.isfinite(report.curve[:, 1])]
    if len(scores):
        seconds, score = scores[scores[:, 1].argmax()]
        yield f"highest score {score:.3f} at {wall.at(seconds) or clock(seconds)}"


def _event(
    event: Event,
    report: Report,
    wall: Wall,
    folder: Path,
    pictured: bool,
    camera: Event | None,
) -> dict[str, Any]:
    end = report.end_of(event)
    picture = clip = None
    if pictured and event.thumbnail is not None:
        picture = embedded(folder / event.thumbnail)
    if event.clip is not None and (folder / event.clip).is_file():
        clip = quote(Path(event.clip).as_posix())
    return {
        "id": event.id,
        "start": round(event.start, 2),
        "end": round(end, 2),
        "wall": wall.of(event),
        "ongoing": event.end is None,
        "lasted": spoken(end - event.start),
        "peak": f"{event.peak_score:.3f}",
        "peak_at": clock(event.peak_seconds),
        "what": "" if event.what == "anomaly" else event.what,
        "camera": "" if camera is None else f"{camera.what} from {clock(camera.start)} on",
        "picture": picture,
        "clip": clip,
    }


def _camera(report: Report, wall: Wall) -> list[dict[str, Any]]:
    """What befell the camera and the stream, in the order of time."""
    # Of a stream that was lost for long there is an event too; the gap says why.
    known = {gap.began for gap in report.gaps}
    rows = [
        {
            "start": round(event.start, 2),
            "end": round(report.end_of(event), 2),
            "wall": wall.of(event),
            "what": f"Camera: {event.what}",
            "sort": "camera",
            "blind": event.what in UNSEEN,
            "ongoing": event.end is None,
        }
        for event in report.events
        if event.kind == "camera" and not (event.what == "lost" and event.start in known)
    ]
    rows += [
        {
            "start": round(gap.began, 2),
            "end": round(gap.ended, 2),
            "wall": wall.at(gap.began),
            "what": f"No picture: {gap.reason}",
            "sort": "gap",
            "blind": True,
            "ongoing": False,
        }
        for gap in report.gaps
    ]
    return sorted(rows, key=lambda row: (row["start"], row["end"]))


def _trust(report: Report) -> list[str]:
    """The calibration in sentences."""
    facts = report.calibration
    if facts is None or report.threshold is None:
        return ["The model has no calibration, so nothing says how high a score must be to matter."]
    by_hand = "The threshold was given by hand: the calibration does not say what to expect of it."
    sentences = [by_hand] if report.by_hand else _expected(report.threshold, facts)
    if len(report.held) > 1:
        wall = Wall(report.started_at, report.total)
        before = ", ".join(
            f"{score:.3f} until {wall.at(until) or clock(until)}"
            for _, until, score in report.held[:-1][-MOST_THRESHOLDS:]
        )
        sentences.append(f"Before, it was {before}.")
    watched = report.watched_seconds
    if report.started_at is not None and watched >= LONG_ENOUGH:
        count = report.count
        rate = rounded(3600 * count / watched)
        sentences.append(
            f"In the {spoken(watched)} that were watched it told {count:,} event"
            f"{'' if count == 1 else 's'}, true or false: {rate} per hour."
        )
    return sentences


def _expected(threshold: float, facts: Calibration) -> list[str]:
    """What the threshold was set on, and what is to be expected of it."""
    low, high = facts.interval
    rate = facts.false_alarms_per_hour
    said = rounded(rate)
    seldom = f", which is {rounded(24 * rate)} a day" if rate < 1 and said not in ("0", "1") else ""
    return [
        f"The threshold of {threshold:.3f} was set on {spoken(3600 * facts.hours)} of "
        "normal footage.",
        f"Expect about {said} false alarm{'' if said == '1' else 's'} per hour{seldom} "
        f"(95 % interval: {rounded(low)} to {rounded(high)} per hour).",
    ]
