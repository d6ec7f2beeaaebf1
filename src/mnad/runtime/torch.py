"""torch: the network as it is, on the CPU or a CUDA GPU, in fp32 or in bf16."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mnad.config import MethodConfig
from mnad.network.mnad import MNAD
from mnad.runtime.graph import ScoringGraph
from mnad.runtime.runtime import Runtime
from mnad.scoring.parts import Parts

Given = tuple[Tensor, Tensor | None, Tensor | None]
Score = Callable[[Tensor, Tensor | None, Tensor | None], Sequence[Tensor]]

OFTEN, MOST = 3, 4
"""On CUDA a pass is recorded when inputs of a shape have come so often; so many are kept."""


class TorchRuntime(Runtime):
    """The network on its device, as it is now.

    On the CPU its batch normalisations become part of the convolutions before them, which saves a
    sixth of the time of a small network and changes scores by rounding. On CUDA, passes over inputs
    of the same shapes are recorded and replayed as one launch, as a single window takes the CPU
    longer to launch, layer by layer, than the GPU to compute.

    Args:
        network: in evaluation mode.
        method: the reading of the equations.
        bf16: compute the convolutions in bf16; memory and scores stay fp32.
    """

    def __init__(self, network: MNAD, method: MethodConfig, bf16: bool = False) -> None:
        items = None if network.memory is None else network.memory.items
        device = next(network.parameters()).device
        name = "torch-bf16" if bf16 else "torch"
        super().__init__(name, network.config, method, items, device)  # type: ignore[arg-type]
        if device.type == "cpu":
            network = folded(network)
        self._graph, self._bf16 = ScoringGraph(network, method), bf16
        self._seen: Counter[str] = Counter()
        self._recorded: dict[str, _Recorded] = {}

    @torch.inference_mode()
    def score(
        self, windows: Tensor, items: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Parts]:
        """See `Runtime.score`."""
        if items is None and self.items is not None:
            items = self.items.unsqueeze(0)
        given = (windows, mask, items)
        found = self._on_cuda(given) if self.device.type == "cuda" else self._pass(*given)
        *parts, query = found
        return query, Parts(*parts)

    def _pass(self, windows: Tensor, mask: Tensor | None, items: Tensor | None) -> Sequence[Tensor]:
        # Weights that autocast keeps in bf16 would not outlive a recording.
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self._bf16, cache_enabled=False
        ):
            found: Sequence[Tensor] = self._graph(windows, mask, items)
        return found

    def _on_cuda(self, given: Given) -> Sequence[Tensor]:
        shapes = str([None if tensor is None else tuple(tensor.shape) for tensor in given])
        self._seen[shapes] += 1
        if shapes not in self._recorded:
            if self._seen[shapes] < OFTEN or len(self._recorded) == MOST:
                return self._pass(*given)
            self._recorded[shapes] = _Recorded(self._pass, given)
        return self._recorded[shapes](given)


def folded(network: MNAD) -> MNAD:
    """A copy, in evaluation mode, whose batch normalisations are part of what they follow."""
    network = deepcopy(network).eval()
    for layers in [*network.modules()]:
        if isinstance(layers, nn.Sequential):
            for place, (layer, after) in enumerate(pairwise(layers)):
                if isinstance(after, nn.BatchNorm2d):
                    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
                    transposed = isinstance(layer, nn.ConvTranspose2d)
                    layers[place] = fuse_conv_bn_eval(layer, after, transposed)
                    layers[place + 1] = nn.Identity()
    return network


class _Recorded:
    """A pass on CUDA that was recorded once and is replayed on other inputs of the same shapes."""

    def __init__(self, score: Score, given: Given) -> None:
        windows, mask, items = (None if tensor is None else tensor.clone() for tensor in given)
        assert windows is not None
        self._given = (windows, mask, items)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # what is set up in a first pass must not be recorded
            for _ in range(3):
                score(*self._given)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._found = score(*self._given)

    def __call__(self, given: Given) -> Sequence[Tensor]:
        for kept, new in zip(self._given, given, strict=True):
            if kept is not None and new is not None:
                kept.copy_(new)
        self._graph.replay()
        return [tensor.clone() for tensor in self._found]  # the next replay writes over them
