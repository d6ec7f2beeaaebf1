"""Whole clips at the size of the network, decoded once; on disk where memory does not suffice."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, MutableMapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mnad.errors import MnadError
from mnad.progress import hidden
from mnad.video.fit import resize
from mnad.video.regions import Regions
from mnad.video.source import Source, open_frames, open_source
from mnad.video.thin import Breaks, step_of, thinned

_LOG = logging.getLogger("mnad")
Filter = Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]
"""A frame and its time in seconds to a frame of the same shape; gets those of a clip in order."""


class Stretches:
    """Notes where frames are missing in clips while `load_clips` decodes them, as its `filters`.

    A recorder that records only what moves leaves holes in its files, and what looks over one sees
    a leap: no normal frame to learn from, nor to set a threshold on.

    Args:
        then: makes what each frame of a clip goes through besides.
    """

    def __init__(self, then: Callable[[], Filter] | None = None) -> None:
        self._then = then
        self._breaks: list[list[int]] = []

    def __call__(self) -> Filter:
        """The filter of the next clip."""
        breaks, found, last = Breaks(), list[int](), self._then and self._then()
        self._breaks.append(found)
        count = 0

        def filtered(frame: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
            nonlocal count
            if breaks.before(seconds):
                found.append(count)
            count += 1
            return frame if last is None else last(frame, seconds)

        return filtered

    def cut(
        self,
        clips: Sequence[NDArray[np.uint8]],
        names: Sequence[str],
        shortest: int,
        faulty: Collection[int] = (),
    ) -> tuple[list[NDArray[np.uint8]], list[str]]:
        """The stretches of clips (T, …), without what is missing between them.

        Args:
            clips: all that were decoded, in order.
            names: of each.
            shortest: frames below which a stretch is left out, but for a clip that has no hole.
            faulty: numbers of clips that could not be read whole, which has been told.

        Raises:
            MnadError: nothing is left; what one clip alone has nothing left of is told.
        """
        found: list[tuple[NDArray[np.uint8], str]] = []
        for number, (clip, name, breaks) in enumerate(zip(clips, names, self._breaks, strict=True)):
            bounds = [0, *breaks, len(clip)]
            pieces = [clip[first:end] for first, end in pairwise(bounds)]
            entire = not breaks and number not in faulty
            whole = [one for one in pieces if entire or len(one) >= shortest]
            if not whole and number not in faulty:
                _LOG.warning(
                    "%s lacks frames so often that no stretch has the %d that a window spans: it "
                    "is left out.",
                    name,
                    shortest,
                )
            found += [(one, name) for one in whole]
        if not found:
            raise MnadError(
                f"{', '.join(names)}: no stretch without a hole has the {shortest} frames that a "
                "window spans: give footage that was recorded without pauses."
            )
        return [clip for clip, _ in found], [name for _, name in found]


def load_clips(
    paths: Sequence[str | Path],
    height: int,
    width: int,
    channels: int,
    limit_bytes: int = 4 << 30,
    cache_dir: str | Path | None = None,
    rate: float | None = None,
    regions: Regions | None = None,
    folder_rate: Fraction | None = None,
    damaged: Collection[Path] = (),
    filters: Callable[[], Filter] | None = None,
    faults: MutableMapping[int, str] | None = None,
    progress: bool = False,
) -> list[NDArray[np.uint8]]:
    """Decode clips once: into memory up to a limit, the rest into memory-mapped files.

    The files have no name (or are deleted when closed), so nothing is left behind even by a
    process that is killed. A clip that does not declare its length goes to disk.

    Args:
        paths: sources, see `open_source`.
        height: rows of the frames returned.
        width: columns of the frames returned.
        channels: 1 (grey) or 3 (RGB).
        limit_bytes: how much to hold in memory at most, over all clips.
        cache_dir: folder for the files; the system's temporary folder without it.
        rate: frames per second to take, of sources that have more; all without it.
        regions: whose crop is cut out; the whole frame without it.
        folder_rate: frames per second of folders of images, which do not say it.
        damaged: files of such folders in whose place the frame before is shown.
        filters: makes what each frame of a clip goes through at last, one for each clip.
        faults: takes by the number of the clip what is wrong with one that cannot be read, or not
            to its end; its good frames are kept, which may be none. An error without it.
        progress: show a progress bar for each clip, where there is a terminal: hours of footage
            take a while.

    Returns:
        One uint8 array (T, height, width, channels) for each path. Those that are such arrays on
        disk already are mapped, not copied.

    Raises:
        MnadError: see `open_source`; no clip has a good frame, or no room on disk.
    """
    clips: list[NDArray[np.uint8]] = []
    for number, path in enumerate(paths):
        own = filters and filters()
        try:
            opened = open_source(path, channels, folder_rate, damaged)
        except MnadError as error:
            if faults is None:
                raise
            faults[number] = str(error)
            clips.append(np.empty((0, height, width, channels), np.uint8))
            continue
        with opened as source:
            fits = source.path.suffix == ".npy" and source.size == (height, width)
            if fits and rate is None and regions is None and filters is None:
                clips.append(open_frames(source.path, channels))
                continue
            size = height * width * channels
            frames = _frames(source, height, width, rate, regions, own, progress)
            if faults is not None:
                frames = _good(frames, number, faults)
            if source.length is not None and source.length * size <= limit_bytes:
                clips.append(_load(frames, source.length, (height, width, channels)))
                limit_bytes -= clips[-1].nbytes
            else:
                clips.append(mapped(frames, source.path, (height, width, channels), cache_dir))
    if faults and not any(map(len, clips)):
        raise MnadError(next(iter(faults.values())))
    return clips


def _frames(
    source: Source,
    height: int,
    width: int,
    rate: float | None,
    regions: Regions | None,
    last: Filter | None,
    progress: bool,
) -> Iterator[NDArray[np.uint8]]:
    count = None if source.length is None else -(-source.length // step_of(source.rate, rate))
    shown = tqdm(
        thinned(source, rate),
        desc=f"reading {source.name}",
        total=count,
        unit="frame",
        leave=False,
        disable=hidden(progress),
    )
    for frame in shown:
        pixels = frame.pixels if regions is None else regions.crop_of(frame.pixels)
        fitted = resize(pixels, height, width)
        yield fitted if last is None else last(fitted, float(frame.seconds))


def _good(
    frames: Iterator[NDArray[np.uint8]], number: int, faults: MutableMapping[int, str]
) -> Iterator[NDArray[np.uint8]]:
    try:
        yield from frames
    except MnadError as error:
        faults[number] = str(error)


def _load(
    frames: Iterator[NDArray[np.uint8]], length: int, shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    # A damaged header may declare any length: start small enough and grow.
    clip = np.empty((min(length, 4096), *shape), np.uint8)
    count = 0
    for frame in frames:
        if count == len(clip):
            # In place and by a quarter: copied into one of twice the length, a clip would take
            # three times the memory that it was seen to fit into, and twice that to the end.
            clip.resize((len(clip) * 5 // 4, *shape), refcheck=False)
        clip[count] = frame
        count += 1
    clip.resize((count, *shape), refcheck=False)
    return clip


def mapped(
    frames: Iterator[NDArray[np.uint8]],
    path: Path,
    shape: tuple[int, int, int],
    cache_dir: str | Path | None,
) -> NDArray[np.uint8]:
    """Frames on disk, in a file without a name, which goes with the array.

    Args:
        frames: uint8 of this `shape`.
        path: where they are from.
        shape: rows, columns and channels.
        cache_dir: folder for the file; the system's temporary folder without it.

    Returns:
        (T, *shape), not to be written to.

    Raises:
        MnadError: no room on disk.
    """
    try:
        with tempfile.TemporaryFile(dir=cache_dir) as file:
            count = 0
            for frame in frames:
                file.write(frame.tobytes())
                count += 1
            file.flush()
            if not count:
                return np.empty((0, *shape), np.uint8)
            return np.memmap(file, np.uint8, "r", shape=(count, *shape))
    except OSError as error:
        where = cache_dir or tempfile.gettempdir()
        raise MnadError(
            f"{where} cannot take the decoded frames of {path} ({error.strerror}): "
            "name a folder with more room for them."
        ) from error
