"""Pseudo-anomalies: what they are, and that a memory learns to tell them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import reference
import torch
from footage import moving_square
from scipy import ndimage

import mnad
from mnad.api import MethodOptions
from mnad.bench.measure import training_steps
from mnad.config import (
    MethodConfig,
    ModelConfig,
    NetworkConfig,
    PseudoAnomalies,
    TrainConfig,
)
from mnad.errors import MnadError
from mnad.models.folder import build_network
from mnad.network.window import moving, split_window
from mnad.scoring.windows import Windows
from mnad.training.loop import Fitter
from mnad.training.order import pseudo_order
from mnad.training.pseudo import STRETCH, Deformed, Pseudo, deformed

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32, items=3)
KINDS = get_args(PseudoAnomalies)


def test_every_step_has_its_pseudo_anomalies() -> None:
    order = pseudo_order(50, 8, seed=1, epoch=0, steps=20)
    assert [len(chosen) for chosen in order] == [2] * 20
    assert len({one for chosen in order for one in chosen}) == 40
    assert order == pseudo_order(50, 8, seed=1, epoch=0, steps=20)
    assert order != pseudo_order(50, 8, seed=1, epoch=1, steps=20)
    few = pseudo_order(3, 4, seed=1, epoch=0, steps=7)
    assert sorted(one for chosen in few[:3] for one in chosen) == [0, 1, 2]
    assert few == [*few[:3], *few[:3], few[0]]
    assert [len(chosen) for chosen in pseudo_order(9, 1, seed=1, epoch=0, steps=2)] == [1, 1]


def test_windows_that_skip_frames_do_so_within_a_clip() -> None:
    clips = [np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) for n in (6, 12)]
    windows = Windows(clips, ["a", "b"], 5).skipping((2, 3, 4))
    found = [window.flatten().tolist() for window in windows.batch(range(len(windows)))]
    # The first clip has room for none, the second for 12 - 8 by twos, and none by threes and fours.
    assert found == [[n, n + 2, n + 4, n + 6, n + 8] for n in range(4)]
    with pytest.raises(MnadError, match="no clip has the 9 frames"):
        Windows(clips[:1], ["a"], 5).skipping((2, 3))


def blob(frames: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """A soft dark thing that walks before a slope: frames (T, 48, 64, 1) and background."""
    y, x = np.mgrid[:48, :64]
    background = (100 + x + y).astype(np.float32)
    centre = 20 + step * np.arange(frames)[:, None, None]
    thing = 90 * np.exp(-(((x - centre) / 4) ** 2) - ((y - 24) / 7) ** 2)
    clip = np.rint(background - thing).astype(np.uint8)
    return clip[..., None], background[..., None]


def test_what_moves_is_warped_as_scipy_warps_it_and_the_background_stays() -> None:
    window, background = blob(5, 2)
    ways = set()
    for seed in range(12):
        found = deformed(window, background, np.random.default_rng(seed))
        assert found.shape == window.shape and found.dtype == np.uint8
        rng = np.random.default_rng(seed)
        squash, stretch = rng.uniform(0.4, 0.7), rng.uniform(1.5, 2.2)
        sign, much = rng.choice((-1.0, 1.0)), rng.uniform(0.6, 1.2)
        way = int(rng.integers(4))
        ways.add(way)
        tall = [-1.0, squash, stretch, 1.0][way]
        aside = sign * much if way == 3 else 0.0
        # Where in the window a pixel (y, x) comes from, about row 24, where the thing's middle is.
        matrix = np.array([[1 / tall, 0], [-aside / tall, 1]])
        offset = np.array([24 - 24 / tall, aside * 24 / tall])
        for frame, made in zip(window[..., 0], found[..., 0], strict=True):
            away = frame - background[..., 0]
            there = ndimage.affine_transform(away, matrix, offset, order=1)
            np.testing.assert_allclose(made, background[..., 0] + there, atol=1.6)
        assert np.abs(found - window.astype(float)).max() > 20 or way == 0  # it is symmetric
    assert ways == {0, 1, 2, 3}


def test_upside_down_by_hand() -> None:
    """A triangle of 3 rows on black, whose mass lies in the middle of rows 3 to 5."""
    window = np.zeros((2, 9, 7, 1), np.uint8)
    window[:, 3, 3], window[:, 4, 3], window[:, 5, 2:5] = 200, 200, 200
    # About row (3 + 4 + 3 * 5) / 5 = 4.4, so that rows 3, 4, 5 come to 5.8, 4.8, 3.8.
    seed = next(s for s in range(99) if way_of(s) == 0)
    found = deformed(window, np.zeros((9, 7, 1), np.float32), np.random.default_rng(seed))
    column = found[0, :, 3, 0] / 200
    np.testing.assert_allclose(column[[2, 3, 4, 5, 6, 7]], [0, 0.2, 1, 1, 0.8, 0], atol=0.02)
    side = found[0, :, 2, 0] / 200
    np.testing.assert_allclose(side[[2, 3, 4, 5]], [0, 0.2, 0.8, 0], atol=0.02)


def way_of(seed: int) -> int:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        rng.random()
    return int(rng.integers(4))


def test_where_nothing_moves_nothing_is_deformed() -> None:
    _, background = blob(1, 0)
    still = np.repeat(np.rint(background).astype(np.uint8)[None], 5, axis=0)
    for seed in range(8):
        assert (deformed(still, background, np.random.default_rng(seed)) == still).all()


def test_the_background_is_what_is_there_most_of_the_time_of_a_stretch() -> None:
    day = np.concatenate([blob(STRETCH, 0.2)[0], blob(STRETCH, 0.2)[0] + 40, blob(90, 0.5)[0]])
    made = Deformed(Windows([day], ["a"], 5))
    truth = blob(1, 0)[1]
    for number, light in ((0, 0), (1, 40)):
        away = made._background(0, number) - truth - light
        assert np.abs(away).max() < 30 and np.abs(away).mean() < 2
    # The last stretch is as long as the others: of the light of the most of its frames.
    assert np.abs(made._background(0, 2) - truth - 40).mean() < 3


@pytest.mark.parametrize("channels", [1, 3])
def test_a_window_is_deformed_by_the_key_and_its_index_alone(channels: int) -> None:
    clip = np.repeat(blob(40, 1)[0], channels, axis=-1)
    made = Deformed(Windows([clip], ["a"], 5))
    batch = made.batch([3, 9], (1, 0))
    assert batch.shape == (2, 5, 48, 64, channels) and batch.dtype == torch.uint8
    assert torch.equal(batch[1:], made.batch([9], (1, 0)))
    assert not torch.equal(batch[1:], made.batch([9], (1, 1)))
    assert not torch.equal(batch[1:], made.batch([9], (2, 0)))
    colours = batch.numpy()
    assert (colours == colours[..., :1]).all()


def fitter_of(kinds: PseudoAnomalies) -> tuple[Fitter, Windows]:
    torch.manual_seed(0)
    config = ModelConfig(SMALL, MethodConfig(lambda_pseudo=5.0, pseudo_anomalies=kinds))
    windows = Windows([moving_square(30, 0), moving_square(30, 3)], ["a", "b"], 5)
    train = TrainConfig(epochs=1, learning_rate=1e-3, seed=4)
    return Fitter(windows, config, train, build_network(config).train()), windows


@pytest.mark.parametrize(("kinds", "size"), [("both", 2), ("skip", 1), ("deform", 1)])
def test_a_training_that_is_gone_on_with_has_the_same_pseudo_anomalies(
    kinds: PseudoAnomalies, size: int
) -> None:
    fitter, _ = fitter_of(kinds)
    whole = list(fitter.pseudo_batches(2, 13, 13))
    rest = list(fitter.pseudo_batches(2, 13, 4))
    assert len(whole) == 13 and len(rest) == 4
    for one, other in zip(whole[-4:], rest, strict=True):
        assert one is not None and other is not None and torch.equal(one, other)
        assert one.shape == (size, 5, 32, 32, 1)


def test_of_clips_too_short_to_skip_frames_of_what_moves_is_deformed_alone() -> None:
    """A camera's own preset asks for both: footage that could be trained on before still can."""
    windows = Windows([moving_square(8, 0), moving_square(6, 3)], ["a", "b"], 5)
    made = Pseudo(windows, "both", 4, 0)
    assert made.fast is None
    (batch,) = made.batches(0, 1, 1, torch.device("cpu"))
    assert batch.shape == (1, 5, 32, 32, 1)
    assert Pseudo(Windows([moving_square(9, 0)], ["a"], 5), "both", 4, 0).fast is not None
    with pytest.raises(MnadError, match="no clip has the 9 frames"):
        Pseudo(windows, "skip", 4, 0)


def test_pseudo_anomalies_move_no_item() -> None:
    fitter, windows = fitter_of("both")
    memory = fitter.network.memory
    assert memory is not None
    before = memory.items.clone()
    out, losses = fitter.step(windows.batch([0, 2, 4, 6]), next(fitter.pseudo_batches(0, 1, 1)))
    assert out.frame.shape[0] == 4
    queries = [q.detach().double().numpy() for q in out.query]
    expected = reference.update(queries, before.double().numpy(), "batch")
    np.testing.assert_allclose(memory.items, expected, atol=1e-5)
    total, reconstruction, compact, separate, more = losses.tolist()
    expected = reconstruction + 0.1 * compact + 0.1 * separate + 5 * more
    assert total == pytest.approx(expected, rel=1e-5)


def test_a_step_that_is_measured_has_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mnad bench` told the speed of a training without them."""
    fitter, _ = fitter_of("both")
    seen: list[Any] = []
    step = fitter.step
    monkeypatch.setattr(fitter, "step", lambda *given: (seen.append(given), step(*given))[1])
    assert training_steps(fitter)["windows"] == 4
    assert seen and all(len(abnormal) == 2 for _, abnormal in seen)


def test_the_log_has_their_loss_where_there_is_one(
    own_folder: Path, tmp_path: Path, tiny: dict[str, Any]
) -> None:
    """It was in the total alone: nobody saw whether the memory learns to tell them."""
    rows = {}
    for weight in (0.0, 5.0):
        method = MethodOptions(lambda_pseudo=weight)
        out = tmp_path / f"{weight:g}"
        mnad.train(own_folder, out=out, preset="official", method=method, **tiny)
        rows[weight] = json.loads((out / "train.jsonl").read_text().splitlines()[0])
    assert rows[5.0].keys() - rows[0.0].keys() == {"pseudo_anomalies"}
    parts = rows[5.0]
    expected = parts["reconstruction"] + 0.1 * (parts["compactness"] + parts["separateness"])
    assert parts["loss"] == pytest.approx(expected + 5 * parts["pseudo_anomalies"], rel=1e-4)


@pytest.mark.parametrize("kinds", KINDS)
def test_a_memory_learns_to_tell_pseudo_anomalies(kinds: PseudoAnomalies) -> None:
    fitter, windows = fitter_of(kinds)
    others = [one for one in fitter.pseudo_batches(1, 10, 10) if one is not None]
    normal, abnormal = windows.batch(range(0, 50, 5)), torch.cat(others)

    def away() -> list[float]:
        network, found = fitter.network.eval(), []
        for some in (normal, abnormal):
            inputs, target = split_window(some, SMALL)
            with torch.inference_mode():
                far = 1 - network(inputs).similarity.amax(-1)
            found.append(float(far[moving(inputs, target)].mean()))
        network.train()
        return found

    for step, along in enumerate(fitter.pseudo_batches(0, 100, 100)):
        fitter.step(windows.batch([step % 50]), along)
    near, far = away()
    assert near < 0.2 < 0.5 < far
