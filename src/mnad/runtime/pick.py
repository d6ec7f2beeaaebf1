"""On what and by what a model computes: the choices behind ``--device`` and ``--runtime``."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import torch

from mnad.config import Device, RuntimeName, one_of
from mnad.errors import MnadError, UsageError
from mnad.models.builtin import resolve
from mnad.models.folder import Model, load_model
from mnad.models.normal import NORMAL, load_normal
from mnad.runtime.exports import EXPORTED, Export, command, find_export
from mnad.runtime.runtime import GraphRuntime, Runtime
from mnad.runtime.torch import TorchRuntime
from mnad.runtime.usual import usual_torch

_LOG = logging.getLogger("mnad")
PACKAGES: dict[str, tuple[str, ...]] = {
    "openvino": ("openvino",),
    "openvino-int8": ("openvino", "nncf"),
    "ncnn": ("ncnn", "pnnx"),
    "onnx": ("onnxruntime", "onnx", "onnxscript"),
    "onnx-int8": ("onnxruntime", "onnx", "onnxscript", "nncf"),
}
"""What it takes to export for a runtime; to run, it takes the first."""


def pick_device(device: Device) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: another name, or CUDA was asked for and is not there.
    """
    one_of("device", device, get_args(Device))
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "device is 'cuda' but this torch finds no CUDA GPU; use --device cpu, or install a "
            "CUDA build of torch."
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def installed(name: str, *, to_export: bool = False) -> bool:
    """Whether the packages of a runtime are there, or those that it takes to export for it."""
    packages = PACKAGES.get(name, ()) if to_export else PACKAGES.get(name, ())[:1]
    return all(find_spec(package) is not None for package in packages)


def require(name: str, *, to_export: bool = False) -> None:
    """Refuse a runtime whose packages are missing.

    Raises:
        UsageError: they are.
    """
    if not installed(name, to_export=to_export):
        form = name.partition("-")[0]
        raise UsageError(
            f"{name} takes packages that are not installed; install them by "
            f"`pip install 'mnad[{form}]'`."
        )


def load_runtime(
    path: str | Path, device: Device = "auto", name: RuntimeName = "auto"
) -> tuple[Model, Runtime]:
    """Load a model folder, or a built-in model by its name, and what computes its scores.

    ``auto`` is torch on CUDA. On the CPU it is what the model was exported for in int8, OpenVINO
    before ONNX; else what it was exported for otherwise, ncnn before them; else torch. Other
    runtimes than torch compute on the CPU.

    Returns:
        The model, with what it knows of normal footage by that very runtime, and the runtime.

    Raises:
        UsageError: no such folder or device, or a runtime that cannot be had.
        MnadError: the folder is broken, or an export that was asked for is of another model.
    """
    one_of("runtime", name, get_args(RuntimeName))
    folder = resolve(path)
    elsewhere = name in EXPORTED
    if elsewhere and device == "cuda":
        raise UsageError(f"{name} computes on the CPU; leave --device cuda out, or take torch.")
    where = torch.device("cpu") if elsewhere else pick_device(device)
    model = load_model(folder, where)
    export = None
    if elsewhere:
        export = _asked_for(folder, name)
    elif name == "auto":
        name, export = ("torch", None) if where.type == "cuda" else _fastest(folder)
    if name in ("torch", "torch-bf16"):
        bf16 = name == "torch-bf16"
        return model, TorchRuntime(model.network, model.config.method, bf16)
    if export is not None and (own := _own_normal(export)) is not None:
        normal = load_normal(own)
        model = replace(model, reference=normal.reference, calibration=normal.calibration)
    return model, open_graph(model, name, None if export is None else export.folder)


def in_use(folder: Path) -> tuple[RuntimeName, Path]:
    """The runtime that ``auto`` takes, and the file of what is known of normal footage by it.

    Raises:
        MnadError: an export of it is damaged.
    """
    if pick_device("auto").type == "cuda":
        return "torch", folder / NORMAL
    name, export = _fastest(folder)
    own = None if export is None else _own_normal(export)
    return name, folder / NORMAL if own is None else own


def _own_normal(export: Export) -> Path | None:
    """What is known of normal footage by an export in int8; None for others, whose scores are
    those of torch.

    Raises:
        MnadError: it is not there, and torch's threshold would not hold.
    """
    name = export.folder.name
    if not name.endswith("int8"):
        return None
    if not (export.folder / NORMAL).is_file():
        raise MnadError(
            f"{export.folder / NORMAL} is missing, and with it the threshold of that export: copy "
            f"the whole folder, or export again by `{command(export.folder.parent, name)}`."
        )
    return export.folder / NORMAL


@usual_torch()
def open_graph(model: Model, name: RuntimeName, folder: Path | None = None) -> GraphRuntime:
    """An engine with the graph of a model, from an export or, for OpenVINO, converted now.

    Raises:
        MnadError: the export is damaged.
    """
    network, method = model.network, model.config.method
    try:
        if name.startswith("openvino"):
            from mnad.runtime import openvino

            run = openvino.compiled(folder or openvino.convert(network, method))
        elif name == "ncnn":
            from mnad.runtime import ncnn

            assert folder is not None
            run = ncnn.loaded(folder, network, method)
        else:
            from mnad.runtime import onnx

            assert folder is not None
            run = onnx.loaded(folder)
    except Exception as error:  # every engine has kinds of its own
        if folder is None:
            raise
        raise MnadError(
            f"{folder} is damaged ({type(error).__name__}); export again by "
            f"`{command(folder.parent, name)}`."
        ) from error
    return GraphRuntime(name, network, method, run)


def _asked_for(folder: Path, name: RuntimeName) -> Export | None:
    require(name)
    export = find_export(folder, name)
    if export is None and name != "openvino":
        raise UsageError(
            f"{folder} was not exported for {name}; `{command(folder, name)}` does that."
        )
    if export is not None and export.changed:
        raise MnadError(export.stale())
    return export


def _fastest(folder: Path) -> tuple[RuntimeName, Export | None]:
    for name in EXPORTED:
        if not installed(name):
            continue
        export = find_export(folder, name)
        if export is not None and export.changed:
            _LOG.warning("%s Until then it is not used.", export.stale())
            export = None
        if export is not None:
            return name, export
    return "torch", None
