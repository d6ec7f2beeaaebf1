"""The state of an unfinished training, such that resuming it is exact."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from mnad.config import ModelConfig, TrainConfig
from mnad.errors import MnadError, UsageError
from mnad.writing import beside

FILE = "state.pt"
_DAMAGED = RuntimeError, TypeError, ValueError, LookupError, AttributeError
"""What an unpickler raises besides its own error, by where the bytes are wrong."""


@dataclass(frozen=True)
class State:
    """Everything that the next step depends on.

    Attributes:
        recipe: what is trained how, as JSON text; resuming something else is refused.
        step: steps done, over all epochs.
        seconds: spent so far.
        network: state dict, memory items included.
        optimizer: state dict.
        sums: running sums of the current epoch's losses.
    """

    recipe: str
    step: int
    seconds: float
    network: dict[str, Any]
    optimizer: dict[str, Any]
    sums: torch.Tensor


def save_state(folder: Path, state: State) -> None:
    """Write beside and rename: a kill, or a power cut, at any moment leaves the last whole state.

    Raises:
        MnadError: no room, or no right to write; the state before is whole.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beside(folder / FILE) as part:
            torch.save(vars(state), part)
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise MnadError(
            f"{folder} cannot take the state of the training ({reason}): make room and go on with "
            "--resume."
        ) from None


def unfinished(folder: Path) -> TrainConfig | None:
    """How the training is done whose state lies in `folder`; None where none does.

    Raises:
        MnadError: it is damaged.
    """
    state = _read(folder)
    if state is None:
        return None
    told = _complete(state.recipe)["training"]
    return TrainConfig(**{field.name: told[field.name] for field in fields(TrainConfig)})


def load_state(folder: Path, recipe: str) -> State | None:
    """The last state, or None if there is none yet.

    Raises:
        UsageError: it belongs to another recipe.
        MnadError: it is damaged.
    """
    state = _read(folder)
    if state is None or state.recipe == recipe:
        return state
    if _complete(state.recipe) != json.loads(recipe):
        raise UsageError(
            f"{folder} holds a training with other settings or other data; resume it with the "
            "command that began it, or give another --out."
        )
    return state


def _complete(recipe: str) -> dict[str, Any]:
    """What a recipe says, and the defaults of options that there were not when it was written.

    A new option's default is what was done before there was a choice.
    """
    defaults = {"model": asdict(ModelConfig()), "training": asdict(TrainConfig())}
    return _filled(json.loads(recipe), json.loads(json.dumps(defaults)))


def _filled(told: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **told}
    for name, value in told.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict):
            merged[name] = _filled(value, defaults[name])
    return merged


def _read(folder: Path) -> State | None:
    file = folder / FILE
    if not file.exists():
        return None
    try:
        # torch does not look at the check sums that it writes.
        with ZipFile(file) as parts:
            if (wrong := parts.testzip()) is not None:
                raise BadZipFile(wrong)
        # weights_only: tensors and plain containers, no code of the file is ever run.
        return State(**torch.load(file, map_location="cpu", weights_only=True))
    except (*_DAMAGED, BadZipFile, EOFError, OSError, pickle.UnpicklingError):
        raise MnadError(f"{file} is damaged; remove {folder} and train again.") from None
