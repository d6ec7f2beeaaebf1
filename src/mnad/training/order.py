"""The order in which an epoch visits its windows."""

from __future__ import annotations

from itertools import cycle, islice

import torch

NORMAL = 4
"""Windows to each pseudo-anomaly of a kind, where there are such."""


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


def pseudo_order(
    windows: int, batch_size: int, seed: int, epoch: int, steps: int
) -> list[list[int]]:
    """Which pseudo-anomalies go along with each step, likewise a function of the epoch.

    Args:
        windows: number of those there are.
        batch_size: of the normal ones.
        seed: of the training.
        epoch: from 0.
        steps: of the epoch.

    Returns:
        So many lists as there are steps, of one window to every `NORMAL` normal ones, one at least.
    """
    size = max(1, batch_size // NORMAL)
    order = epoch_order(windows, 1, seed, epoch, min(windows, size * steps))
    chosen = cycle(one for (one,) in order)  # again from the first, where there are fewer
    return [list(islice(chosen, size)) for _ in range(steps)]
