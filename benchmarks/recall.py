"""Which of the things blended into a video were found, by size, and what else was told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from cut_outs import Object

from mnad.events.event import Event
from mnad.metrics.events import poisson_interval, wilson_interval

SIZES = ((0.04, 0.07), (0.07, 0.11), (0.11, 0.15), (0.15, 0.2))
SLACK = 0.5
"""Seconds after an object has left in which an event is still its own: its score falls late."""


def at_threshold(
    watched: list[dict[str, Any]], objects: list[list[Object]], key: str
) -> dict[str, Any]:
    """What came of one threshold; `watched` begins with the rest as it is."""
    told = [[Event.from_dict(event) for event in one["events"][key]] for one in watched]
    alarms = [event for event in told[0] if event.kind == "anomaly"]
    rows = []
    for events, own in zip(told[1:], objects, strict=True):
        for one in own:
            found, touching, apart = found_by(events, one)
            chance = found_by(alarms, one)
            rows.append((one.size, found, touching, *chance[:2], apart, one.contrast))
    hours = watched[0]["scores"][-1][1] / 3600
    heights = [event.boxes[0].bottom - event.boxes[0].top for event in alarms if event.boxes]
    return summary(rows, len(alarms), hours, heights) | {
        "camera_events": sum(event.kind == "camera" for events in told for event in events),
        "rows": rows,
    }


def found_by(events: list[Event], thing: Object) -> tuple[bool, bool, float | None]:
    """Whether an anomaly overlaps an object's time, and one of the boxes at its peak the object.

    The third is how far the middle of the hottest box is from the object's, in shares of the
    frame's height (taken as 9/16 of its width); of the event with the highest peak.
    """
    until = thing.last + SLACK
    events = [e for e in events if e.kind == "anomaly" and e.start <= until]
    events = [e for e in events if e.end is None or e.end >= thing.first]
    at_peak = [e for e in events if thing.first <= e.peak_seconds <= until and e.boxes]
    touching, apart, highest = False, None, -1.0
    for event in at_peak:
        nearest = min(thing.boxes, key=lambda number: abs(int(number) - event.peak_frame))
        left, top, right, bottom = thing.boxes[nearest]
        touching |= any(
            b.left < right and left < b.right and b.top < bottom and top < b.bottom
            for b in event.boxes
        )
        if event.peak_score > highest:
            hottest, highest = max(event.boxes, key=lambda box: box.score), event.peak_score
            x = hottest.left + hottest.right - left - right
            y = hottest.top + hottest.bottom - top - bottom
            apart = math.hypot(x * 16 / 9, y) / 2
    return bool(events), touching, apart


def summary(
    rows: list[tuple[Any, ...]], alarms: int, hours: float, heights: list[float]
) -> dict[str, Any]:
    """Recall by size, with what the events of the rest as it is would have found by chance.

    Of the position errors, see `found_by`, the median and the 90th percentile.
    """
    told: dict[str, Any] = {}
    for number, (low, high) in [(None, (SIZES[0][0], SIZES[-1][1])), *enumerate(SIZES)]:
        own = [row for row in rows if number in (None, row[0])]
        apart = [row[5] for row in own if row[5] is not None]
        told[f"{100 * low:.0f} to {100 * high:.0f} %"] = {
            "objects": len(own),
            "found": wilson(sum(row[1] for row in own), len(own)),
            "found_there": wilson(sum(row[2] for row in own), len(own)),
            "by_chance": sum(row[3] for row in own),
            "by_chance_there": sum(row[4] for row in own),
            "contrast_found_there": mean(row[6] for row in own if row[2]),
            "contrast_missed": mean(row[6] for row in own if not row[2]),
            "position_errors": np.quantile(apart, (0.5, 0.9)).round(3).tolist() if apart else None,
        }
    return {
        "by_size": told,
        "false_alarms": garwood(alarms, hours),
        "false_alarm_heights": [round(height, 3) for height in heights],
    }


def together(cameras: Iterable[dict[str, Any]], key: str) -> dict[str, Any]:
    """The summary over all cameras."""
    found = [camera["at"][key] for camera in cameras]
    alarms = [one["false_alarms"] for one in found]
    return summary(
        [row for one in found for row in one["rows"]],
        sum(one["events"] for one in alarms),
        sum(one["hours"] for one in alarms),
        [height for one in found for height in one["false_alarm_heights"]],
    )


def wilson(count: int, of: int) -> list[float]:
    """Count, and the 95 % interval of its share (Wilson 1927)."""
    return [count, *(round(end, 3) for end in wilson_interval(count, of))]


def garwood(events: int, hours: float) -> dict[str, Any]:
    """A count per hour with its exact 95 % interval (Garwood 1936)."""
    interval = [end / hours for end in poisson_interval(events)]
    return {"events": events, "hours": hours, "per_hour": events / hours, "interval": interval}


def mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(float(np.mean(known)), 1) if known else None
