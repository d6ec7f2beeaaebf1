"""Scoring windows in lockstep: S streams, each with its own memory."""

from __future__ import annotations

import torch
from torch import Tensor

from mnad.config import MethodConfig
from mnad.network.memory import update
from mnad.network.mnad import MNAD, Output
from mnad.network.window import split_window
from mnad.scoring.parts import Parts, frame_parts


def score_windows(
    network: MNAD,
    method: MethodConfig,
    windows: Tensor,
    items: Tensor | None = None,
    mask: Tensor | None = None,
) -> Parts:
    """Score one window of each of S streams.

    Args:
        network: in evaluation mode.
        method: the reading of the equations.
        windows: (S, T, H, W, c) uint8 on the network's device.
        items: (S, M, C), the memory of each stream; the trained one without it.
        mask: (H, W) in 0..1, what of each pixel counts; all without it.
    """
    return _forward(network, method, windows, items, mask)[1]


def score_and_update(
    network: MNAD,
    method: MethodConfig,
    windows: Tensor,
    items: Tensor,
    mask: Tensor | None = None,
) -> tuple[Parts, Tensor, Tensor]:
    """Score one window of each of S streams, then let the regular ones move their memory.

    A frame is scored before it updates; one whose regular score reaches gamma does not update.

    Args:
        network: in evaluation mode, with memory.
        method: the reading of the equations.
        windows: (S, T, H, W, c) uint8.
        items: (S, M, C), the memory of each stream.
        mask: (H, W) in 0..1, what of each pixel counts; all without it.

    Returns:
        The parts, which streams were updated (S,) bool, and the new items (S, M, C).
    """
    out, parts = _forward(network, method, windows, items, mask)
    gate = parts.regular < method.gamma  # (S,)
    moved = update(out.query.unsqueeze(1), items, method.update_scope)
    return parts, gate, torch.where(gate[:, None, None], moved, items)


@torch.inference_mode()
def _forward(
    network: MNAD,
    method: MethodConfig,
    windows: Tensor,
    items: Tensor | None,
    mask: Tensor | None,
) -> tuple[Output, Parts]:
    inputs, target = split_window(windows, network.config)
    out: Output = network(inputs, items)
    if items is None and network.memory is not None:
        items = network.memory.items.unsqueeze(0)
    return out, frame_parts(out, target, items, method, mask)
