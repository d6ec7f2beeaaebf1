"""What a training leaves behind for people: a line of JSON per epoch, TensorBoard if wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from mnad.closing import Closing
from mnad.errors import UsageError
from mnad.writing import write


class Log(Closing):
    """Appends to `out`/train.jsonl; an epoch that is trained again replaces its old line.

    Args:
        out: the model folder.
        tensorboard: write scalars and a sample to `out`/tensorboard too.

    Raises:
        UsageError: TensorBoard is wanted but not installed.
    """

    def __init__(self, out: Path, tensorboard: bool) -> None:
        self.file = out / "train.jsonl"
        self._board: Any = None
        out.mkdir(parents=True, exist_ok=True)
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise UsageError(
                    "TensorBoard is not installed; pip install 'mnad[tensorboard]'."
                ) from None
            self._board = SummaryWriter(str(out / "tensorboard"))

    @property
    def last(self) -> dict[str, Any]:
        """Facts of the last epoch, also of one that an earlier run recorded; empty before any."""
        lines = self._lines()
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def close(self) -> None:
        """End what TensorBoard reads."""
        if self._board is not None:
            self._board.close()

    def epoch(self, row: dict[str, Any], frames: Tensor) -> None:
        """Record an epoch's facts and a sample (H, W, c) in 0..1.

        Raises:
            MnadError: they cannot be written.
        """
        earlier = [line for line in self._lines() if json.loads(line)["epoch"] < row["epoch"]]
        write(self.file, "\n".join([*earlier, json.dumps(row)]) + "\n")
        if self._board is None:
            return
        for name, value in row.items():
            if isinstance(value, list):
                self._board.add_scalars(
                    name, {str(i): v for i, v in enumerate(value)}, row["epoch"]
                )
            elif name != "epoch":
                self._board.add_scalar(name, value, row["epoch"])
        self._board.add_image("target and output", frames, row["epoch"], dataformats="HWC")
