"""GFLOP of a frame against a count by hand, against torch's own counter, and the known figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mnad.bench.cost import gflop, macs
from mnad.config import NetworkConfig
from mnad.network.mnad import MNAD

P = NetworkConfig()
R = NetworkConfig(task="reconstruction", frames_in=1)


@pytest.mark.parametrize(
    ("config", "gmac"),
    [
        (P, 46.479),
        (replace(P, memory=False), 44.053),
        (R, 49.763),
        (replace(R, memory=False), 47.337),
        (replace(R, frames_in=16), 51.462),
    ],
)
def test_the_figures_of_the_public_table(config: NetworkConfig, gmac: float) -> None:
    assert macs(config) / 1e9 == pytest.approx(gmac, abs=6e-4)
    assert gflop(config) == 2 * macs(config) / 1e9


def test_a_count_by_hand() -> None:
    config = NetworkConfig(channels=1, width=2 / 64, height=16, image_width=16)
    assert config.stages == (2, 4, 8, 16)
    encoder = 256 * (4 * 2 + 2 * 2) + 64 * (2 * 4 + 4 * 4) + 16 * (4 * 8 + 8 * 8)
    encoder += 4 * (8 * 16 + 16 * 16)
    decoder = 4 * (32 * 16 + 16 * 16 + 16 * 8) + 16 * (16 * 8 + 8 * 8 + 8 * 4)
    decoder += 64 * (8 * 4 + 4 * 4 + 4 * 2) + 256 * (4 * 2 + 2 * 2 + 2 * 1)
    memory = 2 * 4 * 16 * 10  # four queries, ten items, twice
    assert macs(config) == 9 * (encoder + decoder) + memory


@pytest.mark.parametrize("task", ["prediction", "reconstruction"])
@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("skip_maps", [3, 2])
@pytest.mark.parametrize("decoder_input", ["both", "query"])
@pytest.mark.parametrize("layers", [("full", "transposed"), ("separable", "nearest")])
def test_the_count_is_that_of_torch(
    task: str, memory: bool, skip_maps: int, decoder_input: str, layers: tuple[str, str]
) -> None:
    config = NetworkConfig(
        task=task,  # type: ignore[arg-type]
        frames_in=4,
        channels=1,
        width=0.05,
        memory=memory,
        skip_maps=skip_maps,
        decoder_input=decoder_input,  # type: ignore[arg-type]
        convolution=layers[0],  # type: ignore[arg-type]
        upsampling=layers[1],  # type: ignore[arg-type]
        height=24,
        image_width=40,
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        MNAD(config).eval()(torch.zeros(1, 4, 24, 40))
    assert 2 * macs(config) == counter.get_total_flops()


def test_what_the_bottleneck_takes() -> None:
    whole = NetworkConfig(channels=1, width=0.25, memory=False)
    less = replace(whole, decoder_input="none")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        MNAD(less).eval()(torch.zeros(1, 4, 256, 256))
    assert 2 * macs(less) == counter.get_total_flops()
    assert 0.7 < macs(less) / macs(whole) < 0.8
