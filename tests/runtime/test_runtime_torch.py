"""torch in bf16, and on CUDA recorded passes, beside torch as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from footage import moving_square
from networks import SMALL, trained

from mnad.config import MethodConfig, NetworkConfig
from mnad.runtime.graph import ScoringGraph
from mnad.runtime.torch import OFTEN, TorchRuntime, folded

METHOD = MethodConfig()


def windows(streams: int, first: int = 0) -> torch.Tensor:
    clips = [moving_square(5, seed) for seed in range(first, first + streams)]
    return torch.from_numpy(np.stack(clips))


def test_bf16_is_near_fp32_and_not_it() -> None:
    network = trained()
    whole, half = TorchRuntime(network, METHOD), TorchRuntime(network, METHOD, bf16=True)
    assert (whole.name, half.name) == ("torch", "torch-bf16")
    query, parts = whole.score(windows(3))
    other_query, others = half.score(windows(3))
    assert other_query.dtype == others.error.dtype == others.psnr.dtype == torch.float32
    # Eight bits of mantissa.
    torch.testing.assert_close(other_query, query, rtol=0, atol=2e-2)
    torch.testing.assert_close(others.psnr, parts.psnr, rtol=2e-2, atol=0)
    assert not torch.equal(others.psnr, parts.psnr)


def test_the_memory_is_read_in_fp32() -> None:
    network = trained(replace(SMALL, skip_maps=0))
    query, _ = TorchRuntime(network, METHOD, bf16=True).score(windows(2))
    torch.testing.assert_close(query.norm(dim=-1), torch.ones(query.shape[:2]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, task="reconstruction", frames_in=1, channels=3),
        replace(SMALL, convolution="separable", upsampling="nearest"),
        replace(SMALL, memory=False, decoder_input="none"),
        replace(SMALL, padding="reflect"),
    ],
)
def test_folded_it_computes_the_same_without_normalisation(config: NetworkConfig) -> None:
    network = trained(config)
    # What the normalisation does must not be next to nothing.
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr, operator]
            layer.weight.uniform_(0.5, 1.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    small = folded(network)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in small.modules())
    clips = [moving_square(config.window, seed).repeat(config.channels, -1) for seed in range(3)]
    given = torch.from_numpy(np.stack(clips))
    items = None if network.memory is None else network.memory.items.unsqueeze(0)
    with torch.inference_mode():
        expected, found = (ScoringGraph(n, METHOD)(given, None, items) for n in (network, small))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5, equal_nan=True)
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("bf16", [False, True])
def test_a_recorded_pass_is_that_pass(bf16: bool) -> None:
    network = trained().cuda()
    runtime = TorchRuntime(network, METHOD, bf16=bf16)
    assert network.memory is not None
    for turn in range(OFTEN + 3):
        for streams in (1, 3):
            given = windows(streams, turn).cuda()
            items = network.memory.items.roll(turn, 0).expand(streams, -1, -1).clone()
            query, parts = runtime.score(given, items)
            fresh_query, fresh = TorchRuntime(network, METHOD, bf16=bf16).score(given, items)
            torch.testing.assert_close(query, fresh_query, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(parts.psnr, fresh.psnr, rtol=1e-4, atol=1e-4)
    kept = runtime.score(windows(1, 1).cuda())[1].error
    before = kept.clone()
    runtime.score(windows(1, 2).cuda())
    assert torch.equal(kept, before)
