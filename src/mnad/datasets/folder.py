"""A folder of one's own: videos or folders of frames, with labels beside them.

Either ``PATH/training`` and ``PATH/testing``, or clips directly in PATH, which are then both.
Labels of clip NAME lie beside it, as ``NAME.csv`` or ``NAME.npy`` (`mnad.datasets.labels`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset, unlabelled
from mnad.datasets.labels import read_csv, read_npy
from mnad.errors import MnadError
from mnad.video.find import find_sources, name_of


def open_folder(root: Path, labels: bool) -> Dataset:
    """Open a folder of one's own, or a single video as a data set of one clip.

    Args:
        root: the folder.
        labels: False opens no label file.

    Raises:
        MnadError: no clips, two clips of one name, or labels that do not fit.
    """
    parts = (root / "training", root / "testing")
    if any(part.is_dir() for part in parts):
        train, test = (clips_in(part) if part.is_dir() else () for part in parts)
    else:
        train = test = unlabelled(find_sources([root]))
    warnings = tuple(
        f"{root} holds {name}.mat: write {name}:{root} to use the labels in it."
        for name in ("ped2", "avenue")
        if labels and (root / f"{name}.mat").exists()
    )
    return Dataset(
        name=name_of(root),
        root=root,
        train=train,
        test=tuple(map(_labelled, test)) if labels else test,
        label_source="files beside the clips" if labels else "not read",
        warnings=warnings,
    )


def clips_in(part: Path) -> tuple[Clip, ...]:
    """Clips of ``training`` or ``testing``, which may have a level ``frames`` or ``videos``.

    Raises:
        MnadError: none, two of one name, or one that is no video.
    """
    levels = [part / "frames", part / "videos", part]
    return unlabelled(find_sources([next(level for level in levels if level.is_dir())]))


def _labelled(clip: Clip) -> Clip:
    readers = {".csv": read_csv, ".npy": read_npy}
    folder = Path(os.path.abspath(clip.path)).parent
    beside = {folder / (clip.name + end): read for end, read in readers.items()}
    found = {file: read for file, read in beside.items() if file.exists()}
    if len(found) == 2:
        raise MnadError(f"{' and '.join(map(str, found))} both label one clip: remove one.")
    for file, read in found.items():
        return replace(clip, labels=read(file, clip.length))
    return clip
