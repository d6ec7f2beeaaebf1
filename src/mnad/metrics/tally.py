"""Curves over any number of values in bounded memory: exact, or within a bound that is proven.

A ROC curve needs of each class only how much of it lies at every distinct value. `Tally` keeps
that as a sorted table. Finite float32 values in their order are integers in their order, so that
dropping the last bits of the integer joins neighbours into cells, without a scale or a range that
would have to be known first. Up to `BUFFER` values, or `CELLS` distinct ones, nothing is dropped.

Where cells had to be joined, `area` still knows how far it can be off: inside a cell of width dx
and height dy any curve rises from one corner to the other, so that the area under it differs from
that of the straight line by dx dy / 2 at most. With a million cells that sums up to about a
millionth. A cell that holds one distinct value only is no loss at all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELLS = 2**20
BUFFER = 2**24

Floats = NDArray[np.float64]
Keys = NDArray[np.uint32]


class Table(NamedTuple):
    """Cells in ascending order.

    Attributes:
        low: (n,) key of the smallest value in each.
        high: (n,) of the largest.
        mass: (n,) how many values, or the sum of their weights.
    """

    low: Keys
    high: Keys
    mass: Floats


class Area(NamedTuple):
    """An area under a curve.

    Attributes:
        value: 0..1; None where a class is missing.
        bound: the exact area differs from `value` by this at most; 0 where it is exact.
    """

    value: float | None
    bound: float


class Tally:
    """How much lies at which value.

    Args:
        cells: distinct values, later cells, that are kept.
        buffer: values that are kept as they come before they are counted.
    """

    def __init__(self, cells: int = CELLS, buffer: int = BUFFER) -> None:
        self.shift = 0
        self.total = 0.0
        self._cells, self._buffer, self._held = cells, buffer, 0
        self._waiting: list[tuple[Keys, Floats | None]] = []
        self._table: Table | None = None

    def add(self, values: NDArray[np.float32], weights: Floats | None = None) -> None:
        """Take in values, finite, of any shape, each counted once or by its weight."""
        if values.size == 0:
            return
        self.total += values.size if weights is None else float(weights.sum())
        self._waiting.append((_keys(values.ravel()), weights))
        self._held += values.size
        if self._held >= self._buffer:
            self._count()

    def table(self) -> Table:
        """All so far. What fits the buffer is not coarsened, however many values differ."""
        if self._table is None:
            return _runs(*self._gathered(), 0)
        self._count()
        return self._table

    def _gathered(self) -> tuple[Keys, Floats | None]:
        """What waits, sorted by value."""
        if not self._waiting:
            return np.zeros(0, np.uint32), None
        keys = np.concatenate([keys for keys, _ in self._waiting])
        if all(weights is None for _, weights in self._waiting):
            keys.sort()
            return keys, None
        weights = [np.ones(len(k)) if w is None else w for k, w in self._waiting]
        order = np.argsort(keys, kind="stable")
        return keys[order], np.concatenate(weights)[order]

    def _count(self) -> None:
        if not self._waiting:
            return
        keys, weights = self._gathered()
        self._waiting, self._held = [], 0
        # Coarsened before it is built, or the table of a full buffer would be the largest of all.
        steps = keys[1:] ^ keys[:-1]
        while np.count_nonzero(steps >> np.uint32(self.shift)) >= self._cells:
            self.shift += 1
        del steps
        new = _runs(keys, weights, self.shift)
        table = new if self._table is None else _merged(self._table, new, self.shift)
        while len(table.low) > self._cells:
            self.shift += 1
            table = coarsened(table, self.shift)
        self._table = table


def area(right: Tally, up: Tally, limit: float = 1.0) -> Area:
    """Area under the curve that falling thresholds draw: one class to the right, the other up.

    Between distinct values it is a straight line, so that ties count half.

    Args:
        right: of the normal pixels.
        up: of the abnormal ones.
        limit: integrate to this share of `right`, 0..1, the curve interpolated there, and divide
            by it.
    """
    if right.total == 0 or up.total == 0:
        return Area(None, 0.0)
    tables = right.table(), up.table()
    shift = np.uint32(max(right.shift, up.shift))
    normal, abnormal = (coarsened(table, int(shift)) for table in tables)
    # Both are sorted, which a stable sort makes use of and numpy.union1d does not.
    cells = np.sort(np.concatenate([t.low >> shift for t in (normal, abnormal)]), kind="stable")
    cells = cells[np.concatenate([[True], cells[1:] != cells[:-1]])]
    at = [np.searchsorted(cells, table.low >> shift) for table in (normal, abnormal)]
    dx, dy = np.zeros(len(cells)), np.zeros(len(cells))
    dx[at[0]], dy[at[1]] = normal.mass, abnormal.mass
    # A cell both of whose classes sit on one and the same value is a straight line.
    low, high = (np.full(len(cells), fill, np.uint32) for fill in (2**32 - 1, 0))
    for where, table in zip(at, (normal, abnormal), strict=True):
        low[where] = np.minimum(low[where], table.low)
        high[where] = np.maximum(high[where], table.high)
    unsure = (low != high)[::-1]
    x, y = (np.concatenate([[0.0], np.cumsum(d[::-1])]) for d in (dx, dy))
    x, y = x / x[-1], y / y[-1]
    return _integral(x, y, unsure, limit)


def _integral(x: Floats, y: Floats, unsure: NDArray[np.bool_], limit: float) -> Area:
    last = int(np.searchsorted(x, limit, side="right")) - 1
    steps, rises = np.diff(x[: last + 1]), np.diff(y[: last + 1])
    found = float((steps * (y[:last] + y[1 : last + 1])).sum() / 2)
    bound = float((steps * rises)[unsure[:last]].sum() / 2)
    if x[last] < limit:
        share = (limit - x[last]) / (x[last + 1] - x[last])
        rise = y[last + 1] - y[last]
        found += float((limit - x[last]) * (y[last] + share * rise / 2))
        bound += float((limit - x[last]) * rise) if unsure[last] else 0.0
    return Area(found / limit, bound / limit)


def coarsened(table: Table, shift: int) -> Table:
    """The table with cells whose keys agree but for their last `shift` bits joined."""
    cells = table.low >> np.uint32(shift)
    starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    if len(starts) == len(cells) or len(cells) == 0:
        return table
    ends = np.concatenate([starts[1:], [len(cells)]]) - 1
    return Table(table.low[starts], table.high[ends], np.add.reduceat(table.mass, starts))


def _merged(one: Table, other: Table, shift: int) -> Table:
    low = np.concatenate([one.low, other.low])
    order = np.argsort(low >> np.uint32(shift), kind="stable")
    low, mass = low[order], np.concatenate([one.mass, other.mass])[order]
    high = np.concatenate([one.high, other.high])[order]
    cells = low >> np.uint32(shift)
    starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    return Table(
        np.minimum.reduceat(low, starts),
        np.maximum.reduceat(high, starts),
        np.add.reduceat(mass, starts),
    )


def _runs(keys: Keys, weights: Floats | None, shift: int) -> Table:
    """Table of sorted keys."""
    if len(keys) == 0:
        return Table(keys, keys, np.zeros(0))
    steps = (keys[1:] ^ keys[:-1]) >> np.uint32(shift)
    starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
    ends = np.concatenate([starts[1:], [len(keys)]])
    mass = ends - starts if weights is None else np.add.reduceat(weights, starts)
    return Table(keys[starts], keys[ends - 1], mass.astype(np.float64))


def _keys(values: NDArray[np.float32]) -> Keys:
    """Integers in the order of the values; -0 and 0 are one."""
    bits = (values + np.float32(0)).view(np.int32)
    # Of negative numbers all bits are flipped, of the others the first one.
    return np.asarray(bits.view(np.uint32) ^ ((bits >> 31).view(np.uint32) | np.uint32(1 << 31)))
