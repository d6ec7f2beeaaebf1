"""The newest footage of a camera at the size of the network, on disk, in segments of a minute."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.video.cache import Filter, mapped
from mnad.writing import discard

_LOG = logging.getLogger("mnad")
SEGMENT_SECONDS = 60.0
SLOWEST = 1.4
"""Times the usual step: a model of all that is faster still knows it (`mnad.video.thin.SLOWER`)."""
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
    """

    name: str
    frames: int
    seconds: float
    follows: bool
    events: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


@dataclass
class _Open:
    """The segment being filled."""

    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    first: float = 0.0
    last: float = 0.0


class Footage:
    """A ring of footage; the oldest segments go.

    Args:
        folder: where; made if missing.
        most_seconds: footage kept.

    Raises:
        MnadError: the folder cannot be made, or its index is damaged.
    """

    def __init__(self, folder: Path, most_seconds: float) -> None:
        self.folder, self._most = folder, most_seconds
        self._open, self._follows = _Open(), False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MnadError(
                f"{folder} cannot be made ({error.strerror}): name a folder that may be."
            ) from error
        self.segments = list(read_index(folder))
        kept = {segment.name for segment in self.segments}
        for file in folder.glob("*.npy"):
            if file.name not in kept:  # a crash came between the file and the index
                file.unlink(missing_ok=True)

    @property
    def seconds(self) -> float:
        """Footage kept, what is still in memory included."""
        return self._on_disk + self._open.last - self._open.first

    @property
    def _on_disk(self) -> float:
        return sum(segment.seconds for segment in self.segments)

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
        segment = Segment(name, len(now.frames), span, follows, tuple(sorted(now.events)))
        beside = self.folder / f".{name}.part"
        try:
            with beside.open("wb") as file:
                np.save(file, np.stack(now.frames))
            os.replace(beside, self.folder / name)
            self.segments.append(segment)
            gone = []
            while self._on_disk - self.segments[0].seconds >= self._most:
                gone.append(self.segments.pop(0))
            # The index first, so that it never names what is not there.
            self._write_index()
            for old in gone:
                (self.folder / old.name).unlink(missing_ok=True)
            self._follows = True
        except OSError as error:
            discard(beside)
            reason = error.strerror or error  # NumPy's own errors have only their text
            raise MnadError(
                f"{self.folder} cannot take more footage ({reason}): make room there."
            ) from error

    def _write_index(self) -> None:
        beside = self.folder / f".{INDEX}.part"
        beside.write_text(json.dumps([asdict(segment) for segment in self.segments], indent=1))
        os.replace(beside, self.folder / INDEX)


def read_index(folder: Path) -> Iterator[Segment]:
    """The segments of a folder, in order.

    Raises:
        MnadError: the index is damaged.
    """
    file = folder / INDEX
    if not file.exists():
        return
    try:
        for values in json.loads(file.read_text()):
            yield Segment(**{**values, "events": tuple(values["events"])})
    except (ValueError, TypeError, KeyError) as error:
        raise MnadError(f"{file} is damaged ({error}): remove {folder} and learn anew.") from None


def load_footage(
    folder: Path,
    normal_events: Collection[str],
    filters: Callable[[], Filter] | None = None,
    limit_bytes: int = 2 << 30,
) -> tuple[list[NDArray[np.uint8]], float]:
    """The footage to learn from: segments without anomalies but those that are known as normal.

    Segments that are too slow for a model of the usual rate, as when a camera falls to a frame a
    second at night, are left out: such frames will not be scored, and their leaps would be learnt.

    Args:
        folder: of a `Footage`.
        normal_events: ids of events that a person called normal.
        filters: makes what each frame of a clip goes through, one for each clip.
        limit_bytes: how much to hold in memory at most, over all clips; the rest is mapped from
            disk, as hours of footage do not fit.

    Returns:
        Clips (T, h, w, c) uint8, segments that follow on each other joined, and the mean number of
        frames per second.

    Raises:
        MnadError: there is none, or no room on disk.
    """
    segments = list(read_index(folder))
    good = [set(segment.events) <= set(normal_events) for segment in segments]
    slow = too_slow([segment for segment, ok in zip(segments, good, strict=True) if ok])
    if slow:
        _LOG.warning(
            "%s: %.0f s of footage have too few frames per second for a model of the others: they "
            "are left out.",
            folder,
            sum(segment.seconds for segment in slow),
        )
        good = [ok and segment not in slow for segment, ok in zip(segments, good, strict=True)]
    parts: list[list[NDArray[np.uint8]]] = []
    for number, segment in enumerate(segments):
        if not good[number]:
            continue
        try:
            frames = np.load(folder / segment.name, mmap_mode="r")
        except FileNotFoundError:  # the camera goes on: the ring dropped it just now
            good[number] = False
            continue
        if parts and number and good[number - 1] and segment.follows:
            parts[-1].append(frames)
        else:
            parts.append([frames])
    if not parts:
        raise MnadError(f"{folder} holds no normal footage to learn from.")
    used = [segment for segment, ok in zip(segments, good, strict=True) if ok]
    rate = sum(segment.frames for segment in used) / sum(segment.seconds for segment in used)
    clips = []
    for part in parts:
        shape = (sum(map(len, part)), *part[0].shape[1:])
        frames = _filtered(part, rate, filters and filters())
        if (size := math.prod(shape)) > limit_bytes:
            clips.append(mapped(frames, folder, shape[1:], folder))
            continue
        limit_bytes -= size
        clips.append(np.fromiter(frames, np.dtype((np.uint8, shape[1:])), shape[0]))
    return clips, rate


def too_slow(segments: Sequence[Segment]) -> list[Segment]:
    """Those whose frames lie too far apart for what knows the rate of most of the time."""
    if not segments:
        return []
    ordered = sorted(segments, key=lambda segment: segment.rate)
    elapsed = np.cumsum([segment.seconds for segment in ordered])
    usual = ordered[int(np.searchsorted(elapsed, elapsed[-1] / 2))].rate
    return [segment for segment in ordered if segment.rate * SLOWEST < usual]


def _filtered(
    part: Sequence[NDArray[np.uint8]], rate: float, last: Filter | None
) -> Iterator[NDArray[np.uint8]]:
    for number, frame in enumerate(frame for segment in part for frame in segment):
        yield frame if last is None else last(frame, number / rate)
