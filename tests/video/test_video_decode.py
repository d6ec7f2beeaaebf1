"""How a decoded frame becomes pixels."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from mnad.video.decode import EXACT, LUMA_FIRST, displayed


@pytest.mark.parametrize("layout", LUMA_FIRST)
@pytest.mark.parametrize("colour_range", [0, 1, 2])
def test_the_luma_plane_is_what_ffmpegs_scaler_makes_of_it(layout: str, colour_range: int) -> None:
    """Odd sizes pad the lines of a plane; every value of it occurs, those out of range too."""
    rng = np.random.default_rng(0)
    for height, width in ((54, 70), (37, 51), (16, 256)):
        frame = av.VideoFrame(width, height, layout)
        for plane in frame.planes:
            plane.update(rng.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
        frame.color_range = colour_range
        scaled = VideoReformatter().reformat(frame, format="gray", interpolation=EXACT)
        found = displayed(VideoReformatter(), frame, 1)
        assert found.shape == (height, width, 1)
        np.testing.assert_array_equal(found[..., 0], scaled.to_ndarray())
        found[:] = 0  # a copy: the frame's own memory is FFmpeg's
        assert np.frombuffer(frame.planes[0], np.uint8).any()
