"""What a data set is: named clips, labels, masks, and where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnad.datasets.masks import Masks, labels_of
from mnad.errors import MnadError, UsageError
from mnad.video.find import name_of
from mnad.video.source import count_frames
from mnad.video.thin import given_rate, say_what_is_assumed

Kind = Literal["frames", "clips", "images"]
"""What a label is about: a frame of a video, a whole video, or an image that stands alone."""


@dataclass(frozen=True, eq=False)
class Clip:
    """One video, or one folder of images.

    Args:
        name: unique within the training or the test set.
        path: video file or folder of frames, for `mnad.video.source.open_source`.
        length: frames, counted or as the video file declares.
        labels: uint8 (length,), 1 = abnormal, or None where there are none. Where a label is about
            the whole clip, all are the same.
        masks: which pixels are abnormal, read when asked for; None where nothing is known.
    """

    name: str
    path: Path
    length: int
    labels: NDArray[np.uint8] | None = None
    masks: Masks | None = None


@dataclass(frozen=True)
class Prepared:
    """What the frames of a prepared copy were made for (`mnad.datasets.prepared`).

    Args:
        height: rows.
        width: columns.
        channels: 1 (grey) or 3 (RGB).
    """

    height: int
    width: int
    channels: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}, {'grey' if self.channels == 1 else 'RGB'}"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test clips in natural order.

    Args:
        name: of the data set or the folder; with the label convention or the class, where there
            are several.
        root: its folder.
        train: clips to train on, never labelled.
        test: clips to score.
        label_source: where the labels are from, in words for a report.
        warnings: one sentence for everything that differs from what is known of the data set.
        rate: frames per second of clips that do not say it, folders of images and arrays; None
            where there are none, or it is not known. Videos go by their own time.
        kind: what a label is about, which says what may be measured.
        own: whether it is a folder of one's own and not a data set of the field.
        layout: which of the known layouts it has, in words.
        mask_source: where the pixel masks are from, in words; ``none`` without.
        validation: normal clips set apart by the owners.
        damaged: image files that cannot be read; the frame before each is shown in its place, for
            `mnad.video.source.open_source`.
        prepared: set where the clips are arrays made for one size of network.
    """

    name: str
    root: Path
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    label_source: str
    warnings: tuple[str, ...] = ()
    rate: float | None = None
    kind: Kind = "frames"
    own: bool = False
    layout: str = ""
    mask_source: str = "none"
    validation: tuple[Clip, ...] = ()
    damaged: frozenset[Path] = frozenset()
    prepared: Prepared | None = None


def unlabelled(paths: Iterable[Path], unread: bool = False) -> tuple[Clip, ...]:
    """A clip for each source, named as its file without suffix or its folder.

    Args:
        paths: the sources.
        unread: one that cannot be read is left to whoever reads it; its length is 0.

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
        try:
            clips[name] = Clip(name, path, count_frames(path))
        except MnadError:
            if not unread:
                raise
            clips[name] = Clip(name, path, 0)
    return tuple(clips.values())


def at_rate(dataset: Dataset, given: float | None, wanted: float | None) -> Dataset:
    """A data set whose folders of images come at a rate that somebody gave, if anybody did.

    Where nobody did and it is not known, it is told if for that not all of them are looked at.

    Args:
        dataset: of the field, or one's own.
        given: frames per second of its folders of images.
        wanted: frames per second to take about; None for all.

    Raises:
        UsageError: the rate is known, out of range, or there are no folders of images.
    """
    paths = [clip.path for clip in (*dataset.train, *dataset.test)]
    if given is None:
        if dataset.own and dataset.rate is None:
            say_what_is_assumed(paths, wanted)
        return dataset
    if dataset.rate is not None:
        raise UsageError(
            f"{dataset.name} has {dataset.rate:g} frames per second, as is known of it: leave "
            "--folder_rate out."
        )
    return replace(dataset, rate=float(given_rate(given, paths)))


def by_pixels(test: Sequence[Clip]) -> tuple[Clip, ...]:
    """Clips with the labels that their masks imply; all masks are read."""
    return tuple(
        clip if clip.masks is None else replace(clip, labels=labels_of(clip.masks, clip.length))
        for clip in test
    )


def of_clips(masks: str, test: Sequence[Clip]) -> str:
    """Where masks are from, and how many of the test clips have them; ``none`` where none has."""
    count = sum(clip.masks is not None for clip in test)
    return f"{masks} of {count} of {len(test)} clips" if count else "none"


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
        todo = (
            "put NAME.csv beside each, with the header first,last and a line for each abnormal "
            "interval (0-based, inclusive; none if all is normal)."
        )
        if not dataset.own:
            todo = (
                f"restore the label files that {dataset.name} comes with (mnad data check says "
                "which are missing); files of your own beside its clips are not read."
            )
        raise MnadError(
            f"{dataset.root} has no labels for test clip {', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''}: {todo}"
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


def require_fit(dataset: Dataset, wanted: Prepared, window: int, cropped: bool) -> None:
    """Check that a network can take the frames of a data set as they are meant.

    Args:
        dataset: which.
        wanted: size and channels of the network's frames.
        window: frames that a sample of it spans.
        cropped: whether regions cut the picture first.

    Raises:
        UsageError: windows over images that have nothing to do with each other; a prepared copy
            for another network, or a crop of one.
    """
    if dataset.kind == "images" and window > 1:
        raise UsageError(
            f"{dataset.name} is of single images but the network spans {window} frames: train it "
            "by --task reconstruction."
        )
    if dataset.prepared is not None and (cropped or dataset.prepared != wanted):
        raise UsageError(
            f"{dataset.root} was prepared for {dataset.prepared}, uncropped, and the network takes "
            f"{wanted}{', cropped' if cropped else ''}: prepare another copy, or name the data set "
            "itself."
        )
