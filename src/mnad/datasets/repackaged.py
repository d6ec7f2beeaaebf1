"""UCSD Ped1 and Ped2, and CUHK Avenue, in the layout of the public code.

::

    PATH/training/frames/CLIP/000.jpg ...   or training/CLIP.mp4
    PATH/testing/frames/CLIP/000.jpg ...    or testing/CLIP.mp4
    PATH/ped1.mat, ped2.mat, avenue.mat     labels; else frame_labels_ped2.npy as MNAD has them
    PATH/testing/test_pixel_mask/CLIP.npy   masks (T, H, W), where there are any; or, of all clips
    PATH/pixel_masks.npz                    in one file, under the owners' names: Test001
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from mnad.datasets.avenue import HASAN, OWNER, avenue_name, by_hasan, by_masks, with_masks
from mnad.datasets.clip import Clip, Dataset, by_pixels, of_clips
from mnad.datasets.facts import KNOWN, differences, numbering
from mnad.datasets.folder import clips_in
from mnad.datasets.labels import find_joined, read_joined, read_mat
from mnad.datasets.layout import number_of
from mnad.datasets.masks import StoredMasks, array_masks
from mnad.datasets.shanghaitech import FRAME_MASKS, PIXEL_MASKS
from mnad.errors import MnadError

LAYOUT = "the public code's: clips in training and testing, numbered from 0"


def is_repackaged(name: str, folder: Path) -> bool:
    """Whether a folder has this layout and does not say that it is another data set."""
    if not ((folder / "training").is_dir() or (folder / "testing").is_dir()):
        return False
    named = {known for known in ("ped1", "ped2", "avenue") if (folder / f"{known}.mat").exists()}
    if (folder / "testing" / FRAME_MASKS).is_dir():
        named.add("shanghaitech")
    named |= {folder.name} & {"ped1", "ped2", "avenue", "shanghaitech"}
    return not named or name in named


def open_repackaged(name: str, root: Path, labels: bool, convention: str = "") -> Dataset:
    """Open a data set in the re-packaged layout and compare it with what is known of it.

    Args:
        name: ``ped1``, ``ped2`` or ``avenue``.
        root: its folder.
        labels: False opens no label file.
        convention: of Avenue, ``hasan`` or ``owner`` (`mnad.datasets.avenue`).

    Raises:
        MnadError: labels that do not match the test clips.
    """
    parts = (root / "training", root / "testing")
    train, test = (clips_in(part) if part.is_dir() else () for part in parts)
    source, mask_source = "not read", "not read"
    missing: tuple[str, ...] = ()
    if labels:
        test, mask_source = _masked(root, test, name)
        if convention == "owner":
            test, source = by_masks(root, test), OWNER
        else:
            test, source, missing = _labelled(root, test, name)
    if name == "avenue":
        name = avenue_name(convention)
    facts = KNOWN[name]
    warnings = (
        *differences(name, facts, train, test),
        *numbering(root, (*train, *test)),
        *missing,
    )
    return Dataset(
        name,
        root,
        train,
        test,
        source,
        warnings,
        facts.rate,
        layout=LAYOUT,
        mask_source=mask_source,
    )


def _labelled(
    root: Path, test: tuple[Clip, ...], name: str
) -> tuple[tuple[Clip, ...], str, tuple[str, ...]]:
    """Clips with labels, where they are from, and what is to be told."""
    file = root / f"{name}.mat"
    names, lengths = [clip.name for clip in test], [clip.length for clip in test]
    other = find_joined(root, name)
    if file.exists():
        arrays = read_mat(file, names, lengths)
    elif other is not None:
        file, arrays = other, read_joined(other, names, lengths)
    elif name == "avenue":
        sentence = f"{file} is missing: labels are the ranges that mnad knows."
        return by_hasan(test), HASAN, (sentence,)
    elif test and all(clip.masks is not None for clip in test):
        sentence = f"{file} is missing: labels are those of the masks."
        return by_pixels(test), f"{PIXEL_MASKS}, any pixel", (sentence,)
    else:
        return test, "none", (f"{root} has no labels: {file} is missing.",)
    clips = tuple(replace(clip, labels=one) for clip, one in zip(test, arrays, strict=True))
    return clips, f"{file.name} ({HASAN})" if name == "avenue" else file.name, ()


def _masked(root: Path, test: tuple[Clip, ...], name: str) -> tuple[tuple[Clip, ...], str]:
    folder, archive = root / "testing" / PIXEL_MASKS, root / "pixel_masks.npz"
    if not folder.is_dir() and archive.exists():
        test = _archived(archive, test)
        return test, of_clips(archive.name, test)
    if not folder.is_dir():
        return with_masks(root, test) if name == "avenue" else (test, "none")
    clips = []
    for clip in test:
        file = folder / f"{clip.name}.npy"
        if file.exists():
            clip = replace(clip, masks=array_masks(file, clip.length))
        clips.append(clip)
    return tuple(clips), of_clips(PIXEL_MASKS, clips)


def _archived(file: Path, test: tuple[Clip, ...]) -> tuple[Clip, ...]:
    """Clips with the masks of the same number in an archive of all."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            keys = {number_of(key): key for key in archive.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise MnadError(
            f"{file} cannot be read: it must hold masks (T, H, W) of each clip, saved with "
            "numpy.savez."
        ) from error
    clips = []
    for clip in test:
        key = keys.get(number_of(clip.name))
        clips.append(clip if key is None else replace(clip, masks=StoredMasks(file, key)))
    return tuple(clips)
