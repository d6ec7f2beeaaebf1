"""The order in which an epoch visits its windows."""

from __future__ import annotations

import torch


def epoch_order(
    windows: int, batch_size: int, seed: int, epoch: int, most: int | None = None
) -> list[list[int]]:
    """The shuffled batches of an epoch, a function of seed and epoch alone, so resuming is exact.

    An incomplete last batch is dropped, as in the public code, unless it is the only one.

    Args:
        windows: number of windows.
        batch_size: of them in a batch.
        seed: of the training.
        epoch: from 0.
        most: take at most so many windows, evenly spread over all, others in each epoch.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    count = min(windows, most or windows)
    order = torch.randperm(count, generator=generator, device="cpu")
    if count < windows:
        # At least 1 apart, so that none comes twice.
        first = torch.rand(1, generator=generator, dtype=torch.float64, device="cpu")
        order = ((order + first) * (windows / count)).long()
    chosen: list[int] = order.tolist()
    size = min(batch_size, count)
    return [chosen[i : i + size] for i in range(0, count - size + 1, size)]
