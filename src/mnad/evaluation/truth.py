"""Anomaly maps and the masks that they are measured against, frame by frame, at the same size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.datasets.clip import Clip, Dataset
from mnad.errors import UsageError
from mnad.models.folder import Model
from mnad.scoring.stream import FrameParts
from mnad.scoring.where import Where
from mnad.video.regions import Regions
from mnad.video.source import open_source

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

MAPS = {
    "error": "squared error of each pixel, mean over the channels, at the size of the network, as "
    "it is",
    "heat": "that error smoothed and measured against how high normal footage drives it at the "
    "same place: what a camera shows",
}
"""The maps that are measured, and what they are."""

RESIZED = "bilinearly to the size of the mask (OpenCV, INTER_LINEAR)"


@dataclass(frozen=True, eq=False)
class Maps:
    """Makes the maps of a frame.

    Args:
        where: of the heat map; None for a model that was never shown normal footage.
    """

    where: Where | None

    @staticmethod
    def of_model(model: Model, heat: bool = True) -> Maps:
        """Those that a model can have; without `heat` the error alone."""
        known = model.reference
        if known is None or not heat:
            return Maps(None)
        return Maps(Where(known.level, known.floor, model.mask))

    @property
    def names(self) -> tuple[str, ...]:
        """Which maps of `MAPS` there are."""
        return ("error",) if self.where is None else ("error", "heat")

    def of(self, parts: FrameParts, size: tuple[int, ...]) -> dict[str, Map]:
        """The maps of a frame at `size` (rows, columns), float32, high = abnormal."""
        made = {"error": parts.error.cpu().numpy()}
        if self.where is not None:
            made["heat"] = self.where.map(parts.measured.cpu().numpy())
        return {name: resized(one, size) for name, one in made.items()}


def resized(found: Map, size: tuple[int, ...]) -> Map:
    """A map (h, w) bilinearly at `size` (rows, columns)."""
    rows, columns = size
    return np.asarray(
        cv2.resize(found, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32
    )


@dataclass(eq=False)
class Truth:
    """The masks of the test clips.

    A clip without masks is taken to be normal everywhere if all its frames are labelled normal;
    else it is left out whole, as the clips of UCSD Ped1 that have none. A frame that is labelled
    abnormal but has no mask is left out. Where a normal frame has no mask, its size is that of the
    masks of its clip, else of another clip, else of the frames themselves.

    Attributes:
        clips: those that are measured, by name.
        left_out_clips: names of the others.
        regions: what a model looks at; masks are cropped to it, and nothing beyond is abnormal.
        left_out_frames: how many frames of measured clips had no mask though they are abnormal.
    """

    clips: Mapping[str, Clip]
    left_out_clips: tuple[str, ...]
    regions: Regions | None
    left_out_frames: int = 0
    _sizes: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    @staticmethod
    def of_dataset(dataset: Dataset, regions: Regions | None) -> Truth:
        """The masks of a data set, within what a model looks at.

        Raises:
            UsageError: there are none.
        """
        if all(clip.masks is None for clip in dataset.test):
            todo = "restore them" if dataset.kind == "images" else "leave out --pixels"
            raise UsageError(f"{dataset.root} has no pixel masks: {todo}.")
        clips = {
            clip.name: clip
            for clip in dataset.test
            if clip.masks is not None or not np.any(clip.labels)
        }
        left = tuple(clip.name for clip in dataset.test if clip.name not in clips)
        return Truth(clips, left, regions)

    def at(self, name: str, frame: int) -> Mask | None:
        """The mask of a frame, bool (H, W), cropped; None for one that is not measured.

        Raises:
            MnadError: it cannot be read.
        """
        clip = self.clips.get(name)
        if clip is None or clip.labels is None or frame >= clip.length:
            return None
        mask = None if clip.masks is None else clip.masks.at(frame)
        if mask is None:
            if clip.labels[frame]:
                self.left_out_frames += 1
                return None
            mask = np.zeros(self._size(name), np.bool_)
        if self.regions is None:
            return mask
        mask = self.regions.crop_of(mask)
        looked = self.looked(mask.shape)
        return mask if looked is None else mask & looked

    def looked(self, shape: tuple[int, ...]) -> Mask | None:
        """Which pixels of a cropped mask of this shape are looked at; None for all.

        One that an edge of the regions crosses is, where half of it is.
        """
        if self.regions is None or not (self.regions.include or self.regions.ignore):
            return None
        rows, columns = shape
        share = self.regions.mask(rows, columns)
        return np.asarray(share >= min(0.5, float(share.max())))

    def _size(self, name: str) -> tuple[int, ...]:
        if name not in self._sizes:
            others = (other for other in self.clips if other != name)
            found = (_size_of_masks(self.clips[one]) for one in (name, *others))
            size = next((size for size in found if size is not None), None)
            if size is None:
                with open_source(self.clips[name].path) as source:
                    size = source.size
            self._sizes[name] = size
        return self._sizes[name]


def _size_of_masks(clip: Clip) -> tuple[int, ...] | None:
    if clip.masks is None:
        return None
    found = (clip.masks.at(frame) for frame in range(clip.length))
    return next((mask.shape for mask in found if mask is not None), None)
