"""Windows in another light and with more noise: what is done to them, and that it helps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from footage import moving_square

from mnad.config import MethodConfig, ModelConfig, NetworkConfig, TrainConfig
from mnad.errors import UsageError
from mnad.models.folder import build_network
from mnad.network.window import split_window
from mnad.scoring.windows import Windows
from mnad.training.loop import Fitter
from mnad.training.vary import Vary

CPU = torch.device("cpu")


def window(levels: float, batch: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Input of four grey frames and target, all of one level of 0..255."""
    level = levels / 127.5 - 1
    return torch.full((batch, 4, 16, 16), level), torch.full((batch, 1, 16, 16), level)


def grey(x: torch.Tensor) -> np.ndarray:
    return np.asarray((x.double() + 1) * 127.5)


def test_without_either_windows_stay_what_they_are() -> None:
    inputs, target = window(100)
    same, goal = Vary(0, 0, 1, CPU)(inputs, target, 3)
    assert same is inputs and goal is target


def test_light_is_a_factor_on_grey_levels_that_a_window_has_for_itself() -> None:
    inputs, target = (grey(x) for x in Vary(0.2, 0, 1, CPU)(*window(100), 3))
    factor = target[:, 0, 0, 0] / 100
    np.testing.assert_allclose(inputs, 100 * factor[:, None, None, None] * np.ones_like(inputs))
    np.testing.assert_allclose(target, 100 * factor[:, None, None, None] * np.ones_like(target))
    assert 0.8 <= factor.min() < 0.85 and 1.15 < factor.max() <= 1.2
    assert abs(factor.mean() - 1) < 0.04 and len(np.unique(factor)) == 64
    assert grey(Vary(0.2, 0, 1, CPU)(*window(250), 3)[1]).max() == 255  # as a camera has no more


def test_noise_is_of_the_input_in_grey_levels() -> None:
    inputs, target = (grey(x) for x in Vary(0, 10, 1, CPU)(*window(100), 3))
    np.testing.assert_allclose(target, 100, rtol=1e-6)
    deviation = inputs.std((1, 2, 3))
    # 1,024 draws tell a standard deviation to some 2 %.
    assert deviation.min() < 1 and 9 < deviation.max() < 11 and 4 < deviation.mean() < 6
    assert np.abs(inputs.mean((1, 2, 3)) - 100).max() < 1.5
    one, other = inputs[deviation.argmax(), :2]
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3


def test_a_step_has_the_same_whenever_it_is_taken() -> None:
    given = window(100)
    first = Vary(0.2, 5, 1, CPU)(*given, 7)
    vary = Vary(0.2, 5, 1, CPU)
    vary(*given, 3)
    state = torch.get_rng_state()
    again, other = vary(*given, 7), vary(*given, 8)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], Vary(0.2, 5, 2, CPU)(*given, 7)[0])


def test_an_encoder_so_trained_is_moved_less_by_light_and_noise() -> None:
    network = NetworkConfig(channels=1, width=0.1, height=32, image_width=32, items=3)
    windows = Windows([moving_square(30, 0), moving_square(30, 3)], ["a", "b"], 5)
    clean = windows.batch(range(0, 50, 5))

    def moved(light: float, noise: float) -> tuple[float, float]:
        torch.manual_seed(0)
        train = TrainConfig(1, learning_rate=1e-3, seed=4, vary_light=light, vary_noise=noise)
        config = ModelConfig(network, MethodConfig())
        fitter = Fitter(windows, config, train, build_network(config).train())
        for step in range(100):
            fitter.step(windows.batch([step % 50, (step + 20) % 50]), number=step)
        inputs, _ = split_window(clean, network)
        grain = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
        others = ((inputs + 1) * 0.8 - 1, (inputs + 0.1 * grain).clamp(-1, 1))
        run = fitter.network.eval()
        with torch.inference_mode():
            known = run(inputs).query
            far = [float((run(other).query - known).norm(dim=-1).mean()) for other in others]
        return far[0], far[1]

    plain, varied = moved(0, 0), moved(0.3, 15)
    assert varied[0] < 0.8 * plain[0] and varied[1] < 0.9 * plain[1], (plain, varied)


@pytest.mark.parametrize(
    ("name", "value"),
    [("vary_light", -0.1), ("vary_light", 1.0), ("vary_noise", -1.0), ("vary_noise", 256.0)],
)
def test_what_is_no_light_or_noise_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"^{name} is {value}; "):
        TrainConfig(**{name: value})  # type: ignore[arg-type]
