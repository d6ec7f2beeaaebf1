"""Which data sets of the field are known, and which of the known layouts a folder has."""

from __future__ import annotations

from pathlib import Path

from mnad.datasets.avenue import is_avenue, open_avenue
from mnad.datasets.clip import Dataset
from mnad.datasets.layout import find_root, find_roots
from mnad.datasets.mvtec import is_object, open_mvtec
from mnad.datasets.phantom import is_phantom, open_phantom
from mnad.datasets.repackaged import is_repackaged, open_repackaged
from mnad.datasets.shanghaitech import open_shanghaitech
from mnad.datasets.something import CLASSES, is_something, open_something
from mnad.datasets.ucsd import is_ucsd, open_ucsd
from mnad.errors import UsageError

NAMES = ("ped1", "ped2", "avenue", "shanghaitech", "mvtec", "loco", "phantom", "ssv2")

_OPTIONS = {"avenue": ("hasan", "owner"), "ssv2": tuple(CLASSES)}

_WANTED = {
    "ped1": "training nor testing, nor Train nor Test as the owners have them,",
    "ped2": "training nor testing, nor Train nor Test as the owners have them,",
    "avenue": "training nor testing, nor the owners' training_videos nor testing_videos,",
    "shanghaitech": "training nor testing",
    "mvtec": "train/good nor test/good of an object (and no defects_config.json)",
    "loco": "train/good nor test/good beside a defects_config.json",
    "phantom": "train/normal nor test/normal of a class",
    "ssv2": "something-something-v2-train.json nor labels/train.json",
}


def open_known(name: str, option: str, path: Path, labels: bool) -> Dataset:
    """Open a data set of the field in whichever of its layouts is there.

    Args:
        name: one of `NAMES`.
        option: what follows an @ in the spec; empty without.
        path: the folder, or one that holds it and no other of its kind.
        labels: False opens no label file.

    Raises:
        UsageError: no such option.
        MnadError: not the data set, or labels that do not fit their clips.
    """
    allowed = _OPTIONS.get(name, ())
    if (option and option not in allowed) or (name == "ssv2" and not option):
        raise UsageError(
            f"{name}@{option}:{path}: write "
            + (" or ".join(f"{name}@{one}:{path}" for one in allowed) or f"{name}:{path}")
            + "."
        )
    root = find_root(name, path, lambda folder: _fits(name, folder), _WANTED[name])
    match name:
        case "ped1" | "ped2" if is_ucsd(name, root):
            return open_ucsd(name, root, labels)
        case "avenue" if is_avenue(root):
            return open_avenue(root, labels, option)
        case "ped1" | "ped2" | "avenue":
            return open_repackaged(name, root, labels, option)
        case "shanghaitech":
            return open_shanghaitech(root, labels)
        case "phantom":
            return open_phantom(root, labels)
        case "ssv2":
            return open_something(root, labels, option)
    return open_mvtec(name, root, labels)


def classes_of(name: str, path: Path) -> dict[str, str]:
    """The classes or objects of a data set that are trained on one by one.

    Args:
        name: one of `NAMES`.
        path: of a class, or of the folder that holds several, at most two levels above them.

    Returns:
        Name of the class to its spec; of a data set without classes the one of `name`.

    Raises:
        MnadError: none there.
    """
    if name == "ssv2":
        return {one: f"{name}@{one}:{path}" for one in CLASSES}
    if name not in ("mvtec", "loco", "phantom"):
        return {name: f"{name}:{path}"}
    roots = find_roots(name, path, lambda folder: _fits(name, folder), _WANTED[name])
    return {root.resolve().name: f"{name}:{root}" for root in roots}


def _fits(name: str, folder: Path) -> bool:
    match name:
        case "ped1" | "ped2":
            return is_ucsd(name, folder) or is_repackaged(name, folder)
        case "avenue":
            return is_avenue(folder) or is_repackaged(name, folder)
        case "shanghaitech":
            return is_repackaged(name, folder)
        case "phantom":
            return is_phantom(folder)
        case "ssv2":
            return is_something(folder)
    return is_object(name, folder)
