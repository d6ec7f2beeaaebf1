"""What a live source gives, through every loss of the connection: frames in time, and gaps."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction

from av.video.reformatter import VideoReformatter

from mnad.errors import MnadError
from mnad.video.address import live_name, redacted
from mnad.video.live_reader import Lost, Shot, shots
from mnad.video.live_time import Abandoned, Clock, Pulse
from mnad.video.pixels import displayed

_LOG = logging.getLogger("mnad")

# Frames that wait for the consumer. Few, as each adds to the delay of what is seen.
_DEPTH = 4
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 30.0
_TICK = 1.0
# Threads that may be stuck in FFmpeg: what blocks so many would block the next one, too.
_MOST_STUCK = 4


@dataclass(frozen=True)
class Gap:
    """A time without frames, as the connection was lost.

    It is reported when it begins, again if the reason changes, and when it is over; all reports of
    one gap have the same `began`.

    Args:
        began: time of the last frame before it, seconds since the first frame of the run.
        ended: time of the first frame after it; None while it lasts.
        reason: why, without credentials; the latest one known.
        attempts: connections tried so far.
    """

    began: float
    ended: float | None
    reason: str
    attempts: int


class Feed:
    """A thread that reads a live source, and the few frames that wait to be taken from it.

    Args:
        source: address of a stream or a camera.
        stall: seconds without a frame after which the connection counts as lost.
        quiet: do not log why there is no connection yet.

    Attributes:
        size: rows and columns of the first frame, as displayed.
        rate: frames per second as the source declares them; None where it does not.
        dropped: frames left out so far.
        lasting: whether it is a finite file, none of whose frames is left out.
    """

    def __init__(self, source: str, stall: float, quiet: bool = False) -> None:
        self.size: tuple[int, int] = (0, 0)
        self.rate: Fraction | None = None
        self.dropped = 0
        self._source, self._name, self._stall = source, live_name(source), stall
        self._quiet = quiet
        # All that follows is shared by the two sides, under this lock.
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Shot, Fraction] | Gap] = deque()
        self._clock = Clock()
        self._gap: Gap | None = None
        self._why: Lost | None = None
        self._failed: MnadError | None = None
        self._over = self.lasting = False
        self._stuck: list[threading.Thread] = []
        self._start()

    def take(self) -> tuple[Shot, Fraction] | Gap | None:
        """The next frame and its time, or a gap; None if nothing comes for a second.

        Raises:
            EOFError: a file ended, or the feed was closed.
            MnadError: a file broke off.
        """
        with self._changed:
            if not self._waiting and not self._over:
                self._wait(_TICK)
            if self._waiting:
                self._changed.notify_all()
                return self._waiting.popleft()
            if self._failed is not None:
                raise self._failed
            if self._over:
                raise EOFError
            return None

    def wait_for_first(self, seconds: float) -> None:
        """Return when there has been a frame.

        Raises:
            MnadError: none came within so many seconds, or none can come.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while not self._clock.running:
                left = until - time.monotonic()
                if self._failed is not None:
                    raise self._failed
                if self._over:
                    raise self._error(Lost("there is no picture in it", "check the file."))
                if left <= 0:
                    silence = Lost(
                        f"no picture came for {seconds:g} s",
                        "check the address, and that the camera or server runs.",
                    )
                    raise self._error(self._why or silence)
                self._wait(min(left, _TICK))

    def close(self) -> None:
        """Let go of the source. A thread that is stuck ends by itself as soon as it can."""
        with self._changed:
            self._over = True
            self._waiting.clear()
            self._pulse.end()
            self._changed.notify_all()
        self._thread.join(_TICK)

    def _wait(self, seconds: float) -> None:
        self._changed.wait(seconds)
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if self._pulse.overdue and not self._over and len(self._stuck) < _MOST_STUCK:
            self._pulse.end()
            self._stuck.append(self._thread)
            self._note(Lost("the connection hangs", "check the camera and the network."))
            self._start()

    def _start(self) -> None:
        self._pulse = Pulse()
        self._thread = threading.Thread(
            target=self._run, args=(self._pulse,), name=f"mnad-{self._name}", daemon=True
        )
        self._thread.start()

    # All below runs in the thread. A beat before each change ends one that was given up.

    def _run(self, pulse: Pulse) -> None:
        with suppress(Abandoned):
            self._finish(pulse, self._read(pulse))

    def _read(self, pulse: Pulse) -> MnadError | None:
        """Connect, again and again, until a file ends or there is no use in it."""
        if self._why is not None:
            pulse.sleep(self._pause())
        while True:
            try:
                with closing(shots(self._source, self._stall, pulse)) as reading:
                    for shot in reading:
                        self._put(shot, pulse)
                return None
            except Lost as lost:
                with self._changed:
                    pulse.beat(0)
                    if self.lasting or (lost.final and not self._clock.running):
                        return self._error(lost)
                    self._note(lost)
            except Exception as error:
                # Whatever it is, the consumer must not wait for frames that never come.
                unknown = Lost(f"reading failed ({error!r})", "report it.")
                _LOG.error("%s: %s", self._name, unknown.reason)
                return self._error(unknown)
            pulse.sleep(self._pause())

    def _put(self, shot: Shot, pulse: Pulse) -> None:
        with self._changed:
            while shot.lasting and len(self._waiting) >= _DEPTH:
                pulse.beat(_TICK)
                self._changed.wait(_TICK)
            pulse.beat(self._stall)
            if not self._clock.running:
                height, width, _ = displayed(VideoReformatter(), shot.frame, 1).shape
                self.size, self.rate, self.lasting = (height, width), shot.rate, shot.lasting
            if shot.absolute and self._clock.repeats(shot.pts):
                return
            seconds = self._clock.at(shot.pts, shot.arrived)
            if self._gap is not None:
                self._report(float(seconds), self._gap.reason)
                self._gap = None
            self._why = None
            frames = [item for item in self._waiting if not isinstance(item, Gap)]
            if len(frames) >= _DEPTH:
                self._waiting.remove(frames[0])
                self.dropped += 1
            self._waiting.append((shot, seconds))
            self._changed.notify_all()

    def _note(self, lost: Lost) -> None:
        """Take notice that the connection is lost, or could not be made again."""
        if not self._clock.running and not self._quiet:
            _LOG.warning("%s: no picture yet: %s; it is tried again.", self._name, lost.reason)
            self._quiet = True
        # A copy, as the traceback of the original holds all that it passed through.
        self._why = Lost(lost.reason, lost.advice)
        if self._clock.running:
            self._clock.interrupt()
            self._report(None, lost.reason)

    def _report(self, ended: float | None, reason: str) -> None:
        """Bring the gap up to date, and say so if that is news."""
        known = self._gap
        if known is None:
            self._gap = Gap(float(self._clock.seconds), None, reason, 0)
        else:
            self._gap = Gap(known.began, ended, reason, known.attempts + 1)
        if ended is not None:
            _LOG.info("%s: back after %.1f s", self._name, ended - self._gap.began)
        elif known is None:
            _LOG.warning("%s: lost after %.1f s: %s", self._name, self._gap.began, reason)
        elif known.reason != reason:
            _LOG.warning("%s: still lost: %s", self._name, reason)
        else:
            return
        self._waiting.append(self._gap)
        self._changed.notify_all()

    def _pause(self) -> float:
        gap = self._gap
        pause = min(_LAST_PAUSE, _FIRST_PAUSE * 2.0 ** min(gap.attempts if gap else 0, 10))
        # Drawn at random, so that the watchers of one server do not all come back at once.
        return pause * random.uniform(0.75, 1.0)

    def _finish(self, pulse: Pulse, error: MnadError | None) -> None:
        with self._changed:
            pulse.beat(0)
            self._failed, self._over = error, True
            self._changed.notify_all()

    def _error(self, lost: Lost) -> MnadError:
        return MnadError(f"{redacted(self._source)}: {lost.reason}; {lost.advice}")
