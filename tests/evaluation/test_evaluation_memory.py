"""The facts of a memory by hand, and over footage against a plain loop."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import moving_square

from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.datasets import open_dataset
from mnad.evaluation.memory_use import (
    QueryFacts,
    item_similarity,
    measure_memory,
    memory_use,
    query_facts,
    share_by_place,
    usage,
)
from mnad.models.folder import Model, build_network
from mnad.network.window import split_window


def test_weights_and_entropy_by_hand() -> None:
    """Cosines 0.1 * log 3 and 0 at temperature 0.1 are weights 3/4 and 1/4."""
    facts = query_facts(torch.tensor([[[0.1 * math.log(3), 0.0], [0.0, 0.0]]]), 0.1)
    assert facts.nearest.tolist()[0][0] == 0
    torch.testing.assert_close(facts.largest, torch.tensor([[0.75, 0.5]]))
    bits = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    torch.testing.assert_close(facts.entropy, torch.tensor([[bits, 1.0]]))


def test_one_item_is_read_whole_and_has_no_entropy() -> None:
    facts = query_facts(torch.rand(2, 3, 1))
    assert (facts.largest == 1).all() and (facts.entropy == 0).all()
    assert item_similarity(torch.eye(1)) == 1


def test_usage_places_and_similarity_by_hand() -> None:
    nearest = torch.tensor([[0, 1, 1], [0, 1, 3], [0, 3, 3]])  # 3 windows of 3 places
    assert usage(nearest, 5).tolist() == pytest.approx([3 / 9, 3 / 9, 0, 3 / 9, 0])
    # Usual are 0, 1 and 3: only the second place of the last and the third of the first differ.
    assert share_by_place(nearest) == pytest.approx(7 / 9)
    items = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    assert item_similarity(items) == pytest.approx((0.6 + 0.8 + 0.0) / 3)
    ones = torch.ones(3, 3)
    found = memory_use(QueryFacts(nearest, 0.4 * ones, 0.9 * ones), torch.eye(5))
    assert (found["items"], found["items_unused"]) == (5, 2)
    assert found["largest_item_share"] == pytest.approx(1 / 3)
    assert found["read_sharpness"] == pytest.approx(0.4)
    assert found["read_entropy"] == pytest.approx(0.9)


def test_over_footage_it_is_what_a_plain_loop_finds(own_folder: Path) -> None:
    torch.manual_seed(0)
    network = NetworkConfig(channels=1, width=0.1, height=32, image_width=32, items=4)
    config = ModelConfig(network, MethodConfig(read_temperature=0.2))
    built = build_network(config).eval().requires_grad_(False)
    found = measure_memory(Model(config, built), open_dataset(own_folder, labels=False), most=4)
    assert found["windows"] == 4  # two of each clip: the first and the last of its ten
    counts, largest = np.zeros(4), []
    for number in (2, 3):
        clip = moving_square(14, seed=number)
        clip[8:, 20:30, 4:14] = 0
        for first in (0, 9):
            window = torch.from_numpy(clip[first : first + 5][None])
            cosine = built(split_window(window, network)[0]).similarity[0].numpy()
            for row in cosine:
                counts[row.argmax()] += 1
                weights = np.exp(row / 0.2) / np.exp(row / 0.2).sum()
                largest.append(weights.max())
    np.testing.assert_allclose(found["item_usage"], counts / counts.sum(), atol=1e-6)
    assert found["read_sharpness"] == pytest.approx(np.mean(largest), rel=1e-4)
    assert found["items_unused"] == (counts == 0).sum()
