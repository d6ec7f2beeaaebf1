"""The readings of eq. 8-13 against the loops of tests/reference.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference
import torch

from mnad.config import MethodConfig
from mnad.errors import UsageError
from mnad.network.losses import (
    compactness,
    pseudo_anomalous,
    reconstruction,
    separateness,
    training_losses,
)
from mnad.network.memory import similarity, to_queries, update
from mnad.network.mnad import Output
from mnad.presets import preset_of


def example(
    items: int, dtype: torch.dtype = torch.float64
) -> tuple[Output, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(items)
    frame = torch.rand(3, 2, 4, 5, dtype=dtype, generator=g) * 2 - 1
    target = torch.rand(3, 2, 4, 5, dtype=dtype, generator=g) * 2 - 1
    query = to_queries(torch.randn(3, 6, 2, 4, dtype=dtype, generator=g))
    memory = torch.nn.functional.normalize(torch.randn(items, 6, dtype=dtype, generator=g), dim=1)
    return Output(frame, query, similarity(query, memory)), target, memory


@pytest.mark.parametrize("kind", ["mse", "norm", "norm_mean", "squared_sum"])
def test_reconstruction_is_equation_9(kind: str) -> None:
    out, target, _ = example(3)
    fast = reconstruction(out.frame, target, kind)  # type: ignore[arg-type]
    slow = reference.reconstruction_loss(out.frame.numpy(), target.numpy(), kind)
    np.testing.assert_allclose(float(fast), slow, atol=1e-9)


@pytest.mark.parametrize("reading", ["official", "paper", "norm_mean", "squared_sum"])
@pytest.mark.parametrize("items", [2, 5, 10])
def test_memory_losses_are_equation_8_to_13(reading: str, items: int) -> None:
    out, target, memory = example(items)
    method = replace(
        preset_of("paper" if reading == "paper" else "official", "prediction")[0],
        memory_loss=reading,  # type: ignore[arg-type]
        lambda_compact=0.3,
        lambda_separate=0.7,
        margin=1.0,
    )
    fast = training_losses(out, target, memory, method)
    frames = [q.numpy() for q in out.query]
    compact = reference.compactness(frames, memory.numpy(), reading)
    separate = reference.separateness(frames, memory.numpy(), 1.0, reading)
    recon = reference.reconstruction_loss(
        out.frame.numpy(), target.numpy(), method.reconstruction_loss
    )
    np.testing.assert_allclose(float(fast.compactness), compact, atol=1e-6)
    np.testing.assert_allclose(float(fast.separateness), separate, atol=1e-6)
    total = reference.total_loss(recon, compact, separate, 0.3, 0.7)
    np.testing.assert_allclose(float(fast.total), total, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_pseudo_anomalies_are_driven_off_the_items_and_normal_ones_onto_them(share: float) -> None:
    out, _, memory = example(4)
    moves = torch.rand(out.query.shape[:2], generator=torch.Generator().manual_seed(1)) < share
    loss = pseudo_anomalous(out.similarity, moves, 2)
    frames = [q.numpy() for q in out.query]
    slow = reference.pseudo_anomalous(frames, [m.numpy() for m in moves], memory.numpy(), 2)
    np.testing.assert_allclose(float(loss), slow, atol=1e-9)


def test_what_is_at_right_angles_to_all_items_is_far_enough() -> None:
    cosine = torch.tensor([[[1.0, 0.2]], [[0.0, -1.0]]], requires_grad=True)
    loss = pseudo_anomalous(cosine, torch.ones(2, 1, dtype=torch.bool), 1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0 and cosine.grad is not None
    assert cosine.grad[0].tolist() == [[-2.0, 0.0]]  # from all of the places, and from the moving


def test_the_margin_is_alpha() -> None:
    out, target, memory = example(5)
    frames = [q.numpy() for q in out.query]
    for margin in (0.1, 0.5, 2.0):
        method = MethodConfig(memory_loss="paper", margin=margin)
        fast = training_losses(out, target, memory, method).separateness
        slow = reference.separateness(frames, memory.numpy(), margin, "paper")
        np.testing.assert_allclose(float(fast), slow, atol=1e-9)


def test_a_single_item_has_nothing_to_be_separate_from() -> None:
    out, target, memory = example(1)
    losses = training_losses(out, target, memory, MethodConfig())
    assert float(losses.separateness) == 0
    assert float(losses.compactness) > 0


def test_without_memory_only_the_reconstruction_counts() -> None:
    out, target, _ = example(3)
    losses = training_losses(out, target, None, MethodConfig())
    assert float(losses.total) == float(losses.reconstruction)


def test_the_memory_losses_move_queries_but_not_items() -> None:
    out, target, memory = example(4)
    query = out.query.clone().requires_grad_()
    memory.requires_grad_()
    method = MethodConfig(lambda_compact=1, lambda_separate=1)
    losses = training_losses(
        Output(out.frame, query, similarity(query, memory)), target, memory, method
    )
    (losses.compactness + losses.separateness).backward()
    assert memory.grad is None
    assert query.grad is not None and float(query.grad.abs().max()) > 0


def test_the_norm_has_a_gradient_where_the_error_is_zero() -> None:
    frame = torch.zeros(2, 1, 3, 3, requires_grad=True)
    reconstruction(frame, torch.zeros(2, 1, 3, 3), "norm").backward()
    assert frame.grad is not None and torch.isfinite(frame.grad).all()


def test_learnt_items_get_the_gradient_of_both_memory_losses() -> None:
    """By hand: the loss falls where an item goes along the negative of its gradient."""
    out, target, memory = example(3)
    method = MethodConfig(item_learning="gradient", memory_loss="norm_mean", margin=10.0)
    memory.requires_grad_()
    losses = training_losses(
        Output(out.frame, out.query, similarity(out.query, memory)), target, memory, method
    )
    (losses.compactness + losses.separateness).backward()
    assert memory.grad is not None
    expected = np.zeros_like(memory.detach().numpy())
    items = memory.detach().numpy()
    count = out.query.shape[0] * out.query.shape[1]
    for frame in out.query.numpy():
        first, second = reference.nearest(frame, items)
        for k, query in enumerate(frame):
            # Compactness and separateness both hold the distance to the nearest: twice.
            expected[first[k]] += 2 * reference.unit(items[first[k]] - query) / count
            expected[second[k]] -= reference.unit(items[second[k]] - query) / count
    np.testing.assert_allclose(memory.grad, expected, atol=1e-9)


def test_a_reading_that_there_is_not_is_refused() -> None:
    """It was taken for another one, without a word: ``mse`` for ``norm_mean``, say."""
    out, target, items = example(3)
    query, wrong = out.query, "official_"
    with pytest.raises(UsageError, match="kind is 'official_'; choose one of 'mse', 'norm'"):
        reconstruction(out.frame, target, wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="kind is 'mse'; choose one of 'official', 'paper'"):
        compactness(query, query, "mse")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="kind is 'official_'; choose one of 'official'"):
        separateness(query, query, query, 1.0, wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="scope is 'official_'; choose one of 'batch', 'assigned'"):
        update(query[None], items[None], wrong)  # type: ignore[arg-type]
