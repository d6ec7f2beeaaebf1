"""What a camera shows now: a picture that is written anew each second, and a page that shows it."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.reports.html import write_html
from mnad.reports.overlay import Overlay
from mnad.reports.page import NOW_PAGE
from mnad.video.source import shrunk
from mnad.watch.folder import REPORT
from mnad.writing import discard, write

_LOG = logging.getLogger("mnad")
NOW = "now.jpg"
EVERY = 1.0
"""Seconds between two pictures."""
HISTORY = 60.0
"""Seconds that its curve spans."""
LONGEST = 640
"""Pixels of its longer side: it is written a hundred thousand times a day."""
_QUALITY = 85

Picture = NDArray[np.uint8]


class Now:
    """Writes ``now.jpg`` for whoever looks; on the scores, a picture that fails has no effect.

    Args:
        folder: of the camera; it is there.
        name: of the camera, without credentials, for the page.
        unscored: what the picture says in place of a score while there is none.
        report: the page to link to; None while there is none.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        unscored: str = "warming up",
        report: str | None = REPORT,
    ) -> None:
        self._file, self._unscored = folder / NOW, unscored
        self._overlay: Overlay | None = None
        self._threshold: float | None = None
        self._drawn = float("-inf")
        self._failed = False
        try:
            shown = {"name": name, "picture": NOW, "report": report}
            write_html(folder / NOW_PAGE, "now.html.j2", shown)
        except MnadError as error:
            _LOG.error("%s", error)

    @property
    def due(self) -> bool:
        """Whether it is time for a picture."""
        return time.monotonic() - self._drawn >= EVERY

    def follow(self, seconds: float, score: float) -> None:
        """The score of a frame, for the curve."""
        if self._overlay is not None:
            self._overlay.follow(seconds, score)

    def show(
        self,
        picture: Picture,
        index: int,
        seconds: float,
        at: datetime,
        score: float | None = None,
        threshold: float | None = None,
    ) -> None:
        """Write a picture.

        Args:
            picture: (H, W, 3) or (H, W, 1) uint8, with heat and boxes.
            index: of the frame.
            seconds: since the start.
            at: the time of day.
            score: 0..1; None while there is none.
            threshold: score from which on a frame is abnormal.
        """
        self._drawn = time.monotonic()
        small = shrunk(picture, LONGEST)
        size = small.shape[0], small.shape[1]
        if (
            self._overlay is None
            or self._overlay.frame_size != size
            or threshold != self._threshold
        ):
            self._overlay = Overlay(*size, HISTORY, threshold, self._unscored)
            self._threshold = threshold
        drawn = self._overlay.draw(small, index, seconds, score, at=at)
        bgr = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        try:
            write(self._file, jpeg.tobytes(), lasting=False)
            self._failed = False
        except MnadError as error:
            if not self._failed:  # a full disk is told once, not each second
                _LOG.error("%s", error)
            self._failed = True

    def none(self) -> None:
        """There is no picture now: an old one would look like a camera at which nothing happens."""
        discard(self._file)
        self._drawn = float("-inf")
