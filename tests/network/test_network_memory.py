"""The fast memory against the loops of tests/reference.py, in float64 to 1e-6."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from torch import nn

from mnad.network.memory import Memory, pick, read, similarity, to_queries, update


def unit(*shape: int, seed: int) -> torch.Tensor:
    x = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=-1)


def test_queries_are_the_normalised_pixels_in_row_major_order() -> None:
    feature = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    for one, expected in zip(to_queries(feature), feature, strict=True):
        np.testing.assert_allclose(one, reference.normalise(expected.numpy()), atol=1e-12)


@pytest.mark.parametrize("items", [1, 2, 10])
def test_read_is_equation_1_and_2(items: int) -> None:
    query, memory = unit(3, 12, 7, seed=1), unit(1, items, 7, seed=2)
    aggregate, cosine = read(query, memory)
    for b in range(3):
        weights, expected = reference.read(query[b].numpy(), memory[0].numpy())
        np.testing.assert_allclose(cosine.softmax(-1)[b], weights, atol=1e-12)
        np.testing.assert_allclose(aggregate[b], expected, atol=1e-12)


def test_each_stream_reads_its_own_items() -> None:
    query, memory = unit(3, 12, 7, seed=1), unit(3, 4, 7, seed=2)
    together, _ = read(query, memory)
    for b in range(3):
        alone, _ = read(query[b : b + 1], memory[b : b + 1])
        torch.testing.assert_close(together[b], alone[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("scope", ["batch", "assigned"])
@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("items", [1, 3, 10])
def test_update_is_equation_3_to_5(scope: str, frames: int, items: int) -> None:
    query, memory = unit(2, frames, 9, 6, seed=3), unit(2, items, 6, seed=4)
    moved = update(query, memory, scope)  # type: ignore[arg-type]
    for s in range(2):
        expected = reference.update([frame.numpy() for frame in query[s]], memory[s].numpy(), scope)
        np.testing.assert_allclose(moved[s], expected, atol=1e-9)


def test_the_two_scopes_differ() -> None:
    query, memory = unit(1, 4, 9, 6, seed=3), unit(1, 3, 6, seed=4)
    assert (update(query, memory, "batch") - update(query, memory, "assigned")).abs().max() > 1e-3


def test_an_item_that_no_query_chose_stays_to_the_bit() -> None:
    memory = torch.eye(3)[None]
    query = torch.tensor([[[[1.0, 0.0, 0.0], [0.8, 0.6, 0.0]]]])
    moved = update(query, memory)
    assert torch.equal(moved[0, 1:], memory[0, 1:])
    assert not torch.equal(moved[0, 0], memory[0, 0])
    # p = (1, 0, 0); v' = 1 and exp(0.8 - 1); by hand.
    step = torch.tensor([1 + 0.8 * np.exp(-0.2), 0.6 * np.exp(-0.2), 0.0])
    by_hand = torch.tensor([1.0, 0.0, 0.0]) + step
    torch.testing.assert_close(moved[0, 0], (by_hand / by_hand.norm()).float())


def test_a_query_as_near_to_two_items_moves_both() -> None:
    items = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]])
    query = torch.tensor([[[[0.6, 0.6, 0.52915026]]]])
    moved = update(query, items)
    one = torch.tensor([1.6, 0.6, 0.52915026])
    torch.testing.assert_close(moved[0, 0], one / one.norm())
    torch.testing.assert_close(moved[0, 1], moved[0, 0][[1, 0, 2]])
    assert torch.equal(moved[0, 2], items[0, 2])


def test_update_passes_no_gradient() -> None:
    query = unit(1, 1, 9, 6, seed=3).requires_grad_()
    assert not update(query, unit(1, 3, 6, seed=4)).requires_grad


def test_pick_gathers_each_streams_own_items() -> None:
    memory = torch.arange(12.0).reshape(2, 3, 2)
    picked = pick(memory, torch.tensor([[2, 0], [1, 1]]))
    assert picked.tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]


@pytest.mark.parametrize("detach", [True, False])
def test_gradient_through_the_read_is_an_option(detach: bool) -> None:
    query = unit(1, 5, 4, seed=1).requires_grad_()
    aggregate, _ = read(query, unit(1, 3, 4, seed=2), detach)
    assert aggregate.requires_grad is not detach


class PlainAutoEncoder(nn.Module):
    """Another encoder-decoder than ours: strided convolutions, no skips, no normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 4, 4), nn.GELU(), nn.Conv2d(8, 16, 2, 2))
        self.memory = Memory(items=4, channels=16)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 8, 2, 2), nn.ConvTranspose2d(8, 1, 4, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.memory(self.encoder(x))
        self.memory.items = update(out.query.unsqueeze(0), self.memory.items[None])[0]
        return self.decoder(out.feature)


def test_the_memory_serves_any_encoder_decoder() -> None:
    torch.manual_seed(0)
    net = PlainAutoEncoder()
    before = net.memory.items.clone()
    x = torch.rand(4, 1, 24, 32)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = (net(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert "memory.items" in net.state_dict()
    assert not torch.equal(net.memory.items, before)
    torch.testing.assert_close(net.memory.items.norm(dim=1), torch.ones(4))


def test_maps_of_3d_convolutions_are_read_place_by_place() -> None:
    torch.manual_seed(0)
    memory = Memory(items=4, channels=3)
    volume = torch.randn(2, 3, 5, 2, 6)  # (B, C, T, H, W)
    out = memory(volume)
    assert out.feature.shape == (2, 6, 5, 2, 6) and out.query.shape == (2, 60, 3)
    for t in range(5):
        one = memory(volume[:, :, t])
        torch.testing.assert_close(out.feature[:, :, t], one.feature)
        torch.testing.assert_close(out.query[:, 12 * t : 12 * t + 12], one.query)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 3.0])
def test_the_temperature_divides_the_cosines(temperature: float) -> None:
    query, memory = unit(2, 12, 7, seed=1), unit(1, 5, 7, seed=2)
    aggregate, cosine = read(query, memory, temperature=temperature)
    for b in range(2):
        _, expected = reference.read(query[b].numpy(), memory[0].numpy(), temperature)
        np.testing.assert_allclose(aggregate[b], expected, atol=1e-12)
    assert torch.equal(cosine, similarity(query, memory))  # what else rests on them does not move


@pytest.mark.parametrize("scope", ["batch", "assigned"])
@pytest.mark.parametrize("momentum", [0.3, 0.99])
def test_with_momentum_an_item_goes_a_part_of_the_way(scope: str, momentum: float) -> None:
    query, memory = unit(1, 3, 9, 6, seed=3), unit(1, 4, 6, seed=4)
    moved = update(query, memory, scope, momentum)[0]  # type: ignore[arg-type]
    frames = [frame.numpy() for frame in query[0]]
    expected = reference.update(frames, memory[0].numpy(), scope, momentum)  # type: ignore[arg-type]
    np.testing.assert_allclose(moved, expected, atol=1e-9)


def test_momentum_by_hand() -> None:
    """One item (1, 0), one query (0, 1): eq. 3 gives (1, 1) / sqrt 2; half of the way back."""
    items, query = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[[0.0, 1.0]]]])
    half = torch.tensor([0.5 + 0.5 / 2**0.5, 0.5 / 2**0.5])
    moved = update(query, items, momentum=0.5)[0, 0]
    torch.testing.assert_close(moved, half / half.norm())


def test_what_the_decoder_is_given() -> None:
    torch.manual_seed(0)
    feature = torch.randn(2, 5, 3, 4)
    both = Memory(3, 5)
    parts = {}
    for gives in ("read", "query"):
        memory = Memory(3, 5, gives=gives)  # type: ignore[arg-type]
        memory.load_state_dict(both.state_dict())
        parts[gives] = memory(feature).feature
    assert torch.equal(torch.cat([parts["query"], parts["read"]], 1), both(feature).feature)
    for one, expected in zip(parts["query"], feature, strict=True):
        flat = one.flatten(1).T
        np.testing.assert_allclose(flat, reference.normalise(expected.double().numpy()), atol=1e-6)


def test_learnt_items_are_a_parameter_and_scaled_to_unit_norm() -> None:
    memory = Memory(4, 6, learnt=True)
    assert dict(memory.named_parameters()).keys() == {"items"} == memory.state_dict().keys()
    drawn = memory.items.detach().clone()
    with torch.no_grad():
        memory.items.mul_(torch.tensor([[0.5], [1.0], [2.0], [7.0]]))
    memory.to_unit()
    torch.testing.assert_close(memory.items.detach(), drawn)
    feature = torch.randn(1, 6, 2, 2)
    memory(feature).feature.square().sum().backward()  # the read passes it even if detached
    assert memory.items.grad is not None and memory.items.grad.abs().sum() > 0


@pytest.mark.parametrize("gives", ["both", "read", "query"])
def test_the_gradient_through_the_layer_is_the_numerical_one(gives: str) -> None:
    torch.manual_seed(0)
    memory = Memory(3, 4, detach=False, gives=gives).double()  # type: ignore[arg-type]
    feature = torch.randn(2, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: memory(x).feature, (feature,))
