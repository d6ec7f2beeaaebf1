"""ShanghaiTech Campus, as its owners distribute it and as users unpack it.

::

    PATH/training/videos/01_001.avi ...         or frames/01_001/000.jpg, or converted_videos
    PATH/testing/frames/01_0014/000.jpg ...     or videos
    PATH/testing/test_frame_mask/01_0014.npy    labels, one for each frame; else, of all clips,
    PATH/frame_labels_shanghai.npy              those of the public code
    PATH/testing/test_pixel_mask/01_0014.npy    masks (T, H, W)

Clips are SCENE_NUMBER, with three or four digits; masks are found by both numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset, by_pixels, of_clips
from mnad.datasets.facts import KNOWN, differences, numbering
from mnad.datasets.labels import find_joined, read_joined, read_npy
from mnad.datasets.layout import videos_in
from mnad.datasets.masks import array_masks
from mnad.errors import MnadError
from mnad.video.find import find_sources

FRAME_MASKS, PIXEL_MASKS = "test_frame_mask", "test_pixel_mask"
_LEVELS = ("frames", "converted_videos", "videos")


def open_shanghaitech(root: Path, labels: bool) -> Dataset:
    """Open it and compare it with what is known of it.

    Args:
        root: the folder with training and testing.
        labels: False opens no label file.

    Raises:
        MnadError: labels or masks that do not fit their clips.
    """
    told: list[str] = []
    train, test = (_clips(root / part, told) for part in ("training", "testing"))
    label_source, mask_source = "not read", "not read"
    if labels:
        frame_masks, pixel_masks = (root / "testing" / f for f in (FRAME_MASKS, PIXEL_MASKS))
        label_source, mask_source = "none", "none"
        if pixel_masks.is_dir():
            test = _masked(test, pixel_masks)
            mask_source = of_clips(PIXEL_MASKS, test)
        joined = find_joined(root, "shanghai", "shanghaitech")
        if frame_masks.is_dir():
            test, label_source = _labelled(test, frame_masks), FRAME_MASKS
        elif joined is not None:
            names, lengths = [clip.name for clip in test], [clip.length for clip in test]
            arrays = read_joined(joined, names, lengths)
            test = tuple(replace(c, labels=one) for c, one in zip(test, arrays, strict=True))
            label_source = joined.name
        elif test and all(clip.masks is not None for clip in test):
            test, label_source = by_pixels(test), f"{PIXEL_MASKS}, any pixel"
            told.append(f"{frame_masks} is missing: labels are those of the masks.")
        else:
            told.append(f"{root} has no labels: {frame_masks} is missing.")
    facts = KNOWN["shanghaitech"]
    warnings = (
        *differences("shanghaitech", facts, train, test),
        *numbering(root, (*train, *test)),
        *told,
    )
    return Dataset(
        "shanghaitech",
        root,
        train,
        test,
        label_source,
        warnings,
        facts.rate,
        layout="the owners': training/videos/01_001.avi, testing/frames/01_0014/000.jpg",
        mask_source=mask_source,
    )


def _clips(part: Path, told: list[str]) -> tuple[Clip, ...]:
    """The fullest of the folders that may hold the clips, the first of equal ones."""
    folders = [part / level for level in _LEVELS if (part / level).is_dir()]
    if not folders:
        return videos_in(part)
    counts = {folder: _count(folder) for folder in folders}
    chosen = max(folders, key=counts.__getitem__)
    told += [
        f"{folder} holds {count} clips and {chosen} {counts[chosen]}: those in {chosen.name} are "
        "taken."
        for folder, count in counts.items()
        if count != counts[chosen]
    ]
    return videos_in(chosen)


def _count(folder: Path) -> int:
    try:
        return len(find_sources([folder]))
    except MnadError:  # nothing in it yet
        return 0


def _key(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name)))


def _masked(test: Sequence[Clip], folder: Path) -> tuple[Clip, ...]:
    files = {_key(file.stem): file for file in folder.glob("[0-9]*.npy")}
    clips = []
    for clip in test:
        file = files.get(_key(clip.name))
        if file is not None:
            clip = replace(clip, masks=array_masks(file, clip.length))
        clips.append(clip)
    return tuple(clips)


def _labelled(test: Sequence[Clip], folder: Path) -> tuple[Clip, ...]:
    files = {_key(file.stem): file for file in folder.glob("[0-9]*.npy")}
    labelled = []
    for clip in test:
        file = files.get(_key(clip.name))
        if file is None:
            raise MnadError(
                f"{folder / clip.name}.npy is missing: restore it, or remove test clip {clip.name}."
            )
        labelled.append(replace(clip, labels=read_npy(file, clip.length)))
    return tuple(labelled)
