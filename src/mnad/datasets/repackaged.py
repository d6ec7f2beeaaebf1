"""UCSD Ped2, CUHK Avenue and ShanghaiTech in the layout of the public code.

::

    PATH/training/frames/CLIP/000.jpg ...   or training/CLIP.mp4
    PATH/testing/frames/CLIP/000.jpg ...    or testing/CLIP.mp4
    PATH/ped2.mat, PATH/avenue.mat          labels; ShanghaiTech: testing/test_frame_mask/CLIP.npy
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset
from mnad.datasets.folder import clips_in
from mnad.datasets.labels import read_mat, read_npy
from mnad.errors import MnadError
from mnad.video.find import images_in


@dataclass(frozen=True)
class Facts:
    """What is known of a complete copy; a copy that differs is used, with a warning."""

    train_clips: int
    train_frames: int
    test_clips: int
    test_frames: int
    abnormal_frames: int
    rate: float
    test_lengths: tuple[int, ...] = ()


# Counts of the official archives; Avenue's 3,867 is the label set of ano_pred_cvpr2018 and MNAD
# (47 events), not the owners' pixel masks.
# fmt: off
KNOWN = {
    "ped2": Facts(
        16, 2550, 12, 2010, 1648, 10.0,
        (180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180),
    ),
    "avenue": Facts(
        16, 15328, 21, 15324, 3867, 25.0,
        (1439, 1211, 923, 947, 1007, 1283, 605, 36, 1175, 841, 472,
         1271, 549, 507, 1001, 740, 426, 294, 248, 273, 76),
    ),
    "shanghaitech": Facts(330, 274515, 107, 40791, 17326, 24.0),
}
# fmt: on


def open_repackaged(name: str, root: Path, labels: bool) -> Dataset:
    """Open a data set in the re-packaged layout and compare it with what is known of it.

    Args:
        name: a key of `KNOWN`.
        root: its folder.
        labels: False opens no label file.

    Raises:
        MnadError: neither training nor testing, or labels that do not match the test clips.
    """
    if not root.is_dir():
        raise MnadError(f"{root} is not a folder: check the path after {name}:.")
    parts = (root / "training", root / "testing")
    if not any(part.is_dir() for part in parts):
        raise MnadError(
            f"{root} has neither training nor testing in it: give the folder of {name} that holds "
            "training/frames and testing/frames."
        )
    train, test = (clips_in(part) if part.is_dir() else () for part in parts)
    source = "not read" if not labels else "none"
    missing: tuple[str, ...] = ()
    if labels:
        file = root / ("testing/test_frame_mask" if name == "shanghaitech" else f"{name}.mat")
        if file.exists():
            source = file.name
            test = _masked(test, file) if file.is_dir() else _ranged(test, file)
        else:
            missing = (f"{root} has no labels: {file} is missing.",)
    warnings = (*_differences(name, train, test), *_numbering(root, (*train, *test)), *missing)
    return Dataset(name, root, train, test, source, warnings, KNOWN[name].rate)


def _ranged(clips: tuple[Clip, ...], file: Path) -> tuple[Clip, ...]:
    arrays = read_mat(file, [clip.name for clip in clips], [clip.length for clip in clips])
    return tuple(replace(clip, labels=array) for clip, array in zip(clips, arrays, strict=True))


def _masked(clips: tuple[Clip, ...], folder: Path) -> tuple[Clip, ...]:
    labelled = []
    for clip in clips:
        file = folder / f"{clip.name}.npy"
        if not file.exists():
            raise MnadError(f"{file} is missing: restore it, or remove test clip {clip.name}.")
        labelled.append(replace(clip, labels=read_npy(file, clip.length)))
    return tuple(labelled)


def _differences(name: str, train: Iterable[Clip], test: Iterable[Clip]) -> Iterator[str]:
    facts = KNOWN[name]
    lengths = tuple(clip.length for clip in test)
    train_lengths = [clip.length for clip in train]
    for found, known, what in (
        (len(train_lengths), facts.train_clips, "training clips"),
        (sum(train_lengths), facts.train_frames, "training frames"),
        (len(lengths), facts.test_clips, "test clips"),
        (sum(lengths), facts.test_frames, "test frames"),
    ):
        if found != known:
            yield f"{name} has {found} {what} here, the official one {known}."
    if len(lengths) == len(facts.test_lengths):
        for clip, known in zip(test, facts.test_lengths, strict=True):
            if clip.length != known:
                yield f"{name}: test clip {clip.name} has {clip.length} frames here, not {known}."
    arrays = [clip.labels for clip in test if clip.labels is not None]
    abnormal = sum(int(array.sum()) for array in arrays)
    if arrays and abnormal != facts.abnormal_frames:
        yield f"{name} has {abnormal} abnormal frames here, not {facts.abnormal_frames}."


def _numbering(root: Path, clips: Iterable[Clip]) -> Iterator[str]:
    """Where frames are missing, what moves jumps; a base other than 0 is harmless but told."""
    bases = set()
    for clip in clips:
        if clip.path.is_dir():
            found = [re.findall(r"\d+", file.stem) for file in images_in(clip.path)]
            numbers = [int(digits[-1]) for digits in found if digits]
            bases.update(numbers[:1])
            if numbers and numbers[-1] - numbers[0] + 1 != len(numbers):
                yield (
                    f"{clip.path.relative_to(root)} has {len(numbers)} frames numbered from "
                    f"{numbers[0]} to {numbers[-1]}: some are missing or there twice."
                )
    if bases - {0}:
        yield (
            f"Frames in {root} are numbered from {', '.join(map(str, sorted(bases)))}, not all "
            "from 0: labels are matched by order, not by number."
        )
