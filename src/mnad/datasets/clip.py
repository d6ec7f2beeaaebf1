"""What a data set is: named clips, frame labels, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.video.find import name_of
from mnad.video.source import count_frames


@dataclass(frozen=True, eq=False)
class Clip:
    """One video.

    Args:
        name: unique within the training or the test set.
        path: video file or folder of frames, for `mnad.video.source.open_source`.
        length: frames, counted or as the video file declares.
        labels: uint8 (length,), 1 = abnormal, or None where there are none.
    """

    name: str
    path: Path
    length: int
    labels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test clips in natural order.

    Args:
        name: of the data set or the folder.
        root: its folder.
        train: clips to train on, never labelled.
        test: clips to score.
        label_source: where the labels are from, in words for a report.
        warnings: one sentence for everything that differs from what is known of the data set.
        rate: frames per second of all clips, where folders of images do not say; None where the
            clips say it themselves.
    """

    name: str
    root: Path
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    label_source: str
    warnings: tuple[str, ...] = ()
    rate: float | None = None


def unlabelled(paths: list[Path]) -> tuple[Clip, ...]:
    """A clip for each source, named as its file without suffix or its folder.

    Raises:
        MnadError: two sources of one name, or one that is no video.
    """
    clips: dict[str, Clip] = {}
    for path in paths:
        name = name_of(path)
        if name in clips:
            raise MnadError(
                f"{path} and {clips[name].path} are both named {name}: rename or remove one."
            )
        clips[name] = Clip(name, path, count_frames(path))
    return tuple(clips.values())


def require_labels(dataset: Dataset) -> None:
    """Check that there are test clips and that each has labels.

    Raises:
        MnadError: naming the clips that have none.
    """
    if not dataset.test:
        raise MnadError(
            f"{dataset.root} has no test clips: put labelled videos or folders of frames into its "
            "folder testing."
        )
    missing = [clip.name for clip in dataset.test if clip.labels is None]
    if missing:
        raise MnadError(
            f"{dataset.root} has no labels for test clip {', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}: put NAME.csv beside each, with the header "
            "first,last and a line for each abnormal interval (0-based, inclusive; none if all is "
            "normal)."
        )


def require_training(dataset: Dataset) -> None:
    """Check that there is something to train on.

    Raises:
        MnadError: no training clips.
    """
    if not dataset.train:
        raise MnadError(
            f"{dataset.root} has no training clips: put videos or folders of frames of normal "
            "footage into its folder training."
        )
