"""From raw windows to scores as one module, which is what other engines than torch are given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mnad.config import MethodConfig
from mnad.network.mnad import MNAD, Output
from mnad.network.window import split_window
from mnad.scoring.parts import frame_parts

INPUTS = ("windows", "mask", "items")
"""Names of what the graph takes, in order; no items without memory."""
OUTPUTS = ("psnr", "distance", "regular", "error", "query")
"""Names of what the graph puts out, in order."""


class ScoringGraph(nn.Module):
    """Normalisation, network, memory read and the parts of the score, for one window of S streams.

    Args:
        network: in evaluation mode.
        method: the reading of the equations.
    """

    def __init__(self, network: MNAD, method: MethodConfig) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(
        self, windows: Tensor, mask: Tensor | None = None, items: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Score the windows; no memory moves.

        Args:
            windows: (S, T, H, W, c) uint8.
            mask: (H, W) in 0..1, what of each pixel counts; all without it.
            items: (S, M, C), the memory of each stream, or (1, M, C) for all; None without memory.

        Returns:
            Psnr, distance and regular (S,), error (S, H, W), all as in `Parts`, and the queries
            (S, K, C).
        """
        inputs, target = split_window(windows, self.network.config)
        out: Output = self.network(inputs, items)
        return (*frame_parts(out, target, items, self.method, mask), out.query)


def example(network: MNAD) -> dict[str, Tensor]:
    """Inputs of a network's graph by name, of two streams: of one, tracers take S for constant."""
    config, streams = network.config, 2
    height, width = config.height, config.image_width
    shape = (streams, config.window, height, width, config.channels)
    inputs = [torch.zeros(shape, dtype=torch.uint8), torch.ones(height, width)]
    if network.memory is not None:
        inputs.append(network.memory.items.repeat(streams, 1, 1))
    return dict(zip(INPUTS, inputs, strict=False))
