"""The figures of a memory as text: captions and numbers. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mnad.evaluation.kinds_text import number


def sparsity(memory: Mapping[str, Any]) -> str:
    """How sharply the memory is read, in one line."""
    return (
        f"mean entropy / log M {memory['entropy']:.4f}; mean largest weight "
        f"{memory['largest_weight']:.4f} (even {1 / memory['items']:.4f}, at most "
        f"{memory['largest_possible']:.4f})"
    )


def load(memory: Mapping[str, Any]) -> str:
    """How the items share the queries, in one line."""
    used = sum(share > 0 for share in memory["usage"])
    return (
        f"{used} of {memory['items']} items are nearest to a query, with the load of "
        f"{memory['items_used']:.1f} even ones; "
        f"mean cosine between items {memory['item_similarity']:.4f}"
    )


def figures_text(facts: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a terminal: of each model the numbers, then the files and their captions."""
    for name, one in facts["models"].items():
        yield f"{name}:"
        memory = one["memory"]
        if memory is None:
            yield "  no memory"
        else:
            yield f"  load: {load(memory)}"
            yield f"  read: {sparsity(memory)}"
            yield (
                f"  queries: mean cosine {memory['nearest_cosine']:.4f} to the nearest item, "
                f"{memory['margin']:.4f} above the second"
            )
        for part, auc in (one["auc"] or {}).items():
            yield (
                f"  frame AUC of {part} alone: {number(auc['causal_micro'])} as it is, "
                f"{number(auc['per_clip_minmax_micro'])} per clip"
            )
    for file, caption in facts["figures"].items():
        yield f"{file}: {caption}"
