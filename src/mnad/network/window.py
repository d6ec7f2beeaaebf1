"""From a window of frames to the network's input and target."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mnad.config import NetworkConfig

CHANGE = 0.15
"""Of images in -1..1: beyond noise, and less than a person against any ground."""
SHARE = 0.1
"""Of a place's 8 x 8 pixels, each with its neighbours, that have to change."""


def moving(inputs: Tensor, target: Tensor) -> Tensor:
    """Where something moves from the last input frame to the target.

    Args:
        inputs: (B, frames_in * c, H, W) in -1..1, as `split_window` gives them.
        target: (B, c, H, W).

    Returns:
        (B, K) bool, for each place of the query map, K = H/8 * W/8.
    """
    change = (target - inputs[:, -target.shape[1] :]).abs().amax(1, keepdim=True)
    changed = F.max_pool2d(change, 5, 1, 2) > CHANGE
    return (F.avg_pool2d(changed.float(), 8) > SHARE).flatten(1)


def split_window(windows: Tensor, config: NetworkConfig) -> tuple[Tensor, Tensor]:
    """Scale windows to -1..1 and split them.

    Args:
        windows: (B, T, H, W, c) uint8, T = `config.window`.
        config: which of the T frames are input and which one is the target.

    Returns:
        Input (B, frames_in * c, H, W), frame by frame, and target (B, c, H, W), both channels-last
        in memory, which is how convolutions are fastest.
    """
    batch, length, height, width, _ = windows.shape
    if config.channels == 1:  # other engines would take the time to transpose it
        frames = windows.reshape(batch, length, 1, height, width)
    else:
        frames = windows.permute(0, 1, 4, 2, 3)  # (B, T, c, H, W)
    inputs, target = frames[:, : config.frames_in], frames[:, config.target]
    inputs = inputs.reshape(batch, -1, height, width).float() / 127.5 - 1
    target = target.float() / 127.5 - 1
    layout = torch.channels_last
    return inputs.contiguous(memory_format=layout), target.contiguous(memory_format=layout)
