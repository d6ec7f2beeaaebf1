"""PHANTOM (Kart and Cohen 2021, arXiv 2112.07661): short clips, each normal or not as a whole.

::

    PATH/CLASS/train/normal/NAME.mp4 ...
    PATH/CLASS/test/normal/NAME.mp4 ...
    PATH/CLASS/test/ANOMALY/NAME.mp4 ...

``phantom:PATH/magnets``; test clips are named ``knocks/NAME``, by their folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mnad.datasets.clip import Clip, Dataset
from mnad.datasets.layout import folders_in, videos_in

# train/normal, test/normal, test/ANOMALY, shortest and longest clip.
_Class = tuple[int, int, dict[str, int], int, int]
KNOWN_CLASSES: dict[str, _Class] = {
    "candle": (35, 17, {"anomalous": 27}, 241, 527),
    "keyboard": (35, 19, {"anomalous": 16}, 161, 684),
    "magnets": (16, 30, {"knocks": 10, "start_still": 12, "wind": 12}, 204, 431),
    "pendulum": (32, 15, {"motion": 18, "object": 15}, 106, 526),
    "sushi": (30, 10, {"anomalous": 25}, 93, 712),
    "window": (30, 18, {"anomalous": 16}, 75, 320),
}
_RATE = 30.0


def is_phantom(folder: Path) -> bool:
    """Whether a folder is one of the classes."""
    return (folder / "train" / "normal").is_dir() or (folder / "test" / "normal").is_dir()


def open_phantom(root: Path, labels: bool) -> Dataset:
    """Open one class and compare it with what is known of it.

    Args:
        root: the folder of the class.
        labels: False takes no labels from the folders.

    Raises:
        MnadError: a clip that is no video.
    """
    train = videos_in(root / "train" / "normal")
    tested = folders_in(root / "test") if (root / "test").is_dir() else []
    test = tuple(
        replace(clip, name=f"{folder.name}/{clip.name}")
        for folder in sorted(tested, key=lambda folder: folder.name != "normal")
        for clip in videos_in(folder)
    )
    if labels:
        test = tuple(whole(clip, abnormal=not clip.name.startswith("normal/")) for clip in test)
    return Dataset(
        f"phantom/{root.name}",
        root,
        train,
        test,
        "folder of each clip" if labels else "not read",
        tuple(_differences(root.name, train, test)),
        _RATE,
        kind="clips",
        layout="the owners': train/normal/NAME.mp4",
    )


def whole(clip: Clip, abnormal: bool) -> Clip:
    """A clip that is normal or abnormal from its first frame to its last."""
    return replace(clip, labels=np.full(clip.length, abnormal, np.uint8))


def _differences(name: str, train: Sequence[Clip], test: Sequence[Clip]) -> Iterator[str]:
    if name not in KNOWN_CLASSES:
        yield f"{name} is no class of phantom: nothing is known of it to compare with."
        return
    trained, normal, abnormal, shortest, longest = KNOWN_CLASSES[name]
    counts: dict[str, int] = {}
    for clip in test:
        folder = clip.name.partition("/")[0]
        counts[folder] = counts.get(folder, 0) + 1
    known = {"train/normal": trained, "test/normal": normal}
    known |= {f"test/{folder}": count for folder, count in abnormal.items()}
    found = {"train/normal": len(train)} | {f"test/{f}": count for f, count in counts.items()}
    for folder in {**known, **found}:
        if found.get(folder, 0) != known.get(folder, 0):
            yield (
                f"phantom/{name} has {found.get(folder, 0)} clips in {folder} here, the official "
                f"one {known.get(folder, 0)}."
            )
    for clip in (*train, *test):
        if not shortest <= clip.length <= longest:
            yield (
                f"phantom/{name}: clip {clip.name} has {clip.length} frames here, not from "
                f"{shortest} to {longest}."
            )
