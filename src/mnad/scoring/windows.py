"""Windows of clips that were decoded once: the loader never starves the training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.errors import MnadError


def require_long(clips: Sequence[NDArray[np.uint8]], names: Sequence[str], length: int) -> None:
    """See that every clip has at least one window of so many frames.

    Raises:
        MnadError: one has none.
    """
    for clip, name in zip(clips, names, strict=True):
        if len(clip) < length:
            raise MnadError(
                f"clip {name} has {len(clip)} frame(s), fewer than the {length} that a window "
                "spans; remove it or join it to another."
            )


class Windows:
    """All windows of frames of some clips, of consecutive ones unless `steps` says otherwise.

    Args:
        clips: arrays (T, H, W, c) uint8, in memory or memory-mapped.
        names: for the error message.
        length: frames of a window.
        most: keep at most so many windows, evenly spread; None for all.
        steps: from one frame of a window to the next, windows of each; where all are above 1, a
            clip may be too short for any.

    Raises:
        MnadError: a clip is shorter than a window, or all are.
    """

    def __init__(
        self,
        clips: Sequence[NDArray[np.uint8]],
        names: Sequence[str],
        length: int,
        most: int | None = None,
        steps: Sequence[int] = (1,),
    ) -> None:
        if 1 in steps:
            require_long(clips, names, length)
        self.clips, self.length = clips, length
        self.places = [
            (clip, first, step)
            for clip, frames in enumerate(clips)
            for step in steps
            for first in range(len(frames) - step * (length - 1))
        ]
        if not self.places:
            raise MnadError(
                f"no clip has the {min(steps) * (length - 1) + 1} frames that a window of every "
                f"{min(steps)}. frame spans; give longer ones."
            )
        if most is not None and most < len(self.places):
            self.places = [self.places[i] for i in self.spread(most)]

    def skipping(self, steps: Sequence[int]) -> Windows:
        """Windows as long of the same clips, that skip frames; `steps` all above 1.

        Raises:
            MnadError: all clips are too short.
        """
        return Windows(self.clips, [], self.length, steps=steps)

    def spread(self, most: int) -> list[int]:
        """Indices of at most so many windows, evenly spread over all."""
        count = min(len(self), most)
        return [round(float(place)) for place in np.linspace(0, len(self) - 1, count)]

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: Sequence[int]) -> Tensor:
        """Windows (B, T, H, W, c) uint8."""
        windows = [
            self.clips[clip][first : first + step * self.length : step]
            for clip, first, step in (self.places[i] for i in indices)
        ]
        return torch.from_numpy(np.stack(windows))

    def batches(self, order: Sequence[Sequence[int]], device: torch.device) -> Iterator[Tensor]:
        """The batches named by `order` on `device`, the next one gathered in the background."""
        return ahead(self.batch, order, device)


def ahead(
    batch: Callable[[Sequence[int]], Tensor], order: Sequence[Sequence[int]], device: torch.device
) -> Iterator[Tensor]:
    """What `batch` makes of each of `order`, on `device`; the next one is made meanwhile."""

    def gather(indices: Sequence[int]) -> Tensor:
        made = batch(indices)
        return made.pin_memory() if device.type == "cuda" else made

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(gather, order[0]) if order else None
        for following in [*order[1:], None]:
            assert coming is not None
            ready = coming.result()
            coming = pool.submit(gather, following) if following is not None else None
            yield ready.to(device, non_blocking=True)
