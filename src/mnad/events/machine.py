"""When an event begins and ends, from the scores of single frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime

from mnad.errors import UsageError
from mnad.events.event import Event, Observed
from mnad.events.message import anomaly_event, at_peak

RELEASE_SHARE = 0.9
"""Release, as a share of the threshold, where none is given."""

LOST_SECONDS = 5.0
"""Frames further apart than this, and than the merge time, do not see one and the same run."""

# Less than a tick of any video: sums of float intervals miss their decimal value by less.
_SLACK = 1e-6


@dataclass(frozen=True)
class EventConfig:
    """What makes an event of scores. All times are seconds of the source, never frames.

    Args:
        threshold: 0..1; from here on a frame is abnormal.
        release: 0..`threshold`; once abnormal, it stays so down to here. None is nine tenths of
            the threshold.
        min_seconds: how long a run must be abnormal to be an event. A frame stands for the time
            since the frame before it (or for the interval before that, if shorter, so that a
            stall does not make one frame long), and the first frame of a source for none: at
            5 frames/s and below, one abnormal frame can be an event at the default of 0.2.
        merge_seconds: in a pause shorter than this, any abnormal frame continues the event.
        cooldown_seconds: in a longer pause, up to this, only what would be an event of its own
            continues it. So an alarm is never followed by another within the cool-down (but after
            a `gap`), nothing that happens meanwhile is lost, and the message of the end comes that
            much later than the end it names.
        update_seconds: least time between a message of an event and its next update, which is
            sent only for a higher peak.
        longest_seconds: an event that lasts so long is ended. If it stays abnormal without a
            pause that would have ended it, a new one is announced after a rest of this length (or
            of the cool-down, if longer), which doubles every time: a scene that changed for good is
            told ever more rarely, and hides what comes later for no longer than the change has
            lasted.

    Raises:
        UsageError: a value out of its range.
    """

    threshold: float
    release: float | None = None
    min_seconds: float = 0.2
    merge_seconds: float = 2.0
    cooldown_seconds: float = 5.0
    update_seconds: float = 5.0
    longest_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"the event threshold is {self.threshold}; give a score from 0 to 1.")
        if self.release is not None and not 0 <= self.release <= self.threshold:
            raise UsageError(
                f"the event release is {self.release}; give a score from 0 to the threshold of "
                f"{self.threshold}."
            )
        for name in (field.name for field in fields(self) if field.name.endswith("_seconds")):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} of events is {value}; give 0 or more seconds.")
        if self.longest_seconds == 0:
            raise UsageError("longest_seconds of events is 0; give more seconds.")

    @property
    def lower_threshold(self) -> float:
        """The release that holds: as given, or the fixed share of the threshold."""
        return RELEASE_SHARE * self.threshold if self.release is None else self.release

    @property
    def pause(self) -> float:
        """The pause that ends an event, in seconds."""
        return max(self.merge_seconds, self.cooldown_seconds)


@dataclass
class _Run:
    """Frames at or above the release without a break, the first at or above the threshold.

    Attributes:
        joined: whether it is told of: it has begun an episode, or continues one.
    """

    start: float
    peak: Observed
    abnormal_seconds: float = 0.0
    joined: bool = False


@dataclass
class _Episode:
    """Runs with short pauses between them; it is told as one event, or as several if long.

    Attributes:
        event: the last message; an end is that of an event that was too long, and a rest follows.
        peak: highest so far of that event.
        last: time of the last frame.
        told: time of the last message.
        rest: how long nothing is told after the end of the event.
    """

    event: Event
    peak: Observed
    last: float
    told: float
    rest: float

    @property
    def resting(self) -> bool:
        return self.event.phase == "end"


class EventMachine:
    """Turns scores into messages about events; no clock, no files.

    Args:
        config: what makes an event.
        source: name of the source, without credentials; it goes into messages and ids.
        started_at: wall-clock time of second 0 of a live source, with its time zone; None for a
            file. It may be set anew: events that begin from then on are dated by it.
        origin: what tells the source from others of its name, such as its path; it goes into ids.
    """

    def __init__(
        self, config: EventConfig, source: str, started_at: datetime | None, origin: str = ""
    ) -> None:
        self.config = config
        self._source, self._origin = source, origin
        self.started_at = started_at
        self._now, self._step = -math.inf, 0.0
        self._run: _Run | None = None
        self._episode: _Episode | None = None

    @property
    def resting(self) -> Event | None:
        """The event that was ended for its length, while what it told of goes on untold."""
        episode = self._episode
        return episode.event if episode and episode.resting else None

    def push(self, observed: Observed) -> tuple[Event, ...]:
        """Take in the next frame and return what is to be told, in order.

        Args:
            observed: its time is not before that of the frame before. A score of NaN is not
                abnormal.

        Raises:
            ValueError: time went back.
        """
        now = observed.seconds
        if not now >= self._now:
            raise ValueError(f"a frame at {now} s after one at {self._now} s")
        step = now - self._now
        stands_for = min(step, self._step)
        self._now, self._step = now, step
        if step > max(self.config.merge_seconds, LOST_SECONDS):
            self._run = None
        self._follow(observed, stands_for)
        return self._episodes(observed)

    def gap(self) -> tuple[Event, ...]:
        """The stream was lost: an open event ends at its last frame. The machine goes on."""
        ended = self._end(self._episode.last) if self._episode else ()
        self._run = None
        return ended

    def close(self, seconds: float) -> tuple[Event, ...]:
        """The source has ended: an open event ends.

        Args:
            seconds: when that was; the end of an event that the last frame belonged to. One in a
                pause ended before it.
        """
        if self._episode and self._run and self._run.joined:
            self._episode.last = max(seconds, self._episode.last)
        return self.gap()

    def _follow(self, observed: Observed, stands_for: float) -> None:
        # A score of NaN fails both comparisons.
        abnormal = observed.score >= self.config.threshold
        if self._run is None:
            self._run = _Run(observed.seconds, observed) if abnormal else None
        elif not observed.score >= self.config.lower_threshold:
            self._run = None
        if self._run:
            self._run.abnormal_seconds += stands_for * abnormal
            if observed.score > self._run.peak.score:
                self._run.peak = observed

    def _episodes(self, observed: Observed) -> tuple[Event, ...]:
        config, run = self.config, self._run
        messages: tuple[Event, ...] = ()
        lasting = run is not None and run.abnormal_seconds >= config.min_seconds - _SLACK
        if self._episode and not (run and run.joined):
            pause = (run.start if run else observed.seconds) - self._episode.last
            if pause >= config.pause:
                messages += self._end(self._episode.last)
            elif run and (pause < config.merge_seconds or lasting):
                run.joined = True
        if run and lasting and self._episode is None:
            run.joined = True
            event, now = self._start(run.start, run.peak), observed.seconds
            rest = max(config.longest_seconds, config.cooldown_seconds)
            self._episode = _Episode(event, run.peak, now, now, rest)
            messages += (event,)
        if run and run.joined and self._episode:
            messages += self._go_on(self._episode, run, observed)
        return messages + self._update(observed.seconds)

    def _go_on(self, episode: _Episode, run: _Run, observed: Observed) -> tuple[Event, ...]:
        now = episode.last = observed.seconds
        if episode.resting:
            if now < episode.told + episode.rest or not observed.score >= self.config.threshold:
                return ()
            run.peak = episode.peak = observed
            episode.event, episode.told = self._start(now, observed), now
            episode.rest *= 2
            return (episode.event,)
        if run.peak.score > episode.peak.score:
            episode.peak = run.peak
        if now - episode.event.start < self.config.longest_seconds:
            return ()
        episode.event, episode.told = at_peak(episode.event, "end", episode.peak, now), now
        return (episode.event,)

    def _update(self, now: float) -> tuple[Event, ...]:
        episode = self._episode
        if episode is None or episode.resting:
            return ()
        higher = episode.peak.score > episode.event.peak_score
        if not higher or now - episode.told < self.config.update_seconds:
            return ()
        episode.event, episode.told = at_peak(episode.event, "update", episode.peak), now
        return (episode.event,)

    def _end(self, seconds: float) -> tuple[Event, ...]:
        episode, self._episode = self._episode, None
        if episode is None or episode.resting:
            return ()
        return (at_peak(episode.event, "end", episode.peak, seconds),)

    def _start(self, start: float, peak: Observed) -> Event:
        threshold = self.config.threshold
        return anomaly_event(self._source, self.started_at, start, peak, threshold, self._origin)
