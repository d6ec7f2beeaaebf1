"""Frames pushed one at a time, of one stream or of several in lockstep."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.config import Policy
from mnad.runtime.runtime import Runtime
from mnad.scoring.peaks import block_errors, peaks_of
from mnad.scoring.scorer import score_and_update


@dataclass
class Stream:
    """All that scoring the next frame of a stream depends on.

    Attributes:
        window: the latest frames (H, W, c) uint8, as many as the network's window spans.
        items: (M, C), this stream's memory; None without memory or if it is frozen.
        pushed: frames seen so far.
    """

    window: deque[NDArray[np.uint8]]
    items: Tensor | None
    pushed: int = 0


@dataclass(frozen=True)
class FrameParts:
    """The parts of one scored frame.

    Attributes:
        index: number of the frame in its stream, from 0.
        psnr: dB, low = abnormal.
        distance: to the memory, high = abnormal; NaN without memory.
        regular: the score that gates the update of the memory.
        peak: error of the most unusual block (`mnad.scoring.peaks`); NaN without blocks.
        updated: whether the frame moved the memory.
        error: (H, W) squared error in 0..1, on the runtime's device.
    """

    index: int
    psnr: float
    distance: float
    regular: float
    peak: float
    updated: bool
    error: Tensor


class Scorer:
    """Scores streams of frames with one network.

    Args:
        runtime: what computes the scores.
        policy: ``frozen`` keeps the trained items; ``reset`` and ``carried`` update them by
            regular frames, and differ in what `open` is given at the next clip.
        mask: (H, W) float32 in 0..1, what of each pixel counts; all without it.
        blocks: of the score for cameras: their rows and columns, and what they are measured
            against (`mnad.scoring.peaks`); none without.
    """

    def __init__(
        self,
        runtime: Runtime,
        policy: Policy,
        mask: NDArray[np.float32] | None = None,
        blocks: tuple[int, NDArray[np.float32]] | None = None,
    ) -> None:
        self.runtime, self.policy = runtime, policy
        self.block, self.usual = 0, torch.ones(())
        if blocks is not None:
            self.block, self.usual = blocks[0], torch.tensor(blocks[1], device=runtime.device)
        self.mask = None if mask is None else torch.tensor(mask, device=runtime.device)

    def open(self, after: Stream | None = None) -> Stream:
        """A new stream; under ``carried`` it goes on with the memory of the stream `after`."""
        items = None
        if self.policy != "frozen":
            items = self.runtime.items
            if self.policy == "carried" and after is not None and after.items is not None:
                items = after.items
        return Stream(deque(maxlen=self.runtime.network.window), items)

    def push(
        self, streams: Sequence[Stream], frames: Sequence[NDArray[np.uint8]]
    ) -> list[FrameParts | None]:
        """Give every stream its next frame and score those whose window is full.

        Args:
            streams: S streams that move on together.
            frames: S arrays (H, W, c) uint8 at the network's size.

        Returns:
            For every stream the parts of the frame that its window now scores, or None while the
            window fills. Prediction scores the newest frame, reconstruction with motion cues the
            middle one.
        """
        for stream, frame in zip(streams, frames, strict=True):
            stream.window.append(frame)
            stream.pushed += 1
        length = self.runtime.network.window
        full = [i for i, stream in enumerate(streams) if len(stream.window) == length]
        scored: list[FrameParts | None] = [None] * len(streams)
        if not full:
            return scored
        seen = np.stack([frame for i in full for frame in streams[i].window])
        batch = torch.from_numpy(seen.reshape(len(full), length, *seen.shape[1:]))
        batch = batch.to(self.runtime.device)
        memories = [streams[i].items for i in full]
        if memories[0] is None:
            parts = self.runtime.score(batch, mask=self.mask)[1]
            gate = torch.zeros_like(parts.psnr)
        else:
            items = torch.stack([m for m in memories if m is not None])
            parts, gate, items = score_and_update(self.runtime, batch, items, self.mask)
            for row, i in enumerate(full):
                streams[i].items = items[row]
        back = length - 1 - self.runtime.network.target
        peaks = torch.full_like(parts.psnr, torch.nan)
        if self.block:
            peaks = peaks_of(block_errors(parts.error, self.block), self.usual)
        numbers = torch.stack([parts.psnr, parts.distance, parts.regular, peaks, gate]).T.tolist()
        for row, i in enumerate(full):
            psnr, distance, regular, peak, updated = numbers[row]
            scored[i] = FrameParts(
                index=streams[i].pushed - 1 - back,
                psnr=psnr,
                distance=distance,
                regular=regular,
                peak=peak,
                updated=bool(updated),
                error=parts.error[row],
            )
        return scored
