"""The scores of a run in bounded memory, for plots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 8000


class Curve:
    """The rows of a plot: when there are too many, of two neighbours the higher one stays.

    Args:
        most: rows kept at most, at least 2; the last column decides which is higher.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._step, self.count = most, 1, 0
        self._rows: list[list[float]] = []
        self._group: list[list[float]] = []

    def add(self, row: list[float]) -> None:
        """Append a row."""
        self.count += 1
        self._group.append(row)
        if len(self._group) == self._step:
            self._rows.append(_highest(self._group))
            self._group = []
        if len(self._rows) == self._most:
            pairs = zip(self._rows[::2], self._rows[1::2], strict=False)
            self._rows = [_highest(list(pair)) for pair in pairs]
            self._step *= 2

    def rows(self) -> NDArray[np.float64]:
        """What was kept, in order, (n, columns); at least one row was added."""
        rest = [_highest(self._group)] if self._group else []
        return np.array([*self._rows, *rest], np.float64)


def _highest(rows: list[list[float]]) -> list[float]:
    return max(rows, key=lambda row: row[-1] if row[-1] == row[-1] else -np.inf)
