"""The frame score for cameras: where in the frame is the error of a block highest."""

from __future__ import annotations

import torch
from torch import Tensor


def block_peak(error: Tensor, block: int) -> Tensor:
    """Highest mean absolute error of any square block of a frame.

    The paper's PSNR averages over the frame, in which a small anomaly drowns; a block of the size
    of a thing does not. The absolute error rather than the squared one, which a few pixels at the
    edge of a dark leg on a bright ground decide.

    Args:
        error: (B, H, W) squared error of images in 0..1, mean over the channels.
        block: rows and columns of a block, 1..min(H, W).

    Returns:
        (B,) in 0..1.
    """
    absolute = error.double().sqrt()
    # Sums over blocks from sums over all rectangles that start at the corner.
    corner = torch.nn.functional.pad(absolute.cumsum(1).cumsum(2), (1, 0, 1, 0))
    rows = corner[:, block:] - corner[:, :-block]
    sums = rows[:, :, block:] - rows[:, :, :-block]
    return (sums.flatten(1).amax(1) / block**2).clamp_min(0)
