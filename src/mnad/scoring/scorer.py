"""The memory at test time: regular frames move it, whatever computes their scores."""

from __future__ import annotations

import torch
from torch import Tensor

from mnad.config import MethodConfig
from mnad.network.memory import update
from mnad.runtime.runtime import Runtime
from mnad.scoring.parts import Parts


def score_and_update(
    runtime: Runtime, windows: Tensor, items: Tensor, mask: Tensor | None = None
) -> tuple[Parts, Tensor, Tensor]:
    """Score one window of each of S streams, then let the regular ones move their memory.

    A frame is scored before it updates; one whose regular score reaches gamma does not update.

    Args:
        runtime: of a network with memory.
        windows: (S, T, H, W, c) uint8.
        items: (S, M, C), the memory of each stream.
        mask: (H, W) in 0..1, what of each pixel counts; all without it.

    Returns:
        The parts, which streams were updated (S,) bool, and the new items (S, M, C).
    """
    query, parts = runtime.score(windows, items, mask)
    gate = parts.regular < runtime.method.gamma  # (S,)
    # On CUDA to ask would cost more than to update in vain.
    if not gate.is_cuda and not gate.any():
        return parts, gate, items
    return parts, gate, updated(runtime.method, query, gate, items)


def updated(method: MethodConfig, query: Tensor, gate: Tensor, items: Tensor) -> Tensor:
    """The memories (S, M, C) after one frame of each stream, moved where `gate` (S,) is true.

    Args:
        method: how items are moved.
        query: (S, K, C), unit norm.
        gate: (S,) bool.
        items: (S, M, C).
    """
    moved = update(query.unsqueeze(1), items, method.update_scope, method.update_momentum)
    return torch.where(gate[:, None, None], moved, items)
