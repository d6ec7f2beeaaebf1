"""What is told about an event: one message when it starts, some while it lasts, one at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["anomaly", "camera"]
Phase = Literal["start", "update", "end"]


class Box(NamedTuple):
    """A region of a frame, in shares of its width and height (0..1, right and bottom exclusive).

    Attributes:
        left: of the width.
        top: of the height.
        right: of the width.
        bottom: of the height.
        score: 0..1, high = abnormal, on the scale of the frame's score.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float


class Observed(NamedTuple):
    """What the event machine is shown of a frame.

    Attributes:
        frame: its number in the source, from 0.
        seconds: since the start of the source.
        score: 0..1, high = abnormal; NaN while there is none.
        boxes: where.
    """

    frame: int
    seconds: float
    score: float
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Event:
    """One message about an event; all messages of one event carry its id.

    Attributes:
        id: unique over runs and cameras, and in the order of time.
        phase: ``start`` (it is an alarm from here on), ``update`` (a higher peak), ``end``.
        kind: ``anomaly``, or ``camera`` for what happened to the camera itself.
        what: ``anomaly``, or what the camera suffers: ``covered``, ``frozen``, ….
        source: the source's name, without credentials.
        start: seconds since the start of the source.
        end: seconds since the start of the source; None until the event has ended.
        at: wall-clock time of the start, ISO 8601 in UTC; None for a file.
        peak_score: highest score so far, 0..1.
        peak_seconds: when that was.
        peak_frame: which frame that was.
        threshold: score from which on a frame counted as abnormal.
        boxes: where, at the peak.
        thumbnail: picture of the peak, a path relative to the folder of the results, or None.
        clip: video of the event, likewise, or None.
        explains: of the start of what blinds the camera: ids of the anomalies that began just
            before, which may have been the hand on the lens and nothing else.
    """

    id: str
    phase: Phase
    kind: Kind
    what: str
    source: str
    start: float
    end: float | None
    at: str | None
    peak_score: float
    peak_seconds: float
    peak_frame: int
    threshold: float
    boxes: tuple[Box, ...] = ()
    thumbnail: str | None = None
    clip: str | None = None
    explains: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain numbers, strings and lists."""
        values = asdict(self)
        values["boxes"] = [box._asdict() for box in self.boxes]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Event:
        """The inverse of `as_dict`."""
        boxes = tuple(Box(**box) for box in values["boxes"])
        # Older records lack `explains`.
        return cls(**{**values, "boxes": boxes, "explains": tuple(values.get("explains", ()))})
