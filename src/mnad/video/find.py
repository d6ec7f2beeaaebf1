"""Finding sources: which files are frames or videos, in natural order."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from mnad.errors import MnadError, UsageError
from mnad.video.address import missing

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".asf", ".flv", ".3gp", ".ogv", ".mxf", ".h264", ".264", ".h265", ".hevc"}
)

EMPTY = (
    "a path is empty, as that of a variable that is not set: give one (. is the folder you are in)."
)


def natural(path: Path) -> list[list[str | int]]:
    """Sort key under which 2 comes before 10, in every part of the path."""
    return [
        [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", part)]
        for part in path.parts
    ]


def name_of(path: Path) -> str:
    """Name of a source: of the file without its suffix, or of the folder.

    Always text that can be written: what is not UTF-8 in it, as in names that another system gave,
    becomes U+FFFD, and what file names of this system cannot hold a question mark.
    """
    name = Path(os.path.abspath(path)).name if path.is_dir() else path.stem
    if name in (".", ".."):  # of ...mp4, whose results would lie outside of their folder
        name = path.name
    held = sys.getfilesystemencoding()
    return os.fsencode(name).decode(errors="replace").encode(held, "replace").decode(held)


def images_in(folder: Path) -> list[Path]:
    """Image files directly in `folder`, natural order, hidden files (``._x.jpg``) left out."""
    images = (p for p in _entries(folder) if _is_file_of(p, IMAGES))
    return sorted(images, key=lambda path: natural(Path(path.name)))


def listed(sources: str | Path | Sequence[str | Path]) -> list[str]:
    """Sources as a program may give them, one alone too: a text is no list of its letters."""
    if isinstance(sources, str | Path):
        return [str(sources)]
    return [str(source) for source in sources]


def find_sources(paths: Sequence[str | Path]) -> list[Path]:
    """Expand what a user names into single sources that `open_source` can open.

    A path may be a video file, a folder of images (one source), a folder of videos and of folders
    of images (each a source; loose images beside videos are ignored), or a glob pattern.

    Returns:
        The sources without repetition, in natural order.

    Raises:
        MnadError: a path that is empty, does not exist, may not be read or under which there is
            nothing to open.
    """
    found: dict[Path, None] = {}
    if any(path == "" for path in paths):  # as a Path it would be the folder one is in
        raise UsageError(EMPTY)
    for path in map(Path, paths):
        try:
            found.update(dict.fromkeys(_expand(path)))
        except PermissionError as error:
            raise _unreadable(path, error) from None
    return sorted(found, key=natural)


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        sources = _sources_in(path)
        if not sources:
            raise MnadError(
                f"{path} holds no videos, no images and no folders of images: "
                "check the path or the names of the files."
            )
        return sources
    if path.exists():
        return [path]
    if not any(sign in str(path) for sign in "*?["):
        raise MnadError(missing(path))
    matches = [Path(match) for match in glob(str(path), recursive=True)]
    sources = [p for p in matches if _is_file_of(p, VIDEOS)]
    sources += [source for p in matches if p.is_dir() for source in _sources_in(p)]
    if not sources:
        raise MnadError(
            f"{path} matches no video and no folder of images: check the pattern, and for images "
            "give their folder."
        )
    return sources


def _sources_in(folder: Path) -> list[Path]:
    entries = _entries(folder)
    sources = [p for p in entries if _is_file_of(p, VIDEOS)]
    if not sources and images_in(folder):
        return [folder]
    return sources + [p for p in entries if p.is_dir() and _may_hold_images(p)]


def _may_hold_images(folder: Path) -> bool:
    """Also where that cannot be told: it is not passed over without a word, nor are the others."""
    try:
        return bool(images_in(folder))
    except MnadError:
        return True


def _entries(folder: Path) -> list[Path]:
    try:
        return [p for p in folder.iterdir() if not p.name.startswith(".")]
    except PermissionError as error:
        raise _unreadable(folder, error) from None


def _unreadable(path: Path, error: OSError) -> MnadError:
    return MnadError(
        f"{path} cannot be read ({error.strerror}): let this user read it, or run the command as "
        "its owner."
    )


def _is_file_of(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.is_dir()
