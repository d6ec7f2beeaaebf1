"""Pictures and short videos of events."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.closing import Closing
from mnad.events.event import Event
from mnad.video.sink import VideoSink, recover
from mnad.video.source import shrunk
from mnad.writing import discard

Picture = NDArray[np.uint8]

_LOG = logging.getLogger("mnad")
_QUEUE = 24
_HELD_BYTES = 64 * 2**20
_CATCH_UP = 3
_QUALITY = 90
# A peak is told this late at most: the machine's time between updates, and some frames.
_HINDSIGHT_SECONDS = 6.0


def with_files(event: Event) -> Event:
    """The message with the paths that a `Recorder` writes to: ``clips/<id>.mp4`` and a picture."""
    return replace(event, thumbnail=f"thumbnails/{event.id}.jpg", clip=f"clips/{event.id}.mp4")


class _Held(NamedTuple):
    """A picture in memory, as a JPEG."""

    seconds: float
    jpeg: bytes


@dataclass
class _Clip:
    """A video being written.

    Attributes:
        path: of the file.
        rate: frames per second, for its header.
        written: time of the last picture in it.
        end: time of the last picture that belongs into it, as far as is known.
        begin: time of the first picture in it.
        sink: None before that.
    """

    path: Path
    rate: Fraction
    written: float
    end: float
    begin: float = 0.0
    sink: VideoSink | None = None

    def write(self, held: Iterable[_Held]) -> None:
        for seconds, jpeg in held:
            picture = cv2.cvtColor(
                cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
            )
            if self.sink is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.sink = VideoSink(self.path, self.rate, picture.shape[:2])
                self.begin = seconds
            height, width = self.sink.size
            if picture.shape[:2] != (height, width):
                picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            self.sink.write(np.asarray(picture, np.uint8), seconds - self.begin)
            self.written = seconds

    def finish(self) -> None:
        if self.sink is not None:
            self.sink.close()

    def give_up(self) -> None:
        if self.sink is not None:
            self.sink.__exit__(*sys.exc_info())


class Recorder(Closing):
    """Writes the thumbnail and the clip that event messages name, in a thread of its own.

    The thumbnail is the picture of the peak; it is there moments after the start message, and is
    replaced after a message with another peak. The clip lasts from `pre_seconds` before the start
    to at least `post_seconds` after the end (to the end message, if that comes later), cut off
    after `longest` seconds, and where the stream is lost (`lost`). It is there once that time has
    passed, at once where the stream is lost, or at `close`, not before; it is never there half. If
    a file cannot be written, such as when the disk is full, this is logged once per event and the
    event stays without it. Messages that name no files get none: see `with_files`.

    Memory is bounded, whatever the size of the frames: 24 pictures of at most 1280 rows and
    columns wait for the thread, and it holds at most 64 MiB of the last seconds as JPEGs.

    Use it in a ``with`` block.

    Args:
        folder: of the results, which the paths in the messages are relative to. A clip that a crash
            left half-written there is made whole.
        rate: frames per second, for the header of the clips; frames keep their own times.
        pre_seconds: pre-roll.
        post_seconds: post-roll.
        longest: seconds of a clip.
        live: when the thread falls behind, drop pictures rather than wait for it.
        pictured: called in the thread with each thumbnail that is there, or there anew.

    Attributes:
        dropped: number of pictures dropped so far.
        failed: ids of the events that go without their clip or picture, complete when it is closed.
    """

    def __init__(
        self,
        folder: str | Path,
        rate: Fraction,
        pre_seconds: float = 3.0,
        post_seconds: float = 3.0,
        longest: float = 60.0,
        live: bool = True,
        pictured: Callable[[Path], object] = lambda path: None,
    ) -> None:
        self.dropped = 0
        self._folder = Path(folder)
        self._rate = rate
        self._pre_seconds, self._post_seconds, self._longest = pre_seconds, post_seconds, longest
        self._live, self._pictured = live, pictured
        self._room = threading.Semaphore(_QUEUE)
        self._queue: SimpleQueue[tuple[Picture | None, float, tuple[Event, ...]] | None] = (
            SimpleQueue()
        )
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._clips: dict[str, _Clip] = {}
        self._peaks: dict[str, float] = {}
        self.failed: set[str] = set()
        recover(self._folder / "clips")
        for half in self._folder.glob("thumbnails/.*.part.jpg"):
            discard(half)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def push(self, picture: Picture | None, seconds: float, events: tuple[Event, ...]) -> None:
        """Take in the next frame, as it is to be seen, and the messages that came with it.

        It takes the time to scale the picture down and does not wait for the disk.

        Args:
            picture: uint8 (H, W, 3) RGB; it may be reused afterwards. None: there is none for
                these messages, as when the stream was lost.
            seconds: since the start of the source.
            events: messages, in order; these are never dropped.
        """
        if picture is not None:
            if self._room.acquire(blocking=not self._live):
                picture = _own(picture)
            else:
                picture = None
                self.dropped += 1
                if self.dropped == 1:
                    _LOG.warning("event clips lack frames: the disk or the encoder is too slow")
        if picture is not None or events:
            self._queue.put((picture, seconds, events))

    def lost(self) -> None:
        """The stream was lost: finish the clips of all events at once, of those that go on too.

        Push the messages that it led to before. Whoever cut the cable may cut the power next, so
        that nothing waits for the stream to be back; what comes then is in none of these clips.
        """
        # At a time without end every clip is due.
        self._queue.put((None, math.inf, ()))

    def close(self) -> None:
        """Write what is left, finish the clips, end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            picture, seconds, events = item
            if picture is not None:
                self._hold(picture, seconds)
                self._room.release()
            for event in events:
                self._tell(event)
            for id_ in list(self._clips):
                self._grow(id_, finish=seconds >= self._clips[id_].end)
        for id_ in list(self._clips):
            self._grow(id_, finish=True)

    def _hold(self, picture: Picture, seconds: float) -> None:
        settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)[1].tobytes()
        self._held.append(_Held(seconds, jpeg))
        self._held_bytes += len(jpeg)
        oldest = seconds - self._pre_seconds - _HINDSIGHT_SECONDS
        while self._held[0].seconds < oldest or self._held_bytes > _HELD_BYTES:
            self._held_bytes -= len(self._held.popleft().jpeg)

    def _tell(self, event: Event) -> None:
        if event.phase == "start" and event.clip is not None:
            begin = event.start - self._pre_seconds
            before = math.nextafter(begin, -math.inf)
            path = self._folder / event.clip
            self._clips[event.id] = _Clip(path, self._rate, before, begin + self._longest)
        if event.end is not None and (clip := self._clips.get(event.id)):
            clip.end = min(clip.end, event.end + self._post_seconds)
        if event.thumbnail is not None and self._peaks.get(event.id) != event.peak_seconds:
            self._picture(event.id, self._folder / event.thumbnail, event.peak_seconds)
            self._peaks[event.id] = event.peak_seconds
        if event.phase == "end":
            self._peaks.pop(event.id, None)

    def _picture(self, id_: str, path: Path, seconds: float) -> None:
        if not self._held:
            return
        jpeg = min(self._held, key=lambda held: abs(held.seconds - seconds)).jpeg
        part = path.with_name(f".{path.stem}.part.jpg")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(jpeg)
            os.replace(part, path)
        except OSError as error:
            discard(part)
            self._failure(id_, error)
        else:
            self._pictured(path)

    def _grow(self, id_: str, finish: bool) -> None:
        clip = self._clips[id_]
        due = (held for held in self._held if clip.written < held.seconds <= clip.end)
        try:
            # A few at a time: the whole pre-roll at once would make new pictures wait.
            clip.write(list(due if finish else islice(due, _CATCH_UP)))
            if finish:
                clip.finish()
        # Whatever goes wrong with a clip must not end the thread.
        except Exception as error:
            clip.give_up()
            finish = True
            self._failure(id_, error)
        if finish:
            del self._clips[id_]

    def _failure(self, id_: str, error: Exception) -> None:
        if id_ not in self.failed:
            self.failed.add(id_)
            _LOG.error("event %s goes without its clip or picture: %s", id_, error)


def _own(picture: Picture) -> Picture:
    """A copy, not larger than pictures are."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture of {picture.dtype} {picture.shape}: not uint8 (H, W, 3)")
    smaller = shrunk(picture)
    return smaller.copy() if smaller is picture else smaller
