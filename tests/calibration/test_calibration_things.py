"""Things of known size that move over a still ground."""

from __future__ import annotations

import numpy as np
import pytest

from mnad.calibration.things import USUAL_THING, block_size, things_in

GROUND, SHADE = 100, 130  # twice the difference that counts: an edge stays where it is when blurred


def clip_of(
    sizes: list[tuple[int, int]], frames: int = 60, shape: tuple[int, int] = (120, 160)
) -> np.ndarray:
    """Rectangles (rows, columns) on lanes of their own, each on its way to the right."""
    clip = np.full((frames, *shape, 1), GROUND, np.uint8)
    lane = shape[0] // len(sizes)
    for number, (rows, columns) in enumerate(sizes):
        top = number * lane + 3
        for t in range(frames):
            left = 5 + round(t * (shape[1] - columns - 10) / (frames - 1))
            clip[t, top : top + rows, left : left + columns] = SHADE
    return clip


@pytest.mark.parametrize("size", [(8, 8), (20, 12), (15, 30)])
def test_a_thing_is_found_at_its_size_in_every_frame(size: tuple[int, int]) -> None:
    things = things_in(clip_of([size]))
    assert len(things) == 40 and set(things) == {size}


def test_the_block_has_the_side_of_a_square() -> None:
    assert block_size([clip_of([(14, 14)])]) == 14
    assert block_size([clip_of([(10, 40)])]) == 20  # a square of the same area
    assert block_size([np.repeat(clip_of([(14, 14)]), 3, axis=-1)]) == 14


def test_the_block_is_the_median_of_all_things_of_all_clips() -> None:
    assert block_size([clip_of([(8, 8), (12, 12), (25, 25)])]) == 12
    assert block_size([clip_of([(8, 8)]), clip_of([(8, 8)]), clip_of([(22, 22)])]) == 8


def test_the_block_stays_between_a_32nd_and_a_quarter_of_the_frame() -> None:
    assert block_size([clip_of([(50, 50)])]) == 30
    small = clip_of([(7, 7)], shape=(320, 400))
    assert set(things_in(small)) == {(7, 7)} and block_size([small]) == 10


def test_a_scene_in_which_nothing_moves_has_a_usual_block() -> None:
    still = np.full((30, 120, 160, 1), GROUND, np.uint8)
    assert things_in(still) == [] and block_size([still]) == round(USUAL_THING * 120)
    lit = still.copy()
    lit[20:] += 50  # the light is no thing
    assert things_in(lit) == []


def test_noise_and_specks_are_no_things() -> None:
    noise = np.random.default_rng(0).normal(0, 6, (30, 120, 160, 1))
    clip = np.clip(clip_of([(16, 16)], 30) + noise, 0, 255).astype(np.uint8)
    clip[::2, 100, 50] = GROUND + 60
    found = things_in(clip)
    assert len(found) == 30
    assert np.abs(np.array(found) - 16).max() <= 3 and block_size([clip]) in (15, 16, 17)
