"""The memory at test time: regular frames move it, whatever computes their scores."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.config import MethodConfig
from mnad.network.memory import update
from mnad.runtime.runtime import Runtime
from mnad.scoring.parts import Parts

Floats = NDArray[np.float32]


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
    if not items.is_cuda:
        # Of some twenty operations on so little, what torch does about each takes most of the time.
        found = moved_by_numpy(query.numpy(), items.numpy(), method)
        moved = torch.from_numpy(found)
    else:
        moved = update(query.unsqueeze(1), items, method.update_scope, method.update_momentum)
    return torch.where(gate[:, None, None], moved, items)


def moved_by_numpy(query: Floats, items: Floats, method: MethodConfig) -> Floats:
    """What `mnad.network.memory.update` makes of one frame of each stream, in a third of the time.

    Args:
        query: (S, K, C), unit norm.
        items: (S, M, C), unit norm.
        method: how items are moved.

    Returns:
        New items (S, M, C), unit norm; an item that no query chose stays as it is.
    """
    cosine = items @ query.transpose(0, 2, 1)  # (S, M, K)
    assigned = cosine == cosine.max(1, keepdims=True)
    eligible = cosine if method.update_scope == "batch" else np.where(assigned, cosine, -np.inf)
    weight: Floats = np.where(assigned, np.exp(cosine - eligible.max(2, keepdims=True)), 0)
    moved = _unit(items + weight @ query)
    if method.update_momentum:
        moved = _unit(moved + method.update_momentum * (items - moved))
    return np.where(weight.max(2)[..., None] > 0, moved, items)


def _unit(vectors: Floats) -> Floats:
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return scaled
