"""What a network makes of normal footage, frame by frame, its memory frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.runtime.runtime import Runtime
from mnad.scoring.contrast import measured_error
from mnad.scoring.light import light_of, span_of
from mnad.scoring.noise import noise_of
from mnad.scoring.peaks import QUIET, block_errors, half, peaks_of, usual_errors
from mnad.scoring.reference import Reference
from mnad.scoring.where import BUSY, NormalLevel
from mnad.scoring.windows import Windows

REFERENCE_WINDOWS = 1000
BATCH = 4


def reference_of(
    runtime: Runtime,
    windows: Windows,
    block: int,
    mask: NDArray[np.float32] | None = None,
) -> Reference:
    """The parts of at most `REFERENCE_WINDOWS` windows, evenly spread, and what is usual in them.

    Arguments as of `measure`.
    """
    chosen = windows.spread(REFERENCE_WINDOWS)
    fine: list[Tensor] = []

    def keep(error: Tensor) -> None:
        fine.append(block_errors(error, half(block)))

    plain = np.ones((), np.float32)
    found = measure(runtime, windows, chosen, block, plain, False, mask, keep)
    return replace(found, usual=usual_errors(torch.cat(fine).cpu().numpy()))


def measure(
    runtime: Runtime,
    windows: Windows,
    chosen: Sequence[int],
    block: int,
    usual: NDArray[np.float32],
    by_place: bool,
    mask: NDArray[np.float32] | None = None,
    told: Callable[[Tensor], object] = lambda error: None,
) -> Reference:
    """The parts of the target frames of some windows, in the order of `chosen`.

    Args:
        runtime: what computes the scores; the memory does not change.
        windows: of normal footage.
        chosen: indices of windows, at least 2.
        block: side of a block as large as what moves, in pixels.
        usual: what is usual in training frames for blocks half as large.
        by_place: whether these are measured against that.
        mask: (h, w) in 0..1, what of each pixel counts; all without it.
        told: given the errors (B, H, W) of each batch.
    """
    looked = None if mask is None else torch.tensor(mask, device=runtime.device)
    against = torch.tensor(usual, device=runtime.device) if by_place else None
    levels = NormalLevel(mask)
    rows: list[Tensor] = []
    lights: list[tuple[float, float]] = []
    highest = noise = 0.0
    order = [chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH)]
    for batch in windows.batches(order, runtime.device):
        parts = runtime.score(batch, mask=looked)[1]
        seen = batch[:, runtime.network.target].cpu().numpy()
        lights += map(light_of, seen)
        noise = max(noise, *map(noise_of, seen))
        measured = measured_error(parts.error, seen, by_place, mask)
        peak = peaks_of(block_errors(measured, half(block) if by_place else block), against)
        rows.append(torch.stack([parts.psnr, parts.distance, peak], 1).double().cpu())
        # Of each frame the error that one pixel in 1,000 exceeds, and of those the largest.
        highest = max(highest, float(torch.quantile(parts.error.flatten(1), 0.999, dim=1).max()))
        for error in measured.cpu().numpy():
            levels.push(error)
        told(parts.error)
    psnr, distance, peaks = torch.cat(rows).numpy().T
    return Reference(
        psnr=psnr.copy(),
        distance=distance.copy(),
        peak=peaks.copy(),
        block=block,
        usual=usual,
        by_place=by_place,
        error_peak=highest,
        level=levels.level(),
        # By place, the heat has to show the same as the score: quiet places count for themselves.
        floor=levels.floor(1 - QUIET if by_place else BUSY),
        light=span_of(np.array(lights)),
        noise=noise,
        weight=runtime.method.lambda_camera,
    )
