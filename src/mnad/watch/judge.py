"""From the scores of one source to messages about events, of the scene and of the camera."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mnad.camera.change import Change
from mnad.camera.drift import Drift
from mnad.camera.health import HOLD, Health
from mnad.camera.slow import SLOW, Slow
from mnad.detector import Detector
from mnad.events.event import Event, Observed
from mnad.events.machine import EventMachine
from mnad.events.message import camera_event
from mnad.scoring.smooth import SECONDS
from mnad.scoring.steady import moved_back
from mnad.stream import FrameScore
from mnad.video.source import Frame
from mnad.watch.options import WatchOptions

LOST = "lost"
"""What befalls a camera whose stream stays away."""
EXPLAINED_SECONDS = 10.0
"""Before it is known what the camera suffers. What causes that, such as a hand, may be told as an
anomaly in that time: the camera is judged by the mean of some seconds, which must hold for two."""


class Judge:
    """Decides what is told; while the camera itself is ill, nothing of the scene is.

    A shaking camera is not out of focus: its frames are judged where they were moved back to. In
    another light the scene goes on to be told of, where the model's streams undo the light.

    Args:
        detector: the model; without a threshold nothing of the scene is told, without a calibration
            nothing that the camera suffers but that its stream is lost or slow.
        options: what makes an event.
        source: the source's name, without credentials.
        started_at: wall-clock time of second 0 of a live source; None for a file.
        origin: what tells the source from others of its name, such as its path.

    Attributes:
        blinded: what the camera suffers at the newest frame, so that nothing of the scene is told.
    """

    def __init__(
        self,
        detector: Detector,
        options: WatchOptions,
        source: str,
        started_at: datetime | None,
        origin: str = "",
    ) -> None:
        self._options, self._source, self._started_at = options, source, started_at
        self._origin = origin
        self._ill: dict[str, Event] = {}
        self._newest: deque[Event] = deque(maxlen=8)
        """Anomalies, as they started."""
        self.blinded: tuple[str, ...] = ()
        self._machine: EventMachine | None = None
        self._health: Health | None = None
        self._seconds, self._index = 0.0, 0
        self._looked = 0.0
        self._slow = Slow()
        self.swap(detector)

    @property
    def threshold(self) -> float | None:
        """Score from which on a frame is abnormal; None if there is none."""
        return None if self._machine is None else self._machine.config.threshold

    @property
    def resting(self) -> Event | None:
        """The anomaly that was ended for its length, while it goes on untold."""
        return None if self._machine is None else self._machine.resting

    @property
    def suffers(self) -> list[str]:
        """What the camera suffers now, in the order in which it began."""
        return list(self._ill)

    def swap(self, detector: Detector) -> tuple[Event, ...]:
        """Go on with another model; what is open ends, but for what the stream suffers.

        What the camera suffers goes on too where its view is the same, as where only the threshold
        was set anew: nobody is told twice that a lens is covered, nor of the scene meanwhile.
        """
        calibration = detector.model.calibration
        health = self._health_for(detector)
        same = health is not None and health is self._health
        lasting = {*self._ill} if same else {LOST, SLOW}
        going_on = {what: one for what, one in self._ill.items() if what in lasting}
        self._ill = {what: one for what, one in self._ill.items() if what not in lasting}
        ended = self.close()
        self._ill, self._health = going_on, health
        threshold = self._options.threshold
        if threshold is None:
            threshold = detector.threshold
        self._machine, self._drift = None, None
        reference = detector.model.reference
        light_undone = reference is not None and reference.light is not None
        self._harmless = {"lighting"} if light_undone else set()
        if threshold is not None:
            config = self._options.times.at(threshold)
            self._machine = EventMachine(config, self._source, self._started_at, self._origin)
        # Every score may lie above a threshold that a person gave; then drift means nothing.
        if (
            calibration is not None
            and threshold is not None
            and (calibration.score < threshold).any()
        ):
            kept = len(calibration.score) / calibration.frames  # of many, some are kept
            self._drift = Drift(calibration.score, kept * calibration.rate, threshold)
        return ended

    def _health_for(self, detector: Detector) -> Health | None:
        """What watches the camera from now on: what does so already, where it is the same."""
        calibration = detector.model.calibration
        if calibration is None or calibration.view is None:
            return None
        # A window, and the mean of the scores before, of which next to nothing is left by then.
        reach = detector.model.config.network.window / calibration.rate + 4 * SECONDS
        by = calibration.view, calibration.rate, reach
        watching = self._health is not None and self._health.watches(*by)
        return self._health if watching else Health(*by)

    def set_clock(self, started_at: datetime) -> None:
        """What begins from now on is dated from another second 0."""
        self._started_at = started_at
        if self._machine is not None:
            self._machine.started_at = started_at

    def push(
        self, frame: Frame, scored: FrameScore | None, fitted: NDArray[np.uint8], live: bool
    ) -> tuple[Event, ...]:
        """Take in a frame that was looked at.

        Args:
            frame: as decoded.
            scored: its score; None where it has none.
            fitted: the frame as the network takes it.
            live: whether to watch for drift, which takes hours, and for frames that come too rarely
                to be scored; of a file that is an error (`mnad.watch.files`).
        """
        seconds = self._looked = float(frame.seconds)
        told: tuple[Event, ...] = ()
        if live and (slow := self._slow.push(scored is not None, seconds)) is not None:
            if slow.phase == "start":
                told += self.gap()
            told += (self._camera(slow, self._index),)
        if scored is None:
            return told
        self._seconds, self._index = seconds, frame.index
        ill: set[str] = set()
        if self._health is not None:
            for change in self._health.push(moved_back(fitted, scored.shake), seconds):
                blinds = change.what not in self._harmless
                if change.phase == "start" and blinds and self._machine is not None:
                    told += self._machine.gap()
                told += (self._camera(change, frame.index),)
            ill = set(self._health.ill)
        self.blinded = tuple(sorted(ill - self._harmless))
        if self._machine is not None:
            score = float("nan") if self.blinded else scored.score
            observed = Observed(frame.index, seconds, score, scored.boxes)
            seen = self._machine.push(observed)
            self._newest += [one for one in seen if one.phase == "start"]
            told += seen
        if live and self._drift is not None and not ill:
            drift = self._drift.push(scored.score, seconds)
            if drift is not None:
                told += self._passing(drift, frame.index)
        return told

    def gap(self) -> tuple[Event, ...]:
        """Nothing is seen from now on: what is open in the scene ends."""
        return () if self._machine is None else self._machine.gap()

    def lost(self, seconds: float) -> tuple[Event, ...]:
        """The stream has been lost since then, and for long: told once."""
        if LOST in self._ill:
            return ()
        return (self._camera(Change(LOST, "start", seconds), self._index),)

    def back(self, seconds: float) -> tuple[Event, ...]:
        """The stream is back; it ends what `lost` told, if it did."""
        if LOST not in self._ill:
            return ()
        return (self._camera(Change(LOST, "end", seconds), self._index),)

    def close(self) -> tuple[Event, ...]:
        """The end: everything that is open ends."""
        ended = () if self._machine is None else self._machine.close(self._seconds)
        for what in list(self._ill):
            ended += (self._camera(Change(what, "end", self._looked), 0),)
        return ended

    def _camera(self, change: Change, index: int) -> Event:
        started = self._ill.pop(change.what, None)
        if started is None:
            started = camera_event(
                change.what,
                self._source,
                self._started_at,
                change.seconds,
                index,
                self._origin,
            )
            if change.what in HOLD and change.what not in self._harmless:
                since = change.seconds - EXPLAINED_SECONDS
                before = tuple(one.id for one in self._newest if one.start >= since)
                started = replace(started, explains=before)
        if change.phase == "start":
            self._ill[change.what] = started
            return started
        return replace(started, phase="end", end=change.seconds)

    def _passing(self, change: Change, index: int) -> tuple[Event, ...]:
        """A request, such as to calibrate again: it starts and ends at once."""
        start = self._camera(change, index)
        end = Change(change.what, "end", change.seconds)
        return start, self._camera(end, index)
