"""Whether a picture comes, but too rarely for the model: then nothing is watched.

A network that knows ten frames a second is asked nothing of five (`mnad.video.thin.Breaks`). A
camera that falls to that at night, or a line that lets every other frame through, goes on sending
pictures, and nobody would miss it.
"""

from __future__ import annotations

import math

from mnad.camera.change import Change

SLOW = "slow"
"""What befalls a camera hardly any frame of which can be scored."""
SLOW_SECONDS = 30.0
"""After which frames without a score are told of."""
BLIND, SEEING = 0.1, 0.5
"""Shares of the time with a score: below the first it is told, from the second on it is over."""
LONGEST_STEP = 5.0
"""Seconds that a frame stands for at most: one hole, however long, is no slow camera."""

_MEMORY = SLOW_SECONDS / math.log(1 / BLIND)


class Slow:
    """Watches the share of the time that has a score, its mean over the last seconds.

    A share, as at the brink a frame now and then has a score, which helps nobody. It goes on over
    losses of the stream, so that one which brings a frame or two each time is told of as well.
    """

    def __init__(self) -> None:
        self._share, self._on = 1.0, False
        self._last: float | None = None
        self._scored = 0.0

    def push(self, scored: bool, seconds: float) -> Change | None:
        """Take in a frame that was looked at.

        Args:
            scored: whether it has a score.
            seconds: since the start of the source, never falling.

        Returns:
            What began, dated by the last frame that had a score, or what ended; mostly nothing.
        """
        if scored or self._last is None:
            self._scored = seconds
        step = 0.0 if self._last is None else min(seconds - self._last, LONGEST_STEP)
        self._last = seconds
        self._share = scored + (self._share - scored) * math.exp(-step / _MEMORY)
        if not self._on and self._share < BLIND:
            self._on = True
            return Change(SLOW, "start", self._scored)
        if self._on and self._share >= SEEING:
            self._on = False
            return Change(SLOW, "end", seconds)
        return None
