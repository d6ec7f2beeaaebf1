"""The frame score for cameras: where in the frame is the error of a block most unusual.

The paper's PSNR averages over the frame, in which a small anomaly drowns; a block of the size of a
thing does not. An error has to be measured against something: against the contrast around it
(`mnad.scoring.contrast`), or each block against what is usual in training frames at its place: else
the busiest place of the scene sets the bar for all others, and a person between the lanes of a road
errs less than the cars on them always do. But then whatever first enters a place that was always
empty is told of too, be it ever so ordinary.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHARE = 0.99
"""Of training frames, how many stay below what is called usual at a place."""
QUIET = 0.25
"""Share of the places, the quietest, that are measured against the least quiet of them: where
nothing ever happens the first noise would glow. Both are chosen on things blended into normal
footage: benchmarks/score_forms.py."""


def half(block: int) -> int:
    """Side of the blocks that are measured by their place: finer, as errors lie at edges."""
    return max(1, round(block / 2))


def block_errors(error: Tensor, block: int) -> Tensor:
    """Mean absolute error of square blocks, a quarter of a block apart.

    The absolute error rather than the squared one, which a few pixels at the edge of a dark leg on
    a bright ground decide. Blocks at the lower and right edges are cut where the frame ends.

    Args:
        error: (B, H, W) squared error of images in 0..1, or that against the contrast.
        block: rows and columns of a block, 1..min(H, W).

    Returns:
        (B, h, w), 0 and more.
    """
    # As two small matrix products, which take a tenth of the time of a pooling layer on a CPU.
    down, across = (_means(size, block, error.device) for size in error.shape[1:])
    with torch.autocast(error.device.type, enabled=False):  # of a program's own network
        return down @ error.sqrt() @ across.T


@cache
def _means(size: int, block: int, device: torch.device) -> Tensor:
    """The matrix (n, size) that takes a line to the means of its n blocks, a quarter apart."""
    step = max(1, block // 4)
    first = step * torch.arange(-(-(size - block) // step) + 1, device=device)[:, None]
    place = torch.arange(size, device=device)
    inside = ((place >= first) & (place < first + block)).float()
    return inside / inside.sum(1, keepdim=True)


def peaks_of(blocks: Tensor, usual: Tensor | None = None) -> Tensor:
    """How far the most unusual block of each frame exceeds what is usual at its place.

    Args:
        blocks: (B, h, w) from `block_errors`.
        usual: (h, w) from `usual_errors`; None for errors against the contrast.

    Returns:
        (B,) 0 and more: 1 is what one training frame in a hundred exceeds at that place; without
        `usual` about the pixels by which edges are off.
    """
    return (blocks if usual is None else blocks / usual).flatten(1).amax(1)


def usual_errors(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """What blocks are measured against.

    Args:
        blocks: (n, h, w) block errors of training frames.

    Returns:
        (h, w) above 0: what `SHARE` of the frames stay below at each place; but at least what a
        share `QUIET` of all places stays below, not counting those that are masked.
    """
    level = np.quantile(blocks, SHARE, axis=0)
    seen = level[level > 0]
    least = float(np.quantile(seen, QUIET)) if seen.size else 1.0
    return np.asarray(np.maximum(level, least), np.float32)
