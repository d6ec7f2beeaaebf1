"""The curve of a plot keeps its peaks in bounded memory."""

from __future__ import annotations

import numpy as np

from mnad.watch.curve import Curve


def test_few_rows_are_kept_as_they_are() -> None:
    curve = Curve(8)
    for n in range(7):
        curve.add([float(n), 0.1 * n])
    assert curve.rows()[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_many_rows_are_thinned_in_order_and_every_peak_stays() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(10_000) * 0.5
    scores[[17, 5000, 9999]] = [0.9, 0.8, 0.95]
    curve = Curve(64)
    for n, score in enumerate(scores):
        curve.add([float(n), score])
    rows = curve.rows()
    assert curve.count == 10_000 and 32 <= len(rows) <= 65
    assert (np.diff(rows[:, 0]) > 0).all()
    assert {17, 5000, 9999} <= set(rows[:, 0].astype(int).tolist())
