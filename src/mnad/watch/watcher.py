"""One source from frames to results on disk: scores, events, clips, overlay, report, alarms."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np

from mnad.closing import Closing
from mnad.detector import Detector
from mnad.errors import MnadError
from mnad.events.event import Event
from mnad.events.store import prune
from mnad.reports.page import Gap as Missing
from mnad.reports.page import Report
from mnad.stream import FrameScore
from mnad.video.ahead import runs
from mnad.video.live import Gap
from mnad.video.sink import recover
from mnad.video.source import Frame
from mnad.video.thin import SLOWER
from mnad.watch.before import Past
from mnad.watch.curve import Curve
from mnad.watch.folder import REPORT, remove_results
from mnad.watch.garbage import give_back
from mnad.watch.judge import Judge
from mnad.watch.messages import Messages
from mnad.watch.options import WatchOptions
from mnad.watch.pairs import Pair, Pairing
from mnad.watch.picture import Picture
from mnad.watch.report import write_report
from mnad.watch.results import Results

_LOG = logging.getLogger("mnad")
HOUSEKEEPING_SECONDS = 60.0
LOST_SECONDS = 30.0
"""After which a stream that is lost is told of; what is back sooner is no cause for alarm."""
RUN = 8
"""Frames of a file that are scored in one batch: the threads of an engine that computes one frame
at a time wait for each other several times in each, and for whatever else is to be done."""
MOST_GAPS = 2000
"""Gaps that the report tells of, the newest ones."""


class Watcher(Closing):
    """Takes in the frames of one source; use it in a ``with`` block.

    Args:
        detector: the model.
        out: folder for the results; made if missing. What a crash left open in it is closed.
        name: of the source, without credentials.
        rate: frames per second of the source; None where it is unknown.
        options: what to write and whom to tell.
        started_at: wall-clock time of second 0 of a live source, with its time zone; None for a
            file.
        origin: what tells the source from others of its name, such as its path: two files of one
            name are two sources, whose events have different ids.

    Raises:
        MnadError: the folder cannot be written.

    Attributes:
        frames: scored so far.
        highest: the highest score so far, NaN before.
        highest_at: its time in seconds.
        newest: the newest score.
        cut_off: why the source was not scored to its end, or None; for the report.
    """

    def __init__(
        self,
        detector: Detector,
        out: Path,
        name: str,
        rate: Fraction | None,
        options: WatchOptions,
        started_at: datetime | None = None,
        origin: str = "",
    ) -> None:
        self.out, self.name, self.started_at = out, name, started_at
        self.frames, self.highest, self.highest_at = 0, np.nan, 0.0
        self.newest = np.nan
        self.detector, self._options, self._rate = detector, options, rate
        self.live = started_at is not None
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MnadError(
                f"{out} cannot be made ({error.strerror}): give another --out."
            ) from error
        self._pairing = Pairing(detector, rate, options.threshold, name)
        self._judge = Judge(detector, options, name, started_at, origin)
        self.curve = Curve()
        self.gaps: deque[Missing] = deque(maxlen=MOST_GAPS)
        self._earlier_thresholds: list[tuple[float, float]] = []
        self.cut_off: str | None = None
        if not self.live:  # what an earlier run told of this file is told anew
            remove_results(out)
        recover(out / "clips")  # before it is looked which of them there are
        self._messages = Messages(out, name, options.alarms, self.live)
        recorded = self._judge.threshold is not None
        self._results = Results(out, name, rate, options, started_at, recorded, detector.model)
        self._past = Past(out, tuple(self.events.values()), started_at) if started_at else None
        self._last = 0.0
        self._kept_house = time.monotonic()
        self._reported = True
        self._awaited = self.live and not (out / REPORT).exists()
        """Whether a first report is to be written at once: the page of what is now links to it."""
        self._gap: tuple[float, float] | None = None
        """When the gap that lasts began, in seconds of the source and by the clock."""

    def push(self, frame: Frame) -> None:
        """Take in the next frame."""
        for pair in self._pairing.push([frame]):
            self.show(pair)
        if self._awaited and self.frames:
            self._awaited = False
            self._report()
        self._keep_house_in_time()

    def idle(self) -> None:
        """Nothing came for a second; to be called then, for a stream that stays away is told of."""
        if self._gap is not None and time.monotonic() - self._gap[1] >= LOST_SECONDS:
            began = self._gap[0]
            if told := self._judge.lost(began):
                self._tell(told, None, began)
                self._results.end_clips()
        self._keep_house_in_time()

    def scored(self, frames: Iterable[Frame]) -> Iterator[Pair]:
        """Score frames; what comes of it is to be given to `show`, by another thread if one likes.

        It is `push` in two halves, of which the second one takes as long with an overlay. Frames
        are scored several at a time, which costs nothing where nobody waits for the first of them.
        """
        for some in runs(frames, RUN):
            yield from self._pairing.push(some)

    def show(self, pair: Pair) -> None:
        """Take in a frame with what is known of it: judge it, write it down, draw it."""
        frame, scored, _, fitted = pair
        events: tuple[Event, ...] = ()
        self._last = float(frame.seconds)
        if fitted is not None:
            events = self._judge.push(frame, scored, fitted, self.live)
        if scored is not None:
            self._results.score(frame, scored, self._judge.blinded)
            self._count(self._last, scored)
        picture = self._results.picture(pair)
        self._tell(events, picture, self._last)
        self._results.draw(pair, picture, self.threshold)

    def gap(self, gap: Gap, noticed: float | None = None) -> None:
        """The stream was lost, or is back.

        Args:
            gap: what is known of it.
            noticed: when it was lost, on the monotonic clock; None: now.
        """
        if gap.ended is None:
            for pair in self._pairing.restart():
                self.show(pair)
            self._tell(self._judge.gap(), None, gap.began)
            self._results.end_clips()
            if self._gap is None:  # it is told again with every other reason
                self._gap = gap.began, time.monotonic() if noticed is None else noticed
        else:
            self._gap = None
            self._tell(self._judge.back(gap.ended), None, gap.ended)
            self.gaps.append(Missing(gap.began, gap.ended, gap.reason))

    def set_clock(self, started_at: datetime) -> None:
        """The time of day was wrong, or is no longer right: what comes now is dated anew.

        Args:
            started_at: wall-clock time of second 0, as it is known now.
        """
        self.started_at = started_at
        self._judge.set_clock(started_at)
        self._results.set_clock(started_at)
        if self._past:
            self._past.set_clock(started_at)

    def swap(self, detector: Detector) -> None:
        """Go on with another model; no frame and no event is lost."""
        for pair in self._pairing.rest():
            self.show(pair)
        before = self.threshold
        self._tell(self._judge.swap(detector), None, self._last)
        if before is not None and before != self.threshold:
            self._earlier_thresholds.append((self._last, before))
        self.detector = detector
        self._pairing.swap(detector)
        self._results.swap(detector.model)

    @property
    def events(self) -> dict[str, Event]:
        """The last message of each event, of both kinds, by id; the newest ones."""
        return self._messages.events

    @property
    def told(self) -> int:
        """Anomalies that this run has told of."""
        return self._messages.anomalies

    @property
    def threshold(self) -> float | None:
        """Score from which on a frame is abnormal; None if there is none."""
        return self._judge.threshold

    @property
    def going_on(self) -> set[str]:
        """Ids of what is seen and is not normal until a person says so.

        That is anomalies, also one that was ended for its length while it goes on, and a camera
        that is covered or frozen.
        """
        resting, going_on = self._judge.resting, self._messages.open
        return going_on if resting is None else going_on | {resting.id}

    @property
    def lost(self) -> bool:
        """Whether the stream is away now."""
        return self._gap is not None

    @property
    def suffers(self) -> list[str]:
        """What the camera suffers now: ``covered``, ``lost``, …."""
        return self._judge.suffers

    @property
    def looked_at(self) -> int:
        """Frames that were given to the model so far, scored or not."""
        return self._pairing.pushed

    @property
    def step(self) -> float:
        """Seconds between them lately."""
        return self._pairing.step

    def unscored(self, source: str) -> str:
        """Why no frame of a source has a score, and what to do about it; `source` by its path."""
        window = self.detector.model.config.network.window
        known = self.detector.model.calibration
        if self.looked_at < window or known is None:
            return (
                f"{source} has fewer frames than the {window} that the model's window spans; give "
                "a longer one."
            )
        if self.step > SLOWER / known.rate:
            return (
                f"{source}: its frames come every {self.step:.3g} s, and the model knows one every "
                f"{1 / known.rate:.3g} s, so that none can be scored: give a source with more "
                "frames per second, or a model of so few (mnad train --rate "
                f"{1 / self.step:.2g})."
            )
        return (
            f"{source} has no {window} frames without a hole between them, as the model's window "
            "spans: give a source that lacks fewer."
        )

    @property
    def waiting(self) -> int:
        """Alarms that were not delivered yet."""
        return self._messages.waiting

    def keep_house(self) -> None:
        """What is done once a minute: the report, the disk within its cap, memory given back."""
        self._kept_house = time.monotonic()
        if self.live:
            self._report()
            prune(self.out, int(self._options.most_gigabytes * 1e9))
            give_back()

    def close(self) -> None:
        """End everything in order; the report is written last.

        Raises:
            MnadError: something of the results is missing, for want of room.
        """
        with ExitStack() as stack:
            # In the order from last to first; all of it, whatever of it fails.
            stack.callback(self._report, at_end=True)
            stack.callback(self._messages.close)
            stack.callback(self._results.close)
            for pair in self._pairing.rest():
                self.show(pair)
            if self._gap is not None:
                self._tell(self._judge.back(self._now), None, self._now)
            self._tell(self._judge.close(), None, self._last)
        self._require_all()

    def _require_all(self) -> None:
        """Refuse to end as if all were there; while it went on, what comes next counted for more.

        Raises:
            MnadError: something of the results is missing.
        """
        lost = self._results.lost() + self._messages.lost()
        if not self._reported:
            lost.append(REPORT)
        if lost:
            raise MnadError(
                f"{self.out} lacks {', '.join(lost)}, which could not be written: make room there."
            )

    @property
    def _now(self) -> float:
        """Seconds of the source: of its last frame, and while it is lost by the clock."""
        if self._gap is None:
            return self._last
        began, by_clock = self._gap
        return began + time.monotonic() - by_clock

    def _keep_house_in_time(self) -> None:
        if time.monotonic() - self._kept_house > HOUSEKEEPING_SECONDS:
            self.keep_house()

    def _count(self, seconds: float, scored: FrameScore) -> None:
        self.frames += 1
        self.newest = scored.score
        self.curve.add([seconds, scored.psnr, scored.distance, scored.score])
        if not scored.score <= self.highest and scored.score == scored.score:
            self.highest, self.highest_at = scored.score, seconds

    def _tell(self, events: tuple[Event, ...], picture: Picture | None, seconds: float) -> None:
        self._messages.tell(self._results.record(events, picture, seconds))

    def _report(self, at_end: bool = False) -> None:
        told = self._messages.of_this_run
        if not self.frames and not told:
            return
        before, self._reported = self._reported, False
        try:
            write_report(
                self.out / REPORT,
                Report(
                    title=self.name,
                    source=self.name,
                    duration_seconds=self._now,
                    frames=self.frames,
                    curve=self.curve.rows()[:, (0, 3)] if self.frames else np.empty((0, 2)),
                    threshold=self.threshold,
                    earlier=self._earlier_thresholds,
                    started_at=self.started_at,
                    rate=None if self._rate is None else float(self._rate),
                    events=told,
                    told=self.told,
                    gaps=self.gaps,
                ),
                self.detector,
                self._options,
                cut_off=self.cut_off,
                past=self._past.found(wait=at_end) if self._past else None,
            )
            self._reported = True
        except MnadError as error:
            if before:  # once, and not every minute
                _LOG.error("%s", error)
