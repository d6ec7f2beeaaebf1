"""Int8 by post-training quantization (NNCF): the convolutions, and nothing that makes a score.

The first convolution stays in floating point, as footage brighter than what was calibrated on would
be cut off there, and so does the last one, whose rounding would be an error of the frame. So do the
memory and everything after the network; on demand also the third stage of the encoder, in which
most of what the distances of queries to items tell is rounded away where they are as small as a
training by the squares of eq. 9 leaves them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnad.network.mnad import MNAD
from mnad.runtime.graph import INPUTS
from mnad.runtime.quiet import quiet, without_telemetry
from mnad.scoring.windows import Windows

MOST_WINDOWS = 300
"""Windows that the ranges are taken from."""
CONVOLUTIONS = (
    *("Convolution", "GroupConvolution", "ConvolutionBackpropData"),  # OpenVINO
    *("Conv", "ConvTranspose"),  # ONNX
)


class Node(NamedTuple):
    """An operation of a graph: its name, its kind, and the path of the module that it is in."""

    name: str
    kind: str
    scope: str


def quantize(
    model: Any, nodes: list[Node], network: MNAD, windows: Windows, distances: bool = False
) -> Any:
    """The graph with weights and activations of its convolutions in int8.

    Args:
        model: an openvino.Model or onnx.ModelProto.
        nodes: of the graph, in the order in which they are computed.
        network: whose graph it is.
        windows: of normal footage; at most `MOST_WINDOWS` of them are used, evenly spread.
        distances: keep the third stage of the encoder in floating point.
    """
    chosen = windows.spread(MOST_WINDOWS)
    fixed = [np.ones((network.config.height, network.config.image_width), np.float32)]
    if network.memory is not None:
        fixed.append(network.memory.items.unsqueeze(0).numpy())

    def inputs(index: int) -> dict[str, NDArray[Any]]:
        return dict(zip(INPUTS, [windows.batch([index]).numpy(), *fixed], strict=False))

    without_telemetry()
    with quiet("nncf"):
        import nncf
        from nncf.quantization.advanced_parameters import QuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        # Of depthwise convolutions NNCF would give each channel that comes in a range of its own,
        # and ONNX Runtime refuses to compute them.
        in_onnx = any(node.kind == "Conv" for node in nodes)
        return nncf.quantize(
            model,
            nncf.Dataset(chosen, inputs),
            subset_size=len(chosen),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(
                names=in_floats(nodes, network, distances), validate=False
            ),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # The extremes, not their means: what is abnormal goes beyond the usual.
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                activations_quantization_params=QuantizationParameters(
                    per_channel=False if in_onnx else None
                ),
            ),
        )


def in_floats(nodes: list[Node], network: MNAD, distances: bool) -> list[str]:
    """Names of the nodes that stay in floating point."""
    convolutions = [node.name for node in nodes if node.kind in CONVOLUTIONS]
    within = [n for n in nodes if "network.encoder" in n.scope or "network.decoder" in n.scope]
    # Those of the encoder follow on one another, and all of the decoder on them: the order of the
    # graph is theirs. By name they cannot be told, as what is folded into them renames them.
    fixed = {convolutions[0], convolutions[-1]}
    if distances:
        encoder = network.encoder
        first = _convolutions(encoder.stage1) + _convolutions(encoder.stage2)
        fixed |= {*convolutions[first : first + _convolutions(encoder.stage3)]}
    low = {*convolutions, *(node.name for node in within)} - fixed
    return [node.name for node in nodes if node.name not in low]


def _convolutions(part: nn.Module) -> int:
    return sum(isinstance(layer, nn.Conv2d) for layer in part.modules())
