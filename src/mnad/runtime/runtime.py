"""What scores windows: an engine with a network or with its graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.config import MethodConfig, NetworkConfig, RuntimeName
from mnad.network.mnad import MNAD
from mnad.scoring.parts import Parts

Run = Callable[[Sequence[NDArray[Any]]], Sequence[NDArray[Any]]]
"""What an engine does with the inputs of the graph: windows, mask and, with memory, items."""


class Runtime(ABC):
    """Scores windows with a trained memory or with those of the streams; it changes none of them.

    Attributes:
        name: of the engine.
        network: the dimensions.
        method: the reading of the equations.
        items: (M, C) the trained memory; None without memory.
        device: where windows and items must lie, and where the results do.
    """

    def __init__(
        self,
        name: RuntimeName,
        network: NetworkConfig,
        method: MethodConfig,
        items: Tensor | None,
        device: torch.device,
    ) -> None:
        self.name: RuntimeName = name
        self.network, self.method, self.items, self.device = network, method, items, device

    @abstractmethod
    def score(
        self, windows: Tensor, items: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Parts]:
        """Score one window of each of S streams.

        Args:
            windows: (S, T, H, W, c) uint8.
            items: (S, M, C), the memory of each stream; the trained one without it.
            mask: (H, W) float32 in 0..1, what of each pixel counts; all without it.

        Returns:
            The queries (S, K, C), and the parts of the frames that were scored.
        """


class GraphRuntime(Runtime):
    """An engine on the CPU that was given the `ScoringGraph` of a network.

    Args:
        name: of the engine.
        network: the network whose graph it is.
        method: the reading of the equations, which lies in the graph too.
        run: computes the graph's outputs from its inputs.
    """

    def __init__(self, name: RuntimeName, network: MNAD, method: MethodConfig, run: Run) -> None:
        items = None if network.memory is None else network.memory.items.cpu()
        super().__init__(name, network.config, method, items, torch.device("cpu"))
        self._run = run
        size = network.config.height, network.config.image_width
        self._all = torch.ones(size, dtype=torch.float32, device="cpu")

    def score(
        self, windows: Tensor, items: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Parts]:
        """See `Runtime.score`."""
        given = [windows, self._all if mask is None else mask]
        if self.items is not None:
            given.append(self.items.expand(len(windows), -1, -1) if items is None else items)
        arrays = self._run([np.ascontiguousarray(tensor.numpy()) for tensor in given])
        *parts, query = (torch.from_numpy(array) for array in arrays)
        return query, Parts(*parts)
