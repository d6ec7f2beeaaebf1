"""MVTec AD and MVTec LOCO AD: images, one object at a time.

::

    PATH/OBJECT/train/good/000.png ...
    PATH/OBJECT/validation/good/000.png ...                     LOCO only
    PATH/OBJECT/test/good/000.png ..., test/DEFECT/000.png ...
    PATH/OBJECT/ground_truth/DEFECT/000_mask.png                MVTec AD
    PATH/OBJECT/ground_truth/DEFECT/000/000.png ...             LOCO, one for each defect
    PATH/OBJECT/defects_config.json                             LOCO

``mvtec:PATH/bottle``, ``loco:PATH/pushpins``. Each folder of images is a clip, each image a frame
of it with its own label; nothing moves from one to the next, so that only networks of one frame
(``--task reconstruction``) can be trained on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mnad.datasets.channels import ChannelMasks, read_rules
from mnad.datasets.clip import Clip, Dataset
from mnad.datasets.layout import folders_in
from mnad.datasets.masks import ImageMasks
from mnad.video.find import images_in

_RATE = 1.0
"""Images have no time: one a second, so that nothing is smoothed from one to the next."""

# Images of train/good and of test; their sums are those of the paper, 3,629 and 1,725.
# fmt: off
MVTEC = {
    "bottle": (209, 83), "cable": (224, 150), "capsule": (219, 132), "carpet": (280, 117),
    "grid": (264, 78), "hazelnut": (391, 110), "leather": (245, 124), "metal_nut": (220, 115),
    "pill": (267, 167), "screw": (320, 160), "tile": (230, 117), "toothbrush": (60, 42),
    "transistor": (213, 100), "wood": (247, 79), "zipper": (240, 151),
}
# train, validation, test: good, logical, structural.
LOCO = {
    "breakfast_box": (351, 62, 102, 83, 90), "juice_bottle": (335, 54, 94, 142, 94),
    "pushpins": (372, 69, 138, 91, 81), "screw_bag": (360, 60, 122, 137, 82),
    "splicing_connectors": (360, 60, 119, 108, 85),
}
# fmt: on


def is_object(name: str, folder: Path) -> bool:
    """Whether a folder is an object of ``mvtec`` or ``loco``."""
    good = any((folder / part / "good").is_dir() for part in ("train", "test"))
    return good and (name == "loco") == (folder / "defects_config.json").exists()


def open_mvtec(name: str, root: Path, labels: bool) -> Dataset:
    """Open one object.

    Args:
        name: ``mvtec`` or ``loco``.
        root: the folder of the object.
        labels: False reads no labels and no masks.

    Raises:
        MnadError: images that cannot be listed, or a broken defects_config.json.
    """
    told: list[str] = []
    train, validation = (_images(root / part / "good") for part in ("train", "validation"))
    tested = folders_in(root / "test") if (root / "test").is_dir() else []
    folders = sorted(tested, key=lambda folder: folder.name != "good")
    test = tuple(clip for folder in folders for clip in _images(folder))
    if labels:
        masked = _loco_masks if name == "loco" else _mvtec_masks
        test = tuple(_labelled(clip) for clip in test)
        test = tuple(clip if clip.name == "good" else masked(root, clip, told) for clip in test)
    found = [sum(clip.length for clip in clips) for clips in (train, validation, test)]
    told = [*_differences(name, root.name, found, test), *told]
    return Dataset(
        f"{name}/{root.name}",
        root,
        train,
        test,
        "folder of each image" if labels else "not read",
        tuple(told),
        _RATE,
        kind="images",
        layout="the owners': train/good/000.png",
        mask_source="ground_truth" if labels else "not read",
        validation=validation,
    )


def _images(folder: Path) -> tuple[Clip, ...]:
    files = images_in(folder) if folder.is_dir() else []
    return (Clip(folder.name, folder, len(files)),) if files else ()


def _labelled(clip: Clip) -> Clip:
    return replace(clip, labels=np.full(clip.length, clip.name != "good", np.uint8))


def _mvtec_masks(root: Path, clip: Clip, told: list[str]) -> Clip:
    folder = root / "ground_truth" / clip.name
    names = [f"{file.stem}_mask.png" for file in images_in(clip.path)]
    files = tuple(folder / name if (folder / name).exists() else None for name in names)
    _count_missing(clip, files, told)
    return replace(clip, masks=ImageMasks(files))


def _loco_masks(root: Path, clip: Clip, told: list[str]) -> Clip:
    folder = root / "ground_truth" / clip.name
    stems = [file.stem for file in images_in(clip.path)]
    folders = tuple(
        one if one.is_dir() and images_in(one) else None for one in map(folder.joinpath, stems)
    )
    _count_missing(clip, folders, told)
    return replace(clip, masks=ChannelMasks(folders, read_rules(root / "defects_config.json")))


def _count_missing(clip: Clip, found: Sequence[Path | None], told: list[str]) -> None:
    missing = sum(one is None for one in found)
    if missing:
        told.append(f"{missing} of the {clip.length} images of {clip.name} have no mask.")


def _differences(name: str, thing: str, found: list[int], test: Sequence[Clip]) -> list[str]:
    if name == "loco":
        counts = {clip.name: clip.length for clip in test}
        kinds = ("good", "logical_anomalies", "structural_anomalies")
        here = (*found[:2], *(counts.get(kind, 0) for kind in kinds))
        words: tuple[str, ...] = ("training", "validation", *kinds)
        known: tuple[int, ...] = LOCO.get(thing, ())
    else:
        here, words, known = (found[0], found[2]), ("training", "test"), MVTEC.get(thing, ())
    if not known:
        return [f"{thing} is no object of {name}: nothing is known of it to compare with."]
    return [
        f"{name}/{thing} has {one} images of {word} here, the official one {there}."
        for one, there, word in zip(here, known, words, strict=True)
        if one != there
    ]
