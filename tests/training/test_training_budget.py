"""Trainings that end in time, however much footage there is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mnad
from mnad.config import ModelConfig, NetworkConfig, TrainConfig
from mnad.training import budget, checkpoint, loop
from mnad.training.budget import affordable
from mnad.training.loop import Footage

SMALL = NetworkConfig(channels=1, width=0.05, height=16, image_width=16, items=3)
CPU = torch.device("cpu")
MUCH = Footage("hours", ("a",), [np.zeros((1004, 16, 16, 1), np.uint8)])  # 1,000 windows


@pytest.mark.parametrize(
    ("minutes", "epochs", "windows"),
    [
        (10, 4, 600),  # 600 steps, 2,400 windows: fewer windows before fewer than four epochs
        (25, 6, 1000),
        (100, 12, 1000),  # more would be more epochs than were asked for
        (0.001, 4, 4),  # never nothing
    ],
)
def test_the_time_is_divided(
    minutes: float, epochs: int, windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_seconds_of_a_step", lambda *given: 1.0)
    train = TrainConfig(12, 4, seed=3)
    found = affordable(MUCH, ModelConfig(SMALL), train, CPU, minutes)
    assert found == TrainConfig(epochs, 4, seed=3, most_windows=windows)


def test_a_step_is_timed_and_no_weight_is_kept() -> None:
    found = affordable(MUCH, ModelConfig(SMALL), TrainConfig(12, 4), CPU, 1e-6)
    assert (found.epochs, found.most_windows) == (4, 4)
    longer = affordable(MUCH, ModelConfig(SMALL), TrainConfig(12, 4), CPU, 600)
    assert (longer.epochs, longer.most_windows) == (12, 1000)


def test_a_training_that_an_older_version_began_goes_on(tmp_path: Path) -> None:
    """What there was no choice of then is what is done where nothing is chosen."""
    settings = {"model": asdict(ModelConfig(SMALL)), "training": asdict(TrainConfig(3, seed=4))}
    settings["training"] |= {"data": {"name": "a"}, "device": "cpu"}
    now = json.dumps(settings, sort_keys=True)

    def begun(change: Callable[[dict[str, Any]], object]) -> None:
        then = json.loads(now)
        change(then)
        sums = torch.zeros(4)
        checkpoint.save_state(tmp_path, checkpoint.State(json.dumps(then), 7, 1.0, {}, {}, sums))

    def older(then: dict[str, Any]) -> None:
        del then["model"]["network"]["upsampling"], then["training"]["most_windows"]

    begun(older)
    state = checkpoint.load_state(tmp_path, now)
    assert state is not None and state.step == 7
    assert checkpoint.unfinished(tmp_path) == TrainConfig(3, seed=4)
    others: list[Callable[[dict[str, Any]], object]] = [
        lambda then: then["training"].pop("seed"),  # 0 without a choice, not 4
        lambda then: then["model"]["network"].pop("width"),
        lambda then: then["model"]["network"].update(upsampling="nearest"),
        lambda then: then["model"]["network"].update(newer=1),
        lambda then: then["training"]["data"].update(name="b"),
    ]
    for other in others:
        begun(other)
        with pytest.raises(mnad.UsageError, match="other settings or other data"):
            checkpoint.load_state(tmp_path, now)


def test_ones_own_footage_is_trained_on_for_half_an_hour_and_a_killed_training_keeps_its_share(
    own_folder: Path,
    tmp_path: Path,
    tiny: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = {name: value for name, value in tiny.items() if name not in ("epochs", "preset")}
    asked: list[float] = []

    def timed(*given: object) -> TrainConfig:
        asked.append(given[4])  # type: ignore[arg-type]
        return TrainConfig(2, most_windows=5 * len(asked))

    monkeypatch.setattr(budget, "affordable", timed)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    step, out = loop.Fitter.step, tmp_path / "m"

    def killed(fitter: loop.Fitter, *batch: torch.Tensor) -> object:
        if (out / "training" / checkpoint.FILE).exists():
            raise KeyboardInterrupt
        return step(fitter, *batch)

    monkeypatch.setattr(loop.Fitter, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        mnad.train(str(own_folder), out=out, **options)  # type: ignore[arg-type]
    monkeypatch.setattr(loop.Fitter, "step", step)
    with pytest.raises(mnad.UsageError, match="other settings"):
        mnad.train(str(own_folder), out=out, resume=True, **{**options, "seed": 5})  # type: ignore[arg-type]
    caplog.clear()
    with caplog.at_level(logging.INFO, "mnad"):
        mnad.train(str(own_folder), out=out, resume=True, **options)  # type: ignore[arg-type]
    assert asked == [30.0]
    told = json.loads((out / "config.json").read_text())["training"]
    assert (told["epochs"], told["most_windows"], told["windows"]) == (2, 5, 6)
    assert told["steps"] == 2  # of four windows each
    assert "going on as it was begun: 2 epochs of 5 windows" in caplog.text
    assert "minutes of training" not in caplog.text  # there may be another wish by now


def test_begun_without_a_limit_it_goes_on_without_one(
    own_folder: Path,
    tmp_path: Path,
    tiny: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def killed(*_: object) -> object:
        raise KeyboardInterrupt

    out, row = tmp_path / "m", loop.Fitter._row
    monkeypatch.setattr(loop.Fitter, "_row", lambda *given: killed() if given[1] else row(*given))
    with pytest.raises(KeyboardInterrupt):
        mnad.train(str(own_folder), out=out, **tiny)  # type: ignore[arg-type]
    monkeypatch.setattr(loop.Fitter, "_row", row)
    options = {name: value for name, value in tiny.items() if name != "epochs"}
    with caplog.at_level(logging.INFO, "mnad"):
        mnad.train(str(own_folder), out=out, resume=True, **options)  # type: ignore[arg-type]
    told = json.loads((out / "config.json").read_text())["training"]
    assert (told["epochs"], told["most_windows"]) == (tiny["epochs"], None)
    assert f"going on as it was begun: {tiny['epochs']} epochs of all windows" in [
        record.getMessage() for record in caplog.records
    ]


def test_no_limit_where_epochs_are_given_and_none_below_nothing(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "affordable", lambda *given: pytest.fail("timed"))
    mnad.train(str(own_folder), out=tmp_path / "m", **tiny)  # type: ignore[arg-type]
    options = {**tiny, "training_minutes": 0.0}
    with pytest.raises(mnad.UsageError, match="training_minutes is 0; give more than 0"):
        mnad.train(str(own_folder), out=tmp_path / "n", **options)  # type: ignore[arg-type]
