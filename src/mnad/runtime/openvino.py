"""OpenVINO on the CPU: the graph converted from torch, compiled for the latency of one window."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mnad.config import MethodConfig
from mnad.network.mnad import MNAD
from mnad.runtime.graph import OUTPUTS, ScoringGraph, example
from mnad.runtime.quantize import Node
from mnad.runtime.quiet import quiet, without_telemetry
from mnad.runtime.runtime import Run

if TYPE_CHECKING:
    import openvino

FILE = "model.xml"
"""The weights lie beside it in a file of the same name that ends in .bin."""


def convert(network: MNAD, method: MethodConfig) -> openvino.Model:
    """The graph of a network, for any number of streams."""
    openvino = _engine()
    inputs = example(network)
    shapes = [list(tensor.shape) for tensor in inputs.values()]
    for name, shape in zip(inputs, shapes, strict=True):
        shape[0] = shape[0] if name == "mask" else -1
    with quiet("openvino"):
        # Traced here: left to it, the tracer would check itself, in seconds and 200 MiB.
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            ScoringGraph(network, method).eval(), tuple(inputs.values()), check_trace=False
        )
        model = openvino.convert_model(
            traced, input=[openvino.PartialShape(shape) for shape in shapes]
        )
    for place, name in [*zip(model.inputs, inputs, strict=True)]:
        place.get_tensor().set_names({name})
    for place, name in zip(model.outputs, OUTPUTS, strict=True):
        place.get_tensor().set_names({name})
    return model


def nodes(model: openvino.Model) -> list[Node]:
    """The operations of a model, in the order in which they are computed."""
    names = ((op.get_friendly_name(), op.get_type_name()) for op in model.get_ordered_ops())
    return [Node(name, kind, name) for name, kind in names if kind not in ("Constant", "Result")]


def save(model: openvino.Model, folder: Path) -> None:
    """Write a model, its weights as they are: in 16 bits the scores would not be the model's.

    Raises:
        OSError: it cannot be written, as to a full disk.
    """
    try:
        _engine().save_model(model, folder / FILE, compress_to_fp16=False)
    except RuntimeError as error:  # it has no other kind, and does not say why
        raise OSError(errno.EIO, f"OpenVINO says {str(error).splitlines()[-1]!r}") from error


def compiled(model: openvino.Model | Path) -> Run:
    """Make a model, or the one that a folder holds, ready to run."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        # Left to itself it computes in bf16 where the CPU can, and scores would depend on the CPU.
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # Pinned, two processes would share the same cores and leave others idle.
        "ENABLE_CPU_PINNING": False,
    }
    source = model / FILE if isinstance(model, Path) else model
    ready = _core().compile_model(source, "CPU", settings)

    def run(arrays: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        # The outputs are copies, which stay when the next window is scored.
        found = ready(list(arrays), share_inputs=True)
        return [np.asarray(found[number]) for number in range(len(OUTPUTS))]

    return run


@cache
def _core() -> Any:
    """One for the process, never let go.

    It sets up a stack of its own for the signals of the thread that makes it, and unmaps that in
    whichever thread it is let go, where the garbage is collected: the next SIGTERM would then find
    no stack and end the process at once.
    """
    return _engine().Core()


def _engine() -> Any:
    without_telemetry()
    import openvino

    return openvino
