"""The slow reference itself: cases worked by hand, bounds from the equations, torch's formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference as ref
import torch
import torch.nn.functional as F
from reference import Array

E1, E2 = [1.0, 0.0], [0.0, 1.0]
AXES = np.array([E1, E2])


def random_units(rows: int, channels: int, seed: int) -> Array:
    values = np.random.default_rng(seed).normal(size=(rows, channels))
    return np.array([ref.unit(v) for v in values])


def images(seed: int, frames: int = 2, channels: int = 3) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, size=(frames, channels, 4, 5))


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(np.array(values), dtype=torch.float64)


def test_normalise_goes_row_by_row() -> None:
    features = np.array([[[3.0, 0.0], [0.0, -5.0]], [[4.0, 2.0], [-1.0, 12.0]]])
    expected = np.array([[0.6, 0.8], [0, 1], [0, -1], [-5 / 13, 12 / 13]])
    np.testing.assert_allclose(ref.normalise(features), expected, atol=1e-15)
    seeded = np.random.default_rng(0).normal(size=(6, 3, 4))
    by_torch = F.normalize(tensor(seeded), dim=0).flatten(1).T
    np.testing.assert_allclose(ref.normalise(seeded), by_torch, atol=1e-14)


def test_read_by_hand() -> None:
    weights, aggregate = ref.read(np.array([E1, [0.6, 0.8]]), AXES)
    first = math.e / (math.e + 1)
    second = math.exp(0.6) / (math.exp(0.6) + math.exp(0.8))
    expected = [[first, 1 - first], [second, 1 - second]]
    np.testing.assert_allclose(weights, expected, atol=1e-15)
    np.testing.assert_allclose(aggregate, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("others", "largest"), [("orthogonal", math.e / (math.e + 9)), ("opposite", 0.451)]
)
def test_read_of_ten_items_cannot_be_sharp(others: str, largest: float) -> None:
    items = np.eye(10) if others == "orthogonal" else np.array([E1] + [[-1.0, 0.0]] * 9)
    weights, _ = ref.read(items[:1], items)
    assert weights[0, 0] == pytest.approx(largest, abs=5e-4)


def test_read_against_torch() -> None:
    queries, items = random_units(12, 8, 1), random_units(5, 8, 2)
    weights, aggregate = ref.read(queries, items)
    by_torch = torch.softmax(tensor(queries) @ tensor(items).T, dim=1)
    np.testing.assert_allclose(weights, by_torch, atol=1e-14)
    np.testing.assert_allclose(aggregate, by_torch @ tensor(items), atol=1e-14)


def test_nearest_by_hand() -> None:
    items = np.array([E2, [-1.0, 0.0], E1])
    p, n = ref.nearest(np.array([[0.8, 0.6], [0.6, 0.8], [-1.0, 0.0]]), items)
    assert p.tolist() == [2, 0, 1]
    assert n.tolist() == [0, 2, 0]


def test_nearest_with_ties_and_with_one_item() -> None:
    twins = np.array([E2, E1, E1])
    assert [x.tolist() for x in ref.nearest(np.array([E1, E2]), twins)] == [[1, 0], [2, 1]]
    assert [x.tolist() for x in ref.nearest(np.array([E1]), twins[:1])] == [[0], [-1]]


# The second query is assigned to the second item, but the first one has the larger product with
# it: 0.6 against 0. Only then do the two scopes of eq. 5 differ.
CROSSED = np.array([[0.8, 0.6], [-1.0, 0.0]])


def test_update_by_hand_assigned() -> None:
    expected = [ref.unit(np.array([1.8, 0.6])), ref.unit(np.array([-1.0, 1.0]))]
    np.testing.assert_allclose(ref.update([CROSSED], AXES, "assigned"), expected, atol=1e-15)


def test_update_by_hand_batch() -> None:
    pulled = np.array([-math.exp(-0.6), 1.0])
    expected = [ref.unit(np.array([1.8, 0.6])), ref.unit(pulled)]
    np.testing.assert_allclose(ref.update([CROSSED], AXES, "batch"), expected, atol=1e-15)


def test_update_sums_over_frames_before_normalising() -> None:
    frames = [CROSSED, CROSSED[1:]]
    assigned = ref.update(frames, AXES, "assigned")
    np.testing.assert_allclose(assigned[1], ref.unit(np.array([-2.0, 1.0])), atol=1e-15)
    # Alone in its frame, the query of the second frame is the maximum of that frame; over the
    # batch the maximum is still the 0.6 of the first frame's other query.
    batch = ref.update(frames, AXES, "batch")
    np.testing.assert_allclose(batch[1], ref.unit(np.array([-2 * math.exp(-0.6), 1.0])), atol=1e-15)


def test_update_assigned_compares_within_a_frame() -> None:
    close, far = np.array([[0.0, 1.0]]), np.array([[-0.8, 0.6]])
    apart = ref.update([close, far], AXES, "assigned")
    np.testing.assert_allclose(apart[1], ref.unit(np.array([-0.8, 2.6])), atol=1e-15)
    together = ref.update([np.concatenate([close, far])], AXES, "assigned")
    share = math.exp(0.6 - 1)
    expected = ref.unit(np.array([-0.8 * share, 2 + 0.6 * share]))
    np.testing.assert_allclose(together[1], expected, atol=1e-15)


@pytest.mark.parametrize("scope", ["batch", "assigned"])
def test_update_leaves_items_without_queries(scope: str) -> None:
    items = random_units(4, 6, 3)
    queries = np.array([items[2], items[2]])
    new = ref.update([queries], items, scope)  # type: ignore[arg-type]
    np.testing.assert_allclose(new, items, atol=1e-15)


def test_compactness_by_hand() -> None:
    frames = [np.array([[0.6, 0.8], E1]), np.array([[0.6, 0.8]])]
    # (0.6, 0.8) - (0, 1) = (0.6, -0.2), squared norm 0.4, twice; the other query is an item.
    assert ref.compactness(frames, AXES, "paper") == pytest.approx(2 * math.sqrt(0.4), abs=1e-14)
    assert ref.compactness(frames, AXES, "official") == pytest.approx(0.8 / 6, abs=1e-14)


def test_separateness_by_hand() -> None:
    frames = [np.array([[0.6, 0.8]]), np.array([[0.6, 0.8], E1])]
    # Distances sqrt(0.4) and sqrt(0.8); the item itself: 0 and sqrt(2), beyond the margin.
    one = math.sqrt(0.4) - math.sqrt(0.8) + 1
    assert ref.separateness(frames, AXES, 1.0, "paper") == pytest.approx(2 * one, abs=1e-14)
    assert ref.separateness(frames, AXES, 1.0, "official") == pytest.approx(2 * one / 3, abs=2e-6)
    wide = ref.separateness(frames, AXES, 2.0, "paper")
    assert wide == pytest.approx(2 * (one + 1) + 2 - math.sqrt(2), abs=1e-14)


def test_official_losses_against_torch() -> None:
    queries, items = random_units(20, 8, 4), random_units(5, 8, 5)
    halves = [queries[:10], queries[10:]]
    p, n = (torch.from_numpy(x) for x in ref.nearest(queries, items))
    q, m = tensor(queries), tensor(items)
    compact = F.mse_loss(q, m[p]).item()
    separate = F.triplet_margin_loss(q, m[p], m[n], margin=0.5).item()
    assert ref.compactness(halves, items, "official") == pytest.approx(compact, abs=1e-14)
    assert ref.separateness(halves, items, 0.5, "official") == pytest.approx(separate, abs=1e-12)


def test_reconstruction_loss() -> None:
    outputs, targets = images(6), images(7)
    difference = tensor(outputs - targets)
    mse = ref.reconstruction_loss(outputs, targets, "mse")
    assert mse == pytest.approx(difference.square().mean().item(), abs=1e-13)
    by_frame = difference.flatten(1).norm(dim=1).sum().item()
    assert ref.reconstruction_loss(outputs, targets, "norm") == pytest.approx(by_frame, abs=1e-12)
    outputs = np.array([[[[0.3, -0.4]]], [[[0.0, 1.0]]]])
    assert ref.reconstruction_loss(outputs, np.zeros_like(outputs), "norm") == pytest.approx(1.5)


def test_total_loss() -> None:
    assert ref.total_loss(0.5, 2.0, 3.0, 0.1, 0.01) == pytest.approx(0.73)


def test_regular_score_by_hand() -> None:
    # On the 0..1 scale the errors are 0.1 and 0.2.
    output, target = np.array([[[0.2, -0.6]]]), np.array([[[0.0, -1.0]]])
    a, b = 1 - math.exp(-0.01), 1 - math.exp(-0.04)
    expected = (a * 0.01 + b * 0.04) / (a + b)
    assert ref.regular_score(output, target, "squared") == pytest.approx(expected, abs=1e-14)
    a, b = 1 - math.exp(-0.1), 1 - math.exp(-0.2)
    expected = (a * 0.1 + b * 0.2) / (a + b)
    assert ref.regular_score(output, target, "norm") == pytest.approx(expected, abs=1e-14)


def test_regular_score_takes_the_norm_over_channels() -> None:
    output = np.zeros((3, 1, 2))
    output[:, 0, 0] = [0.6, 0.8, 0.0]
    assert ref.regular_score(output, np.zeros_like(output), "norm") == pytest.approx(0.5)
    assert ref.regular_score(output, output, "norm") == 0
    assert ref.regular_score(output, output, "squared") == 0


def test_psnr() -> None:
    target = np.full((3, 2, 2), -0.2)
    output = target + 0.2  # 0.1 on the 0..1 scale, so a mean squared error of 0.01.
    assert ref.psnr(output, target, "one") == pytest.approx(20.0)
    assert ref.psnr(output, target, "prediction") == pytest.approx(20 - 10 * math.log10(2))
    assert ref.psnr(target, target, "one") == ref.PSNR_CAP


def test_distance() -> None:
    queries = np.array([[0.6, 0.8], E1])
    assert ref.distance(queries, AXES, "paper") == pytest.approx(math.sqrt(0.4) / 2)
    assert ref.distance(queries, AXES, "official") == pytest.approx(0.4 / 4)
    # The largest that the public code's can be, for unit vectors of 512 channels.
    item = np.eye(1, 512)
    assert ref.distance(-item, item, "official") == pytest.approx(4 / 512)


def test_score_of_the_worked_example() -> None:
    psnrs, distances = [30.0, 32.0, 28.0, 36.0], [0.2, 0.1, 0.4, 0.1]
    normality = ref.normality(psnrs, distances, 0.6)
    np.testing.assert_allclose(normality, [0.416667, 0.7, 0, 1], atol=5e-7)
    abnormality = ref.abnormality(psnrs, distances, 0.6)
    np.testing.assert_allclose(abnormality, [0.583333, 0.3, 1, 0], atol=5e-7)


def test_constant_parts_add_nothing() -> None:
    assert ref.minmax([7.0, 7.0]) == [0, 0]
    assert ref.abnormality([30, 30, 30], [0.1, 0.3, 0.2], 0.6) == pytest.approx([0, 0.4, 0.2])
    assert ref.abnormality([30, 20], [0.1, 0.1], 0.6) == pytest.approx([0, 0.6])
