"""The order in which an epoch visits its windows."""

from __future__ import annotations

import torch


def epoch_order(windows: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The shuffled batches of an epoch, a function of seed and epoch alone, so resuming is exact.

    An incomplete last batch is dropped, as in the public code, unless it is the only one.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order: list[int] = torch.randperm(windows, generator=generator).tolist()
    size = min(batch_size, windows)
    return [order[i : i + size] for i in range(0, windows - size + 1, size)]
