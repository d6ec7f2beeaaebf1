"""The newest footage of a camera at the size of the network, on disk, in segments of a minute.

Of a span for which there is no room, a day of it perhaps, one minute in so many is kept, so that
what is learnt from it has seen the night as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.writing import beside

_LOG = logging.getLogger("mnad")
SEGMENT_SECONDS = 60.0
INDEX = "index.json"


@dataclass(frozen=True)
class Segment:
    """Consecutive frames in one file.

    Attributes:
        name: of the file.
        frames: how many.
        seconds: how long, the first frame's distance to the last one of the segment before it
            included where it follows on that.
        follows: whether it follows on the segment before without a gap.
        events: ids of the anomalies that were told in it.
        skipped: seconds before it that were seen and not kept.
    """

    name: str
    frames: int
    seconds: float
    follows: bool
    events: tuple[str, ...] = ()
    skipped: float = 0.0

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds

    def covers(self, one_in: int) -> float:
        """Seconds that it stands for, where of so many segments one is kept."""
        return self.seconds + min(self.skipped, (one_in - 1) * self.seconds)


@dataclass
class _Open:
    """The segment being filled."""

    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    first: float = 0.0
    last: float = 0.0


class Damaged(MnadError):
    """The index is no list of segments, as after a power cut."""


class Footage:
    """A ring of footage; the oldest segments go. Where its index is damaged it begins anew.

    Args:
        folder: where; made if missing.
        most_seconds: the span that is kept.
        one_in: of so many segments one is kept. One with anomalies, which a person may call normal
            some day, is kept besides, while no more than a quarter of the segments have any.

    Raises:
        MnadError: the folder cannot be made, or its index cannot be read.
    """

    def __init__(self, folder: Path, most_seconds: float, one_in: int = 1) -> None:
        self.folder, self._most, self._one_in = folder, most_seconds, one_in
        self._open, self._follows = _Open(), False
        self._turn, self._skipped = 0, 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MnadError(
                f"{folder} cannot be made ({error.strerror}): name a folder that may be."
            ) from error
        self.segments: list[Segment] = []
        try:
            self.segments += read_index(folder)
        except Damaged as error:
            # Footage comes again by itself; that a camera is watched must not hang on it.
            _LOG.error("%s It is recorded anew.", error)
        kept = {segment.name for segment in self.segments}
        for file in folder.glob("*.npy"):
            if file.name not in kept:  # a crash came between the file and the index
                file.unlink(missing_ok=True)

    @property
    def seconds(self) -> float:
        """The span of the footage, what is still in memory included."""
        return self._covered + self._skipped + self._open.last - self._open.first

    @property
    def _covered(self) -> float:
        return sum(segment.covers(self._one_in) for segment in self.segments)

    @property
    def kept(self) -> float:
        """Seconds of it that there are, what is still in memory included."""
        on_disk = sum(segment.seconds for segment in self.segments)
        return on_disk + self._open.last - self._open.first

    def push(self, frame: NDArray[np.uint8], seconds: float, events: Collection[str] = ()) -> None:
        """Append a frame (h, w, c) uint8, and the anomalies that go on in it.

        Raises:
            MnadError: the disk is full.
        """
        now = self._open
        if not now.frames:
            now.first = seconds
        now.frames.append(frame)
        now.events.update(events)
        now.last = seconds
        if seconds - now.first >= SEGMENT_SECONDS:
            self.flush()

    def interrupt(self) -> None:
        """There is a gap: what comes now does not follow on what came."""
        self.flush()
        self._follows = False

    def flush(self) -> None:
        """Write what is in memory."""
        now, self._open = self._open, _Open()
        follows, self._follows = self._follows, not now.frames and self._follows
        if len(now.frames) < 2:  # one frame has no length; what follows has a gap before it
            return
        number = int(self.segments[-1].name[:8]) + 1 if self.segments else 1
        name = f"{number:08d}.npy"
        span = (now.last - now.first) * len(now.frames) / (len(now.frames) - 1)
        if self._skips(bool(now.events)):
            self._skipped += span
            return
        events = tuple(sorted(now.events))
        segment = Segment(name, len(now.frames), span, follows, events, self._skipped)
        try:
            with beside(self.folder / name, lasting=False) as part, part.open("wb") as file:
                # As np.save does, which of a full disk says only how much it has written.
                frames = np.stack(now.frames)
                header = np.lib.format.header_data_from_array_1_0(frames)
                np.lib.format.write_array_header_1_0(file, header)
                file.write(frames.data)
            self.segments.append(segment)
            self._skipped = 0.0
            gone = []
            while self._is_full:
                gone.append(self.segments.pop(0))
            # The index first, so that it never names what is not there.
            self._write_index()
            for old in gone:
                (self.folder / old.name).unlink(missing_ok=True)
            self._follows = True
        except OSError as error:
            remedy = (
                "see to its rights" if isinstance(error, PermissionError) else "make room there"
            )
            raise MnadError(
                f"{self.folder} cannot take more footage ({error.strerror}): {remedy}."
            ) from error

    def _skips(self, told: bool) -> bool:
        """Whether the segment that ends is one of those that are not kept."""
        turn, self._turn = self._turn, (self._turn + 1) % self._one_in
        if turn and told:
            of_events = sum(bool(segment.events) for segment in self.segments)
            return 4 * of_events > len(self.segments)
        return turn > 0

    @property
    def _is_full(self) -> bool:
        """Whether enough would be left without the oldest segment, or there is no room for all."""
        kept, oldest = sum(segment.seconds for segment in self.segments), self.segments[0]
        # Half as much again: one with anomalies is kept besides.
        room = self._most * (1 if self._one_in == 1 else 1.5 / self._one_in)
        return (
            self._covered - oldest.covers(self._one_in) >= self._most
            or kept - oldest.seconds >= room
        )

    def _write_index(self) -> None:
        with beside(self.folder / INDEX, lasting=False) as part:
            part.write_text(json.dumps([asdict(segment) for segment in self.segments], indent=1))


def read_index(folder: Path) -> Iterator[Segment]:
    """The segments of a folder, in order.

    Raises:
        Damaged: the index is.
        MnadError: it cannot be read.
    """
    file = folder / INDEX
    try:
        for values in json.loads(file.read_bytes()):
            yield Segment(**{**values, "events": tuple(values["events"])})
    except FileNotFoundError:
        return
    except OSError as error:
        raise MnadError(f"{file} cannot be read ({error.strerror}): see to its rights.") from None
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{file} is damaged ({error}): nothing can be learnt from it.") from None
