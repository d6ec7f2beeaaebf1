"""A folder of one's own: videos or folders of frames, with labels and masks beside them.

Either ``PATH/training`` and ``PATH/testing``, or clips directly in PATH, which are then both.
Beside clip NAME may lie, at most one of a row:

=======  =======================================================================================
labels   ``NAME.csv`` of intervals, ``NAME.npy`` (T,) of 0 and 1
masks    ``NAME.npy`` (T, H, W), folder ``NAME_gt`` or ``NAME_mask`` of images,
         ``NAME_masks.npz`` with the key masks, ``NAME.xml`` of CVAT
=======  =======================================================================================

Without labels, the masks give them. Mask images are one for each frame in order, or fewer that are
named as the images of the clip; a frame without one is then normal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset, of_clips, unlabelled
from mnad.datasets.cvat import ShapeMasks, read_cvat
from mnad.datasets.facts import numbering
from mnad.datasets.labels import read_csv, read_npy
from mnad.datasets.layout import folders_in, images_and_folders, sources_in
from mnad.datasets.masks import (
    ImageMasks,
    Masks,
    StoredMasks,
    array_masks,
    labels_of,
    open_array,
    require_masks,
)
from mnad.errors import MnadError
from mnad.video.find import IMAGES, VIDEOS, find_sources, images_in, name_of

_MASK_FOLDERS = ("_gt", "_mask")
_MEDIA = IMAGES | VIDEOS


def open_folder(root: Path, labels: bool) -> Dataset:
    """Open a folder of one's own, or a single video as a data set of one clip.

    Args:
        root: the folder.
        labels: False opens no label file, and leaves clips that cannot be read to their reader.

    Raises:
        MnadError: no clips, two clips of one name, or labels that do not fit.
    """
    parts = (root / "training", root / "testing")
    if any(part.is_dir() for part in parts):
        train, test = (clips_in(part, not labels) if part.is_dir() else () for part in parts)
    else:
        train = test = unlabelled(_clips_of(find_sources([root])), not labels)
    warnings = tuple(
        f"{root} holds {name}.mat: write {name}:{root} to use the labels in it."
        for name in ("ped1", "ped2", "avenue")
        if labels and (root / f"{name}.mat").exists()
    )
    levels = [_level(part) for part in parts if part.is_dir()] or [root]
    taken = {clip.path for clip in (*train, *test)}
    warnings += tuple(
        told for level in levels if level.is_dir() for told in _left_out(level, taken)
    )
    warnings += tuple(numbering(root, {c.path: c for c in (*train, *test)}.values(), None))
    both, test = train is test, tuple(map(_labelled, test)) if labels else test
    if both and any(clip.labels is not None for clip in test):
        warnings += (
            f"{root} has neither training nor testing in it, so that its clips are both: a model "
            "that was trained on it has seen all that it is measured on.",
        )
    labelled = any(clip.labels is not None for clip in test)
    return Dataset(
        name=name_of(root),
        root=root,
        train=train,
        test=test,
        label_source=("files beside the clips" if labelled else "none") if labels else "not read",
        warnings=warnings,
        own=True,
        layout="a folder of one's own",
        mask_source=of_clips("files beside the clips", test) if labels else "not read",
    )


def clips_in(part: Path, unread: bool = False) -> tuple[Clip, ...]:
    """Clips of ``training`` or ``testing``, which may have a level ``frames`` or ``videos``.

    `unread` is that of `unlabelled`.

    Raises:
        MnadError: none, two of one name, one that is no video, or images beside folders of images.
    """
    return unlabelled(_clips_of(sources_in(_level(part))), unread)


def _level(part: Path) -> Path:
    levels = [part / "frames", part / "videos", part]
    return next(level for level in levels if level.is_dir())


def _left_out(folder: Path, taken: Collection[Path]) -> Iterator[str]:
    """A sentence for all in a folder that looks like clips and is not taken."""
    if folder in taken:
        if sentence := images_and_folders(folder):
            yield f"{sentence}, which are not taken: move away what is no clip."
        return
    for deep in folders_in(folder):
        if not images_in(deep) and any(p.suffix.lower() in _MEDIA for p in deep.rglob("[!.]*")):
            yield (
                f"{deep} holds videos or images further down, which are not taken: move what are "
                f"clips, videos and folders of images, up into {folder}."
            )


def _clips_of(found: Iterable[Path]) -> Iterable[Path]:
    """The sources without folders of masks of another one."""
    names = {name_of(path) for path in found}
    ends = {name + end for name in names for end in _MASK_FOLDERS}
    return [path for path in found if not (path.is_dir() and name_of(path) in ends)]


def _labelled(clip: Clip) -> Clip:
    folder = Path(os.path.abspath(clip.path)).parent
    array = folder / f"{clip.name}.npy"
    pixels = _holds_masks(array)
    labelling = [folder / f"{clip.name}.csv", *([] if pixels else [array])]
    masking = [folder / f"{clip.name}{end}" for end in (*_MASK_FOLDERS, "_masks.npz", ".xml")] + (
        [array] if pixels else []
    )
    label_file = _only(labelling, "label one clip")
    mask_file = _only(masking, "are masks of one clip")
    if mask_file is not None:
        masks = _masks(clip, mask_file)
        clip = replace(clip, masks=masks)
        if label_file is None:
            labels = (
                masks.labels(clip.length)
                if isinstance(masks, ShapeMasks)
                else labels_of(masks, clip.length)
            )
            clip = replace(clip, labels=labels)
    if label_file is not None:
        read = read_csv if label_file.suffix == ".csv" else read_npy
        clip = replace(clip, labels=read(label_file, clip.length))
    return clip


def _holds_masks(file: Path) -> bool:
    """Whether an array is one of masks; whatever else is wrong with it is for its reader."""
    try:
        return file.exists() and open_array(file).ndim == 3
    except MnadError:
        return False


def _only(files: list[Path], what: str) -> Path | None:
    found = [file for file in files if file.exists()]
    if len(found) > 1:
        raise MnadError(f"{' and '.join(map(str, found))} both {what}: remove one.")
    return found[0] if found else None


def _masks(clip: Clip, file: Path) -> Masks:
    images = images_in(clip.path) if clip.path.is_dir() else []
    if file.is_dir():
        return _image_masks(clip, file, images)
    if file.suffix == ".xml":
        return read_cvat(file, clip.length, {image.name: n for n, image in enumerate(images)})
    if file.suffix == ".npy":
        return array_masks(file, clip.length)
    masks = StoredMasks(file)
    require_masks(file, len(masks), clip.length)
    return masks


def _image_masks(clip: Clip, folder: Path, images: list[Path]) -> ImageMasks:
    files = images_in(folder)
    if len(files) == clip.length:
        return ImageMasks(tuple(files))
    named = {_bare(file.stem): file for file in files}
    found = tuple(named.get(image.stem) for image in images)
    if not files or sum(file is not None for file in found) < len(files):
        raise MnadError(
            f"{folder} holds {len(files)} masks but its clip has {clip.length} frames: give one "
            "for each frame, or name them as the images of the clip."
        )
    return ImageMasks(found)


def _bare(stem: str) -> str:
    for end in _MASK_FOLDERS:
        stem = stem.removesuffix(end)
    return stem
