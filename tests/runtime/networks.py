"""Small networks for tests of the runtimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from footage import moving_square

from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.models.folder import build_network
from mnad.network.mnad import MNAD
from mnad.network.window import split_window
from mnad.runtime import ncnn, onnx, openvino
from mnad.runtime.runtime import GraphRuntime

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)


def trained(config: NetworkConfig = SMALL, steps: int = 20) -> MNAD:
    """A network that has seen something: its features differ from place to place."""
    torch.manual_seed(0)
    network = build_network(ModelConfig(config)).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    size = (config.height, config.image_width)
    clips = [moving_square(config.window, seed, min(size)) for seed in range(6)]
    clips = [clip.repeat(config.channels, -1) for clip in clips]
    windows = torch.from_numpy(np.stack(clips))
    pad = (0, 0, 0, config.image_width - min(size), 0, config.height - min(size))
    inputs, target = split_window(torch.nn.functional.pad(windows, pad), config)
    for _ in range(steps):
        optimizer.zero_grad()
        (network(inputs).frame - target).square().mean().backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def graph_runtime(name: str, network: MNAD, method: MethodConfig, folder: Path) -> GraphRuntime:
    """What `mnad export` and a load of it come to, without a model folder."""
    if name == "openvino":
        run = openvino.compiled(openvino.convert(network, method))
    elif name == "ncnn":
        ncnn.save(ncnn.convert(network, method), folder)
        run = ncnn.loaded(folder, network, method)
    else:
        onnx.save(onnx.convert(network, method), folder)
        run = onnx.loaded(folder)
    return GraphRuntime(name, network, method, run)  # type: ignore[arg-type]
