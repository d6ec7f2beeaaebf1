"""Where in the frames: pixel, region and track metrics of anomaly maps, as the frames come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mnad.errors import MnadError
from mnad.evaluation.truth import MAPS, RESIZED, Map, Maps, Mask, Truth
from mnad.metrics.pixel import BETA, SHARE, DualPixelCriterion, PixelRoc, UcsdCriterion
from mnad.metrics.region_maps import Labels, track_maps
from mnad.metrics.region_sweep import RegionSweep
from mnad.scoring.stream import FrameParts

THRESHOLDS = 10 ** (np.arange(-6 * 64, 2 * 64 + 1) / 64)
"""At which regions are cut out: 64 a decade from 1e-6 to 100, for both maps and every data set.

They are fixed beforehand, as a pass over the frames does not know their highest values yet; so no
test frame has a say in them either.
"""

PIXELS = (
    "those that the model's regions let be looked at, half of a pixel or more; what lies beyond is "
    "neither abnormal nor a false alarm"
)


class PixelLook:
    """Takes in the frames of an evaluation; a `mnad.evaluation.clips.Look`.

    Args:
        maps: that are measured.
        truth: the masks.
        most_frames: how many frames there will be at most.
    """

    def __init__(self, maps: Maps, truth: Truth, most_frames: int) -> None:
        self._maps, self._truth = maps, truth
        self._meters = {name: _Meter(most_frames) for name in maps.names}
        self._tracks: dict[str, _Tracks] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._frames: dict[str, int] = {}

    def __call__(self, clip: str, frame: int, parts: FrameParts) -> None:
        """Take in a frame.

        Raises:
            MnadError: its mask cannot be read, or is of another size than those before.
        """
        mask = self._truth.at(clip, frame)
        if mask is None:
            return
        rows, columns = self._sizes.setdefault(clip, mask.shape)
        if mask.shape != (rows, columns):
            raise MnadError(
                f"clip {clip} has masks of {columns}x{rows} pixels and, of frame {frame}, one of "
                f"{mask.shape[1]}x{mask.shape[0]}: give it masks of one size."
            )
        tracks = self._tracks.setdefault(clip, _Tracks()).of(mask)
        looked = self._truth.looked(mask.shape)
        for name, found in self._maps.of(parts, mask.shape).items():
            self._meters[name].add(clip, found, mask, tracks, looked)
        self._frames[clip] = self._frames.get(clip, 0) + 1

    def numbers(self, mask_source: str, failed: Sequence[str]) -> dict[str, Any]:
        """What came of it, for the result of an evaluation.

        Args:
            mask_source: in words.
            failed: clips that failed; frames of theirs that came before are in the numbers.
        """
        return {
            "maps": {name: meter.numbers() for name, meter in self._meters.items()},
            "frames": sum(self._frames.values()),
            "clips": len(self._frames),
            "left_out_clips": list(self._truth.left_out_clips),
            "left_out_frames": self._truth.left_out_frames,
            "in_part": [name for name in failed if name in self._frames],
            "protocol": {
                "masks": mask_source,
                "maps": {name: MAPS[name] for name in self._meters},
                "resized": RESIZED,
                "pixels": PIXELS,
                "frames": "scored frames with a mask, and normal ones; clips without masks that "
                "have abnormal frames are left out",
                "auroc": "all pixels of these frames pooled",
                "ucsd": f"an abnormal frame is found if {SHARE:g} of its abnormal pixels fire, a "
                "normal one is a false alarm if any pixel does; EER interpolated",
                "dual_pixel": f"and {BETA:g} of what fires is abnormal; all thresholds, trapezoids",
                "regions": "8-connected, cut out anew at each of "
                f"{len(THRESHOLDS)} fixed thresholds (64 a decade, {THRESHOLDS[0]:g} to "
                f"{THRESHOLDS[-1]:g}), no smoothing, no least area; IoU of boxes 0.1, a tenth of "
                "a track; area to 1 false positive a frame",
                "tracks": "parts of the masks of consecutive scored frames that share pixels",
            },
        }


class _Meter:
    """All metrics of one map."""

    def __init__(self, most_frames: int) -> None:
        self._roc, self._ucsd, self._dual = PixelRoc(), UcsdCriterion(), DualPixelCriterion()
        self._sweep = RegionSweep(THRESHOLDS, most_frames=most_frames)

    def add(self, clip: str, found: Map, mask: Mask, tracks: Labels, looked: Mask | None) -> None:
        """Take in a frame; the pixels that are not `looked` at, all (H, W), count nowhere."""
        pixels = (found, mask)
        if looked is not None:
            pixels = (found[looked][None], mask[looked][None])  # no neighbours are asked for
            found = np.where(looked, found, np.float32(0))  # below all thresholds
        for meter in (self._roc, self._ucsd, self._dual):
            meter.add(*pixels)
        self._sweep.add(clip, found, tracks)

    def numbers(self) -> dict[str, Any]:
        return {
            "pixel_auroc": asdict(self._roc.value()),
            "ucsd": asdict(self._ucsd.value()),
            "dual_pixel": asdict(self._dual.value()),
            "regions": asdict(self._sweep.value()),
        }


class _Tracks:
    """`track_maps` of a clip whose masks come one at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Mask] = deque()
        self._maps = track_maps(self._drained())

    def _drained(self) -> Iterator[Mask]:
        while True:
            yield self._waiting.popleft()

    def of(self, mask: Mask) -> Labels:
        self._waiting.append(mask)
        return next(self._maps)
