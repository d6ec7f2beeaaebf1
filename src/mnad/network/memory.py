"""The memory of prototypical normal patterns (section 3.1.2 of the paper), for any encoder-decoder.

The memory is data: `read` and `update` are pure functions of queries and items, and whoever owns
the items (the training loop, the state of a stream) is visible at the call. `Memory` is the layer
that holds them as a persistent buffer, so that they travel with the weights.

Shapes: S streams, each with its own items (one in training, where the batch shares them),
F frames, K = H*W queries per frame, M items, C channels.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnad.config import DecoderInput, one_of


class MemoryRead(NamedTuple):
    """What one pass through the memory gives.

    Attributes:
        feature: (B, 2C, H, W) queries and aggregated items, queries first: the decoder's input;
            (B, C, H, W) where it gets one of them. Of the type of the feature map.
        query: (B, K, C) queries with unit L2 norm, row-major over H then W; in fp32 at least.
        similarity: (B, K, M) cosines of queries and items, in -1..1; likewise.
    """

    feature: Tensor
    query: Tensor
    similarity: Tensor


def widened(x: Tensor) -> Tensor:
    """A tensor in fp32 at least: half precision cannot tell neighbouring queries apart."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def to_queries(feature: Tensor) -> Tensor:
    """Unit-norm queries (B, K, C), in fp32 at least, of a feature map (B, C, H, W)."""
    return F.normalize(widened(feature), dim=1).flatten(2).transpose(1, 2)


def similarity(query: Tensor, items: Tensor) -> Tensor:
    """Cosines (..., K, M) of unit queries (..., K, C) and unit items (..., M, C)."""
    return query @ items.transpose(-1, -2)


def read(
    query: Tensor, items: Tensor, detach: bool = True, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Aggregate the items for every query (eq. 1-2).

    Args:
        query: (B, K, C), unit norm.
        items: (B, M, C) or (1, M, C), unit norm.
        detach: stop the gradient at the matching probabilities, as the public code does.
        temperature: what the cosines are divided by; the paper's 1, or less for a sharper read.

    Returns:
        The aggregates (B, K, C) and the cosines (B, K, M).
    """
    cosine = similarity(query, items)
    # Not divided by 1, which would be one more operation in the graphs of other engines.
    scaled = cosine if temperature == 1 else cosine / temperature
    weights = scaled.softmax(dim=-1)  # (B, K, M): over the items
    if detach:
        weights = weights.detach()
    return weights @ items, cosine


def pick(items: Tensor, index: Tensor) -> Tensor:
    """The items (B, K, C) at `index` (B, K) out of (B, M, C) or (1, M, C)."""
    batch, _, channels = index.shape[0], *items.shape[1:]
    items = items.expand(batch, -1, -1)
    return items.gather(1, index.unsqueeze(-1).expand(-1, -1, channels))


def update(
    query: Tensor,
    items: Tensor,
    scope: Literal["batch", "assigned"] = "batch",
    momentum: float = 0.0,
) -> Tensor:
    """Move every item towards the queries nearest to it (eq. 3-5).

    The softmax over queries (eq. 4) is divided by one of its own values (eq. 5), so its
    denominator cancels and v' = exp(cosine - largest cosine): computed so, it cannot underflow.

    Args:
        query: (S, F, K, C), unit norm; the F frames update the items together.
        items: (S, M, C), unit norm.
        scope: whose largest cosine eq. 5 divides by: that of all queries of the F frames
            (``batch``, public code), or of the queries assigned to the item in the same frame
            (``assigned``, paper).
        momentum: 0..1; with p the old item and p' the one of eq. 3, the new one is
            f(momentum * p + (1 - momentum) * p'). At the paper's 0 it is p', which the many
            queries of an item all but decide.

    Returns:
        New items (S, M, C), unit norm, detached; an item that no query chose stays as it is, and a
        query that is exactly as near to two moves both.

    Raises:
        UsageError: another scope.
    """
    one_of("scope", scope, ("batch", "assigned"))
    query, items = query.detach(), items.detach()
    # The many queries last: maxima over the few items are then fast on CPUs, and no argmax is.
    cosine = similarity(items.unsqueeze(1), query)  # (S, F, M, K)
    assigned = cosine == cosine.amax(dim=2, keepdim=True)  # (S, F, M, K)
    if scope == "batch":
        largest = cosine.amax(dim=(1, 3), keepdim=True)  # (S, 1, M, 1)
    else:
        largest = cosine.where(assigned, -torch.inf).amax(dim=3, keepdim=True)  # (S, F, M, 1)
    weight = (cosine - largest).exp().where(assigned, 0.0)
    moved = F.normalize(items + (weight @ query).sum(1), dim=-1)
    if momentum:
        moved = F.normalize(torch.lerp(moved, items, momentum), dim=-1)
    # Items nobody chose are normalised already; doing it again would let them creep.
    chosen = weight.amax(dim=(1, 3)).unsqueeze(-1) > 0  # (S, M, 1)
    return torch.where(chosen, moved, items)


class Memory(nn.Module):
    """M items in a persistent buffer, read for every query of a feature map.

    Learnt items are a parameter of the same name instead; whoever trains scales them to unit norm
    after each step (`to_unit`).

    Example:
        >>> memory = Memory(items=10, channels=64)
        >>> out = memory(torch.randn(2, 64, 8, 8))
        >>> out.feature.shape
        torch.Size([2, 128, 8, 8])
        >>> memory.items = update(out.query.unsqueeze(0), memory.items[None])[0]

    Args:
        items: M, at least 1.
        channels: C of the feature map.
        detach: see `read`.
        temperature: see `read`.
        gives: what becomes of query and aggregate: both, or one of them.
        learnt: whether the items are a parameter.
    """

    items: Tensor

    def __init__(
        self,
        items: int,
        channels: int,
        detach: bool = True,
        temperature: float = 1.0,
        gives: DecoderInput = "both",
        learnt: bool = False,
    ) -> None:
        super().__init__()
        self.detach, self.temperature, self.gives = detach, temperature, gives
        # Uniform in [0, 1), then unit norm, like the public code: all-positive items.
        drawn = F.normalize(torch.rand(items, channels), dim=1)
        if learnt:
            self.items = nn.Parameter(drawn)
        else:
            self.register_buffer("items", drawn)

    @torch.no_grad()
    def to_unit(self) -> None:
        """Scale the items to unit norm, in place."""
        self.items.copy_(F.normalize(self.items, dim=1))

    def forward(self, feature: Tensor, items: Tensor | None = None) -> MemoryRead:
        """Read the memory for a feature map (B, C, H, W).

        Args:
            feature: the encoder's output, not normalised. Of 3D convolutions (B, C, T, H, W) will
                do too: its decoder's input then is (B, 2C, T, H, W), with a query for each place.
            items: (B, M, C), one memory per stream, instead of the buffer.
        """
        with torch.autocast(feature.device.type, enabled=False):
            query = to_queries(feature)
            known = (self.items.unsqueeze(0) if items is None else items).to(query.dtype)
            aggregate, cosine = read(query, known, self.detach, self.temperature)
            chosen = {"both": [query, aggregate], "read": [aggregate], "query": [query]}
            given = torch.cat(chosen[self.gives], dim=-1)  # (B, K, 2C)
            given = given.transpose(1, 2).reshape(
                given.shape[0], -1, *feature.shape[2:]
            )  # (B, 2C, H, W)
        return MemoryRead(given.to(feature.dtype), query, cosine)
