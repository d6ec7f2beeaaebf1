"""Masks of MVTec LOCO AD: one channel for each defect, with what counts as all of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnad.datasets.masks import Mask, read_mask
from mnad.errors import MnadError
from mnad.video.find import images_in


@dataclass(frozen=True)
class Saturation:
    """How much of a kind of defect must be found for all of it to count (Bergmann et al. 2022).

    Args:
        defect: its name.
        pixel_value: that marks it in the masks, 1..255.
        threshold: pixels, or the share 0..1 of the defect's own area.
        relative: whether it is a share.
    """

    defect: str
    pixel_value: int
    threshold: float
    relative: bool


@dataclass(frozen=True, eq=False)
class Channel:
    """One defect of one image.

    Args:
        mask: bool (H, W); it may have several parts.
        kind: of defect, and how much of it counts as all of it (`mnad.metrics.pro.Defect`).
    """

    mask: Mask
    kind: Saturation


@dataclass(frozen=True)
class ChannelMasks:
    """Folders of masks, one PNG for each defect of an image.

    Args:
        folders: one for each image of the clip, None for one without.
        rules: of the object, by pixel value.
    """

    folders: tuple[Path | None, ...]
    rules: dict[int, Saturation]

    def at(self, frame: int) -> Mask | None:
        """All defects of an image together; see `mnad.datasets.masks.Masks.at`."""
        folder = self.folders[frame]
        if folder is None:
            return None
        return np.asarray(np.any([read_mask(file) for file in images_in(folder)], axis=0))

    def channels(self, frame: int) -> tuple[Channel, ...]:
        """The defects of an image, in the order of their files; none without masks.

        Raises:
            MnadError: an image that cannot be read, or of a value that no defect has.
        """
        folder = self.folders[frame]
        return () if folder is None else tuple(map(self._channel, images_in(folder)))

    def _channel(self, file: Path) -> Channel:
        from PIL import Image

        mask = read_mask(file)
        with Image.open(file) as image:
            values = set(np.unique(np.asarray(image))) - {0}
        if len(values) != 1 or (value := int(values.pop())) not in self.rules:
            raise MnadError(
                f"{file} must hold 0 and the pixel value of one defect of defects_config.json: "
                "restore the owners' file."
            )
        return Channel(mask, self.rules[value])


def read_rules(file: Path) -> dict[int, Saturation]:
    """Saturation rules of ``defects_config.json``, by pixel value.

    Raises:
        MnadError: unreadable, or not of that form.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(entries, list):
            raise TypeError("no list")
        rules = [
            Saturation(
                str(entry["defect_name"]),
                int(entry["pixel_value"]),
                float(entry["saturation_threshold"]),
                bool(entry["relative_saturation"]),
            )
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MnadError(
            f"{file} cannot be read as the list of defects (defect_name, pixel_value, "
            "saturation_threshold, relative_saturation): restore the owners' file."
        ) from error
    return {rule.pixel_value: rule for rule in rules}
