"""What a person may choose about events, alarms and outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

from mnad.alarms.alarms import AlarmConfig
from mnad.config import one_of
from mnad.errors import UsageError
from mnad.events.machine import EventConfig

Kind = Literal["heat", "paper"]


@dataclass(frozen=True)
class EventTimes:
    """What makes an event of abnormal frames.

    Args:
        min_seconds: how long it must be abnormal to be an event.
        merge_seconds: a pause shorter than this does not end an event.
        cooldown_seconds: no second alarm within so many seconds after the end of an event.
        longest_seconds: an event is ended after so long; what stays is told ever more rarely.
    """

    min_seconds: float = 0.2
    merge_seconds: float = 2.0
    cooldown_seconds: float = 5.0
    longest_seconds: float = 300.0

    def __post_init__(self) -> None:
        self.at(0.5)

    def at(self, threshold: float) -> EventConfig:
        """The configuration of the event machine at a threshold.

        Raises:
            UsageError: a value out of its range.
        """
        return EventConfig(threshold, **asdict(self))


@dataclass(frozen=True)
class WatchOptions:
    """What to write and whom to tell.

    Args:
        overlay: write the overlay video, for a live source in segments of ten minutes.
        clips: write a picture and a short video of every event.
        threshold: score from which on a frame is abnormal, 0..1; null: the calibrated one.
        times: what makes an event of abnormal frames.
        most_gigabytes: cap on the disk that the results take; scores that are older than a week go
            first, then the oldest clips.
        alarms: where alarms go.
        picture: what is shown of the error: ``heat``, where it is higher than normal footage
            hardly ever gets; or ``paper``, the picture of the paper: every pixel whose score is
            above the frame's average.
    """

    overlay: bool = True
    clips: bool = True
    threshold: float | None = None
    times: EventTimes = EventTimes()
    most_gigabytes: float = 20.0
    alarms: AlarmConfig = field(default_factory=AlarmConfig)
    picture: Kind = "heat"

    def __post_init__(self) -> None:
        one_of("picture", self.picture, get_args(Kind))
        if not self.most_gigabytes > 0:
            raise UsageError(f"most_gigabytes is {self.most_gigabytes}; give more than 0.")
        if self.threshold is not None:
            self.times.at(self.threshold)
