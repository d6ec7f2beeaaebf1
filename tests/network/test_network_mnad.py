"""Size, cost and shape of the network; the figures are those of the public code's layer table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mnad.config import NetworkConfig
from mnad.errors import UsageError
from mnad.network.losses import training_losses
from mnad.network.mnad import MNAD
from mnad.network.window import moving, split_window
from mnad.presets import preset_of

P = NetworkConfig()
R = NetworkConfig(task="reconstruction", frames_in=1)


@pytest.mark.parametrize(
    ("config", "parameters", "gmac"),
    [
        (P, 15_650_819, 46.479),
        (replace(P, memory=False), 13_291_523, 44.053),
        (R, 17_195_267, 49.763),
        (replace(R, memory=False), 14_835_971, 47.337),
        (replace(R, frames_in=16), 17_221_187, 51.462),
        (replace(R, frames_in=16, channels=1), 17_201_601, 50.179),
        (replace(P, skip_maps=0), 17_200_451, 50.103),
        (replace(P, decoder_input="query"), 13_291_523, 44.053 + 0.010486),
    ],
    ids=["P", "P w/o Mem.", "R", "R w/o Mem.", "R 16 RGB", "R 16 grey", "P no skips", "P query"],
)
def test_parameters_and_cost_are_the_papers(
    config: NetworkConfig, parameters: int, gmac: float
) -> None:
    net = MNAD(config).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, config.frames_in * config.channels, 64, 64))
    assert sum(p.numel() for p in net.parameters()) == parameters
    # The public table rounds to 1 MMAC, and says 50.179 where the sum is 50.1786.
    # Every layer's cost is proportional to the area, and 256 x 256 is 16 times 64 x 64.
    assert 16 * counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=6e-4)


def test_without_a_bottleneck_a_constant_takes_its_place() -> None:
    config = replace(P, width=0.1, channels=1, height=32, image_width=48)
    config = replace(config, memory=False, decoder_input="none")
    net = MNAD(config).eval()
    assert net.encoder.stage4 is None and net.decoder.constant is not None
    torch.manual_seed(0)
    frames = torch.rand(3, 4, 32, 48)
    plain = MNAD(replace(config, decoder_input="both")).eval()
    plain.load_state_dict(net.state_dict(), strict=False)
    # What comes from below in the network that has a bottleneck, put in as the constant.
    below: list[torch.Tensor] = []
    plain.decoder.up4.register_forward_hook(lambda module, given, out: below.append(out))
    with torch.no_grad():
        expected = plain(frames[:1]).frame
        net.decoder.constant.copy_(below[0])
        found = net(frames[:1]).frame
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    net.train()
    out = net(frames)
    assert out.query.shape == (3, 1, config.stages[-1]) and out.similarity.shape == (3, 1, 0)
    training_losses(
        out, frames[:, :1], None, preset_of("official", "prediction")[0]
    ).total.backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters() if p.ndim > 1
    )


@pytest.mark.parametrize(
    "change", [{"memory": True}, {"memory": False, "skip_maps": 0}, {"task": "reconstruction"}]
)
def test_a_constant_is_refused_where_nothing_else_tells_of_the_frame(
    change: dict[str, object],
) -> None:
    with pytest.raises(UsageError, match="takes prediction with skips, and no memory"):
        replace(P, **{"memory": False, "decoder_input": "none", **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [0.5, 0.25])
@pytest.mark.parametrize("task", ["prediction", "reconstruction"])
@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_variant_puts_out_a_frame_of_the_input_size(
    width: float, task: str, memory: bool, channels: int
) -> None:
    config = NetworkConfig(
        task=task,  # type: ignore[arg-type]
        frames_in=4 if task == "prediction" else 16,
        width=width,
        memory=memory,
        channels=channels,  # type: ignore[arg-type]
        height=24,
        image_width=40,
    )
    windows = torch.zeros(2, config.window, 24, 40, channels, dtype=torch.uint8)
    inputs, target = split_window(windows, config)
    out = MNAD(config).eval()(inputs)
    assert out.frame.shape == target.shape == (2, channels, 24, 40)
    assert out.query.shape == (2, 3 * 5, round(512 * width))
    assert out.similarity.shape == (2, 15, 10 if memory else 0)
    assert float(out.frame.detach().abs().max()) <= 1
    torch.testing.assert_close(out.query.norm(dim=-1), torch.ones(2, 15))


def test_a_window_is_split_at_the_target() -> None:
    frames = torch.arange(16, dtype=torch.uint8).reshape(1, 16, 1, 1, 1).expand(1, 16, 16, 16, 3)
    inputs, target = split_window(frames[:, :5], NetworkConfig(height=16, image_width=16))
    assert inputs.shape == (1, 12, 16, 16)
    back = ((inputs[0, :, 0, 0] + 1) * 127.5).round()
    assert back.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert float(((target + 1) * 127.5).mean()) == pytest.approx(4)
    cues = NetworkConfig(task="reconstruction", frames_in=16, height=16, image_width=16)
    _, target = split_window(frames, cues)
    assert float(((target + 1) * 127.5).mean()) == pytest.approx(8)  # the 9th of 16


def test_the_range_is_minus_one_to_one() -> None:
    frames = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2, 1).expand(1, 1, 16, 2, 1)
    config = NetworkConfig(task="reconstruction", frames_in=1, channels=1, height=16)
    inputs, _ = split_window(frames, config)
    assert inputs[0, 0, 0].tolist() == [-1, 1]


def test_without_skips_the_encoders_maps_do_not_reach_the_decoder() -> None:
    net = MNAD(
        NetworkConfig(
            task="reconstruction", frames_in=1, width=0.05, channels=1, height=16, image_width=16
        )
    ).eval()
    feature, maps = net.encoder(torch.rand(1, 1, 16, 16))
    both = net.memory(feature).feature  # type: ignore[misc]
    other = tuple(torch.rand_like(m) for m in maps)
    assert torch.equal(net.decoder(both, maps), net.decoder(both, other))


def test_items_are_a_persistent_buffer_and_not_trained_by_gradient() -> None:
    net = MNAD(NetworkConfig(width=0.05, height=16, image_width=16))
    assert "memory.items" in net.state_dict()
    assert "memory.items" not in dict(net.named_parameters())


def test_gradient_of_the_paper_preset_passes_the_read() -> None:
    torch.manual_seed(0)
    grads = {}
    for name in ("official", "paper"):
        method, _ = preset_of(name, "prediction")
        torch.manual_seed(1)
        net = MNAD(NetworkConfig(width=0.05, height=16, image_width=16), method)
        x = torch.rand(2, 12, 16, 16)
        loss = training_losses(net(x), x[:, :3], None, method).reconstruction
        grads[name] = torch.autograd.grad(loss / loss.detach(), net.encoder.stage4[3].weight)[0]
    assert (grads["official"] - grads["paper"]).abs().max() > 1e-7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 250}, "multiple of 8"),
        ({"channels": 2}, "choose one of 1, 3"),
        ({"width": 0.0}, "between"),
        ({"items": 0}, "1 or more"),
        ({"task": "predict"}, "'prediction'"),
        ({"skip_maps": 4}, "choose one of 0, 1, 2, 3"),
        ({"decoder_input": "all"}, "'both', 'read', 'query', 'none'"),
    ],
)
def test_dimensions_out_of_range_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(P, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_the_coarsest_maps_reach_the_decoder(kept: int) -> None:
    """A map reaches it if what is put out depends on it."""
    torch.manual_seed(0)
    config = NetworkConfig(width=0.05, channels=1, height=16, image_width=16, skip_maps=kept)
    net = MNAD(config).eval()
    feature, maps = net.encoder(torch.rand(1, 4, 16, 16))
    both = net.memory(feature).feature  # type: ignore[misc]
    frame = net.decoder(both, maps)
    reach = []
    for stage in range(3):
        other = list(maps)
        other[stage] = torch.rand_like(maps[stage])
        reach.append(not torch.equal(frame, net.decoder(both, tuple(other))))
    assert reach == [kept >= 3, kept >= 2, kept >= 1] == list(config.skips)


@pytest.mark.parametrize("convolution", ["full", "separable"])
def test_only_zeros_beyond_the_border_tell_where_it_is(convolution: str) -> None:
    """The same grey everywhere: every place has the same query, unless it sees the border."""
    torch.manual_seed(0)
    spread = {}
    for padding in ("zeros", "reflect"):
        small = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)
        config = replace(small, padding=padding, convolution=convolution)  # type: ignore[arg-type]
        query = MNAD(config).eval()(torch.full((1, 4, 32, 32), 0.3)).query
        spread[padding] = (query - query.mean(1, keepdim=True)).abs().max().item()
    assert spread["reflect"] < 1e-5 < 1e-3 < spread["zeros"]


def test_a_decoder_of_the_read_alone_sees_a_query_through_its_weights_only() -> None:
    """Of one item there is one aggregate: without skips every input gives the same frame."""
    torch.manual_seed(0)
    config = NetworkConfig(
        width=0.05, height=16, image_width=16, items=1, decoder_input="read", skip_maps=0
    )
    net = MNAD(config).eval()
    a, b = net(torch.rand(2, 12, 16, 16)).frame
    assert torch.equal(a, b)
    other = MNAD(replace(config, decoder_input="both")).eval()
    a, b = other(torch.rand(2, 12, 16, 16)).frame
    assert not torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"read_temperature": 0.0}, "above 0"),
        ({"update_momentum": 1.0}, "below 1"),
        ({"item_learning": "none"}, "'update', 'gradient'"),
        ({"memory_loss": "mean"}, "'norm_mean', 'squared_sum'"),
        ({"reconstruction_loss": "l1"}, "'mse', 'norm'"),
    ],
)
def test_readings_out_of_range_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(preset_of("official", "prediction")[0], **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float64, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.02)]
)
def test_a_network_of_another_precision_puts_out_the_same(
    memory: bool, dtype: torch.dtype, close: float
) -> None:
    torch.manual_seed(0)
    net = MNAD(replace(P, width=0.1, channels=1, height=32, image_width=48, memory=memory)).eval()
    frames = torch.rand(2, 4, 32, 48) * 2 - 1
    with torch.no_grad():
        expected = net(frames)
        found = net.to(dtype)(frames.to(dtype))
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert all(one.dtype == wide for one in found)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0, atol=close)


def test_what_moves_is_found_place_by_place() -> None:
    """By loops: of the 8 x 8 pixels the share that changes, or has such a neighbour, two off."""
    rng = np.random.default_rng(0)
    last = rng.uniform(-0.05, 0.05, (2, 3, 16, 24)).astype(np.float32)
    target = last + rng.uniform(-0.07, 0.07, last.shape).astype(np.float32)
    target[0, 1, 3, 9] += 0.5  # 25 of the 64 pixels of the second place of three, in the first row
    target[1, 2, 15, 23] -= 0.5  # in the corner, 9 of 64
    target[1, 0, 7, 0] += 0.5  # 9 above, and 6 of 64 below
    found = moving(torch.from_numpy(np.concatenate([target, last], 1)), torch.from_numpy(target))
    changes = np.abs(target - last).max(1) > 0.15
    for image in range(2):
        for row in range(2):
            for column in range(3):
                count = 0
                for y in range(8 * row, 8 * row + 8):
                    for x in range(8 * column, 8 * column + 8):
                        around = changes[image, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
                        count += bool(around.any())
                assert bool(found[image, 3 * row + column]) == (count > 6.4)
    assert found.tolist() == [
        [False, True, False, False, False, False],
        [True, False, False, False, False, True],
    ]
