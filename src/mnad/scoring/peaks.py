"""The frame score for cameras: where in the frame is the error of a block most unusual.

The paper's PSNR averages over the frame, in which a small anomaly drowns; a block of the size of a
thing does not. But the highest error of any block is a bar that the busiest place of the scene
sets for all others: a person between the lanes of a road errs less than the cars on them always
do. So each block is measured against what training frames reach at its place.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

BUSY = 0.25
"""Share of the places that are measured against themselves; the quieter ones against the quietest
of these, so that places where nothing ever happens do not glow at the first noise. Chosen on
pseudo-anomalies: benchmarks/score_forms.py."""


def block_errors(error: Tensor, block: int) -> Tensor:
    """Mean absolute error of square blocks, a quarter of a block apart.

    The absolute error rather than the squared one, which a few pixels at the edge of a dark leg on
    a bright ground decide. Blocks at the lower and right edges are cut where the frame ends.

    Args:
        error: (B, H, W) squared error of images in 0..1, mean over the channels.
        block: rows and columns of a block, 1..min(H, W).

    Returns:
        (B, h, w) in 0..1.
    """
    step = max(1, block // 4)
    absolute = error.clamp_min(0).sqrt()[:, None]
    pooled = F.avg_pool2d(absolute, block, step, ceil_mode=True, count_include_pad=False)
    return pooled[:, 0]


def peaks_of(blocks: Tensor, usual: Tensor | None = None) -> Tensor:
    """How far the most unusual block of each frame exceeds what is usual at its place.

    Args:
        blocks: (B, h, w) from `block_errors`.
        usual: (h, w) from `usual_errors`; without it errors are taken as they are.

    Returns:
        (B,) 0 and more: 1 is what training frames hardly ever exceed at that place; without
        `usual` in 0..1.
    """
    return (blocks if usual is None else blocks / usual).flatten(1).amax(1)


def usual_errors(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """What blocks are measured against.

    Args:
        blocks: (n, h, w) block errors of normal frames.

    Returns:
        (h, w) above 0: the highest error in the neighbourhood, as far as a block reaches, because
        what passes here may pass one step aside too; but at least what a share `BUSY` of all
        places exceeds, not counting those that are masked.
    """
    around = np.asarray(cv2.dilate(blocks.max(0), np.ones((9, 9), np.uint8)))
    seen = around[around > 0]
    least = float(np.quantile(seen, 1 - BUSY)) if seen.size else 1.0
    return np.asarray(np.maximum(around, least), np.float32)
