"""Files of torch.save, read without running anything that is in them.

Such a file is a pickle, which would import and call whatever it names when loaded the usual way.
Here it may name a short list of things, and all of them are data: classes of modules become empty
records, functions that rebuild tensors are replaced by ours, and any other name ends the reading.
(torch.load with weights_only=True cannot do this: in the format of torch before 1.6 it refuses the
classes that a whole module brings along.)
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mnad.errors import MnadError, UsageError

PUBLIC_CLASSES = ("convAE", "Encoder", "Decoder", "Memory")

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


def read_saved(file: Path) -> Any:
    """The content of a file that torch.save wrote, in the format of any version since 0.4.

    Args:
        file: written on any device.

    Returns:
        Plain containers, tensors on the CPU, and records in place of modules: objects whose
        attributes (`_modules`, `_parameters`, `_buffers` and more) are those of the modules.

    Raises:
        UsageError: the file does not exist.
        MnadError: it is damaged or another kind of file, or names what could run code.
    """
    if not file.is_file():
        raise UsageError(f"{file} does not exist or is no file; give a file of the public code.")
    data = file.read_bytes()
    try:
        return _read_zip(data, file) if data.startswith(b"PK") else _read_legacy(data, file)
    except MnadError:
        raise
    except Exception as error:  # hostile bytes can make any step of the reading fail in any way
        raise MnadError(
            f"{file} is damaged or was not saved by PyTorch ({type(error).__name__}); "
            "copy it again from where it came."
        ) from None


def _read_zip(data: bytes, file: Path) -> Any:
    """Format of torch 1.6 and newer: a zip of one pickle and one entry per storage."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:

        def entry(name: str) -> bytes:
            if archive.getinfo(name).file_size > len(data):
                raise ValueError("an entry that unpacks to more than the file")
            return archive.read(name)

        def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
            return torch.frombuffer(bytearray(entry(f"{root}data/{key}")), dtype=dtype, count=count)

        root = next(n for n in archive.namelist() if n.endswith("data.pkl"))[: -len("data.pkl")]
        return _Reader(io.BytesIO(entry(f"{root}data.pkl")), file, storage).load()


def _read_legacy(data: bytes, file: Path) -> Any:
    """Format before torch 1.6: five pickles in a row, then the storages as raw bytes."""
    stream = io.BytesIO(data)
    storages: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        if sum(s.nbytes for s in storages.values()) + count * dtype.itemsize > len(data):
            raise ValueError("storages larger than the file")
        storages[key] = torch.zeros(count, dtype=dtype)
        return storages[key]

    magic, version, _ = (_Reader(stream, file, storage).load() for _ in range(3))
    if (magic, version) != (0x1950A86A20F9469CFC6C, 1001):
        raise ValueError("another format")
    content = _Reader(stream, file, storage).load()
    for key in _Reader(stream, file, storage).load():
        count = int.from_bytes(stream.read(8), "little")
        raw = bytearray(stream.read(count * storages[key].itemsize))
        # Tensors are views of the storages already, so they are filled in place.
        storages[key].copy_(torch.frombuffer(raw, dtype=storages[key].dtype, count=count))
    return content


# The unpickler written in C sizes an array by the largest index in the file: four bytes of it could
# ask for 64 GB. The one in Python, quick enough for a list of layers, does not.
class _Reader(pickle._Unpickler):
    """An unpickler that knows data only.

    Args:
        stream: of the pickle.
        file: for messages.
        storage: the content of a storage by type, key and number of elements.
    """

    def __init__(
        self,
        stream: io.BytesIO,
        file: Path,
        storage: Callable[[torch.dtype, str, int], Tensor],
    ) -> None:
        super().__init__(stream, encoding="latin1")
        self.file, self.storage = file, storage
        self.known: dict[str, Tensor] = {}

        # Made anew for every file: a pickle may set attributes of what it can name.
        class Record:
            pass

        def tensor(data: Tensor, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
            if math.prod(size) > data.numel():
                raise ValueError("a tensor larger than its storage")
            return data.as_strided(size, stride, offset)

        def parameter(data: Tensor, *_: object) -> Tensor:
            return data

        self.record = Record
        self.names: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "__builtin__.set": set,
            "builtins.set": set,
            "torch.Size": tuple,
            "torch._utils._rebuild_tensor": tensor,
            "torch._utils._rebuild_tensor_v2": tensor,
            "torch._utils._rebuild_parameter": parameter,
            **{f"torch.{name}": dtype for name, dtype in _DTYPES.items()},
            **{str(dtype): dtype for dtype in _DTYPES.values()},
        }

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle; nothing is imported."""
        full = f"{module}.{name}"
        if full in self.names:
            return self.names[full]
        if module.startswith("torch.nn.modules.") or name in PUBLIC_CLASSES:
            return self.record
        raise MnadError(
            f"{self.file} refers to {full!r}, which no checkpoint of the public MNAD code needs "
            "and which could run code, so it was not read; if you trust it, load it by torch and "
            "save its tensors alone: the state dict of the network, or the items as one tensor."
        )

    def persistent_load(self, pid: Any) -> Any:
        """A storage, or (before torch 1.6) a class together with its source, which is ignored."""
        kind, what, *rest = pid
        if kind == "module":
            return what
        key, _, count, *view = rest
        if kind != "storage" or any(view):  # views of storages are older than the public code
            raise ValueError("neither a storage nor a class")
        if key not in self.known:
            self.known[key] = self.storage(what, key, count)
        return self.known[key]
