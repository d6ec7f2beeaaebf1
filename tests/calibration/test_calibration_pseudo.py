"""Pieces of a normal frame that move over another."""

from __future__ import annotations

import numpy as np
import pytest

from mnad.calibration.pseudo import SPEEDS, with_moving_piece


def scene(channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A dark window (5, 80, 120, c), and a donor with a bright right half."""
    window = np.full((5, 80, 120, channels), 40, np.uint8)
    donor = window[0].copy()
    donor[:, 60:] = 200
    return window, donor


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_only_the_piece_changes_and_the_mask_says_where_it_is(seed: int, channels: int) -> None:
    window, donor = scene(channels)
    before = window.copy()
    made, mask = with_moving_piece(window, donor, np.random.default_rng(seed), size=0.25)
    np.testing.assert_array_equal(window, before)
    assert made.shape == window.shape and made.dtype == np.uint8
    assert mask.shape == (80, 120) and mask.dtype == bool
    changed = (made[-1] != window[-1]).any(-1)
    rows, columns = np.nonzero(changed)
    assert np.ptp(rows) < 20 and np.ptp(columns) < 30  # a quarter of the height, 3:2 at most
    assert mask.sum() > 50 and changed[mask].mean() > 0.5
    # What was taken is as bright as the scene, whatever was blended.
    assert made.min() >= 40 and made.max() <= 200
    far = ~mask & ~changed
    np.testing.assert_array_equal(made[-1][far], window[-1][far])


def test_it_moves_on_a_straight_line_at_an_even_speed() -> None:
    window, donor = scene()
    donor[:] = 200  # the piece is bright all over: its outline is what is seen
    followed = 0
    for seed in range(12):
        made, _ = with_moving_piece(window, donor, np.random.default_rng(seed), size=0.2)
        amount = made[..., 0].astype(float) - 40
        total = amount.sum((1, 2))
        if total.min() < 0.98 * total.max():
            continue  # it enters or leaves the picture
        rows = (amount.sum(2) * np.arange(80)).sum(1) / total
        columns = (amount.sum(1) * np.arange(120)).sum(1) / total
        steps = np.diff(np.stack([rows, columns], 1), axis=0)
        np.testing.assert_allclose(steps, np.broadcast_to(steps.mean(0), steps.shape), atol=0.25)
        speed = np.hypot(*steps.mean(0)) / 120
        assert 0.9 * SPEEDS[0] < speed < 1.1 * SPEEDS[1]
        followed += 1
    assert followed >= 6


def test_of_random_pieces_one_that_is_seen_is_taken_and_chance_repeats() -> None:
    window, donor = scene()
    seen = 0
    for seed in range(20):
        made, mask = with_moving_piece(window, donor, np.random.default_rng(seed), size=0.2)
        seen += (made[-1][mask].mean() - 40) > 80
        again, same = with_moving_piece(window, donor, np.random.default_rng(seed), size=0.2)
        np.testing.assert_array_equal(made, again)
        np.testing.assert_array_equal(mask, same)
    assert seen >= 18  # one random piece of the donor would be bright half of the time


def test_sizes_are_drawn_between_the_smallest_and_the_greatest() -> None:
    window, donor = scene()
    donor[:] = 200
    heights = []
    for seed in range(60):
        made, _ = with_moving_piece(window, donor, np.random.default_rng(seed))
        heights.append(np.ptp(np.nonzero(made[-1] != 40)[0]) + 1)
    assert min(heights) >= 2 and max(heights) <= 17 and np.ptp(heights) > 6
