"""mnad info, mnad models, mnad copy and mnad import."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnad.errors import UsageError

if TYPE_CHECKING:
    from mnad.models.builtin import BuiltIn
    from mnad.models.folder import Model


def info(model: str | Path) -> dict[str, Any]:
    """Say what a model folder holds: task, sizes, exports, how it was trained and on what.

    Args:
        model: a model folder, or the name of a built-in one (mnad models).
    """
    from mnad.models.builtin import resolve
    from mnad.models.folder import load_model
    from mnad.models.normal import load_normal
    from mnad.runtime.exports import EXPORTED, find_export
    from mnad.runtime.pick import in_use

    loaded, folder = load_model(model), resolve(model)
    exports = {name: find_export(folder, name) for name in EXPORTED}
    runtime, file = in_use(folder)
    used = loaded.calibration if file.parent == folder else load_normal(file).calibration
    reference = loaded.reference
    return {
        "preset": loaded.config.preset,
        "network": asdict(loaded.config.network),
        "method": asdict(loaded.config.method),
        "parameters": sum(p.numel() for p in loaded.network.parameters()),
        "rate": loaded.config.rate,
        "regions": None if loaded.regions is None else loaded.regions.as_dict(),
        "reference_frames": 0 if reference is None else len(reference.psnr),
        # An export in int8 has a threshold of its own, and is what detect and watch take here.
        "in_use": {"runtime": runtime, "calibration": None if used is None else used.sentences()},
        "calibration": None if loaded.calibration is None else loaded.calibration.sentences(),
        "exports": {
            name: {"usable": not export.changed, **export.record}
            for name, export in exports.items()
            if export is not None
        },
        "training": loaded.training,
    }


def list_models() -> "list[BuiltIn]":
    """List the built-in models, which every command takes by name in place of a model folder."""
    from mnad.models.builtin import built_in

    return built_in()


def copy_model(model: str | Path, *, out: str | Path) -> Path:
    """Copy a model, such as a built-in one that is to be calibrated or exported.

    Args:
        model: a model folder, or the name of a built-in one (mnad models).
        out: the new model folder.
    """
    from mnad.models.builtin import copy_folder

    return copy_folder(model, Path(out))


def import_checkpoint(checkpoint: str | Path, items: str | Path, *, out: str | Path) -> "Model":
    """Turn a checkpoint of the authors' public code into a model folder; no code in it is run.

    Args:
        checkpoint: the .pth file: a whole pickled model, or a state_dict.
        items: the .pt file with the memory items.
        out: the model folder to write.
    """
    from mnad.models.folder import save_model
    from mnad.models.importer import import_checkpoint as read

    if (Path(out) / "config.json").exists():
        raise UsageError(f"{out} already holds a model; give another --out.")
    model = read(Path(checkpoint), Path(items))
    save_model(Path(out), model)
    return model
