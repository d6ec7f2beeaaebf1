"""Frames pushed one at a time, of one stream or of several in lockstep."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.config import Policy, one_of
from mnad.runtime.runtime import Runtime
from mnad.scoring.contrast import measured_error
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


Blocks = tuple[int, NDArray[np.float32] | None]


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
        measured: (H, W) the same as the score for cameras looks at it: against the contrast, unless
            blocks are measured by their place.
    """

    index: int
    psnr: float
    distance: float
    regular: float
    peak: float
    updated: bool
    error: Tensor
    measured: Tensor


class _Window(NamedTuple):
    """What is scored: the frames of a full window, and which frame of its stream the target is."""

    stream: Stream
    frames: tuple[NDArray[np.uint8], ...]
    number: int


class Scorer:
    """Scores streams of frames with one network.

    Args:
        runtime: what computes the scores.
        policy: ``frozen`` keeps the trained items; ``reset`` and ``carried`` update them by
            regular frames, and differ in what `open` is given at the next clip.
        mask: (H, W) float32 in 0..1, what of each pixel counts; all without it.
        blocks: of the score for cameras: their rows and columns, and what they are measured
            against, None for the contrast (`mnad.scoring.peaks`); none without.
    """

    def __init__(
        self,
        runtime: Runtime,
        policy: Policy,
        mask: NDArray[np.float32] | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        one_of("policy", policy, get_args(Policy))
        self.runtime, self.policy = runtime, policy
        self.block, usual = blocks or (0, None)
        self.usual = None if usual is None else torch.tensor(usual, device=runtime.device)
        self._looked = mask
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
        return self._parts([self._next(*pair) for pair in zip(streams, frames, strict=True)])

    def push_run(
        self, stream: Stream, frames: Sequence[NDArray[np.uint8]]
    ) -> list[FrameParts | None]:
        """Give one stream its next frames, as many calls of `push` would.

        With the memory frozen no frame waits for the one before it: they are scored in one batch,
        and differ from frames one by one by rounding, about 1e-6.
        """
        if self.policy != "frozen":
            return [self.push([stream], [frame])[0] for frame in frames]
        return self._parts([self._next(stream, frame) for frame in frames])

    def _next(self, stream: Stream, frame: NDArray[np.uint8]) -> _Window | None:
        """What a stream can score once it has a further frame."""
        network = self.runtime.network
        stream.window.append(frame)
        stream.pushed += 1
        if len(stream.window) < network.window:
            return None
        behind = network.window - 1 - network.target
        return _Window(stream, tuple(stream.window), stream.pushed - 1 - behind)

    def _parts(self, windows: Sequence[_Window | None]) -> list[FrameParts | None]:
        full = [window for window in windows if window is not None]
        if not full:
            return [None] * len(windows)
        scored = iter(self._score(full))
        return [None if window is None else next(scored) for window in windows]

    def _score(self, full: Sequence[_Window]) -> list[FrameParts]:
        whole = np.stack([frame for window in full for frame in window.frames])
        batch = torch.from_numpy(whole.reshape(len(full), -1, *whole.shape[1:]))
        batch = batch.to(self.runtime.device)
        memories = [window.stream.items for window in full]
        if memories[0] is None:
            parts = self.runtime.score(batch, mask=self.mask)[1]
            gate = torch.zeros_like(parts.psnr)
        else:
            items = torch.stack([m for m in memories if m is not None])
            parts, gate, items = score_and_update(self.runtime, batch, items, self.mask)
            for window, moved in zip(full, items, strict=True):
                window.stream.items = moved
        peaks = torch.full_like(parts.psnr, torch.nan)
        measured = parts.error
        if self.block:
            seen = (window.frames[self.runtime.network.target] for window in full)
            measured = measured_error(parts.error, seen, self.usual is not None, self._looked)
            peaks = peaks_of(block_errors(measured, self.block), self.usual)
        numbers = torch.stack([parts.psnr, parts.distance, parts.regular, peaks, gate]).T.tolist()
        return [
            FrameParts(
                index=window.number,
                psnr=psnr,
                distance=distance,
                regular=regular,
                peak=peak,
                updated=bool(updated),
                error=error,
                measured=own,
            )
            for window, (psnr, distance, regular, peak, updated), error, own in zip(
                full, numbers, parts.error, measured, strict=True
            )
        ]
