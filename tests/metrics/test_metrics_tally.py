"""The streamed curve: exact where it says so, within its bound where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from mnad.metrics.tally import Tally, area

Single = NDArray[np.float32]
singles = arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def tally(values: Single, pieces: int = 1, **limits: int) -> Tally:
    found = Tally(**limits)
    for piece in np.array_split(values, pieces):
        found.add(piece)
    return found


def auroc(normal: Single, abnormal: Single) -> float:
    labels = np.repeat([0, 1], [len(normal), len(abnormal)])
    return float(roc_auc_score(labels, np.concatenate([normal, abnormal])))


@settings(deadline=None)
@given(singles, singles)
def test_any_finite_float32_is_ranked_exactly(normal: Single, abnormal: Single) -> None:
    found = area(tally(normal), tally(abnormal))
    assert found.bound == 0
    assert found.value == pytest.approx(auroc(normal, abnormal), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(singles, singles, st.integers(1, 5), st.integers(2, 9), st.integers(1, 20))
def test_coarse_tables_stay_within_their_bound(
    normal: Single, abnormal: Single, pieces: int, cells: int, buffer: int
) -> None:
    limits = {"cells": cells, "buffer": buffer}
    found = area(tally(normal, pieces, **limits), tally(abnormal, pieces, **limits))
    assert found.value is not None
    assert abs(found.value - auroc(normal, abnormal)) <= found.bound + 1e-12
    assert found.bound <= 0.5


def test_minus_zero_is_zero() -> None:
    minus = np.array([-0.0], np.float32)
    assert area(tally(minus), tally(-minus)).value == 0.5


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_coarse_areas_to_a_limit_stay_within_their_bound(limit: float) -> None:
    rng = np.random.default_rng(0)
    normal, abnormal = rng.normal(0, 1, 4000), rng.normal(1, 1, 500)
    pair = [x.astype(np.float32) for x in (normal, abnormal)]
    exact = area(*(tally(x) for x in pair), limit)
    assert exact.bound == 0 and exact.value is not None
    for cells in (40, 400):
        found = area(*(tally(x, 9, cells=cells, buffer=300) for x in pair), limit)
        assert found.value is not None and 0 < found.bound < 0.5
        assert abs(found.value - exact.value) <= found.bound
        # The bound is the worst that could be, the middle of the cell mostly far better.
    assert found.bound < 0.02


def test_few_distinct_values_are_exact_however_many_pixels() -> None:
    rng = np.random.default_rng(1)
    normal, abnormal = (rng.integers(0, 30, n).astype(np.float32) / 255 for n in (9000, 4000))
    found = area(*(tally(x, 20, cells=64, buffer=100) for x in (normal, abnormal + np.float32(0))))
    assert found.bound == 0
    assert found.value == pytest.approx(auroc(normal, abnormal), abs=1e-12)


def test_a_heap_at_one_value_costs_no_accuracy_beside_many_others() -> None:
    # Half of a sparse map is exactly 0, the rest is spread: cells are joined, that of 0 is not.
    rng = np.random.default_rng(2)
    spread = rng.random(3000).astype(np.float32)
    normal = np.concatenate([np.zeros(3000, np.float32), spread])
    abnormal = np.concatenate([np.zeros(500, np.float32), spread[:1500] ** np.float32(0.5)])
    order = rng.permutation(len(normal))
    found = area(
        tally(normal[order], 30, cells=256, buffer=500), tally(abnormal, 10, cells=256, buffer=500)
    )
    assert found.value is not None
    assert abs(found.value - auroc(normal, abnormal)) <= found.bound < 0.01


def test_the_number_of_cells_is_bounded_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(3)
    found = Tally(cells=100, buffer=1000)
    for _ in range(20):
        found.add(rng.normal(size=700).astype(np.float32))
        assert len(found.table().low) <= (100 if found.shift else 1000)
    assert found.table().mass.sum() == found.total == 20 * 700


def test_weights_are_summed_and_a_class_without_values_has_no_area() -> None:
    one, other = Tally(), Tally(cells=2, buffer=2)
    values = np.array([3, 1, 3], np.float32)
    one.add(values, np.array([0.5, 1.0, 0.25]))
    one.add(np.zeros(0, np.float32))
    table = one.table()
    assert table.mass.tolist() == [1.0, 0.75]
    assert area(one, other).value is None
    other.add(np.array([2.0], np.float32))
    # Of the mass 1.75, 0.75 lies above.
    assert area(other, one).value == pytest.approx(0.75 / 1.75)
