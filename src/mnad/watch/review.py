"""What the threshold of a camera gave on what was watched, and which one would give what is asked.

A threshold from a quarter of an hour of footage is extrapolated, and errs on the safe side. After a
day of watching there is no need to: the scores of that day say how many alarms an hour any
threshold gives. What a person marked as an anomaly is left out of them, all of it, told or not, and
so is the time in which the camera itself was ill. Whatever else was told counts as a false alarm,
so that anomalies which nobody marked can only make the threshold higher than it need be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from mnad.calibration.calibrate import SHORTEST_SECONDS, thinned
from mnad.calibration.rate import BLOCK_SECONDS, Scored, Threshold, alarms_at, thresholds_for
from mnad.calibration.result import Calibration, rounded, spoken_hours
from mnad.errors import MnadError
from mnad.events.event import Event, Observed
from mnad.events.log import latest, read_events
from mnad.events.machine import LOST_SECONDS, EventConfig, EventMachine
from mnad.models.normal import load_normal, save_normal_file
from mnad.runtime.pick import in_use
from mnad.watch.site import Site
from mnad.watch.table import Table, read_days

RATES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""False alarms per hour for which a threshold is offered."""
ENOUGH_HOURS = 1.0
"""That may move a threshold, whatever it rests on; fewer, if it rests on fewer itself."""
MOST_LISTED = 20
"""Events that nobody marked, those with the highest peaks."""
MARGIN = 5.0
"""Seconds before and after an anomaly that belong to it."""
NEVER = 1e12
"""Seconds that no event lasts."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Review:
    """What was watched, and what thresholds come to on it.

    Attributes:
        site: the camera's folder.
        since: when what is looked at begins.
        hours: that were scored by the model in use, without those that are left out.
        left_out: hours of anomalies that were marked as such, and of an ill camera.
        threshold: that is in use.
        asked: false alarms per hour that it was set for.
        expected: what was to be expected of it, per hour, 95 %.
        alarms: that it comes to in these hours.
        anomalies: events that were marked as such.
        unmarked: events that nobody marked.
        offers: a threshold for each rate.
        taken: the one that is in use from now on; None if none was asked for.
    """

    site: Path
    since: datetime
    hours: float
    left_out: float
    threshold: float
    asked: float
    expected: tuple[float, float]
    alarms: int
    anomalies: tuple[Event, ...]
    unmarked: tuple[Event, ...]
    offers: tuple[Threshold, ...]
    taken: Threshold | None = None

    def lines(self) -> list[str]:
        """For people: sentences, and a table."""
        rate = self.alarms / self.hours
        asked = f"{self.asked:g} false alarm" + ("" if self.asked == 1 else "s")
        low, high = self.expected
        folder = quote(str(self.site))
        told = [
            f"{self.site}: {spoken_hours(self.hours)} watched since "
            f"{self.since:%Y-%m-%d %H:%M} UTC by the model in use"
            + (f", {spoken_hours(self.left_out)} left out" if self.left_out else "")
            + ".",
            f"The threshold of {self.threshold:.3f}, set for {asked} an hour, "
            f"comes to {self.alarms} alarm{'' if self.alarms == 1 else 's'} there, {rounded(rate)} "
            f"an hour; expected were {rounded(low)} to {rounded(high)}.",
            "",
            "asked for, an hour  threshold  alarms there  marked anomalies  unmarked events told",
        ]
        for offer in self.offers:
            told.append(
                f"{offer.per_hour:>18g}  {offer.score:>9.3f}  {offer.counted:>12}  "
                f"{_reaching(self.anomalies, offer.score):>16}  "
                f"{_reaching(self.unmarked, offer.score):>20}"
                + ("  extrapolated" if offer.extrapolated else "")
            )
        told.append("")
        if self.taken is not None:
            told.append(
                f"The threshold is {self.taken.score:.3f} from now on, unless mnad watch was given "
                "one (--threshold)."
            )
        if self.unmarked:
            told += [
                "What nobody marked counts as a false alarm, and puts the threshold above itself. "
                f"Mark what was an anomaly (mnad mark {folder} EVENT… anomaly); not marked yet:"
            ]
            by_peak = sorted(self.unmarked, key=lambda event: -event.peak_score)
            told += [
                f"  {e.id}  peak {e.peak_score:.3f}  {_picture(self.site, e)}".rstrip()
                for e in by_peak[:MOST_LISTED]
            ]
            if len(by_peak) > MOST_LISTED:
                told.append(f"  and {len(by_peak) - MOST_LISTED} with lower peaks")
        if self.taken is None:
            told.append(
                f"mnad review {folder} --false_alarms_per_hour RATE --apply takes the threshold "
                "for a rate into use."
            )
        return told


def review(site: Site, last_seconds: float, per_hour: float | None, *, apply: bool) -> Review:
    """Look at what a site has watched, and take a new threshold into use if that is asked for.

    Args:
        site: the camera's folder; it may be watched meanwhile.
        last_seconds: how far back to look; never to before the model in use.
        per_hour: false alarms per hour to allow; None: as many as its models are set to.
        apply: take the threshold for that into use. A `mnad watch` that runs does so within a
            minute, and the models that it learns from then on are set to that rate.

    Raises:
        MnadError: nothing was watched yet, too little to move a threshold by, or a file is damaged.
    """
    model, settings = site.model, site.known_settings()
    if model is None:
        raise MnadError(f"{site.path} has learnt nothing yet: run mnad watch, for a day.")
    _, file = in_use(model)
    normal = load_normal(file)
    calibration = normal.calibration
    if calibration is None:
        raise MnadError(f"{model} has no threshold: mnad watch --relearn makes a model that has.")
    asked = settings.false_alarms_per_hour if per_hour is None else per_hour
    # From there on: a date cannot lie a million days back.
    age = (datetime.now(UTC) - site.in_use_since).total_seconds()
    since = site.in_use_since + timedelta(seconds=max(0.0, age - last_seconds))
    table = read_days(site.path, since)
    log = site.path / "events.jsonl"
    events = latest(read_events(log)) if log.exists() else []
    marks = site.marks()
    starts = [_span(event)[0] for event in events if event.kind == "anomaly"]
    anomalies = [event for event in events if marks.get(event.id) == "anomaly"]
    times = settings.times
    spans = [_seen(event, table, starts, times.at(event.threshold)) for event in anomalies]
    without = [(first - MARGIN, last + MARGIN) for first, last in spans]
    stretches, left_out = stretches_of(table, without)
    hours = sum(one.duration for one in stretches) / 3600
    if hours * 3600 < SHORTEST_SECONDS:
        raise MnadError(
            f"{site.path}: {3600 * hours:.0f} s were watched since {since:%Y-%m-%d %H:%M} UTC by "
            "the model in use: let it watch for an hour, and better a day."
        )
    now, told = calibration.threshold, _anomalies(events, since)
    counts = times.at(now.score)
    offers = thresholds_for(stretches, sorted({*RATES, asked}), events=counts)
    seen = Review(
        site=site.path,
        since=since,
        hours=hours,
        left_out=left_out,
        threshold=now.score,
        asked=now.per_hour,
        expected=now.interval,
        alarms=sum(alarms_at(one, now.score, counts) for one in stretches),
        anomalies=tuple(e for e in told if marks.get(e.id) == "anomaly"),
        unmarked=tuple(e for e in told if e.id not in marks),
        offers=offers,
    )
    if not apply:
        return seen
    # Of a day in which something was marked a little less is left, which must do.
    if hours < (needed := min(now.hours, ENOUGH_HOURS)):
        raise MnadError(
            f"{site.path}: {spoken_hours(hours)} were watched, and {spoken_hours(needed)} is the "
            f"least for a threshold in place of {now.score:.3f}, which stays: let it watch for "
            "longer, or look further back (--last)."
        )
    (taken,) = (offer for offer in offers if offer.per_hour == asked)
    new = watched_calibration(calibration, taken, stretches, since)
    save_normal_file(file, normal._replace(calibration=new))
    site.change(false_alarms_per_hour=asked)
    return replace(seen, taken=taken)


def stretches_of(table: Table, without: Sequence[Span]) -> tuple[list[Scored], float]:
    """Scores in pieces without gaps, and the hours that were left out of them.

    Args:
        table: what was scored.
        without: spans of time that do not count, from and to, POSIX seconds.
    """
    counts = np.isfinite(table.score)
    for first, last in without:
        counts &= (table.time < first) | (table.time > last)
    bounds = np.flatnonzero(_apart(table) | (counts[1:] != counts[:-1])) + 1
    pieces = np.split(np.arange(len(counts)), bounds)
    kept, left_out = [], 0.0
    for piece in pieces:
        if len(piece) < 2:
            continue
        scored = Scored(table.seconds[piece], table.score[piece])
        if not counts[piece[0]]:
            left_out += scored.duration / 3600
        elif scored.duration >= BLOCK_SECONDS / 2:
            kept.append(scored)
    return kept, left_out


def _apart(table: Table) -> NDArray[np.bool_]:
    """Where there is a gap between a row and the one after it."""
    step = np.diff(table.seconds)
    # Seconds count from the start of a run; what separates two runs is in the time of day.
    apart: NDArray[np.bool_] = (step <= 0) | (step > LOST_SECONDS)
    return apart | (np.abs(np.diff(table.time) - step) > 1)


def watched_calibration(
    before: Calibration, threshold: Threshold, stretches: Sequence[Scored], since: datetime
) -> Calibration:
    """The calibration before, with a threshold from what was watched, and the scores of that.

    The model knows the rate that it was trained at, whatever came of the stream since: frames that
    were missing are no lower rate.
    """
    scores: NDArray[np.float64] = np.concatenate([one.score for one in stretches])
    return replace(
        before,
        threshold=threshold,
        frames=len(scores),
        sources=(f"watched since {since:%Y-%m-%d %H:%M} UTC",),
        trained_on=0.0,
        score=thinned(scores),
    )


def _anomalies(events: Sequence[Event], since: datetime) -> list[Event]:
    return [e for e in events if e.kind == "anomaly" and _span(e)[0] >= since.timestamp()]


def _picture(site: Path, event: Event) -> str:
    file = site / (event.thumbnail or "none")
    return str(file) if file.exists() else ""


def _reaching(events: Sequence[Event], threshold: float) -> str:
    if not events:
        return "-"
    return f"{sum(event.peak_score >= threshold for event in events)} of {len(events)}"


def _span(event: Event) -> Span:
    """When an event was told of, POSIX seconds."""
    if event.at is None:
        return np.inf, -np.inf
    start = datetime.fromisoformat(event.at).timestamp()
    end = max(event.start, event.peak_seconds) if event.end is None else event.end
    return start, start + (end - event.start)


def _seen(event: Event, table: Table, starts: Sequence[float], config: EventConfig) -> Span:
    """When what an event tells of was seen, POSIX seconds.

    What is ended for its length goes on untold, and is of that event until the next one is told.
    The log does not say how long it did; that is what the event machine makes of the scores if no
    event is too long for it.

    Args:
        event: of the scene or of the camera.
        table: what was scored.
        starts: when each event of the scene began.
        config: what made it an event.
    """
    start, end = _span(event)
    following = min((one for one in starts if one > start), default=np.inf)
    rows = np.flatnonzero((table.time >= start) & (table.time < following))
    if event.kind != "anomaly" or not len(rows):
        return start, end
    apart = (np.diff(rows) > 1) | _apart(table)[rows[:-1]]
    rows = rows[: np.argmax([*apart, True]) + 1]
    machine = EventMachine(replace(config, longest_seconds=NEVER), "", None)
    told: tuple[Event, ...] = ()
    now = begin = float(table.time[rows[0]])
    for row in rows:
        # Unlike the time of day, seconds never go back.
        now = begin + float(table.seconds[row] - table.seconds[rows[0]])
        told = machine.push(Observed(int(row), now, float(table.score[row]))) or told
        # Where the table begins after the event has ended, it may do so in its rest.
        if now > max(end, begin + config.pause) and (not told or told[-1].phase == "end"):
            break
    told = machine.close(now) or told
    over = told[-1].end if told else None
    return start, end if over is None else max(end, over)
