"""Streams in lockstep give the numbers of streams alone; gate and policies of the memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from footage import moving_square

from mnad.config import MethodConfig, ModelConfig, NetworkConfig, Policy, Task
from mnad.models.folder import build_network
from mnad.network.mnad import MNAD
from mnad.network.window import split_window
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.contrast import relative_error
from mnad.scoring.peaks import block_errors, peaks_of
from mnad.scoring.stream import FrameParts, Scorer

PLAIN = (4, None)
SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)


def network(config: NetworkConfig = SMALL, seed: int = 0) -> MNAD:
    torch.manual_seed(seed)
    net = build_network(ModelConfig(config))
    net.train()  # running statistics of batch norm that fit the clips
    clip = torch.from_numpy(np.stack([moving_square(config.window, s) for s in range(8)]))
    for _ in range(30):
        net(split_window(clip, config)[0])
    return net.eval().requires_grad_(False)


def alone(scorer: Scorer, clip: np.ndarray) -> list[FrameParts]:
    stream = scorer.open()
    return [p for frame in clip if (p := scorer.push([stream], [frame])[0]) is not None]


def numbers(parts: list[FrameParts]) -> np.ndarray:
    return np.array([[p.psnr, p.distance, p.regular] for p in parts])


@pytest.mark.parametrize("policy", ["reset", "frozen"])
def test_lockstep_equals_alone(policy: str) -> None:
    method = MethodConfig(gamma=10.0)
    scorer = Scorer(TorchRuntime(network(), method), policy)  # type: ignore[arg-type]
    clips = [moving_square(12, seed) for seed in range(5)]
    streams = [scorer.open() for _ in clips]
    together: list[list[FrameParts]] = [[] for _ in clips]
    for frames in zip(*clips, strict=True):
        for found, parts in zip(together, scorer.push(streams, frames), strict=True):
            if parts is not None:
                found.append(parts)
    updates = 0
    for found, clip in zip(together, clips, strict=True):
        expected = alone(scorer, clip)
        np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-4)
        assert [p.index for p in found] == [p.index for p in expected] == list(range(4, 12))
        assert [p.updated for p in found] == [p.updated for p in expected]
        updates += sum(p.updated for p in found)
    assert (updates > 0) is (policy == "reset")


def test_the_gate_lets_regular_frames_through_and_only_them() -> None:
    net = network()
    clip = moving_square(12, 1)
    open_gate = alone(Scorer(TorchRuntime(net, MethodConfig(gamma=10.0)), "reset"), clip)
    shut_gate = alone(Scorer(TorchRuntime(net, MethodConfig(gamma=0.0)), "reset"), clip)
    frozen = alone(Scorer(TorchRuntime(net, MethodConfig(gamma=10.0)), "frozen"), clip)
    assert all(p.updated for p in open_gate) and not any(p.updated for p in shut_gate)
    np.testing.assert_array_equal(numbers(shut_gate), numbers(frozen))
    # A frame is scored before it updates: the first one is the same, the second is not.
    assert open_gate[0].distance == frozen[0].distance
    assert open_gate[1].distance != frozen[1].distance
    middle = float(np.median([p.regular for p in frozen]))
    some = alone(Scorer(TorchRuntime(net, MethodConfig(gamma=middle)), "reset"), clip)
    assert {p.updated for p in some} == {True, False}
    assert all(p.updated == (p.regular < middle) for p in some)


def test_a_gated_update_is_equation_3_to_5_of_that_frame() -> None:
    net = network()
    scorer = Scorer(TorchRuntime(net, MethodConfig(gamma=10.0)), "reset")
    stream = scorer.open()
    clip = moving_square(5, 2)
    for frame in clip:
        scorer.push([stream], [frame])
    out = net(split_window(torch.from_numpy(clip)[None], SMALL)[0])
    assert net.memory is not None and stream.items is not None
    expected = reference.update(
        [out.query[0].double().numpy()], net.memory.items.double().numpy(), "batch"
    )
    np.testing.assert_allclose(stream.items, expected, atol=1e-5)


def test_carried_hands_the_memory_on_and_reset_does_not() -> None:
    net = network()
    method = MethodConfig(gamma=10.0)
    for policy, same in (("carried", False), ("reset", True)):
        scorer = Scorer(TorchRuntime(net, method), policy)  # type: ignore[arg-type]
        first = scorer.open()
        for frame in moving_square(8, 3):
            scorer.push([first], [frame])
        assert net.memory is not None
        second = scorer.open(first)
        assert second.items is not None
        assert torch.equal(second.items, net.memory.items) is same


def test_motion_cues_score_the_ninth_of_sixteen_frames() -> None:
    config = replace(SMALL, task="reconstruction", frames_in=16)
    parts = alone(
        Scorer(TorchRuntime(network(config), MethodConfig()), "frozen"), moving_square(18, 0)
    )
    assert [p.index for p in parts] == [8, 9, 10]


def test_without_memory_there_is_no_distance() -> None:
    scorer = Scorer(
        TorchRuntime(network(replace(SMALL, memory=False)), MethodConfig(gamma=10.0)), "reset"
    )
    parts = alone(scorer, moving_square(6, 0))
    assert all(np.isnan(p.distance) and not p.updated for p in parts)


def test_the_peak_is_the_highest_block_of_the_error_map() -> None:
    net, clip = network(), moving_square(8, 1)
    usual = np.random.default_rng(0).uniform(0.1, 1, (27, 27)).astype(np.float32)
    found = alone(Scorer(TorchRuntime(net, MethodConfig()), "frozen", blocks=(6, usual)), clip)
    plain = alone(Scorer(TorchRuntime(net, MethodConfig()), "frozen", blocks=(6, None)), clip)
    for parts, other in zip(found, plain, strict=True):
        blocks = block_errors(parts.error[None], 6)
        assert parts.peak == pytest.approx(float((blocks[0].numpy() / usual).max()), rel=1e-6)
        assert torch.equal(parts.measured, parts.error)
        relative = relative_error(other.error[None], [clip[parts.index]])
        assert other.peak == pytest.approx(float(peaks_of(block_errors(relative, 6))), rel=1e-6)
        torch.testing.assert_close(other.measured, relative[0])
    without = alone(Scorer(TorchRuntime(net, MethodConfig()), "frozen"), clip)
    assert all(np.isnan(parts.peak) for parts in without)
    np.testing.assert_array_equal(numbers(without), numbers(found))


def test_a_masked_pixel_of_the_frame_that_is_scored_counts_nowhere() -> None:
    net = network()
    mask = np.ones((32, 32), np.float32)
    mask[:, 20:] = 0
    scorer = Scorer(TorchRuntime(net, MethodConfig(gamma=10.0)), "reset", mask, blocks=PLAIN)
    clip = moving_square(5, 0)
    hidden, shown = clip.copy(), clip.copy()
    hidden[4, :, 20:], shown[4, 5:9, 5:9] = 255, 255  # frame 4 is predicted from 0 to 3
    (plain,), (same,), (other,) = (alone(scorer, c) for c in (clip, hidden, shown))
    np.testing.assert_array_equal(numbers([plain]), numbers([same]))
    assert plain.peak == same.peak and torch.equal(plain.error, same.error)
    assert not plain.error[:, 20:].any()
    assert other.psnr < plain.psnr and other.peak != plain.peak and other.regular > plain.regular
    assert other.distance == plain.distance
    (unmasked,) = alone(Scorer(TorchRuntime(net, MethodConfig()), "frozen", blocks=PLAIN), hidden)
    assert unmasked.psnr < same.psnr and unmasked.peak != same.peak


def test_a_mask_of_ones_is_no_mask() -> None:
    net, clip = network(), moving_square(10, 2)
    method = MethodConfig(gamma=10.0)
    masked = alone(
        Scorer(TorchRuntime(net, method), "reset", np.ones((32, 32), np.float32), PLAIN), clip
    )
    plain = alone(Scorer(TorchRuntime(net, method), "reset", blocks=PLAIN), clip)
    np.testing.assert_allclose(numbers(masked), numbers(plain), rtol=1e-5)
    np.testing.assert_allclose([p.peak for p in masked], [p.peak for p in plain], rtol=1e-5)


@pytest.mark.parametrize("policy", ["frozen", "reset"])
@pytest.mark.parametrize("task", ["prediction", "reconstruction"])
def test_a_run_of_frames_is_scored_as_frame_by_frame(policy: Policy, task: Task) -> None:
    frames_in = 4 if task == "prediction" else 5
    config = replace(SMALL, task=task, frames_in=frames_in)
    scorer = Scorer(TorchRuntime(network(config), MethodConfig(gamma=10.0)), policy, blocks=PLAIN)
    clip = moving_square(23, 0)
    one_by_one, runs = scorer.open(), scorer.open()
    expected = [scorer.push([one_by_one], [frame])[0] for frame in clip]
    found = []
    for first, last in ((0, 2), (2, 9), (9, 10), (10, 10), (10, 23)):
        found += scorer.push_run(runs, clip[first:last])
    assert len(found) == 23 and runs.pushed == one_by_one.pushed
    for own, other in zip(found, expected, strict=True):
        assert (own is None) == (other is None)
        if own is not None and other is not None:
            assert (own.index, own.updated) == (other.index, other.updated)
            assert own.psnr == pytest.approx(other.psnr, rel=1e-5)
            assert own.peak == pytest.approx(other.peak, rel=1e-4)
            torch.testing.assert_close(own.measured, other.measured, rtol=1e-3, atol=1e-5)
