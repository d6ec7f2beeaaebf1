"""The parts of a frame's score against the loops of tests/reference.py."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch

from mnad.config import MethodConfig
from mnad.network.memory import similarity, to_queries
from mnad.network.mnad import Output
from mnad.presets import preset_of
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


def masked_case(seed: int, channels: int) -> tuple[Output, torch.Tensor, torch.Tensor, np.ndarray]:
    """Output, target, items and a mask with whole, half and hidden pixels, of 2 x 3 queries."""
    g = torch.Generator().manual_seed(seed)
    frame, target = torch.rand(2, 2, channels, 16, 24, dtype=torch.float64, generator=g) * 2 - 1
    query = to_queries(torch.randn(2, 6, 2, 3, dtype=torch.float64, generator=g))
    items = to_queries(torch.randn(2, 6, 2, 2, dtype=torch.float64, generator=g))
    mask = np.zeros((16, 24))
    mask[:10, 4:20] = 1
    mask[10, 4:20] = 0.5
    return Output(frame, query, similarity(query, items)), target, items, mask


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["official", "paper"])
def test_under_a_mask_every_part_is_a_mean_over_what_counts(name: str, channels: int) -> None:
    method = preset_of(name, "prediction")[0]
    out, target, items, mask = masked_case(0, channels)
    parts = frame_parts(out, target, items, method, torch.from_numpy(mask))
    for row in range(2):
        made, seen = (out.frame[row].numpy() + 1) / 2, (target[row].numpy() + 1) / 2
        squared = mask * (made - seen) ** 2  # (c, H, W)
        top = 1.0 if name == "official" else made.max()
        mse = (mask * ((made - seen) ** 2).mean(0)).sum() / mask.sum()
        assert float(parts.psnr[row]) == pytest.approx(10 * np.log10(top / mse))
        np.testing.assert_allclose(parts.error[row], squared.mean(0), rtol=1e-12)

        error = squared if name == "official" else np.sqrt(squared.sum(0))
        weight = 1 - np.exp(-error)
        assert float(parts.regular[row]) == pytest.approx((weight * error).sum() / weight.sum())

        query, memory = out.query[row].numpy(), items[row].numpy()
        far = query - memory[(query @ memory.T).argmax(1)]
        each = (far**2).mean(1) if name == "official" else np.sqrt((far**2).sum(1))
        counts = mask.reshape(2, 8, 3, 8).mean((1, 3)).ravel()  # rows of queries first
        assert float(parts.distance[row]) == pytest.approx((each * counts).sum() / counts.sum())


@pytest.mark.parametrize("name", ["official", "paper"])
def test_what_the_mask_hides_changes_nothing_and_a_full_mask_hides_nothing(name: str) -> None:
    method = preset_of(name, "prediction")[0]
    out, target, items, mask = masked_case(1, 3)
    parts = frame_parts(out, target, items, method, torch.from_numpy(mask))
    other = target.clone()
    other[:, :, torch.from_numpy(mask == 0)] = 0.123
    for mine, same in zip(
        parts, frame_parts(out, other, items, method, torch.from_numpy(mask)), strict=True
    ):
        assert torch.equal(mine, same)
    top = torch.from_numpy(np.repeat([1.0, 0.0], 8))[:, None].repeat(1, 24)
    query = out.query.clone()
    query[:, 3:] = query[:, :1]  # of the lower row of queries, none of whose pixels counts
    moved = frame_parts(out._replace(query=query), target, items, method, top)
    assert torch.equal(moved.distance, frame_parts(out, target, items, method, top).distance)
    whole = frame_parts(out, target, items, method, torch.ones(16, 24, dtype=torch.float64))
    for mine, same in zip(whole, frame_parts(out, target, items, method), strict=True):
        torch.testing.assert_close(mine, same, rtol=1e-12, atol=0)


def test_a_perfect_frame_under_a_mask_has_the_cap_too() -> None:
    out, _, items, mask = masked_case(2, 1)
    parts = frame_parts(out, out.frame, items, MethodConfig(), torch.from_numpy(mask))
    assert parts.psnr.tolist() == [PSNR_CAP, PSNR_CAP] and parts.regular.tolist() == [0, 0]
