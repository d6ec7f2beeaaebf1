"""Checkpoints of the public MNAD code as models of ours; its source is not needed.

That code stacks frames in BGR order, keeps the memory items in a second file, and its encoder has
a batch normalisation that it never calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from mnad.config import ModelConfig, NetworkConfig
from mnad.errors import MnadError, UsageError
from mnad.models.folder import Model, build_network
from mnad.models.restricted import read_saved
from mnad.presets import preset_of

# Public name to ours, by prefix; the first that fits counts.
_PREFIXES = {
    "encoder.moduleConv": "encoder.stage",
    "decoder.moduleConv.": "decoder.stage4.",
    "decoder.moduleUpsample": "decoder.up",
    "decoder.moduleDeconv1.6.": "decoder.out.1.",
    "decoder.moduleDeconv1.": "decoder.out.0.",
    "decoder.moduleDeconv": "decoder.stage",
}
_FIRST, _LAST = "encoder.stage1.0.weight", ("decoder.out.1.weight", "decoder.out.1.bias")
_UNUSED = "encoder.moduleBatchNorm."


def import_checkpoint(checkpoint: Path, items: Path) -> Model:
    """Make an ``official`` model of what the public code saved.

    Args:
        checkpoint: its ``model.pth``: the pickled network or a state dict of it, for prediction or
            reconstruction, of any width, in the zip format or in that of torch before 1.6.
        items: its ``keys.pt`` or ``m_items.pt``: the memory items (M, C), from any device.

    Returns:
        The model on the CPU, for RGB frames (the public code's are BGR), without a reference.

    Raises:
        UsageError: a file does not exist.
        MnadError: a file is damaged, holds something else or what is no number, or names what
            could run code.
    """
    tensors, memory = _public_tensors(checkpoint), _items(items)
    try:
        weights = to_ours(tensors)
        sizes = _network_config(weights, len(memory))
        if memory.shape[1] != sizes.stages[-1]:
            raise MnadError(
                f"{items} holds items of {memory.shape[1]} channels, but the queries of "
                f"{checkpoint} have {sizes.stages[-1]}; give the two files of the same training."
            )
        method, _ = preset_of("official", sizes.task)
        config = ModelConfig(sizes, method, "official")
        network = build_network(config)
        # Counters of batches are missing in old files and change no number: ours stand in.
        counters = {n: t for n, t in network.state_dict().items() if n.endswith("batches_tracked")}
        network.load_state_dict({**counters, **weights, "memory.items": memory})
    except (KeyError, IndexError, TypeError, ZeroDivisionError, RuntimeError, UsageError):
        raise MnadError(
            f"{checkpoint} is no network of the public MNAD code: its layers have other names or "
            "sizes; give the model.pth that its Train.py wrote."
        ) from None
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise MnadError(
            f"{checkpoint} holds what is no number, as of a training that broke down, and would "
            "never tell of anything; give one of an earlier epoch."
        )
    network.eval().requires_grad_(False)
    record = {
        "imported": {
            "checkpoint": checkpoint.name,
            "checkpoint_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
            "items": items.name,
            "items_sha256": hashlib.sha256(items.read_bytes()).hexdigest(),
        }
    }
    return Model(config, network, None, record)


def to_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights, buffers or gradients by public name, renamed and turned from BGR to RGB.

    Args:
        tensors: all of a network; what is missing is left out, what is unknown keeps its name.
    """
    ours = {
        next((new + n[len(old) :] for old, new in _PREFIXES.items() if n.startswith(old)), n): t
        for n, t in tensors.items()
        if not n.startswith(_UNUSED)
    }
    first, last = ours.get(_FIRST), ours.get(_LAST[0])
    if first is not None and last is not None and first.shape[1] % len(last) == 0:
        per_frame = first.reshape(len(first), -1, len(last), 3, 3)  # (a, frames, c, 3, 3)
        ours[_FIRST] = per_frame.flip(2).flatten(1, 2)
        ours |= {name: ours[name].flip(0) for name in _LAST if name in ours}
    return ours


def _network_config(weights: Mapping[str, Tensor], items: int) -> NetworkConfig:
    inputs, channels = weights[_FIRST].shape[1], weights[_LAST[0]].shape[0]
    third, fourth = (weights[f"encoder.stage{i}.0.weight"].shape[0] for i in (3, 4))
    up = weights["decoder.up4.0.weight"].shape[1]
    return NetworkConfig(
        # Where nothing is concatenated, the up-convolutions keep their channels.
        task="prediction" if up == third else "reconstruction",
        frames_in=inputs // channels,
        channels=cast(Any, channels),
        width=fourth / 512,
        items=items,
    )


def _public_tensors(file: Path) -> dict[str, Tensor]:
    content = read_saved(file)
    if isinstance(content, Mapping):  # a state dict
        found = dict(content)
    else:
        try:
            found = _harvest(content, "")
        except (TypeError, AttributeError, RecursionError):
            found = {}
    if not found or not all(isinstance(t, Tensor) and isinstance(n, str) for n, t in found.items()):
        raise MnadError(
            f"{file} holds no network; give the model.pth that the public code's Train.py wrote, "
            "or a state dict of it."
        )
    return found


def _harvest(record: Any, prefix: str) -> dict[str, Tensor]:
    """Parameters and buffers of a record that was a module, by their names in a state dict."""
    state = vars(record)
    found: dict[str, Tensor] = {}
    for group in ("_parameters", "_buffers"):
        named = state.get(group, {})
        found |= {prefix + name: tensor for name, tensor in named.items() if tensor is not None}
    for name, child in state.get("_modules", {}).items():
        found |= _harvest(child, f"{prefix}{name}.")
    return found


def _items(file: Path) -> Tensor:
    items = read_saved(file)
    if not isinstance(items, Tensor) or items.ndim != 2 or 0 in items.shape:
        raise MnadError(
            f"{file} holds no memory items; give the tensor (items, channels) that the public "
            "code saved beside its model.pth, named keys.pt or m_items.pt."
        )
    items = items.float()
    norms = torch.linalg.vector_norm(items, dim=1)
    if not torch.allclose(norms, torch.ones_like(norms), atol=1e-2):
        raise MnadError(
            f"{file} holds a tensor {tuple(items.shape)} whose rows are not of length 1, so no "
            "memory items; give the keys.pt or m_items.pt of the same training."
        )
    return items
