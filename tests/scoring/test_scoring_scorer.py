"""What moves a memory on the CPU moves it as slow loops over the equations do."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import reference
import torch
import torch.nn.functional as F
from torch import Tensor

from mnad.config import MethodConfig
from mnad.network.memory import update
from mnad.scoring.scorer import updated


def unit(*shape: int, seed: int) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return F.normalize(drawn, dim=-1)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("scope", ["batch", "assigned"])
def test_a_memory_is_moved_by_equations_3_to_5(
    scope: Literal["batch", "assigned"], momentum: float
) -> None:
    method = MethodConfig(update_scope=scope, update_momentum=momentum)
    query, items = unit(4, 7, 6, seed=1), unit(4, 5, 6, seed=2)  # few queries: some items get none
    gate = torch.tensor([True, False, True, True])

    moved = updated(method, query, gate, items)

    for s, opened in enumerate(gate):
        expected = items[s].numpy()
        if opened:
            expected = reference.update([query[s].numpy()], expected, scope, momentum)
        np.testing.assert_allclose(moved[s], expected, atol=2e-6)
    by_torch = update(query.unsqueeze(1), items, scope, momentum)
    np.testing.assert_allclose(moved[gate], by_torch[gate], atol=1e-6)
    assert torch.equal(moved[1], items[1])


def test_items_that_no_query_chose_keep_their_bits() -> None:
    query, items = unit(1, 1, 6, seed=3), unit(1, 5, 6, seed=4)

    moved = updated(MethodConfig(update_scope="assigned"), query, torch.tensor([True]), items)

    stayed = (moved == items).all(-1)[0]
    assert stayed.sum() == 4
    assert moved.isfinite().all()
