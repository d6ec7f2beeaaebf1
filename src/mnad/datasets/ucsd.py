"""UCSD Ped1 and Ped2 as their owners distribute them.

::

    PATH/Train/Train001/001.tif ...
    PATH/Test/Test001/001.tif ...
    PATH/Test/Test001_gt/001.bmp ...    masks; frame001.bmp in some clips; 10 clips of Ped1 only
    PATH/Test/UCSDped2.m                labels: a range list for each test clip

The folder is ``UCSD_Anomaly_Dataset.v1p2/UCSDped2``; a folder that holds it may be given. A frame
that is damaged keeps its place, number and label, and shows the frame before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset, by_pixels, of_clips, unlabelled
from mnad.datasets.facts import KNOWN, differences, numbering
from mnad.datasets.headers import damage_told, damaged_in
from mnad.datasets.labels import fill, read_ranges
from mnad.datasets.layout import number_of, numbered
from mnad.datasets.masks import ImageMasks
from mnad.errors import MnadError
from mnad.video.find import images_in


def is_ucsd(name: str, folder: Path) -> bool:
    """Whether a folder is the owners' one of ``ped1`` or ``ped2``."""
    if not (numbered(folder / "Train", "Train") or numbered(folder / "Test", "Test")):
        return False
    other = "ped1" if name == "ped2" else "ped2"
    return not ((folder / "Test" / f"UCSD{other}.m").exists() or folder.name == f"UCSD{other}")


def open_ucsd(name: str, root: Path, labels: bool) -> Dataset:
    """Open the owners' layout and compare it with what is known of it.

    Args:
        name: ``ped1`` or ``ped2``.
        root: the folder with Train and Test.
        labels: False opens no label file.

    Raises:
        MnadError: labels or masks that do not fit their clips.
    """
    train = unlabelled(numbered(root / "Train", "Train"))
    test = unlabelled(numbered(root / "Test", "Test"))
    damaged = damaged_in((*train, *test))
    told = damage_told(damaged, root)
    label_source, mask_source = "not read", "not read"
    if labels:
        test, mask_source = _masked(test)
        test, label_source, more = _labelled(test, root / "Test" / f"UCSD{name}.m")
        told += more
    facts = KNOWN[name]
    warnings = (*differences(name, facts, train, test), *numbering(root, (*train, *test), 1), *told)
    return Dataset(
        name,
        root,
        train,
        test,
        label_source,
        warnings,
        facts.rate,
        layout="the owners': Train/Train001/001.tif",
        mask_source=mask_source,
        damaged=damaged,
    )


def _masked(test: Sequence[Clip]) -> tuple[tuple[Clip, ...], str]:
    clips = []
    for clip in test:
        folder = clip.path.with_name(f"{clip.path.name}_gt")
        files = images_in(folder) if folder.is_dir() else []
        clips.append(replace(clip, masks=_matched(clip, files)) if files else clip)
    return tuple(clips), of_clips("TestNNN_gt", clips)


def _matched(clip: Clip, files: list[Path]) -> ImageMasks:
    """Masks by order if they are as many as the frames, else by number."""
    if len(files) == clip.length:
        return ImageMasks(tuple(files))
    by_number = {number_of(file.stem): file for file in files}
    numbers = [number_of(file.stem) for file in images_in(clip.path)]
    found = tuple(by_number.get(number) for number in numbers)
    if sum(file is not None for file in found) < len(files):
        raise MnadError(
            f"{files[0].parent} holds {len(files)} masks but {clip.path} {clip.length} frames, and "
            "their numbers do not agree: restore the owners' files."
        )
    return ImageMasks(found)


def _labelled(test: Sequence[Clip], file: Path) -> tuple[tuple[Clip, ...], str, list[str]]:
    """Clips with labels, where they are from, and what is to be told."""
    if file.exists():
        ranges = read_ranges(file)
        clips = []
        for clip in test:
            number = number_of(clip.name)
            assert number is not None
            if not 1 <= number <= len(ranges):
                raise MnadError(
                    f"{file} has labels for {len(ranges)} clips but not for {clip.name}: take the "
                    "label file that belongs to the clips."
                )
            where = f"{file}, clip {clip.name}"
            clips.append(replace(clip, labels=fill(ranges[number - 1], clip.length, where, 1)))
        return tuple(clips), file.name, []
    masked = by_pixels(test)
    if not any(clip.labels is not None for clip in masked):
        return masked, "none", [f"{file} is missing, and there are no masks: no labels."]
    sentence = f"{file} is missing: labels are those of the masks."
    return masked, "pixel masks (TestNNN_gt)", [sentence]
