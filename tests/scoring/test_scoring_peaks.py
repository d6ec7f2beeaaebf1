"""Block errors and peaks against loops over all blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnad.scoring.peaks import QUIET, SHARE, block_errors, peaks_of, usual_errors


@pytest.mark.parametrize("block", [1, 2, 3, 7, 9])
def test_block_errors_are_means_a_quarter_of_a_block_apart(block: int) -> None:
    error = np.random.default_rng(block).random((3, 18, 23)).astype(np.float32)
    step = max(1, block // 4)
    found = block_errors(torch.from_numpy(error), block)
    rows, columns = (-(-(size - block) // step) + 1 for size in (18, 23))
    assert found.shape == (3, rows, columns)
    for image, own in zip(error, found.numpy(), strict=True):
        for r in range(rows):
            for c in range(columns):
                cut = image[r * step : r * step + block, c * step : c * step + block]
                assert own[r, c] == pytest.approx(float(np.sqrt(cut).mean()), rel=1e-5)


def test_every_pixel_lies_in_a_block() -> None:
    for block in (5, 8, 21):
        for y, x in ((0, 0), (63, 0), (0, 79), (63, 79), (31, 42)):
            error = torch.zeros(1, 64, 80)
            error[0, y, x] = 1.0
            assert float(block_errors(error, block).max()) >= 1 / block**2 * (1 - 1e-6)


def test_a_block_that_holds_all_of_a_thing_and_nothing_else_tells_its_error() -> None:
    error = torch.zeros(2, 64, 80)
    error[1, 32:40, 70:78] = 0.09  # squared: the absolute error is 0.3
    assert peaks_of(block_errors(error, 8)).tolist() == pytest.approx([0, 0.3])
    assert float(peaks_of(block_errors(error, 16))[1]) == pytest.approx(0.3 / 4)
    # Between two blocks a thing loses at most what an eighth of a block to each side holds.
    worst = [float(peaks_of(block_errors(error[1:].roll((y, -y), (1, 2)), 8))[0]) for y in range(8)]
    assert min(worst) >= 0.3 * (7 / 8) ** 2 * (1 - 1e-6)


def test_against_what_is_usual_a_quiet_place_outweighs_a_busy_one() -> None:
    """A road in the upper half where errors reach 0.4, nothing below: the same error tells more."""
    rng = np.random.default_rng(0)
    normal = np.full((500, 60, 30), 0.01, np.float32)
    normal[:, :30] = rng.uniform(0.0, 0.4, (500, 30, 30))
    usual = torch.from_numpy(usual_errors(normal))
    blocks = torch.full((3, 60, 30), 0.005)
    blocks[1, 2, 5] = 0.3  # as cars always do
    blocks[2, 50, 5] = 0.3  # where nothing ever drives
    assert peaks_of(blocks).tolist() == pytest.approx([0.005, 0.3, 0.3])
    still, car, odd = peaks_of(blocks, usual).tolist()
    assert still == pytest.approx(0.5) and odd == pytest.approx(30)
    assert car == pytest.approx(0.75, abs=0.03)


def test_the_quietest_places_are_measured_as_the_less_quiet_ones() -> None:
    normal = np.full((50, 10, 10), 0.2, np.float32)
    normal[:, :2] = 1e-4  # a fifth of the places: fewer than a quarter
    assert usual_errors(normal) == pytest.approx(0.2)
    normal[:, :3] = 1e-4
    assert usual_errors(normal)[0] == pytest.approx(1e-4)


def test_usual_errors_by_loops() -> None:
    blocks = np.random.default_rng(1).random((70, 12, 15)).astype(np.float32)
    blocks[:, :, 14] = 0  # masked: counts for no share
    level = np.array([[np.quantile(blocks[:, r, c], SHARE) for c in range(15)] for r in range(12)])
    expected = np.maximum(level, np.quantile(np.sort(level[level > 0]), QUIET))
    np.testing.assert_allclose(usual_errors(blocks), expected, rtol=1e-5)


def test_footage_without_any_error_can_be_measured_against() -> None:
    usual = usual_errors(np.zeros((3, 4, 5), np.float32))
    assert (usual > 0).all()
    assert peaks_of(torch.zeros(1, 4, 5), torch.from_numpy(usual)).tolist() == [0]


def test_large_frames_are_not_rounded_away() -> None:
    error = torch.full((1, 1080, 1920), 1.0)
    error[0, 1079, 1919] = 4.0
    assert float(peaks_of(block_errors(error, 8))[0]) == pytest.approx(1 + 1 / 64, rel=1e-5)
