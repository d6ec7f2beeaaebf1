"""The parts of a frame's score (eq. 6-7, 14-15), in the readings that `MethodConfig` names."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mnad.config import MemoryLoss, MethodConfig
from mnad.network.memory import pick, similarity
from mnad.network.mnad import Output

PSNR_CAP = 100.0
"""dB; a frame put out without any error has no finite PSNR."""


class Parts(NamedTuple):
    """What one frame of each of B streams gives.

    Attributes:
        psnr: (B,) dB, eq. 15; low = abnormal.
        distance: (B,) eq. 14; high = abnormal; NaN without memory.
        regular: (B,) eq. 6; the test-time update is gated by it.
        error: (B, H, W) squared error of the frame in 0..1, mean over the channels.
    """

    psnr: Tensor
    distance: Tensor
    regular: Tensor
    error: Tensor


def psnr(
    frame: Tensor,
    target: Tensor,
    peak: Literal["one", "prediction"],
    share: Tensor | float = 1.0,
) -> Tensor:
    """Eq. 15 for images (B, c, H, W) in 0..1, in dB, at most `PSNR_CAP`.

    With `share` the mean runs over that share of the image; the rest of it has no error.
    """
    mse = (frame - target).square().flatten(1).mean(1) / share
    top = torch.ones_like(mse)
    if peak == "prediction":  # a wholly black one has no finite PSNR by this reading
        top = frame.flatten(1).amax(1).clamp_min(1e-6)
    return (10 * torch.log10(top / mse)).clamp_max(PSNR_CAP)


def distance(
    query: Tensor,
    items: Tensor,
    kind: MemoryLoss,
    weight: Tensor | None = None,
) -> Tensor:
    """Eq. 14: how far the queries (B, K, C) lie from their nearest items out of (B, M, C).

    ``official`` and ``squared_sum`` are the mean squared difference (over the channels too),
    ``paper`` and ``norm_mean`` the mean norm;
    with `weight` (K,) the mean over the queries is weighted by it.
    """
    nearest = pick(items, similarity(query, items).argmax(dim=-1))
    difference = query - nearest  # (B, K, C)
    if kind in ("official", "squared_sum"):
        if weight is None:
            return difference.square().flatten(1).mean(1)
        far: Tensor = difference.square().mean(-1)  # (B, K)
    else:
        far = torch.linalg.vector_norm(difference, dim=-1)
    return far.mean(1) if weight is None else (far @ weight) / weight.sum()


def regular_score(frame: Tensor, target: Tensor, kind: Literal["squared", "norm"]) -> Tensor:
    """Eq. 6-7 for images (B, c, H, W) in 0..1: the error weighted towards where it is large.

    ``squared`` weighs and sums squared errors element by element, ``norm`` the un-squared L2 norms
    over the channels pixel by pixel.
    """
    if kind == "squared":
        error = (frame - target).square().flatten(1)
    else:
        error = torch.linalg.vector_norm(frame - target, dim=1).flatten(1)
    weight = -torch.expm1(-error)
    total = weight.sum(1)
    # A frame put out without any error weighs nothing; its score is 0, not 0/0.
    return (weight * error).sum(1) / total.clamp_min(torch.finfo(total.dtype).tiny)


def frame_parts(
    out: Output,
    target: Tensor,
    items: Tensor | None,
    method: MethodConfig,
    mask: Tensor | None = None,
) -> Parts:
    """All parts of B frames.

    Args:
        out: the network's output for B windows.
        target: (B, c, H, W) in -1..1.
        items: (B, M, C) as they were read, or None without memory.
        method: the reading of the equations.
        mask: (H, W) in 0..1, not all 0: what of each pixel counts; all without it. PSNR and
            distance are then means over what counts, and the error is 0 where nothing does.
    """
    frame, seen = (out.frame + 1) / 2, (target + 1) / 2
    weight: Tensor | None = None
    share: Tensor | float = 1.0
    if mask is not None:
        # Where nothing counts the frame is taken to be as it was put out: no error there.
        seen = frame + (seen - frame) * mask.sqrt()
        weight = torch.nn.functional.avg_pool2d(mask[None], 8).flatten()  # (K,)
        share = mask.mean()
    return Parts(
        psnr=psnr(frame, seen, method.psnr_peak, share),
        distance=torch.full_like(frame[:, 0, 0, 0], torch.nan)
        if items is None
        else distance(out.query, items, method.memory_loss, weight),
        regular=regular_score(frame, seen, method.regular_error),
        error=(frame - seen).square().mean(1),
    )
