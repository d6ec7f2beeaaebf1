"""What the memory does to queries, in numbers, and both in a plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PERPLEXITY = 30.0
"""Of the t-SNE, the usual one."""


@dataclass(frozen=True, eq=False)
class MemoryFacts:
    """How n queries read M items; all by the trained items, before any update at test time.

    Attributes:
        usage: (M,) share of the queries whose nearest item it is; adds up to 1.
        items_used: exp of the entropy of `usage`: how many items carry the load, 1..M.
        cosine: (M, M) between items, -1..1.
        item_similarity: mean of it over pairs of different items; 1 for a single item.
        entropy: mean entropy of the matching probabilities (eq. 1) over log M, 0..1: 1 is a read
            that is the same average of all items for every query; 1 for a single item.
        largest_weight: mean of each query's largest matching probability, 1/M..1.
        largest_possible: what that can reach at most, as cosines differ by no more than 2: with the
            temperature t, e^(2/t) / (e^(2/t) + M - 1), one item along the query and all others
            opposite.
        nearest_cosine: mean cosine of a query and its nearest item.
        margin: mean of how much nearer that is than the second nearest; 0 for a single item.
    """

    usage: NDArray[np.float64]
    items_used: float
    cosine: NDArray[np.float64]
    item_similarity: float
    entropy: float
    largest_weight: float
    largest_possible: float
    nearest_cosine: float
    margin: float


def probabilities(queries: Floats, items: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Matching probabilities (eq. 1), (n, M), rows adding up to 1.

    Args:
        queries: (n, C), unit norm.
        items: (M, C), unit norm.
        temperature: of the read, what the cosines are divided by before the softmax.
    """
    return np.exp(_log_probabilities(_cosine(queries, items), temperature))


def _cosine(one: Floats, other: Floats) -> NDArray[np.float64]:
    return np.asarray(one.astype(np.float64) @ other.astype(np.float64).T)


def _log_probabilities(cosine: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    # Less the highest: e to the power of a cosine over a small temperature is too large a number.
    scaled = (cosine - cosine.max(axis=1, keepdims=True)) / temperature
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))


def memory_facts(queries: Floats, items: Floats, temperature: float = 1.0) -> MemoryFacts:
    """The numbers for queries (n, C) and items (M, C), both of unit norm, n and M at least 1.

    Args:
        queries: (n, C).
        items: (M, C).
        temperature: as of `probabilities`.
    """
    count = len(items)
    cosine = _cosine(queries, items)
    log = _log_probabilities(cosine, temperature)
    weight = np.exp(log)
    usage = np.bincount(cosine.argmax(axis=1), minlength=count) / len(queries)
    between = _cosine(items, items)
    others = between[~np.eye(count, dtype=bool)]
    ordered = np.sort(cosine, axis=1)
    used = usage[usage > 0]
    entropy = -(weight * log).sum(axis=1).mean()
    return MemoryFacts(
        usage=usage,
        items_used=float(np.exp(-(used * np.log(used)).sum())),
        cosine=between,
        item_similarity=float(others.mean()) if count > 1 else 1.0,
        entropy=float(entropy / math.log(count)) if count > 1 else 1.0,
        largest_weight=float(weight.max(axis=1).mean()),
        largest_possible=1 / (1 + (count - 1) * math.exp(-2 / temperature)),
        nearest_cosine=float(ordered[:, -1].mean()),
        margin=float((ordered[:, -1] - ordered[:, -2]).mean()) if count > 1 else 0.0,
    )


def embed(queries: Floats, items: Floats, seed: int) -> tuple[Floats, Floats]:
    """Queries and items side by side in a plane, by t-SNE (scikit-learn).

    Distances in the plane mean little, neighbourhoods much. More than 50 channels are first
    brought down to 50 by principal components, as is usual.

    Args:
        queries: (n, C).
        items: (M, C), M may be 0.
        seed: of the t-SNE and the components.

    Returns:
        (n, 2) and (M, 2); all at the origin where there are fewer than three points.
    """
    points = np.concatenate((queries, items)).astype(np.float32)
    if len(points) < 3:
        flat = np.zeros((len(points), 2), np.float32)
        return flat[: len(queries)], flat[len(queries) :]
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if points.shape[1] > 50 and len(points) > 50:
        points = PCA(50, random_state=seed).fit_transform(points)
    start = "pca" if min(points.shape) >= 2 else "random"
    tsne = TSNE(2, perplexity=min(PERPLEXITY, (len(points) - 1) / 3), init=start, random_state=seed)
    flat = np.asarray(tsne.fit_transform(points), np.float32)
    return flat[: len(queries)], flat[len(queries) :]
