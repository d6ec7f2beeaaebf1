"""The parts of a frame's score against the loops of tests/reference.py."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch

from mnad.config import MethodConfig
from mnad.network.memory import similarity, to_queries
from mnad.network.mnad import Output
from mnad.scoring.parts import PSNR_CAP, distance, frame_parts, psnr, regular_score


def images(seed: int, channels: int = 3) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, 5, 4, dtype=torch.float64, generator=g) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("peak", ["one", "prediction"])
def test_psnr_is_equation_15(channels: int, peak: str) -> None:
    a, b = images(1, channels), images(2, channels)
    fast = psnr((a + 1) / 2, (b + 1) / 2, peak)  # type: ignore[arg-type]
    slow = [reference.psnr(x.numpy(), y.numpy(), peak) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(fast, slow, atol=1e-9)


def test_psnr_of_a_known_error_is_20_db() -> None:
    frame = torch.full((1, 1, 4, 4), 0.5, dtype=torch.float64)
    assert float(psnr(frame, frame + 0.1, "one")) == pytest.approx(20.0)


def test_a_perfect_frame_has_the_cap_and_a_black_one_a_finite_number() -> None:
    frame = torch.rand(1, 1, 4, 4)
    assert float(psnr(frame, frame, "one")) == PSNR_CAP
    assert torch.isfinite(psnr(torch.zeros(1, 1, 4, 4), frame, "prediction")).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["squared", "norm"])
def test_regular_score_is_equation_6_and_7(channels: int, kind: str) -> None:
    a, b = images(1, channels), images(2, channels)
    fast = regular_score((a + 1) / 2, (b + 1) / 2, kind)  # type: ignore[arg-type]
    slow = [reference.regular_score(x.numpy(), y.numpy(), kind) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(fast, slow, atol=1e-12)
    assert float(regular_score(a, a, kind)[0]) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("reading", ["official", "paper"])
def test_distance_is_equation_14_in_each_streams_own_memory(reading: str) -> None:
    g = torch.Generator().manual_seed(0)
    query = to_queries(torch.randn(2, 6, 3, 3, dtype=torch.float64, generator=g))
    items = torch.nn.functional.normalize(
        torch.randn(2, 4, 6, dtype=torch.float64, generator=g), dim=-1
    )
    fast = distance(query, items, reading)  # type: ignore[arg-type]
    slow = [
        reference.distance(q.numpy(), p.numpy(), reading) for q, p in zip(query, items, strict=True)
    ]
    np.testing.assert_allclose(fast, slow, atol=1e-9)


def test_the_error_map_averages_to_the_mse_behind_the_psnr() -> None:
    a, b = images(3), images(4)
    query = to_queries(torch.randn(2, 6, 3, 3, dtype=torch.float64))
    out = Output(a, query, similarity(query, query[:, :0]))
    parts = frame_parts(out, b, None, MethodConfig())
    mse = parts.error.flatten(1).mean(1)
    np.testing.assert_allclose(10 * np.log10(1 / mse.numpy()), parts.psnr, atol=1e-9)
    assert torch.isnan(parts.distance).all()
