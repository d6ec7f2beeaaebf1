"""How much of a training the time allows."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import torch

from mnad.config import ModelConfig, TrainConfig
from mnad.models.folder import build_network
from mnad.runtime.usual import usual_torch
from mnad.scoring.windows import Windows
from mnad.training.loop import Fitter, Footage

_LOG = logging.getLogger("mnad")
FEWEST_EPOCHS = 4
"""Fewer windows before fewer epochs than this: the learning rate falls by the epoch."""
TIMED_STEPS = 4


def within(
    minutes: float,
    footage: Footage,
    config: ModelConfig,
    train: TrainConfig,
    device: torch.device,
    unfinished: TrainConfig | None,
) -> TrainConfig:
    """`affordable`, or as it was begun: timed again, another number of windows would come of it.

    Which of them it is, is said.

    Args:
        minutes: how long it may take, about.
        footage: decoded clips at the network's size.
        config: what to train.
        train: how, if there were time for it.
        device: where.
        unfinished: how the training that is gone on with was begun; None for a new one.
    """
    timed = unfinished or affordable(footage, config, train, device, minutes)
    if unfinished:
        windows = f"{timed.most_windows or 'all'} windows"
        _LOG.info("going on as it was begun: %d epochs of %s", timed.epochs, windows)
    else:
        _LOG.info(
            "about %g minutes of training: %d epochs of %d windows, out of all of the "
            "footage (--training_minutes for more; --epochs for all windows in each)",
            *(minutes, timed.epochs, timed.most_windows),
        )
    return replace(train, epochs=timed.epochs, most_windows=timed.most_windows)


def affordable(
    footage: Footage,
    config: ModelConfig,
    train: TrainConfig,
    device: torch.device,
    minutes: float,
) -> TrainConfig:
    """As many steps as the time allows, by the time of a few on this machine.

    Args:
        footage: decoded clips at the network's size.
        config: what to train.
        train: how, if there were time for it; its epochs are the most that there will be.
        device: where.
        minutes: how long it may take, about.

    Returns:
        `train` with as many epochs, and windows in each.
    """
    windows = Windows(footage.clips, footage.names, config.network.window)
    count = min(len(windows), train.most_windows or len(windows))
    each = _seconds_of_a_step(windows, config, train, device)
    steps = max(1, int(60 * minutes / each))
    size = train.batch_size
    epochs = min(train.epochs, max(FEWEST_EPOCHS, size * steps // count))
    most = min(count, max(size, size * steps // epochs))
    return replace(train, epochs=epochs, most_windows=most)


@usual_torch()
def _seconds_of_a_step(
    windows: Windows, config: ModelConfig, train: TrainConfig, device: torch.device
) -> float:
    with torch.random.fork_rng(devices=[]):
        network = build_network(config).to(device).train()
    fitter = Fitter(windows, config, train, network)
    size = train.batch_size
    order = [
        [(size * step + i) % len(windows) for i in range(size)] for step in range(2 + TIMED_STEPS)
    ]
    along = fitter.pseudo_batches(0, len(order), len(order))
    began = time.monotonic()
    for number, batch in enumerate(windows.batches(order, device)):
        if number == 2:
            began = time.monotonic()
        float(fitter.step(batch, next(along))[1][0])
    return (time.monotonic() - began) / TIMED_STEPS
