"""The numbers of an evaluation of single images (MVTec AD, MVTec LOCO AD)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from mnad.datasets.channels import ChannelMasks
from mnad.datasets.clip import Dataset
from mnad.evaluation.summary import PerClip
from mnad.evaluation.truth import MAPS, RESIZED, Map, Maps, Truth
from mnad.metrics.pixel import PixelRoc
from mnad.metrics.pro import LIMITS, Defect, Loco, Pro, image_auroc
from mnad.scoring.stream import FrameParts

GOOD = "good"
PRO_LIMIT = 0.3
_KINDS: dict[str, Literal["good", "logical", "structural"]] = {
    GOOD: "good",
    "logical_anomalies": "logical",
    "structural_anomalies": "structural",
}
"""Folders of LOCO."""


class ImageLook:
    """Takes in the images of an evaluation; a `mnad.evaluation.clips.Look`.

    Args:
        maps: that are measured.
        truth: the masks.
        dataset: of which they are.
    """

    def __init__(self, maps: Maps, truth: Truth, dataset: Dataset) -> None:
        self._maps, self._truth = maps, truth
        self.loco = any(isinstance(clip.masks, ChannelMasks) for clip in dataset.test)
        made = _LocoMeter if self.loco else _MvtecMeter
        self._meters: dict[str, _LocoMeter | _MvtecMeter] = {name: made() for name in maps.names}
        self._highest: dict[str, dict[str, dict[int, float]]] = {name: {} for name in maps.names}
        self._images = 0

    def __call__(self, clip: str, frame: int, parts: FrameParts) -> None:
        """Take in an image.

        Raises:
            MnadError: its mask cannot be read.
        """
        mask = self._truth.at(clip, frame)
        if mask is None:
            for name, found in self._maps.of(parts, parts.error.shape).items():
                self._note(clip, frame, name, found)
            return
        masks = self._truth.clips[clip].masks
        defects = []
        if isinstance(masks, ChannelMasks):
            crop = self._truth.regions
            for one in masks.channels(frame):
                own = one.mask if crop is None else crop.crop_of(one.mask)
                if own.any():
                    defects.append(Defect(own, one.kind.threshold, one.kind.relative))
        for name, found in self._maps.of(parts, mask.shape).items():
            self._note(clip, frame, name, found)
            self._meters[name].add(clip, found, mask, defects)
        self._images += 1

    def _note(self, clip: str, frame: int, name: str, found: Map) -> None:
        self._highest[name].setdefault(clip, {})[frame] = float(found.max())

    def highest(self, clips: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Map to clip to the highest value of each of its images, of the clips named."""
        return {
            f"highest_{name}": {clip: np.array(list(own[clip].values())) for clip in clips}
            for name, own in self._highest.items()
        }

    def numbers(self, mask_source: str) -> dict[str, Any]:
        """How well defects are found within the images, for the result of an evaluation."""
        limits = ", ".join(f"{limit:g}" for limit in LIMITS)
        return {
            "maps": {name: meter.numbers() for name, meter in self._meters.items()},
            "images": self._images,
            "left_out_images": self._truth.left_out_frames,
            "protocol": {
                "masks": mask_source,
                "maps": {name: MAPS[name] for name in self._meters},
                "resized": RESIZED,
                "image_score": "highest value of the map",
                **(
                    {
                        "au_spro": "mean over defects (one PNG each) of how much of the saturation "
                        f"area fires, over the defect-free pixels that do; to FPR {limits}, each "
                        "divided by it; logical and structural images apart, each with all good "
                        "ones, and their mean"
                    }
                    if self.loco
                    else {
                        "au_pro": "mean share of each 8-connected part of the masks that fires, "
                        f"over the defect-free pixels that do; to FPR {PRO_LIMIT:g}, divided by it",
                        "auroc": "all pixels of all images pooled",
                    }
                ),
            },
        }


class _LocoMeter:
    def __init__(self) -> None:
        self._loco = Loco()

    def add(self, clip: str, found: Map, mask: Any, defects: list[Defect]) -> None:
        # What a crop cuts off is no defect of what is looked at.
        if clip in _KINDS and (clip == GOOD or defects):
            self._loco.add(found, _KINDS[clip], defects)

    def numbers(self) -> dict[str, Any]:
        value = self._loco.value()
        return {
            "au_spro": {f"{limit:g}": found for limit, found in value.au_spro.items()},
            "error_bound": {f"{limit:g}": bound for limit, bound in value.error_bound.items()},
        }


class _MvtecMeter:
    def __init__(self) -> None:
        self._pro, self._roc = Pro(), PixelRoc()

    def add(self, clip: str, found: Map, mask: Any, defects: list[Defect]) -> None:
        self._pro.add(found, mask)
        self._roc.add(found, mask)

    def numbers(self) -> dict[str, Any]:
        pro, roc = self._pro.area(PRO_LIMIT), self._roc.value()
        return {
            "au_pro": {f"{PRO_LIMIT:g}": pro.value},
            "pixel_auroc": roc.auroc,
            "error_bound": {"au_pro": pro.bound, "pixel_auroc": roc.error_bound},
            "regions": self._pro.regions,
        }


def image_aurocs(parts: Mapping[str, PerClip]) -> dict[str, dict[str, float | None]]:
    """AUROC of images by each score: ``all`` defects together, each folder of them, their ``mean``.

    Args:
        parts: score to folder of images to (n,) scores, high = abnormal.
    """
    return {name: _of_folders(part) for name, part in parts.items()}


def _of_folders(part: PerClip) -> dict[str, float | None]:
    good = part.get(GOOD, np.zeros(0))
    bad = {name: scores for name, scores in part.items() if name != GOOD}
    pooled = np.concatenate([np.zeros(0), *bad.values()])
    found = {name: image_auroc(good, scores) for name, scores in bad.items()}
    values = [value for value in found.values() if value is not None]
    mean = float(np.mean(values)) if values and len(values) == len(found) else None
    return {"all": image_auroc(good, pooled), "mean": mean, **found}


CONTROLS = ("constant", "random", "mean_intensity")
"""Images of a folder have no order, so that only these are controls of them."""


def image_controls(controls: Mapping[str, PerClip]) -> dict[str, dict[str, float | None]]:
    """AUROC of images by the controls, as `image_aurocs`."""
    return image_aurocs({name: controls[name] for name in CONTROLS})


IMAGE_RULES = {
    "unit": "single images",
    "image_auroc": "good images against those of a folder of defects; ties half",
}
"""What stands in the protocol in place of the rules of frame AUC."""
