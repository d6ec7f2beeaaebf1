"""How it stands: a line for people, and a file for whatever looks after the machine."""

from __future__ import annotations

import logging
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mnad.errors import MnadError
from mnad.video.live import LiveSource
from mnad.video.played import PlayedSource
from mnad.watch.folder import STATUS
from mnad.watch.judge import LOST
from mnad.watch.watcher import Watcher
from mnad.writing import write_json

_LOG = logging.getLogger("mnad")
FILE_SECONDS = 10.0
"""Between two writings of the file."""
LEARNING_SECONDS = 10.0
"""Between two lines of how much is recorded, of the quarter of an hour that is usual."""
TERMINAL_SECONDS = 1.0
QUIET_SECONDS = 600.0
"""Between two lines where they are not written over each other."""

State = Literal["learning", "watching", "lost", "stopped"]


class Learning(NamedTuple):
    """How far a site has come with learning.

    Attributes:
        recorded: seconds of normal footage that are there.
        needed: seconds that are learnt from.
        training: whether it is being learnt from now.
        lost: whether the stream is away.
    """

    recorded: float
    needed: float
    training: bool
    lost: bool


class Status:
    """One line that is written over on a terminal, or logged every ten minutes; and the file.

    Args:
        folder: of the camera.
        source: what is watched.
    """

    def __init__(self, folder: Path, source: LiveSource | PlayedSource) -> None:
        self._folder, self._source = folder, source
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._said, self._wrote = time.monotonic(), float("-inf")
        self._frames = self._frames_of_file = 0
        self._state, self._line = "", False

    def show(self, watcher: Watcher | None, learning: Learning | None = None) -> None:
        """Say how it stands, wherever it is time to.

        Args:
            watcher: None while a first model is learnt.
            learning: None where nothing ever is.
        """
        lost = watcher.lost if watcher else learning is not None and learning.lost
        state: State = "lost" if lost else "watching" if watcher else "learning"
        now = time.monotonic()
        if now - self._wrote >= FILE_SECONDS or state != self._state:
            frames = 0 if watcher is None else watcher.frames
            rate = (frames - self._frames_of_file) / max(now - self._wrote, 1e-3)
            self._wrote, self._frames_of_file, self._state = now, frames, state
            self._write(state, watcher, learning, round(rate, 1))
        if watcher is not None:
            passed = now - self._said
            if passed >= (TERMINAL_SECONDS if self._terminal else QUIET_SECONDS):
                self._say(watcher, (watcher.frames - self._frames) / passed)
                self._said, self._frames = now, watcher.frames
        elif learning and not learning.training and now - self._said > _every(learning):
            self._said = now
            _LOG.info(
                "%s: recorded %.0f of %.0f s of normal footage to learn from",
                self._source.name,
                learning.recorded,
                learning.needed,
            )

    def end(self, watcher: Watcher | None) -> None:
        """Leave the line; the file says that it has come to an end."""
        self._write("stopped", watcher, None, 0.0)
        if self._line:
            self._print("\n")

    def _say(self, watcher: Watcher, rate: float) -> None:
        line = (
            f"{watcher.name}: {'LOST' if watcher.lost else f'{rate:.1f} frames/s'}, "
            + "".join(f"{what.upper()}, " for what in watcher.suffers if what != LOST)
            + f"lag {self._source.lag:.2f} s, {self._source.dropped} left out, "
            f"score {watcher.newest:.3f}, {watcher.told} events"
            + (f", {watcher.waiting} alarms waiting" if watcher.waiting else "")
        )
        if self._terminal:
            self._line = True
            self._print(f"\r\033[K{line}")
        else:
            _LOG.info("%s", line)

    def _print(self, text: str) -> None:
        try:
            print(text, end="", file=sys.stderr, flush=True)
        except OSError:  # who started it in the background has closed the terminal
            self._terminal = False

    def _write(
        self, state: State, watcher: Watcher | None, learning: Learning | None, rate: float
    ) -> None:
        facts: dict[str, Any] = {
            "lag_seconds": round(self._source.lag, 2),
            "frames_left_out": self._source.dropped,
        }
        if watcher is not None:
            facts |= {
                "frames_per_second": rate,
                "score": _number(watcher.newest),
                "threshold": _number(watcher.threshold),
                "events": watcher.told,
                "camera": watcher.suffers,
                "alarms_waiting": watcher.waiting,
            }
        if learning is not None:
            facts |= {
                "recorded_seconds": round(learning.recorded),
                "learns_from_seconds": round(learning.needed),
                "training": learning.training,
            }
        write_status(self._folder, self._source.name, state, **facts)


def _every(learning: Learning) -> float:
    """Of a day and a night not every ten seconds."""
    return max(LEARNING_SECONDS, learning.needed / 100)


def write_status(folder: Path, name: str, state: State, **facts: Any) -> None:
    """Write ``status.json``; a disk that is full is told of by what else cannot be written.

    Args:
        folder: of the camera.
        name: of it, without credentials.
        state: what goes on.
        facts: what else is known.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    status = {"at": now, "source": name, "state": state, **facts}
    try:
        write_json(folder / STATUS, status, lasting=False)
    except MnadError as error:
        _LOG.debug("%s", error)


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 3)
