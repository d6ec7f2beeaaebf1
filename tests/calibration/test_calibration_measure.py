"""What a network makes of normal footage, window by window."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from footage import moving_square

from mnad.calibration import measure as room
from mnad.calibration.measure import measure, reference_of
from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.models.folder import build_network
from mnad.network.mnad import MNAD
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.contrast import relative_error
from mnad.scoring.peaks import QUIET, block_errors, usual_errors
from mnad.scoring.stream import FrameParts, Scorer
from mnad.scoring.where import NormalLevel
from mnad.scoring.windows import Windows
from mnad.video.regions import Regions

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)
USUAL = np.random.default_rng(0).uniform(0.1, 1, (27, 27)).astype(np.float32)
CLIPS = [moving_square(20, 0), moving_square(11, 1)]


@pytest.fixture(scope="module")
def network() -> MNAD:
    torch.manual_seed(0)
    return build_network(ModelConfig(SMALL)).eval().requires_grad_(False)


def pushed(network: MNAD, mask: np.ndarray | None, block: int) -> list[FrameParts]:
    """Frame by frame, as a camera gives them, the memory frozen."""
    scorer = Scorer(TorchRuntime(network, MethodConfig()), "frozen", mask, (block // 2, USUAL))
    parts = []
    for clip in CLIPS:
        stream = scorer.open()
        parts += [p for frame in clip if (p := scorer.push([stream], [frame])[0])]
    return parts


@pytest.mark.parametrize("ignored", [False, True])
def test_it_is_what_a_camera_would_have_scored(network: MNAD, ignored: bool) -> None:
    mask = None
    if ignored:
        mask = Regions(ignore=(((0.5, 0), (1, 0), (1, 0.4), (0.5, 0.4)),)).mask(32, 32)
    windows = Windows(CLIPS, ["a", "b"], SMALL.window)
    items = None if network.memory is None else network.memory.items.clone()
    done: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(
            TorchRuntime(network, MethodConfig()),
            windows,
            range(23),
            12,
            USUAL,
            True,
            mask,
            lambda error: done.append(len(error)),
        )
    expected = pushed(network, mask, 12)
    assert len(expected) == len(windows) == sum(done) == 23
    for name in ("psnr", "distance", "peak"):
        values = [getattr(parts, name) for parts in expected]
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-4)
    errors = [parts.error.numpy() for parts in expected]
    learnt = NormalLevel(mask)
    for error in errors:
        learnt.push(error)
    np.testing.assert_allclose(found.level, learnt.level(), rtol=1e-3, atol=1e-7)
    assert found.floor == pytest.approx(learnt.floor(1 - QUIET), rel=1e-3)
    highest = max(np.quantile(error, 0.999) for error in errors)
    assert (
        found.error_peak == pytest.approx(highest, rel=1e-3)
        and found.block == 12
        and found.side == 6
    )
    assert network.memory is not None and items is not None
    assert torch.equal(network.memory.items, items)


def test_parts_come_in_the_order_asked_for(network: MNAD) -> None:
    windows = Windows(CLIPS, ["a", "b"], SMALL.window)
    all_of_them = measure(
        TorchRuntime(network, MethodConfig()), windows, range(23), 12, USUAL, True
    )
    some = measure(
        TorchRuntime(network, MethodConfig()), windows, [20, 3, 3, 11, 0], 12, USUAL, True
    )
    np.testing.assert_allclose(some.peak, all_of_them.peak[[20, 3, 3, 11, 0]], rtol=1e-4)


def test_a_reference_of_long_footage_is_spread_over_it(
    network: MNAD, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Windows(CLIPS, ["a", "b"], SMALL.window)
    everything = reference_of(TorchRuntime(network, MethodConfig()), windows, 12)
    errors = torch.stack([parts.error for parts in pushed(network, None, 12)])
    usual = usual_errors(block_errors(errors, 6).numpy())
    np.testing.assert_allclose(everything.usual, usual, rtol=1e-4)
    seen = np.concatenate([clip[SMALL.target :] for clip in CLIPS])
    relative = block_errors(relative_error(errors, seen), 12)
    np.testing.assert_allclose(everything.peak, relative.amax((1, 2)), rtol=1e-4)
    assert len(everything.psnr) == 23
    monkeypatch.setattr(room, "REFERENCE_WINDOWS", 3)
    few = reference_of(TorchRuntime(network, MethodConfig()), windows, 12)
    np.testing.assert_allclose(few.peak, everything.peak[[0, 11, 22]], rtol=1e-4)
