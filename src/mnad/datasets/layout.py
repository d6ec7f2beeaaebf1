"""Where in a folder a data set lies, and what to say when there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from mnad.datasets.clip import Clip, unlabelled
from mnad.datasets.owners import where_from
from mnad.errors import MnadError
from mnad.video.find import IMAGES, find_sources, images_in, natural


def find_root(name: str, path: Path, fits: Callable[[Path], bool], wanted: str) -> Path:
    """`path`, or the one folder at most two levels below it, that holds the data set.

    Args:
        name: of the data set.
        path: what the user gave.
        fits: whether a folder is the data set's.
        wanted: how it would be recognised, for the error.

    Raises:
        MnadError: nothing there, nothing that fits, or more than one.
    """
    found = find_roots(name, path, fits, wanted)
    if len(found) > 1:
        raise MnadError(
            f"{path} holds {name} {len(found)} times: give one of "
            f"{', '.join(f'{name}:{folder}' for folder in found[:15])}."
        )
    return found[0]


def find_roots(name: str, path: Path, fits: Callable[[Path], bool], wanted: str) -> list[Path]:
    """`path`, or all folders of the highest of the two levels below it that has any which fit.

    Arguments and errors are those of `find_root`, but several are no error.
    """
    if not path.is_dir():
        raise MnadError(f"{path} is not a folder: check the path after {name}:. {where_from(name)}")
    # The name of a folder tells what it is, and that of . and .. nothing.
    level = [path if path.name.strip(".") else Path(os.path.abspath(path))]
    for _ in range(3):
        found = [folder for folder in level if fits(folder)]
        if found:
            return found
        level = [folder for parent in level for folder in folders_in(parent)]
    raise MnadError(f"{path} has neither {wanted} in it: give the folder of {name} that has.")


def folders_in(folder: Path) -> list[Path]:
    """Folders in `folder`, natural order, without hidden ones and what a Mac packs beside."""
    return sorted(
        (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX"))),
        key=natural,
    )


def numbered(folder: Path, stem: str) -> list[Path]:
    """Folders of images named `stem` and a number, in the order of the numbers."""
    if not folder.is_dir():
        return []
    named = (p for p in folders_in(folder) if re.fullmatch(rf"{stem}\d+", p.name))
    return [p for p in named if any(child.suffix.lower() in IMAGES for child in p.iterdir())]


def number_of(name: str) -> int | None:
    """The last number in a name: 6 of ``Test006`` and of ``frame006``."""
    found = re.findall(r"\d+", name)
    return int(found[-1]) if found else None


def sources_in(folder: Path) -> list[Path]:
    """The videos and folders of frames in a folder of clips, or itself if it is one.

    Raises:
        MnadError: nothing in it, or images beside folders of images.
    """
    found = find_sources([folder])
    if found == [folder] and (sentence := images_and_folders(folder)):
        raise MnadError(f"{sentence}: move away what is no clip.")
    return found


def images_and_folders(folder: Path) -> str:
    """That a folder holds images and folders of images, of which either may be meant; else ''."""
    images = images_in(folder)
    within = next((p for p in folders_in(folder) if images_in(p)), None) if images else None
    if within is None:
        return ""
    return f"{folder} holds images ({images[0].name}) beside folders of images ({within.name})"


def videos_in(folder: Path) -> tuple[Clip, ...]:
    """A clip for each video or folder of frames in `folder`; none where it is not there.

    Raises:
        MnadError: see `sources_in`.
    """
    return unlabelled(sources_in(folder)) if folder.is_dir() else ()
