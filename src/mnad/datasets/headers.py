"""Damaged images, found by their headers: nothing is decoded."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mnad.datasets.clip import Clip
from mnad.video.find import images_in

_OFFSETS, _COUNTS = 273, 279
"""TIFF tags: where the strips of the picture begin, and their bytes."""


def damaged_in(clips: Iterable[Clip]) -> frozenset[Path]:
    """Image files whose header is none, which end early, or which are of another size.

    Args:
        clips: folders of images; videos are passed over.

    Returns:
        The files; of a folder in which none is whole, none: then it is the folder that is wrong.
    """
    found: set[Path] = set()
    for clip in clips:
        if not clip.path.is_dir():
            continue
        files = images_in(clip.path)
        beginnings = {file: _beginning(file) for file in files}
        # Uncompressed frames all begin alike and are equally long: of those, one is looked at.
        alike = Counter(beginnings.values()).most_common(1)[0][0] if files else None
        one = next((file for file in files if beginnings[file] == alike), None)
        sizes = {f: _size(f) for f in files if f == one or beginnings[f] != alike}
        whole = [size for size in sizes.values() if size is not None]
        if whole:
            usual = Counter(whole).most_common(1)[0][0]
            found |= {file for file, size in sizes.items() if size != usual}
    return frozenset(found)


def damage_told(damaged: Iterable[Path], root: Path) -> list[str]:
    """A sentence for each damaged file."""
    return [
        f"{file.relative_to(root)} is damaged: the frame before it is shown in its place."
        for file in sorted(damaged)
    ]


def _beginning(file: Path) -> tuple[int, bytes]:
    """Bytes of the file, and its first eight."""
    with file.open("rb") as stream:
        return file.stat().st_size, stream.read(8)


def _size(file: Path) -> tuple[int, int] | None:
    from PIL import Image
    from PIL.TiffImagePlugin import TiffImageFile

    end = file.stat().st_size
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "(Corrupt|Truncated)")  # what Pillow says of a cut header
        try:
            with Image.open(file) as image:
                if isinstance(image, TiffImageFile):
                    offsets, counts = (image.tag_v2.get(tag, ()) for tag in (_OFFSETS, _COUNTS))
                    if any(a + b > end for a, b in zip(offsets, counts, strict=False)):
                        return None
                return image.size
        except (OSError, ValueError, SyntaxError, UserWarning, Image.DecompressionBombError):
            return None
