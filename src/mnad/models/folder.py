"""A model is a folder that holds all it takes to score tomorrow what it scored today.

``config.json`` (what the model is, how it was trained), ``model.safetensors`` (weights and memory
items) and ``reference.safetensors`` (the parts of frames of normal footage). Nothing in it is a
pickle.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as arrays_to_bytes
from safetensors.torch import load_file
from safetensors.torch import save as tensors_to_bytes

from mnad.config import MethodConfig, ModelConfig, NetworkConfig, from_dict
from mnad.errors import MnadError, UsageError
from mnad.network.mnad import MNAD
from mnad.scoring.reference import Reference

FORMAT = 1
CONFIG, WEIGHTS, REFERENCE = "config.json", "model.safetensors", "reference.safetensors"


@dataclass(frozen=True)
class Model:
    """A network with what it needs to score.

    Attributes:
        config: its dimensions and its reading of the equations.
        network: weights and memory items, in evaluation mode.
        reference: parts of normal frames, or None when the model was never shown any.
        training: the record of its training; free-form, for people.
    """

    config: ModelConfig
    network: MNAD
    reference: Reference | None = None
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device


def build_network(config: ModelConfig) -> MNAD:
    """An untrained network; its weights and items come from torch's global generator."""
    network = MNAD(config.network, config.method.detach_read)
    # Untyped in torch's stubs: the layout in which convolutions are fastest.
    return cast(MNAD, cast(Any, network).to(memory_format=torch.channels_last))


def save_model(path: Path, model: Model) -> None:
    """Write a model folder; each file is written beside and renamed, config.json last."""
    from mnad import __version__

    path.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    _write(path / WEIGHTS, tensors_to_bytes(weights))
    if model.reference is not None:
        arrays = {name: np.atleast_1d(value) for name, value in vars(model.reference).items()}
        _write(path / REFERENCE, arrays_to_bytes(arrays))
    config = {
        "format": FORMAT,
        "mnad": __version__,
        "preset": model.config.preset,
        "network": asdict(model.config.network),
        "method": asdict(model.config.method),
        "training": model.training,
    }
    _write(path / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def load_model(path: str | Path, device: torch.device | str = "cpu") -> Model:
    """Read a model folder.

    Raises:
        UsageError: there is no such folder, or it is no model folder.
        MnadError: the folder is broken, incomplete or from a newer version.
    """
    folder = Path(path)
    config, training = _read_config(folder)
    network = build_network(config)
    weights = _tensors(folder / WEIGHTS, load_file)
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise MnadError(
            f"{folder / WEIGHTS} does not fit {folder / CONFIG}: its tensors have other names or "
            "shapes; copy the whole folder again from where it was trained."
        ) from None
    reference = None
    if (folder / REFERENCE).exists():
        arrays = _tensors(folder / REFERENCE, load_arrays)
        try:
            peak = float(arrays["error_peak"][0])
            reference = Reference(arrays["psnr"], arrays["distance"], peak)
        except KeyError as error:
            raise MnadError(
                f"{folder / REFERENCE} is damaged (no {error}); copy the model folder again."
            ) from None
    network = network.to(device).eval().requires_grad_(False)
    return Model(config, network, reference, training)


def _read_config(folder: Path) -> tuple[ModelConfig, dict[str, Any]]:
    if not folder.exists():
        raise UsageError(
            f"model {folder} does not exist; give the folder that `mnad train --out` wrote."
        )
    file = folder / CONFIG
    if not file.is_file():
        hint = (
            "its training is not finished: go on with `mnad train … --resume`"
            if (folder / "training").is_dir()
            else "give the folder that `mnad train --out` wrote"
        )
        raise UsageError(f"{folder} is no model folder, it has no {CONFIG}; {hint}.")
    try:
        raw = json.loads(file.read_text())
        if raw["format"] > FORMAT:
            raise MnadError(
                f"{folder} was written by mnad {raw.get('mnad', '?')} in format {raw['format']}, "
                f"this version reads formats up to {FORMAT}; update mnad."
            )
        config = ModelConfig(
            network=from_dict(NetworkConfig, raw["network"], f"{file}: network"),
            method=from_dict(MethodConfig, raw["method"], f"{file}: method"),
            preset=raw["preset"],
        )
        return config, raw["training"]
    except (KeyError, TypeError, ValueError) as error:
        raise MnadError(
            f"{file} is damaged ({type(error).__name__}: {error}); copy the model folder again."
        ) from None


def _tensors(file: Path, load: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    if not file.is_file():
        raise MnadError(f"{file} is missing; copy the whole model folder, not parts of it.")
    try:
        return load(file)
    except (SafetensorError, OSError) as error:
        raise MnadError(f"{file} is damaged ({error}); copy the model folder again.") from None


def _write(path: Path, content: bytes) -> None:
    # Not safetensors' own writing to a file, which lets nobody but the owner read it.
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise MnadError(
            f"{path} cannot be written ({error.strerror}); make room or give another --out."
        ) from None
