"""What was watched before the last start, so that a restart empties no report."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.events.event import Event
from mnad.reports.page import Gap, Report
from mnad.watch.table import read_days

_LOG = logging.getLogger("mnad")
DAY = timedelta(days=1)
MOST = 4000
"""Points of the curve that are kept."""
APART = 30.0
"""Seconds without a score from which on it was not watched."""
ROUNDED = 0.002
"""Seconds by which a table's times are rounded, and more."""
LEAP = timedelta(minutes=1)
"""By which the clock must be set for the day before the start to be another one."""
UNWATCHED = "not watched, or the stream was away"


@dataclass(frozen=True, eq=False)
class Before:
    """The day before a start. Seconds count from the first score in it.

    Attributes:
        began: wall-clock time of second 0.
        curve: (n, 2) seconds and score, thinned; NaN where the camera was blinded.
        frames: that were scored.
        events: of both kinds, in the order of time.
        gaps: times without scores, the last one up to the start.
        earlier: thresholds that held before the last one, each with the second up to which, as
            far as the events tell.
        threshold: the last one that the events tell; None without any.
    """

    began: datetime
    curve: NDArray[np.float64]
    frames: int
    events: tuple[Event, ...]
    gaps: tuple[Gap, ...]
    earlier: tuple[tuple[float, float], ...]
    threshold: float | None


def before(
    folder: Path,
    events: Sequence[Event],
    started_at: datetime,
    mistaken: Sequence[datetime] = (),
) -> Before | None:
    """What was watched in the day before a start; None if nothing was, or it cannot be read.

    Args:
        folder: of the camera, with its tables of scores.
        events: the last messages of events that were told there.
        started_at: the start, with its time zone.
        mistaken: what this start was taken for while the clock was wrong: by that the first scores
            after it are dated, which are not before it.
    """
    start = started_at.timestamp()
    try:
        table = read_days(folder, started_at - DAY)
    except MnadError as error:
        _LOG.warning("%s", error)
        return None
    was = table.time < start
    for wrong in mistaken:
        was &= np.abs(table.time - table.seconds - wrong.timestamp()) > ROUNDED
    time, score = table.time[was], table.score[was]
    if not len(time):
        return None
    order = np.argsort(time, kind="stable")  # the clock may have been set back
    time, score = time[order], score[order]
    # By this machine's clock as it was then: daylight saving may have begun or ended since.
    own = started_at.utcoffset() == started_at.astimezone().utcoffset()
    zone = None if own else started_at.tzinfo
    began = datetime.fromtimestamp(time[0], UTC).astimezone(zone)
    seconds = time - time[0]
    holes = np.flatnonzero(np.diff(seconds, append=start - time[0]) > APART)
    ends = np.append(seconds, start - time[0])[holes + 1]
    gaps = tuple(Gap(float(seconds[h]), float(e), UNWATCHED) for h, e in zip(holes, ends))  # noqa: B905
    told = tuple(_told(events, began, started_at))
    earlier, threshold = _thresholds(told)
    curve = thinned(np.stack((seconds, score), axis=1), MOST)
    return Before(began, curve, len(time), told, gaps, earlier, threshold)


class Past:
    """What was watched before a start, read beside the first frames: of a day it takes seconds.

    Args:
        as for `before`.
    """

    def __init__(self, folder: Path, events: Sequence[Event], started_at: datetime) -> None:
        self._found: Before | None = None
        self._folder, self._events = folder, tuple(events)
        self._starts, self._newest = [started_at], started_at
        self._thread = self._reading(None)

    def set_clock(self, started_at: datetime) -> None:
        """The clock was wrong at the start: read what was watched before the right one.

        Not where it is only corrected by seconds, as each minute of a camera whose own runs slow.
        """
        leapt = abs(started_at - self._newest) > LEAP
        self._newest = started_at
        if leapt:
            self._starts.append(started_at)
            self._thread = self._reading(self._thread)

    def _reading(self, former: threading.Thread | None) -> threading.Thread:
        *mistaken, started_at = self._starts

        def read() -> None:
            if former is not None:
                former.join()
            self._found = before(self._folder, self._events, started_at, mistaken)

        thread = threading.Thread(target=read, name="past", daemon=True)
        thread.start()
        return thread

    def found(self, wait: bool = False) -> Before | None:
        """What there was; None also while it is being read, unless one waits for it."""
        if wait:
            self._thread.join()
        return self._found


def joined(past: Before, run: Report) -> Report:
    """The report of a run, with what was watched before it."""
    assert run.started_at is not None
    shift = (run.started_at - past.began).total_seconds()
    first = run.earlier[0][1] if run.earlier else run.threshold
    earlier = list(past.earlier)
    if past.threshold is not None and past.threshold != first:
        earlier.append((shift, past.threshold))
    anomalies = sum(event.kind == "anomaly" for event in past.events)
    return replace(
        run,
        started_at=past.began,
        duration_seconds=run.duration_seconds + shift,
        frames=past.frames + run.frames,
        curve=np.concatenate([past.curve, run.curve + np.array([shift, 0.0])]),
        earlier=[*earlier, *((until + shift, score) for until, score in run.earlier)],
        events=[*past.events, *(moved(event, shift) for event in run.events)],
        told=anomalies + (run.told or 0),
        gaps=[*past.gaps, *(Gap(g.began + shift, g.ended + shift, g.reason) for g in run.gaps)],
    )


def moved(event: Event, seconds: float) -> Event:
    """An event, its seconds counted from so many earlier."""
    end = None if event.end is None else event.end + seconds
    start, peak = event.start + seconds, event.peak_seconds + seconds
    return replace(event, start=start, end=end, peak_seconds=peak)


def thinned(rows: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Rows of a curve: of neighbours, where there are too many, the highest one.

    Args:
        rows: (n, columns), the last of which is the height, NaN the lowest.
        most: rows to keep at most.
    """
    step = -(-len(rows) // most)
    if step <= 1:
        return rows
    height = np.full(-(-len(rows) // step) * step, -np.inf)
    height[: len(rows)] = np.nan_to_num(rows[:, -1], nan=-np.inf)
    first = np.arange(0, len(rows), step)
    highest: NDArray[np.float64] = rows[first + height.reshape(-1, step).argmax(axis=1)]
    return highest


def _told(events: Sequence[Event], began: datetime, started_at: datetime) -> list[Event]:
    """Events of that time; that the stream was lost is seen from the gaps."""
    told = []
    for event in events:
        at = None if event.at is None else datetime.fromisoformat(event.at)
        if at is not None and began <= at < started_at and event.what != "lost":
            told.append(moved(event, (at - began).total_seconds() - event.start))
    return sorted(told, key=lambda event: event.start)


def _thresholds(
    events: Sequence[Event],
) -> tuple[tuple[tuple[float, float], ...], float | None]:
    earlier, held = [], None
    for event in events:
        if event.kind != "anomaly":
            continue
        if held is not None and event.threshold != held:
            earlier.append((event.start, held))
        held = event.threshold
    return tuple(earlier), held
