"""A video without end, in files that are each whole as soon as they are closed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mnad.closing import Closing
from mnad.errors import MnadError
from mnad.video.sink import VideoSink, recover

_LOG = logging.getLogger("mnad")
_RETRY_SECONDS = 60.0


class SegmentedVideo(Closing):
    """Writes ``overlay-*.mp4`` files one after the other; a crash costs the last seconds.

    A segment appears under its name when it is closed, also by an exception that ends the ``with``
    block. A new one begins when the time is over and when the size of the frames changes. If one
    cannot be written, such as when the disk is full, it is dropped, this is logged, and a new one
    is tried a minute later.

    Args:
        folder: where; it is made if missing, and what a crash left half-written is made whole.
        rate: frames per second, for the header; frames keep their times.
        seconds: length of a segment.
        started_at: wall-clock time of second 0, with its time zone. Segments are named by the
            time of their first frame, ``overlay-YYYYMMDDTHHMMSSZ.mp4`` in UTC; without it by
            numbers that go on from the highest there is, ``overlay-000001.mp4``. It may be set
            anew: segments that begin from then on are named by it.

    Attributes:
        lost: number of segments that could not be written so far.

    Raises:
        MnadError: the folder cannot be made.
    """

    def __init__(
        self,
        folder: str | Path,
        rate: Fraction,
        seconds: float = 600.0,
        started_at: datetime | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._rate = rate
        self._seconds = seconds
        self.started_at = started_at
        self._sink: VideoSink | None = None
        self._begin = 0.0
        self._again = float("-inf")
        self.lost = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for found in recover(self.folder):
                _LOG.info("%s is of a run that was killed: its end is missing", found)
        except OSError as error:
            raise MnadError(
                f"{self.folder} cannot be written ({error.strerror}): name a folder that may be."
            ) from error

    def write(self, rgb: NDArray[np.uint8], seconds: float) -> None:
        """Append a frame.

        Args:
            rgb: uint8 (H, W, 3).
            seconds: when it is shown, since the start of the source.
        """
        size = (rgb.shape[0], rgb.shape[1])
        if self._sink and (self._sink.size != size or seconds >= self._begin + self._seconds):
            self.close()
        if self._sink is None and seconds < self._again:
            return
        try:
            if self._sink is None:
                # To copy ten minutes would keep frames waiting.
                self._sink = VideoSink(self._next(seconds), self._rate, size, front=False)
                self._begin = seconds
            self._sink.write(rgb, seconds - self._begin)
        except (MnadError, OSError, av.FFmpegError) as error:
            self._again = seconds + _RETRY_SECONDS
            if self._sink:
                self._sink.__exit__(type(error), error, error.__traceback__)
                self._sink = None
            self._failed(error)

    def close(self) -> None:
        """Finish the open segment; the next frame begins another."""
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except (MnadError, OSError) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.lost += 1
        _LOG.error("a segment of the video is lost: %s", error)

    def _next(self, seconds: float) -> Path:
        if self.started_at is None:
            numbers = (p.stem.removeprefix("overlay-") for p in self.folder.glob("overlay-*.mp4"))
            number = max((int(text) for text in numbers if text.isdecimal()), default=0) + 1
            return self.folder / f"overlay-{number:06d}.mp4"
        moment = (self.started_at + timedelta(seconds=float(seconds))).astimezone(UTC)
        # Two segments may begin within a second, when the size changes.
        while (path := self.folder / f"overlay-{moment:%Y%m%dT%H%M%SZ}.mp4").exists():
            moment += timedelta(seconds=1)
        return path
