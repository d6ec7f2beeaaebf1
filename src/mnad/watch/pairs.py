"""Every frame of a source once and in order, with what is known of it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.detector import Detector
from mnad.stream import FrameScore, LiveStream, pace_of
from mnad.video.source import Frame

_LOG = logging.getLogger("mnad")
MOST_LONE = 15
"""Frames in a row with a hole before each, after which that is said. It is said once for a model:
with a machine at its limit it would be a line every few seconds."""


class Pair(NamedTuple):
    """A frame and its score.

    Attributes:
        frame: as decoded.
        scored: of this frame; None where it has no score.
        latest: of the latest frame up to this one that has a score; for the eye.
        fitted: the frame as the network took it; None where it was not looked at.
    """

    frame: Frame
    scored: FrameScore | None
    latest: FrameScore | None
    fitted: NDArray[np.uint8] | None

    @property
    def score(self) -> float | None:
        """The score to show, 0..1; None before the first."""
        return None if self.latest is None else self.latest.score


class Pairing:
    """Scores the frames of one source as they come.

    A model looks at so many frames per second at most; the frames between are given without a
    score. One whose target lies in the middle of its window scores a frame some frames later; they
    wait here. A window never reaches over a hole in the frames: where some are missing, the next
    ones have no score until a window is full again. After a change of the model, or of the size of
    the frames, call `restart`.

    Args:
        detector: the model.
        rate: frames per second of the source; None is taken as 25.
        threshold: score from which on a frame is abnormal, 0..1; None: the calibrated one.
        name: of the source, for what is said of it.

    Attributes:
        pushed: frames that were given to the model so far.
    """

    def __init__(
        self,
        detector: Detector,
        rate: Fraction | float | None,
        threshold: float | None = None,
        name: str = "the source",
    ) -> None:
        self._rate, self._threshold, self._name = rate, threshold, name
        self.swap(detector)

    def swap(self, detector: Detector) -> None:
        """Go on with another model."""
        self.detector = detector
        self.stream: LiveStream = detector.stream(self._threshold)
        network = detector.model.config.network
        self._behind = network.window - 1 - network.target
        self._pace = pace_of(detector.model, self._rate)
        self._lone, self._said = 0, False
        self._waiting: deque[tuple[Frame, int | None, NDArray[np.uint8] | None]] = deque()
        self._latest: FrameScore | None = None
        self.pushed = 0

    @property
    def step(self) -> float:
        """Seconds between the frames that were looked at lately."""
        return self._pace.step

    def restart(self) -> Iterator[Pair]:
        """The frames that still wait; what comes now does not follow on them."""
        yield from self.rest()
        self.stream.restart()
        self._latest = None

    def push(self, frames: Sequence[Frame]) -> list[Pair]:
        """Take in the next frames; returns those of which all is known now."""
        run: list[NDArray[np.uint8]] = []
        seconds: list[float] = []
        ready: list[Pair] = []
        for frame in frames:
            number, fitted = None, None
            if self._pace.takes(frame.seconds):
                if self._pace.breaks_before(frame.seconds):
                    ready += [*self._scored(run, seconds), *self.restart()]
                    run, seconds = [], []
                    self._lone += 1
                    self._say_if_too_rare()
                else:
                    self._lone = 0
                number = self.pushed + len(run)
                fitted = self.stream.fitted(frame.pixels)
                run.append(fitted)
                seconds.append(float(frame.seconds))
            self._waiting.append((frame, number, fitted))
        return ready + self._scored(run, seconds)

    def _scored(self, run: list[NDArray[np.uint8]], seconds: list[float]) -> list[Pair]:
        """Score frames that follow on each other; returns those of which all is known then."""
        self.pushed += len(run)
        found = {one.index: one for one in self.stream.push_run(run, seconds) if one is not None}
        ready: list[Pair] = []
        while self._waiting:
            first, own, taken = self._waiting[0]
            if own is not None and own > self.pushed - 1 - self._behind:
                break
            self._waiting.popleft()
            mine = None if own is None else found.get(own)
            self._latest = mine or self._latest
            ready.append(Pair(first, mine, self._latest, taken))
        return ready

    def _say_if_too_rare(self) -> None:
        known = self.detector.model.calibration
        if self._lone == MOST_LONE and known is not None and not self._said:
            self._said = True
            _LOG.warning(
                "%s: frames come too rarely to be scored: one every %.3g s, and the model knows "
                "%.3g per second",
                self._name,
                self.step,
                known.rate,
            )

    def rest(self) -> Iterator[Pair]:
        """The frames that still wait for a score that will not come."""
        while self._waiting:
            frame, _, fitted = self._waiting.popleft()
            yield Pair(frame, None, self._latest, fitted)
