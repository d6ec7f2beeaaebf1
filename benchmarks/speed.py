"""How fast a model trains and scores on this machine, network alone, in one run.

::

    python benchmarks/speed.py [MODEL] [--device cpu] [--json FILE]

Without MODEL the official prediction at width 0.25, grey, 256 x 256, untrained, is timed. Scoring
is timed with the gated memory update and without it (the policies ``reset`` and ``frozen``), in
lockstep over 1, 2, 4, … streams, interleaved; figures are medians of repeated pushes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mnad.config import ModelConfig, NetworkConfig, TrainConfig, preset_of
from mnad.models.folder import build_network, load_model
from mnad.network.mnad import MNAD
from mnad.runtime.runtime import TorchRuntime
from mnad.scoring.stream import Scorer
from mnad.scoring.windows import Windows
from mnad.training.loop import Fitter


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", nargs="?")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--json")
    arguments.add_argument("--repeats", type=int, default=20)
    given = arguments.parse_args()
    device = torch.device(given.device)
    if given.model:
        model = load_model(given.model, device)
        config, network = model.config, model.network
    else:
        network_config = NetworkConfig(channels=1, width=0.25)
        config = ModelConfig(network_config, preset_of("official", "prediction")[0], "official")
        network = build_network(config).to(device).eval().requires_grad_(False)
    streams = (1, 2, 4, 8) if device.type == "cpu" else (1, 4, 16, 32, 64)
    result: dict[str, Any] = {
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "network": asdict(config.network),
        "scoring_frames_per_second": {
            str(count): score_speed(network, config, count, given.repeats) for count in streams
        },
        "training_windows_per_second": {
            precision: train_speed(config, device, precision, given.repeats)
            for precision in ("fp32", "bf16")
        },
    }
    print(json.dumps(result, indent=2))
    if given.json:
        Path(given.json).write_text(json.dumps(result, indent=2) + "\n")


def score_speed(network: MNAD, config: ModelConfig, streams: int, repeats: int) -> dict[str, float]:
    """Frames per second over all streams, by memory policy."""
    rng = np.random.default_rng(0)
    size = (config.network.height, config.network.image_width, config.network.channels)
    frames = [rng.integers(0, 256, size, dtype=np.uint8) for _ in range(streams)]
    runtime = TorchRuntime(network, config.method)
    scorers = {policy: Scorer(runtime, policy) for policy in ("frozen", "reset")}
    opened = {p: [scorer.open() for _ in range(streams)] for p, scorer in scorers.items()}
    times: dict[str, list[float]] = {policy: [] for policy in scorers}
    for number in range(repeats + config.network.window + 2):
        for policy, scorer in scorers.items():
            began = time.perf_counter()
            scorer.push(opened[policy], frames)
            if number >= config.network.window + 2:
                times[policy].append(time.perf_counter() - began)
    return {policy: streams / float(np.median(found)) for policy, found in times.items()}


def train_speed(config: ModelConfig, device: torch.device, precision: str, repeats: int) -> float:
    """Windows per second of the whole step: forward, losses, backward, Adam, memory update."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    size = (config.network.height, config.network.image_width, config.network.channels)
    clip = rng.integers(0, 256, (config.network.window + 3, *size), dtype=np.uint8)
    windows = Windows([clip], ["noise"], config.network.window)
    network = build_network(config).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, fused=True)
    train = TrainConfig(epochs=1, precision=precision)  # type: ignore[arg-type]
    fitter = Fitter(windows, Path(), config, train, device, network, optimizer, "")
    batch = windows.batch(range(4)).to(device)
    times = []
    for number in range(repeats + 3):
        began = time.perf_counter()
        fitter.step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= 3:
            times.append(time.perf_counter() - began)
    return len(batch) / float(np.median(times))


if __name__ == "__main__":
    main()
