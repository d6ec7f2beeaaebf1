"""What a memory is used for: which items are taken, how alike they are, how sharply they are read.

Facts beside a number, none of which is a score. N windows have K queries each; M items.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mnad.datasets.clip import Dataset
from mnad.errors import MnadError
from mnad.evaluation.clips import Intake
from mnad.models.folder import Model
from mnad.network.mnad import Output
from mnad.network.window import split_window

WINDOWS = 200
BATCH = 4


class QueryFacts(NamedTuple):
    """What each query does to the memory.

    Attributes:
        nearest: (N, K) int64, its nearest item (eq. 11).
        largest: (N, K) the largest of its weights (eq. 1), 1/M to 1.
        entropy: (N, K) of its weights, 0 (one item) to 1 (all items alike); 0 for a single item.
    """

    nearest: Tensor
    largest: Tensor
    entropy: Tensor


def query_facts(cosine: Tensor, temperature: float = 1.0) -> QueryFacts:
    """The facts of queries from their cosines (N, K, M) to the items.

    Args:
        cosine: -1..1.
        temperature: of the read, what the cosines are divided by before the softmax.
    """
    log = (cosine / temperature).log_softmax(-1)
    weights = log.exp()
    entropy = -(weights * log).sum(-1) / math.log(max(2, cosine.shape[-1]))
    return QueryFacts(cosine.argmax(-1), weights.amax(-1), entropy)


def usage(nearest: Tensor, items: int) -> Tensor:
    """Share of the queries that each of `items` items is nearest to: (M,), sum 1."""
    return torch.bincount(nearest.flatten(), minlength=items) / nearest.numel()


def item_similarity(items: Tensor) -> float:
    """Mean cosine between different items out of (M, C), unit norm; 1 for a single item."""
    count = len(items)
    if count == 1:
        return 1.0
    return float(((items @ items.T).sum() - count) / (count * (count - 1)))


def share_by_place(nearest: Tensor) -> float:
    """Share of the queries that take the item which most windows take at their place, (N, K).

    Near 1 the items code where something is, not what it is.
    """
    usual = nearest.mode(dim=0).values
    return float((nearest == usual).double().mean())


def memory_use(facts: QueryFacts, items: Tensor) -> dict[str, Any]:
    """All facts of a memory (M, C): what `mnad ablate` puts beside a model's numbers."""
    shares = usage(facts.nearest, len(items))
    return {
        "items": len(items),
        "item_usage": [round(share, 6) for share in shares.tolist()],
        "items_unused": int((shares == 0).sum()),
        "largest_item_share": float(shares.max()),
        "item_similarity": item_similarity(items),
        "read_sharpness": float(facts.largest.double().mean()),
        "read_entropy": float(facts.entropy.double().mean()),
        "share_by_place": share_by_place(facts.nearest),
    }


def measure_memory(model: Model, dataset: Dataset, most: int = WINDOWS) -> dict[str, Any]:
    """The facts of a model's trained memory over about `most` windows of the test clips.

    Args:
        model: with memory.
        dataset: its test clips need no labels.
        most: windows to look at, the same number of each clip, evenly spread over it.

    Raises:
        MnadError: a clip cannot be decoded, or none is as long as a window.
    """
    assert model.network.memory is not None
    config, clips = model.config, dataset.test
    intake = Intake.of_model(model, dataset)
    temperature = config.method.read_temperature
    items = model.network.memory.items
    found: list[QueryFacts] = []
    for clip in clips:
        frames = np.stack([frame.pixels for frame in intake.frames(clip.path)])
        starts = len(frames) - config.network.window + 1
        count = min(starts, math.ceil(most / len(clips)))
        chosen = [round(float(n)) for n in np.linspace(0, starts - 1, max(0, count))]
        for first in range(0, len(chosen), BATCH):
            windows = np.stack(
                [frames[n : n + config.network.window] for n in chosen[first : first + BATCH]]
            )
            with torch.inference_mode():
                batch = torch.from_numpy(windows).to(items.device)
                out: Output = model.network(split_window(batch, config.network)[0])
                told = query_facts(out.similarity, temperature)
            found.append(QueryFacts(*(part.cpu() for part in told)))
    if not found:
        raise MnadError(
            f"no clip has the {config.network.window} frames that the model's window spans; give "
            "longer test clips."
        )
    facts = QueryFacts(*(torch.cat(parts) for parts in zip(*found, strict=True)))
    return {"windows": len(facts.nearest), **memory_use(facts, items.cpu())}
