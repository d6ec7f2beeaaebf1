"""The training losses (eq. 8-13), each in the readings that `MethodConfig` names."""

from __future__ import annotations

import math
from typing import NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from mnad.config import MemoryLoss, MethodConfig, ReconstructionLoss, one_of
from mnad.network.memory import pick
from mnad.network.mnad import Output


class Losses(NamedTuple):
    """The weighted sum (eq. 8) and its unweighted parts, scalars."""

    total: Tensor
    reconstruction: Tensor
    compactness: Tensor
    separateness: Tensor


def reconstruction(frame: Tensor, target: Tensor, kind: ReconstructionLoss) -> Tensor:
    """Eq. 9 for frames (B, c, H, W) in -1..1.

    ``mse`` is the mean over everything, ``norm`` the sum over the batch of the L2 norms of the
    error images, ``norm_mean`` the mean of these, each by the root of its number of elements, and
    ``squared_sum`` the sum over everything.

    Raises:
        UsageError: another kind.
    """
    one_of("kind", kind, get_args(ReconstructionLoss))
    if kind == "mse":
        return F.mse_loss(frame, target)
    if kind == "squared_sum":
        return F.mse_loss(frame, target, reduction="sum")
    norms = _norm((frame - target).flatten(1))  # (B,)
    return norms.sum() if kind == "norm" else norms.mean() / math.sqrt(frame[0].numel())


def compactness(query: Tensor, nearest: Tensor, kind: MemoryLoss) -> Tensor:
    """Eq. 10: queries (B, K, C) are drawn to their nearest items (B, K, C).

    ``official`` is the mean squared difference (over the channels too), ``squared_sum`` its sum,
    ``paper`` the sum of the un-squared distances, ``norm_mean`` their mean.

    Raises:
        UsageError: another kind.
    """
    one_of("kind", kind, get_args(MemoryLoss))
    if kind == "official":
        return F.mse_loss(query, nearest)
    if kind == "squared_sum":
        return F.mse_loss(query, nearest, reduction="sum")
    far = _norm(query - nearest)  # (B, K)
    return far.sum() if kind == "paper" else far.mean()


def separateness(
    query: Tensor,
    nearest: Tensor,
    second: Tensor,
    margin: float,
    kind: MemoryLoss,
) -> Tensor:
    """Eq. 12: a query shall be closer to its nearest item than to the second by `margin`.

    ``official`` and ``norm_mean`` are a mean over the queries, ``paper`` and ``squared_sum`` a
    sum; the distances are not squared in any of them.

    Raises:
        UsageError: another kind.
    """
    one_of("kind", kind, get_args(MemoryLoss))
    if kind == "official":
        # The public code's layer adds 1e-6 to the differences; so do we, to be equal to it.
        anchor, near, far = (t.flatten(0, 1) for t in (query, nearest, second))
        return F.triplet_margin_loss(anchor, near, far, margin=margin)
    gap = _norm(query - nearest) - _norm(query - second)  # (B, K)
    missing = (gap + margin).clamp_min(0)
    return missing.mean() if kind == "norm_mean" else missing.sum()


def _norm(x: Tensor) -> Tensor:
    """L2 norms over the last dimension; their gradient at 0 is 0."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=-1)
    return norm


FAR = 1.0
"""From 1 - cosine = 1 on, that is at right angles, a query is far enough from an item."""


def pseudo_anomalous(cosine: Tensor, moves: Tensor, normal: int) -> Tensor:
    """What tells the memory how what moves is normally, which the paper has not.

    Where something moves in pseudo-anomalies (`mnad.training.pseudo`), no item shall be near; in
    normal windows one shall be, where something moves and all over.

    Args:
        cosine: (B, K, M) of queries and items; the pseudo-anomalies last.
        moves: (B, K) bool, from `mnad.network.window.moving`.
        normal: how many of the windows are normal.

    Returns:
        The sum of three means of distances (1 - cosine), a scalar.
    """
    away = 1 - cosine.amax(-1)  # (B, K), from the nearest item
    near, far = away[:normal], (FAR - away[normal:]).clamp_min(0)
    return near.mean() + _mean_where(near, moves[:normal]) + _mean_where(far, moves[normal:])


def _mean_where(x: Tensor, chosen: Tensor) -> Tensor:
    """0 where none is; without a question to the device."""
    return x.where(chosen, 0.0).sum() / chosen.sum().clamp_min(1)


def training_losses(
    out: Output, target: Tensor, items: Tensor | None, method: MethodConfig
) -> Losses:
    """Eq. 8 on the memory as it was before this step's update.

    Args:
        out: the network's output for B windows.
        target: (B, c, H, W) in -1..1.
        items: (M, C), or None without memory. They get no gradient, so that both memory losses
            move the encoder only, unless they are learnt by it (`item_learning`).
        method: the reading of the equations.
    """
    recon = reconstruction(out.frame, target, method.reconstruction_loss)
    compact = separate = recon.new_zeros(())
    if items is not None:
        learnt = method.item_learning == "gradient"
        known = (items if learnt else items.detach()).unsqueeze(0)  # (1, M, C)
        two = out.similarity.topk(min(2, items.shape[0]), dim=-1).indices  # (B, K, 2)
        nearest = pick(known, two[..., 0])
        compact = compactness(out.query, nearest, method.memory_loss)
        if items.shape[0] > 1:  # with a single item there is no second nearest
            second = pick(known, two[..., 1])
            separate = separateness(out.query, nearest, second, method.margin, method.memory_loss)
    total = recon + method.lambda_compact * compact + method.lambda_separate * separate
    return Losses(total, recon, compact, separate)
