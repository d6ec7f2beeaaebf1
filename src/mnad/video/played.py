"""A file played at its own speed, as a camera would send it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from mnad.closing import Closing
from mnad.video.live_feed import Gap
from mnad.video.source import Frame, open_source

LATE_SECONDS = 0.5
TICK = 1.0
"""Seconds that nothing comes for at most, but None."""
LONGEST_PAUSE = 1.0
"""Seconds without a frame after which one is handed over however late it is."""


class PlayedSource(Closing):
    """Has the face of a `mnad.video.live.LiveSource`; it ends with the file.

    A frame that is more than `LATE_SECONDS` late is left out, so that a slow caller keeps up; None
    comes in its place, so that the caller can look after other things, and each second where the
    file has a hole. Of a file that is decoded slower than it plays, every frame is late in the end:
    one is handed over whenever the caller has waited for `LONGEST_PAUSE`.

    Args:
        path: video file or folder of images.
        channels: 1 (grey) or 3 (RGB).

    Raises:
        MnadError: see `mnad.video.source.open_source`.
    """

    def __init__(self, path: str | Path, channels: int) -> None:
        self._source = open_source(path, channels)
        self.name = self._source.name
        self.rate: Fraction | None = self._source.rate
        self.finite = True
        self.dropped = 0
        self.lag = 0.0

    def __iter__(self) -> Iterator[Frame | Gap | None]:
        began, count = time.monotonic(), 0
        waiting = began
        for frame in self._source:
            now = time.monotonic()
            late = now - began - float(frame.seconds)
            self.lag = max(0.0, late)
            if late > LATE_SECONDS and now - waiting < LONGEST_PAUSE:
                self.dropped += 1
                yield None
                continue
            while (early := float(frame.seconds) - (time.monotonic() - began)) > TICK:
                time.sleep(TICK)
                yield None
            time.sleep(max(0.0, early))
            yield Frame(frame.pixels, count, frame.seconds, frame.colour)
            count += 1
            # From when the caller is back: one who takes longer would never catch up otherwise.
            waiting = time.monotonic()

    def close(self) -> None:
        """Close the file."""
        self._source.close()
