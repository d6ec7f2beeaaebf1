"""A cap on the disk that results take."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_LOG = logging.getLogger("mnad")
DAYS = 8
"""Newest files of scores that stay: of a week, as `mnad review` may look back."""


def prune(folder: str | Path, most_bytes: int) -> list[Path]:
    """Remove the oldest videos, pictures and scores until a folder takes no more than it may.

    All files under the folder count. These go, each kind from its oldest on: scores of days that
    are longer past than `DAYS`, as they are 75 MB a day; clips of events, segments of the overlay
    video, and thumbnails. Nothing else is ever removed: not the record of events, nor a file that
    is still being written.

    Args:
        folder: of the results, with ``scores-*.csv``, ``clips``, ``thumbnails`` and
            ``overlay-*.mp4`` in it, the last or one level below.
        most_bytes: the cap. It is not reached where what may go does not suffice.

    Returns:
        The files removed, in that order.
    """
    folder = Path(folder)
    # Asked once a minute by the thread that scores: of months of clips nothing else is looked at.
    if (total := _taken(folder)) <= most_bytes:
        return []
    order = sorted(folder.glob("scores-????????.csv"))[:-DAYS]  # named by their day
    order += _oldest_first(folder.glob("clips/*.mp4"))
    segments = (path for path in files_below(folder) if path.match("overlay-*.mp4"))
    order += _oldest_first(p for p in segments if folder in (p.parent, p.parent.parent))
    order += _oldest_first(folder.glob("thumbnails/*.jpg"))
    removed, kept = [], False
    for path in order:
        if total <= most_bytes:
            break
        size = _size(path)
        try:
            path.unlink()
        except OSError as error:
            if not kept:  # on a disk that has gone read-only it is the same with thousands
                _LOG.warning("%s cannot be removed (%s)", path, error.strerror)
            kept = True
            continue
        total -= size
        removed.append(path)
    return removed


def files_below(folder: str | Path) -> Iterator[Path]:
    """All files in a folder and below, in no order; what vanishes meanwhile is left out.

    Unlike `Path.rglob`, which raises FileNotFoundError (Python 3.11) when a folder is renamed
    or removed while it looks, as a training does with what it writes.
    """
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _taken(folder: str | Path) -> int:
    """Bytes that the files in a folder and below take."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # renamed or removed while its folder is read
                below = entry.is_dir(follow_symlinks=False)
                total += _taken(entry.path) if below else entry.stat().st_size
    return total


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    # Hidden files are those being written.
    found = [(_modified(path), path) for path in paths if not path.name.startswith(".")]
    return [path for _, path in sorted(found)]


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(path: Path) -> int:
    # A file may be renamed or removed while its folder is read.
    try:
        return path.stat().st_size
    except OSError:
        return 0
