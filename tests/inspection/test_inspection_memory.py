"""The numbers about a memory against loops and cases known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mnad.inspection.memory import embed, memory_facts, probabilities


def unit(rng: np.random.Generator, count: int, channels: int) -> np.ndarray:
    x = rng.normal(size=(count, channels))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_facts_against_a_loop(temperature: float) -> None:
    rng = np.random.default_rng(0)
    queries, items = unit(rng, 50, 6), unit(rng, 4, 6)
    facts = memory_facts(queries, items, temperature)
    usage, entropy, largest, near, margin = np.zeros(4), [], [], [], []
    for q in queries.astype(float):
        cosine = [float(sum(a * b for a, b in zip(q, p, strict=True))) for p in items.astype(float)]
        total = sum(math.exp(c / temperature) for c in cosine)
        weight = [math.exp(c / temperature) / total for c in cosine]
        usage[max(range(4), key=lambda i: cosine[i])] += 1 / 50
        entropy.append(-sum(w * math.log(w) for w in weight) / math.log(4))
        largest.append(max(weight))
        first, second = sorted(cosine)[-1], sorted(cosine)[-2]
        near.append(first)
        margin.append(first - second)
    np.testing.assert_allclose(facts.usage, usage, atol=1e-12)
    assert facts.entropy == pytest.approx(np.mean(entropy))
    assert facts.largest_weight == pytest.approx(np.mean(largest))
    assert facts.nearest_cosine == pytest.approx(np.mean(near))
    assert facts.margin == pytest.approx(np.mean(margin))
    pairs = [float(items[i] @ items[j]) for i in range(4) for j in range(4) if i != j]
    assert facts.item_similarity == pytest.approx(np.mean(pairs), abs=1e-6)
    used = usage[usage > 0]
    assert facts.items_used == pytest.approx(np.prod(used**-used))


def test_the_sharpest_read_that_there_is_and_the_most_even_one() -> None:
    query = np.array([[1, 0]], np.float32)
    sharp = memory_facts(query, np.array([[1, 0], [-1, 0], [-1, 0]], np.float32))
    assert sharp.largest_weight == pytest.approx(sharp.largest_possible)
    assert sharp.largest_possible == pytest.approx(math.e / (math.e + 2 / math.e))
    same = memory_facts(query, np.array([[1, 0], [1, 0]], np.float32))
    assert (same.entropy, same.largest_weight) == (pytest.approx(1), pytest.approx(0.5))
    assert same.items_used == 1 and same.item_similarity == 1 and same.margin == 0


@pytest.mark.parametrize("temperature", [0.5, 0.01, 1e-4])
def test_at_most_by_the_temperature_of_the_read(temperature: float) -> None:
    """One item along the query and two opposite; e to the power of 2e4 is no number."""
    query = np.array([[1, 0]], np.float32)
    facts = memory_facts(query, np.array([[1, 0], [-1, 0], [-1, 0]], np.float32), temperature)
    assert facts.largest_weight == pytest.approx(facts.largest_possible)
    assert facts.largest_possible == pytest.approx(1 / (1 + 2 * math.exp(-2 / temperature)))
    assert facts.entropy == pytest.approx(0, abs=0.2) and facts.entropy >= 0


def test_a_single_item() -> None:
    facts = memory_facts(unit(np.random.default_rng(0), 5, 3), np.array([[0, 0, 1]], np.float32))
    assert facts.usage.tolist() == [1.0]
    assert (facts.entropy, facts.largest_weight, facts.item_similarity) == (1, 1, 1)


@pytest.mark.parametrize("temperature", [1.0, 0.05])
def test_probabilities_are_the_networks(temperature: float) -> None:
    import torch

    from mnad.network.memory import read

    rng = np.random.default_rng(1)
    queries, items = unit(rng, 20, 8), unit(rng, 5, 8)
    given = torch.from_numpy(queries)[None], torch.from_numpy(items)[None]
    aggregate, _ = read(*given, temperature=temperature)
    np.testing.assert_allclose(
        probabilities(queries, items, temperature) @ items, aggregate[0].numpy(), atol=1e-5
    )


def test_groups_stay_groups_in_the_plane_and_the_seed_decides() -> None:
    rng = np.random.default_rng(2)
    centres = unit(rng, 3, 60)
    queries = np.repeat(centres, 40, axis=0) + rng.normal(0, 0.02, (120, 60)).astype(np.float32)
    flat, stars = embed(queries, centres, seed=0)
    assert flat.shape == (120, 2) and stars.shape == (3, 2)
    near = np.linalg.norm(flat[:, None] - stars[None], axis=-1).argmin(axis=1)
    assert near.tolist() == np.repeat([0, 1, 2], 40).tolist()
    np.testing.assert_array_equal(embed(queries, centres, seed=0)[0], flat)
    assert embed(queries[:1], centres[:1], 0)[0].shape == (1, 2)
