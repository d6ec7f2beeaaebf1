"""What is to be measured: the words of the command line as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from mnad.config import NetworkConfig, RuntimeName
from mnad.errors import UsageError
from mnad.runtime.pick import installed, require

Kind = Literal["scoring", "training", "peak"]
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)[1:]


@dataclass(frozen=True)
class Row:
    """What one process measures.

    Args:
        kind: ``scoring``, ``training``, or ``peak``, the matrix product that all are set against.
        runtime: that computes; ``public code`` in benchmarks.
        network: the dimensions.
        streams: scored side by side.
        device: cpu or cuda.
        precision: fp32, bf16 or int8.
        model: the model folder, with its exports.
        video: the file that is scored.
        threads: of each engine; None for its own choice.
        threshold: score from which on a frame is abnormal; None for the model's own.
    """

    kind: Kind
    runtime: str = "torch"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    streams: int = 1
    device: str = "cpu"
    precision: str = "fp32"
    model: str = ""
    video: str = ""
    threads: int | None = None
    threshold: float | None = None

    @property
    def asks(self) -> tuple[str, ...]:
        """What is measured of it, in this order, in each round."""
        if self.kind != "scoring":
            return (self.kind,)
        update = ("update",) if self.network.memory else ()
        # A file is one stream.
        return ("network", *update, *(("plain", "everything") if self.streams == 1 else ()))

    @property
    def name(self) -> str:
        """For messages."""
        config = self.network
        if self.kind == "peak":
            return f"matrix product on {self.device}"
        what = "training" if self.kind == "training" else self.runtime
        size = f"{config.image_width}x{config.height}"
        return f"{what} {self.precision} width {config.width:g} {size} x{self.streams}"

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Row:
        """What `as_json` gave."""
        return cls(**{**values, "network": NetworkConfig(**values["network"])})


def networks(widths: str, sizes: str) -> list[NetworkConfig]:
    """Grey official prediction networks of each width and size.

    Raises:
        UsageError: one that cannot be built.
    """
    found = []
    for width in _words("widths", widths):
        for size in _words("sizes", sizes):
            columns, times, rows = size.partition("x")
            if not (times and columns.isdecimal() and rows.isdecimal()):
                raise UsageError(f"size {size!r} is none; write columns x rows, such as 256x160.")
            try:
                factor = float(width)
            except ValueError:
                raise UsageError(f"width {width!r} is no number; write such as 1,0.5.") from None
            found.append(
                NetworkConfig(channels=1, width=factor, height=int(rows), image_width=int(columns))
            )
    return found


def counts(name: str, text: str) -> list[int]:
    """Whole numbers of 1 or more, separated by commas.

    Raises:
        UsageError: something else.
    """
    words = _words(name, text)
    if not all(word.isdecimal() and int(word) >= 1 for word in words):
        raise UsageError(f"{name} is {text!r}; write whole numbers from 1 up, such as 1,4.")
    return [int(word) for word in words]


def runtimes(text: str, bf16: bool = False) -> tuple[list[RuntimeName], list[str]]:
    """The runtimes that are asked for and there, and a sentence for each that is not.

    ``auto`` is all of them; torch in bf16 only with `bf16`, where that is computed in itself.

    Raises:
        UsageError: an unknown one, or none of them is there.
    """
    if text == "auto":
        there = [name for name in RUNTIMES if installed(name, to_export=True)]
        return [name for name in there if bf16 or name != "torch-bf16"], []
    found: list[RuntimeName] = []
    missing = []
    for word in _words("runtimes", text):
        matching = [name for name in RUNTIMES if name == word]
        if not matching:
            raise UsageError(
                f"runtime {word!r} is unknown; choose of {', '.join(RUNTIMES)}, or auto."
            )
        try:
            require(word, to_export=True)
            found += matching
        except UsageError as error:
            missing.append(str(error))
    if not found:
        raise UsageError(" ".join(missing))
    return found, missing


def precision_of(runtime: str) -> str:
    """In what a runtime computes most of it."""
    return next((end for end in ("int8", "bf16") if runtime.endswith(end)), "fp32")


def groups(rows: Sequence[Row], together: int) -> list[list[Row]]:
    """The rows in parts of at most so many, as even as may be."""
    parts = -(-len(rows) // max(1, together))
    ends = [len(rows) * part // parts for part in range(parts + 1)]
    return [list(rows[a:b]) for a, b in pairwise(ends)]


def _words(name: str, text: str) -> list[str]:
    words = [word.strip() for word in str(text).split(",")]
    if not all(words):
        raise UsageError(f"{name} is {text!r}; write values with commas between and no others.")
    return list(dict.fromkeys(words))
