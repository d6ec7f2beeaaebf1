"""Event-level detection: what was found, how late, and how often an alarm was false.

An event is a stretch of time in a clip, (start, end) in seconds, both included. Rules:

* An alarm matches an event if they overlap, the event's end extended by a slack, in which an alarm
  that smoothing delayed is still its own. One alarm may match several events, and several alarms
  one event; none of them is false.
* Recall is the share of events with a match; precision the share of alarms with one.
* The delay of an event is from its start to the first moment in it at which a matching alarm is on:
  0 where an alarm was on before. Give the start of an alarm as the time at which it is told.
* False alarms are alarms without a match. They are counted per hour of normal time: the length of
  the clips less all events with their slack.

Intervals are exact for counts (Garwood 1936) and Wilson's for shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mnad.errors import MnadError, UsageError
from mnad.metrics.confidence import check_confidence

Span = tuple[float, float]
Spans = Mapping[str, Sequence[Span]]


@dataclass(frozen=True)
class Share:
    """A share and its Wilson interval; None of nothing."""

    value: float | None
    interval: Span | None
    count: int
    of: int


@dataclass(frozen=True)
class Rate:
    """A count per hour and its exact Poisson interval; None where there is no normal time."""

    per_hour: float | None
    interval: Span | None
    count: int
    hours: float


@dataclass(frozen=True)
class EventMetrics:
    """Alarms against events.

    Attributes:
        recall: of the events.
        precision: of the alarms.
        false_alarms: per hour of normal time.
        delays: (clip, seconds) of each event that was found, in the order given.
        median_delay: seconds; None if nothing was found.
        missed: (clip, start, end) of each event that was not found.
    """

    recall: Share
    precision: Share
    false_alarms: Rate
    delays: tuple[tuple[str, float], ...]
    median_delay: float | None
    missed: tuple[tuple[str, float, float], ...]


def event_metrics(
    events: Spans,
    alarms: Spans,
    seconds: Mapping[str, float],
    *,
    slack: float = 0.0,
    confidence: float = 0.95,
) -> EventMetrics:
    """Match alarms with events; the rules are the module's.

    Args:
        events: clip to what happened; a clip without may be left out.
        alarms: clip to what was told; likewise.
        seconds: clip to its length; every clip that was watched, normal ones too.
        slack: seconds after an event in which an alarm is still its own.
        confidence: of the intervals.

    Raises:
        MnadError: a clip without a length, or with one that is negative, NaN or infinite; a
            stretch of time that ends before it starts or does not lie in its clip.
        UsageError: a slack that is negative or NaN, or a confidence outside 0..1.
    """
    if not slack >= 0:
        raise UsageError(f"slack is {slack}; it is in seconds, 0 or more.")
    for clip, length in seconds.items():
        if not 0 <= length < math.inf:
            raise MnadError(f"Clip {clip!r} has a length of {length} s; give its seconds.")
    for spans, what in ((events, "event"), (alarms, "alarm")):
        for clip, own in spans.items():
            _check(clip, own, what, seconds)
    delays: list[tuple[str, float]] = []
    missed: list[tuple[str, float, float]] = []
    matched = normal = 0.0
    for clip, length in seconds.items():
        happened = [(start, end + slack) for start, end in events.get(clip, ())]
        told = alarms.get(clip, ())
        for (start, until), (_, end) in zip(happened, events.get(clip, ()), strict=True):
            late = [max(a, start) - start for a, b in told if a <= until and b >= start]
            if late:
                delays.append((clip, min(late)))
            else:
                missed.append((clip, start, end))
        matched += sum(any(a <= until and b >= start for start, until in happened) for a, b in told)
        normal += length - _covered(happened, length)
    total = sum(len(spans) for spans in alarms.values())
    false = total - int(matched)
    hours = normal / 3600
    known = hours > 0
    interval = poisson_interval(false, confidence)
    rate = Rate(
        false / hours if known else None,
        (interval[0] / hours, interval[1] / hours) if known else None,
        false,
        hours,
    )
    return EventMetrics(
        _share(len(delays), len(delays) + len(missed), confidence),
        _share(int(matched), total, confidence),
        rate,
        tuple(delays),
        float(np.median([delay for _, delay in delays])) if delays else None,
        tuple(missed),
    )


def spans_of(labels: ArrayLike, rate: float) -> list[Span]:
    """The runs of 1 among frame labels, from the time of the first frame to that of the last.

    Args:
        labels: (T,) of 0 and 1.
        rate: frames per second, above 0.

    Raises:
        MnadError: labels of another form.
        UsageError: a rate that is not above 0, or infinite.
    """
    if not 0 < rate < math.inf:
        raise UsageError(f"rate is {rate}; it is in frames per second, above 0.")
    found = np.asarray(labels)
    if found.ndim != 1 or not np.isin(found, (0, 1)).all():
        raise MnadError("Frame labels must be (T,) of 0 and 1.")
    turns = np.flatnonzero(np.diff(found.astype(np.int64), prepend=0, append=0))
    return [(int(a) / rate, (int(b) - 1) / rate) for a, b in zip(*[iter(turns)] * 2, strict=True)]


def poisson_interval(count: int, confidence: float = 0.95) -> Span:
    """Exact interval of the mean of a count (Garwood 1936).

    Args:
        count: 0 or more.
        confidence: 0..1.

    Raises:
        UsageError: one of them out of range.
    """
    from scipy.stats import chi2

    if not count >= 0:
        raise UsageError(f"count is {count}; it must be 0 or more.")
    tail = _tail(confidence)
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2


def wilson_interval(count: int, of: int, confidence: float = 0.95) -> Span:
    """Interval of a share (Wilson 1927).

    Args:
        count: 0 to `of`.
        of: 1 or more.
        confidence: 0..1.

    Raises:
        UsageError: one of them out of range.
    """
    from scipy.stats import norm

    if not (of >= 1 and 0 <= count <= of):
        raise UsageError(
            f"The share is {count} of {of}; it must be of 1 or more, and 0 to that many."
        )
    z = float(norm.ppf(1 - _tail(confidence)))
    half = z * math.sqrt(count * (of - count) / of + z**2 / 4)
    low, high = ((count + z**2 / 2 + sign * half) / (of + z**2) for sign in (-1, 1))
    return max(low, 0.0), min(high, 1.0)


def _tail(confidence: float) -> float:
    check_confidence(confidence)
    return (1 - confidence) / 2


def _share(count: int, of: int, confidence: float) -> Share:
    if of == 0:
        return Share(None, None, 0, 0)
    return Share(count / of, wilson_interval(count, of, confidence), count, of)


def _check(clip: str, spans: Sequence[Span], what: str, seconds: Mapping[str, float]) -> None:
    if clip not in seconds:
        raise MnadError(f"Clip {clip!r} has an {what} but no length; give its seconds.")
    for start, end in spans:
        if not 0 <= start <= end <= seconds[clip]:
            raise MnadError(
                f"Clip {clip!r} has an {what} from {start:g} to {end:g} s, which does not lie "
                f"within its {seconds[clip]:g} s; correct it."
            )


def _covered(spans: Sequence[Span], length: float) -> float:
    """Length of the union, within the clip."""
    total = last = 0.0
    for start, end in sorted(spans):
        end = min(end, length)
        total += max(end - max(start, last), 0.0)
        last = max(last, end)
    return total
