"""ncnn on the CPU: convolutions by Winograd's algorithm, a quarter of the multiplications.

Encoder and decoder are two nets of ncnn; what lies between and after them, the memory and the
score, stays torch's. In floating point wide networks are computed in half the time that engines
without that algorithm take; narrow ones, whose maps take longer to move than to compute, are not.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnad.config import MethodConfig
from mnad.errors import MnadError
from mnad.network.mnad import MNAD
from mnad.network.unet import Decoder, Encoder
from mnad.network.window import split_window
from mnad.runtime.graph import ScoringGraph, example
from mnad.runtime.quiet import quiet
from mnad.runtime.runtime import Run

PARTS = ("encoder", "decoder")
SUFFIXES = (".param", ".bin")
"""Of the two files of a net: its layers, as text, and its weights."""


class _Encode(nn.Module):
    """The feature map, unless there is none, and the maps that the decoder takes, in one tuple."""

    def __init__(self, encoder: Encoder, skips: Sequence[bool]) -> None:
        super().__init__()
        self.encoder, self.skips = encoder, skips

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        feature, maps = self.encoder(frames)
        taken = [one for one, skip in zip(maps, self.skips, strict=True) if skip]
        return tuple(taken if feature is None else [feature, *taken])


class _Decode(nn.Module):
    """The frame of what `_Encode` puts out, the feature map replaced by the memory's."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, *given: Tensor) -> Tensor:
        left = [*given]
        feature = left.pop(0) if self.decoder.constant is None else None
        # In the place of a map that is not used any will do.
        maps = [left.pop(0) if skip else given[0] for skip in self.decoder.skips]
        frame: Tensor = self.decoder(feature, tuple(maps))
        return frame


def convert(network: MNAD, method: MethodConfig) -> dict[str, bytes]:
    """The files of a network's two nets by name; of the reading nothing lies in them."""
    frames = split_window(example(network)["windows"][:1], network.config)[0]
    encode, decode = _Encode(network.encoder, network.decoder.skips), _Decode(network.decoder)
    with torch.no_grad():
        given = encode(frames)
        if network.decoder.constant is None:
            shape = (1, network.config.decoder_channels, *given[0].shape[-2:])
            given = (torch.zeros(shape), *given[1:])
    with TemporaryDirectory() as work:
        nets = (encode, (frames,)), (decode, given)
        for name, (part, inputs) in zip(PARTS, nets, strict=True):
            _convert(part.eval(), inputs, Path(work), name)
        files = [f"{name}{suffix}" for name in PARTS for suffix in SUFFIXES]
        return {file: (Path(work) / _as_written(file)).read_bytes() for file in files}


def _convert(part: nn.Module, inputs: tuple[Tensor, ...], work: Path, name: str) -> None:
    import pnnx

    with quiet("torch.jit"):
        traced = torch.jit.trace(part, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(work / f"{name}.pt"))
    shapes = ",".join(str([*one.shape]).replace(" ", "") for one in inputs)
    # In 16 bits the weights would not be the model's.
    words = [pnnx.EXEC_PATH, f"{name}.pt", f"inputshape={shapes}", "fp16=0"]
    done = subprocess.run(words, cwd=work, capture_output=True, text=True)
    if not (work / _as_written(f"{name}.bin")).is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise MnadError(
            f"pnnx made no net of the {name} ({said[-1] if said else done.returncode}); update it "
            "by `pip install -U pnnx`, or export for openvino."
        )


def _as_written(file: str) -> str:
    """The name that pnnx gives to a file of a net."""
    name, _, suffix = file.partition(".")
    return f"{name}.ncnn.{suffix}"


def save(nets: dict[str, bytes], folder: Path) -> None:
    """Write the nets."""
    for name, content in nets.items():
        (folder / name).write_bytes(content)


def loaded(folder: Path, network: MNAD, method: MethodConfig) -> Run:
    """Make the nets that a folder holds ready to run, with the memory of their network."""
    network = deepcopy(network).eval()
    # Their maps go from one to the other as ncnn laid them out: nothing between looks at them.
    network.encoder = _NcnnEncoder(folder, network)  # type: ignore[assignment]
    network.decoder = _NcnnDecoder(folder, network)  # type: ignore[assignment]
    graph = ScoringGraph(network, method)

    @torch.inference_mode()
    def run(arrays: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        with torch.autocast("cpu", enabled=False):  # of a program's own network
            return [part.numpy() for part in graph(*map(torch.from_numpy, arrays))]

    return run


class _NcnnEncoder(nn.Module):
    """Takes the place of an `Encoder`; its maps are a list, for each frame those of ncnn."""

    def __init__(self, folder: Path, network: MNAD) -> None:
        super().__init__()
        self._net = _net(folder, "encoder")
        self._feature = network.decoder.constant is None
        self._outputs = self._feature + sum(network.decoder.skips)

    def forward(self, frames: Tensor) -> tuple[Tensor | None, list[list[Any]]]:
        found = [_pass(self._net, [frame], self._outputs) for frame in frames]
        if not self._feature:
            return None, found
        features = torch.from_numpy(np.stack([np.array(one[0]) for one in found]))
        return features, [one[1:] for one in found]


class _NcnnDecoder(nn.Module):
    """Takes the place of a `Decoder`."""

    def __init__(self, folder: Path, network: MNAD) -> None:
        super().__init__()
        self._net = _net(folder, "decoder")

    def forward(self, x: Tensor | None, maps: list[list[Any]]) -> Tensor:
        features = [[]] * len(maps) if x is None else [[feature] for feature in x]
        found = [
            _pass(self._net, [*feature, *skipped], 1)[0]
            for feature, skipped in zip(features, maps, strict=True)
        ]
        return torch.from_numpy(np.stack([np.array(frame) for frame in found]))


def _pass(net: Any, inputs: Sequence[Any], outputs: int) -> list[Any]:
    import ncnn

    # Arrays, row by row, that outlive the extractor: a Mat of an array only points at it.
    arrays = [one.contiguous().numpy() if isinstance(one, Tensor) else one for one in inputs]
    with net.create_extractor() as extractor:
        for number, one in enumerate(arrays):
            extractor.input(f"in{number}", ncnn.Mat(one) if isinstance(one, np.ndarray) else one)
        # The first is read here; the others stay in ncnn's own layout (1) for the decoder.
        found = [extractor.extract(f"out{number}", int(number > 0)) for number in range(outputs)]
    if any(status for status, _ in found):
        raise RuntimeError("ncnn could not compute; is there memory left?")
    return [mat for _, mat in found]


def _net(folder: Path, name: str) -> Any:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = torch.get_num_threads()
    net.opt.use_vulkan_compute = False
    # Left to itself it keeps maps in 16 bits where the CPU can, and scores would depend on the CPU.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    files = [str(folder / f"{name}{suffix}") for suffix in SUFFIXES]
    if net.load_param(files[0]) or net.load_model(files[1]):
        raise RuntimeError(f"ncnn does not take {files[0]}")
    return net
