"""A model is a folder that holds all it takes to score tomorrow what it scored today.

``config.json`` (what the model is, how it was trained), ``model.safetensors`` (weights and memory
items) and ``normal.safetensors`` (how normal footage scores, and the threshold set on it). Nothing
in it is a pickle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as tensors_to_bytes

from mnad.calibration.result import Calibration
from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.errors import MnadError, UsageError
from mnad.models.builtin import names, resolve
from mnad.models.normal import NORMAL, Normal, load_normal, save_normal_file
from mnad.network.mnad import MNAD
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.peaks import block_errors
from mnad.scoring.reference import Reference
from mnad.scoring.stream import Blocks
from mnad.video.regions import Regions
from mnad.writing import make_folder, write, write_json

T = TypeVar("T")

FORMAT = 4
CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Model:
    """A network with what it needs to score.

    Attributes:
        config: its dimensions and its reading of the equations.
        network: weights and memory items, in evaluation mode.
        reference: parts of normal frames, or None when the model was never shown any.
        training: the record of its training; free-form, for people.
        calibration: the threshold, and what the camera normally shows; None before it is set.
        known: fingerprints (n,) uint64 of frames that were trained on.
        regions: what of the picture is looked at; all of it without.
    """

    config: ModelConfig
    network: MNAD
    reference: Reference | None = None
    training: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    known: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    regions: Regions | None = None

    @property
    def mask(self) -> NDArray[np.float32] | None:
        """(H, W) in 0..1 at the size of the network, what of each pixel counts; None for all."""
        if self.regions is None:
            return None
        return self.regions.mask(self.config.network.height, self.config.network.image_width)

    @property
    def blocks(self) -> Blocks | None:
        """Blocks of the score for cameras: their side, and what they are measured against."""
        known = self.reference
        return None if known is None else (known.side, known.against)

    @property
    def torch_runtime(self) -> TorchRuntime:
        """The network itself as what computes the scores."""
        return TorchRuntime(self.network, self.config.method)


def build_network(config: ModelConfig, device: str = "cpu") -> MNAD:
    """An untrained network; its weights and items come from torch's global generator.

    It is in fp32 and on `device`, whatever a program has made torch's defaults.
    """
    with torch.device(device):
        network = MNAD(config.network, config.method)
    # Untyped in torch's stubs: the layout in which convolutions are fastest.
    return cast(MNAD, cast(Any, network).to(torch.float32, memory_format=torch.channels_last))


def save_model(path: Path, model: Model) -> None:
    """Write a model folder; each file is written beside and renamed, config.json last.

    Raises:
        UsageError: there can be no such folder.
        MnadError: a file cannot be written.
    """
    from mnad import __version__

    make_folder(path)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    # Not safetensors' own writing to a file, which lets nobody but the owner read it.
    content = tensors_to_bytes(weights)
    write(path / WEIGHTS, content)
    save_normal(path, model)
    config = {
        "format": FORMAT,
        "mnad": __version__,
        "preset": model.config.preset,
        "rate": model.config.rate,
        "regions": None if model.regions is None else model.regions.as_dict(),
        "network": asdict(model.config.network),
        "method": asdict(model.config.method),
        "training": model.training,
        "sha256": {WEIGHTS: hashlib.sha256(content).hexdigest()},
    }
    write_json(path / CONFIG, config, indent=2)


def save_normal(path: Path, model: Model) -> None:
    """Write anew what a model folder knows of normal footage."""
    save_normal_file(path / NORMAL, Normal(model.reference, model.calibration, model.known))


def load_model(path: str | Path, device: torch.device | str = "cpu") -> Model:
    """Read a model folder, or a built-in model by its name.

    Raises:
        UsageError: there is no such folder or name, or it is no model folder.
        MnadError: the folder is broken, incomplete or from a newer version.
    """
    folder = resolve(path)
    config, training, regions, sha256 = _read_config(folder)
    weights = _tensors(folder / WEIGHTS)
    # Checked before memory is taken for a network as large as the config says.
    wanted, found = _shapes(config), {name: tensor.shape for name, tensor in weights.items()}
    if wanted != found:
        odd = min(name for name, _ in wanted.items() ^ found.items())
        raise MnadError(
            f"{folder / WEIGHTS} does not fit {folder / CONFIG}: its tensors have other names or "
            f"shapes, {odd} for one; copy the whole folder again from where it was trained. Of a "
            "network that was changed or compiled in Python the weights are there, but only that "
            "network takes them: read them by safetensors.torch.load_file."
        )
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise MnadError(
            f"{folder / WEIGHTS} holds what is no number, so that it would never tell of anything; "
            "copy the whole folder again from where it was trained."
        )
    # A bit that flips, as on a failing disk, leaves numbers, and other scores without a word.
    if sha256 not in (None, sha256_of(folder / WEIGHTS)):
        raise MnadError(
            f"{folder / WEIGHTS} is damaged: it is not what was written beside {folder / CONFIG}; "
            "copy the whole folder again from where it was trained."
        )
    # Whoever loads a model between drawing two random numbers draws what he would without.
    with torch.random.fork_rng(devices=[]):
        network = build_network(config)
    network.load_state_dict(weights)
    normal = Normal(None, None, np.empty(0, np.uint64))
    if (folder / NORMAL).exists():
        normal = load_normal(folder / NORMAL)
        _require_fit(normal, config.network, folder)
    network = network.to(device).eval().requires_grad_(False)
    return Model(
        config, network, normal.reference, training, normal.calibration, normal.known, regions
    )


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read_config(
    folder: Path,
) -> tuple[ModelConfig, dict[str, Any], Regions | None, str | None]:
    """What a model is, its training, its regions, and the SHA-256 of its weights, if known."""
    if not folder.exists():
        raise UsageError(
            f"model {folder} does not exist; give the folder that `mnad train --out` wrote, or a "
            f"built-in model ({', '.join(names())})."
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
        raw = json.loads(file.read_bytes())
        if raw["format"] > FORMAT:
            raise MnadError(
                f"{folder} was written by mnad {raw.get('mnad', '?')} in format {raw['format']}, "
                f"this version reads formats up to {FORMAT}; update mnad."
            )
        if raw["format"] < FORMAT:
            raise MnadError(
                f"{folder} was written by mnad {raw.get('mnad', '?')} in format {raw['format']}, "
                f"which this version no longer reads; train the model again, or use that version."
            )
        config = ModelConfig(
            network=_from_dict(NetworkConfig, raw["network"], f"{file}: network"),
            method=_from_dict(MethodConfig, raw["method"], f"{file}: method"),
            preset=raw["preset"],
            rate=None if raw.get("rate") is None else float(raw["rate"]),
        )
        regions = Regions.from_dict(raw["regions"]) if raw.get("regions") else None
        # Models of before 2026-12 do not say it.
        return config, raw["training"], regions, raw.get("sha256", {}).get(WEIGHTS)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise MnadError(
            f"{file} is damaged ({type(error).__name__}: {error}); copy the model folder again."
        ) from None


def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """Of the tensors of a network, by name; none where there can be no such network."""
    try:
        state = build_network(config, "meta").state_dict()
    except (RuntimeError, OverflowError, TypeError):  # sizes beyond all that torch can count
        return {}
    return {name: tensor.shape for name, tensor in state.items()}


def _require_fit(normal: Normal, network: NetworkConfig, folder: Path) -> None:
    """See that what is known of normal footage is of frames as the network sees them.

    Raises:
        MnadError: it is not.
    """
    known = normal.reference
    size = network.height, network.image_width
    if known is None:
        return
    fits = known.level.shape == size and known.block <= min(size)
    if fits and known.against is not None:
        frame = torch.zeros(1, *size, dtype=torch.float32, device="cpu")
        fits = known.against.shape == block_errors(frame, known.side).shape[1:]
    if not fits:
        raise MnadError(
            f"{folder / NORMAL} does not fit {folder / CONFIG}: it is of frames of another size; "
            "copy the whole folder again from where it was calibrated."
        )


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise MnadError(f"{file} is missing; copy the whole model folder, not parts of it.")
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise MnadError(f"{file} is damaged ({error}); copy the model folder again.") from None


def _from_dict(kind: type[T], values: dict[str, Any], where: str) -> T:
    """Build a configuration dataclass from JSON, naming what does not belong.

    Raises:
        UsageError: unknown keys, values of another kind or out of range.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(
            f"{where} has the unknown key {', '.join(unknown)}; "
            "it was probably written by a newer version of mnad: update mnad."
        )
    for one in fields(kind):  # type: ignore[arg-type]
        value, usual = values.get(one.name, one.default), type(one.default)
        # True is an int to Python, and 4 may stand for 4.0.
        if not (type(value) is usual or (usual is float and type(value) is int)):
            raise UsageError(
                f"{where}: {one.name} is {value!r}, and no {usual.__name__}: copy it again from "
                "where it was written."
            )
    return kind(**values)
