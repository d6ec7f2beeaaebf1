"""The scores of a run in bounded memory, for plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST = 8000


class Curve:
    """The rows of a plot: when there are too many, of two neighbours the higher one stays.

    Args:
        most: rows kept at most, an even number of 2 or more; the last column decides which is
            higher.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._step, self.count = most, 1, 0
        # Taken at once, so that a run of days takes no more than one of minutes.
        self._rows = np.empty((0, 0))
        self._kept = 0
        self._best: Sequence[float] = ()
        self._waiting = 0

    def add(self, row: Sequence[float]) -> None:
        """Append a row."""
        if not self.count:
            self._rows = np.full((self._most, len(row)), np.nan)
        self.count += 1
        if not self._waiting or _height(row) > _height(self._best):
            self._best = row
        self._waiting += 1
        if self._waiting == self._step:
            self._rows[self._kept] = self._best
            self._kept += 1
            self._waiting = 0
        if self._kept == self._most:
            first, second = self._rows[::2], self._rows[1::2]
            heights = [np.nan_to_num(rows[:, -1], nan=-np.inf) for rows in (first, second)]
            higher = np.where((heights[1] > heights[0])[:, None], second, first)
            self._kept = len(higher)
            self._rows[: self._kept] = higher
            self._step *= 2

    def rows(self) -> NDArray[np.float64]:
        """What was kept, in order, (n, columns); at least one row was added."""
        rest = [self._best] if self._waiting else np.empty((0, self._rows.shape[1]))
        return np.concatenate([self._rows[: self._kept], rest])


def _height(row: Sequence[float]) -> float:
    return row[-1] if row[-1] == row[-1] else -np.inf
