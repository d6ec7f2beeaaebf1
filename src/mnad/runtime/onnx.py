"""ONNX Runtime on the CPU: the graph exported from torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from mnad.config import MethodConfig
from mnad.network.mnad import MNAD
from mnad.runtime.graph import INPUTS, OUTPUTS, ScoringGraph, example
from mnad.runtime.quantize import Node
from mnad.runtime.quiet import quiet
from mnad.runtime.runtime import Run

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"


def convert(network: MNAD, method: MethodConfig) -> onnx.ModelProto:
    """The graph of a network, for any number of streams."""
    inputs = example(network)
    streams = torch.export.Dim("streams", min=1, max=4096)
    with quiet("torch.onnx"):
        program = torch.onnx.export(
            ScoringGraph(network, method).eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_shapes=tuple(None if n == "mask" else {0: streams} for n in inputs),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def nodes(model: onnx.ModelProto) -> list[Node]:
    """The operations of a model, in the order in which they are computed."""
    scopes = [
        next((p.value for p in node.metadata_props if p.key.endswith("name_scopes")), "")
        for node in model.graph.node
    ]
    return [
        Node(node.name, node.op_type, scope)
        for node, scope in zip(model.graph.node, scopes, strict=True)
    ]


def save(model: onnx.ModelProto, folder: Path) -> None:
    """Write a model, its weights in the same file."""
    (folder / FILE).write_bytes(model.SerializeToString())


def loaded(folder: Path) -> Run:
    """Make the model that a folder holds ready to run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # Threads that wait for the next frame of a camera must not keep a core busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        str(folder / FILE), options, providers=["CPUExecutionProvider"]
    )

    def run(arrays: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        given = dict(zip(INPUTS[: len(arrays)], arrays, strict=True))
        found: Sequence[NDArray[Any]] = session.run(list(OUTPUTS), given)
        return found

    return run
