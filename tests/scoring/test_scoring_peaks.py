"""The block maximum against loops over all blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnad.scoring.peaks import block_peak


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_it_is_the_largest_mean_over_all_blocks(block: int) -> None:
    error = np.random.default_rng(block).random((3, 7, 11)).astype(np.float32)
    expected = [
        max(
            np.mean(
                [np.sqrt(float(image[i + r, j + c])) for r in range(block) for c in range(block)]
            )
            for i in range(7 - block + 1)
            for j in range(11 - block + 1)
        )
        for image in error
    ]
    np.testing.assert_allclose(block_peak(torch.from_numpy(error), block), expected, rtol=1e-12)


def test_a_block_that_holds_all_of_a_thing_and_nothing_else_tells_its_error() -> None:
    error = torch.zeros(2, 64, 80)
    error[1, 30:38, 70:78] = 0.09  # squared: the absolute error is 0.3
    assert block_peak(error, 8).tolist() == pytest.approx([0, 0.3])
    assert float(block_peak(error, 16)[1]) == pytest.approx(0.3 / 4)
    # The same thing anywhere, and whatever else is in the batch.
    assert float(block_peak(error[1:].roll((7, -40), (1, 2)), 8)[0]) == pytest.approx(0.3)


def test_sums_of_large_frames_are_not_rounded_away() -> None:
    error = torch.full((1, 1080, 1920), 1.0)
    error[0, 1079, 1919] = 1.21
    expected = 1 + 0.1 / 64
    assert float(block_peak(error, 8)[0]) == pytest.approx(expected, rel=1e-6)
    assert float(block_peak(torch.zeros(1, 1080, 1920), 8)[0]) == 0
