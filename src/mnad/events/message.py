"""The messages about events, and the ids that hold those of one event together."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mnad.events.event import Box, Event, Kind, Observed, Phase


def anomaly_event(
    source: str,
    started_at: datetime | None,
    start: float,
    peak: Observed,
    threshold: float,
    origin: str = "",
) -> Event:
    """The ``start`` message of an anomaly.

    The id is the wall-clock time of the start in UTC (for a file, milliseconds since its start),
    so that ids sort by time, and a digest of what else tells events apart: a replay of the same
    source gives the same ids.

    Args:
        source: the source's name, without credentials.
        started_at: wall-clock time of second 0 of a live source, with its time zone; None for a
            file.
        start: seconds since the start of the source.
        peak: the highest frame so far.
        threshold: score from which on a frame counts as abnormal.
        origin: what tells the source from others of its name, such as its path.
    """
    return _started("anomaly", "anomaly", source, started_at, start, peak, threshold, origin)


def camera_event(
    what: str,
    source: str,
    started_at: datetime | None,
    start: float,
    frame: int,
    origin: str = "",
) -> Event:
    """The ``start`` message of what happened to the camera.

    Its peak is its start, and its score and threshold are 1: it has happened or it has not.

    Args:
        what: ``covered``, ``frozen``, ….
        source: as for `anomaly_event`.
        started_at: as for `anomaly_event`.
        start: seconds since the start of the source.
        frame: the frame of that time.
        origin: as for `anomaly_event`.
    """
    peak = Observed(frame, start, 1.0)
    return _started("camera", what, source, started_at, start, peak, 1.0, origin)


def _started(
    kind: Kind,
    what: str,
    source: str,
    started_at: datetime | None,
    start: float,
    peak: Observed,
    threshold: float,
    origin: str,
) -> Event:
    moment = None
    if started_at is not None:
        moment = (started_at + timedelta(seconds=float(start))).astimezone(UTC)
    event = Event(
        id=_event_id(moment, kind, what, origin or source, float(start)),
        phase="start",
        kind=kind,
        what=what,
        source=source,
        start=float(start),
        end=None,
        at=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None,
        peak_score=0.0,
        peak_seconds=0.0,
        peak_frame=0,
        threshold=float(threshold),
    )
    return at_peak(event, "start", peak)


def _event_id(moment: datetime | None, kind: Kind, what: str, origin: str, start: float) -> str:
    """Time first, so that ids sort by it; then a digest of all that tells events apart."""
    time = f"{math.floor(start * 1000):012d}"
    if moment is not None:
        time = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
    about = "\n".join((origin, str(moment), repr(start), kind, what))
    # A path may be no text.
    return f"{time}-{hashlib.sha256(about.encode(errors='backslashreplace')).hexdigest()[:8]}"


def at_peak(event: Event, phase: Phase, peak: Observed, end: float | None = None) -> Event:
    """The message of an event's next phase, with the peak as it is now."""
    # Scores come as NumPy numbers, which JSON does not know.
    return replace(
        event,
        phase=phase,
        end=None if end is None else float(end),
        peak_score=float(peak.score),
        peak_seconds=float(peak.seconds),
        peak_frame=int(peak.frame),
        boxes=tuple(Box(*map(float, box)) for box in peak.boxes),
    )
