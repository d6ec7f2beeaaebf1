"""A cap on the disk that results take."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from pathlib import Path

_LOG = logging.getLogger("mnad")
DAYS = 8
"""Newest files of scores that stay: of a week, as `mnad review` may look back."""


def prune(folder: str | Path, most_bytes: int, keep: Collection[str] = ()) -> list[Path]:
    """Remove the oldest videos, pictures and scores until a folder takes no more than it may.

    All files under the folder count. These go, each kind from its oldest on: scores of days that
    are longer past than `DAYS`, as they are 60 MB a day; clips of events, segments of the overlay
    video, thumbnails, and at last the clips of the events to keep. Nothing else is ever removed:
    not the record of events, the thumbnails of the events to keep, or a file that is still being
    written.

    Args:
        folder: of the results, with ``scores-*.csv``, ``clips``, ``thumbnails`` and
            ``overlay-*.mp4`` in it, the last or one level below.
        most_bytes: the cap. It is not reached where what may go does not suffice.
        keep: ids of the events to keep.

    Returns:
        The files removed, in that order.
    """
    folder = Path(folder)
    total = sum(_size(path) for path in folder.rglob("*") if path.is_file())
    clips = _oldest_first(folder.glob("clips/*.mp4"))
    segments = [*folder.glob("overlay-*.mp4"), *folder.glob("*/overlay-*.mp4")]
    pictures = _oldest_first(folder.glob("thumbnails/*.jpg"))
    days = sorted(folder.glob("scores-????????.csv"))  # named by their day
    order = days[:-DAYS]
    order += [path for path in clips if path.stem not in keep]
    order += _oldest_first(segments)
    order += [path for path in pictures if path.stem not in keep]
    order += [path for path in clips if path.stem in keep]
    removed = []
    for path in order:
        if total <= most_bytes:
            break
        size = _size(path)
        try:
            path.unlink()
        except OSError as error:
            _LOG.warning("%s cannot be removed (%s)", path, error.strerror)
            continue
        total -= size
        removed.append(path)
    return removed


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
