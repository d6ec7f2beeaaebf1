"""How a decoded frame becomes pixels."""

from __future__ import annotations

import gc
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from mnad.video.decode import decode
from mnad.video.file_time import exact
from mnad.video.pixels import EXACT, LUMA_FIRST, displayed
from mnad.video.sink import VideoSink
from mnad.video.source import count_frames, open_source


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


@pytest.mark.parametrize("layout", ["yuv420p", "yuvj422p", "nv12", "rgb24"])
def test_a_frame_is_converted_and_scaled_down_in_one_pass(layout: str) -> None:
    """Beside OpenCV's mean over the area of each pixel."""
    rng = np.random.default_rng(0)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (240, 400, 3), dtype=np.uint8), (0, 0), 3)
    rgb = cv2.normalize(rgb, None, 0, 255, cv2.NORM_MINMAX)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=layout, interpolation=EXACT)
    whole = displayed(VideoReformatter(), frame, 3)
    assert whole.shape == (240, 400, 3)
    for longest, size in ((400, (240, 400)), (1280, (240, 400)), (250, (150, 250))):
        found = displayed(VideoReformatter(), frame, 3, longest)
        assert found.shape == (*size, 3)
        expected = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(found.astype(int) - expected).mean() < 1.5
    np.testing.assert_array_equal(displayed(VideoReformatter(), frame, 3, 400), whole)


def test_rates_are_exact_and_known_or_none(tmp_path, write_video, noise) -> None:
    """By PyAV 18, which gives fractions and None, and 19, which has a class of its own, unset 0."""
    path = write_video(tmp_path / "a.mp4", noise(8), codec="libx264", pix_fmt="yuv420p")
    with open_source(path, 1) as source:
        frames = list(source)
    assert type(source.rate) is Fraction and source.rate == 25
    assert [frame.seconds for frame in frames] == [Fraction(n, 25) for n in range(8)]
    assert all(type(frame.seconds) is Fraction for frame in frames)
    assert exact(None) is exact(Fraction(0)) is None


def test_a_title_that_is_not_utf_8_does_no_harm(latin, noise) -> None:
    with open_source(latin, 3) as source:
        frames = [frame.pixels for frame in source]
    np.testing.assert_array_equal(frames, noise(8))
    assert count_frames(latin) == 8


def test_no_frame_outlives_its_use(tmp_path, write_video, noise) -> None:
    """Frames in reference cycles wait for the collector, and hundreds of large ones are much."""
    path = write_video(tmp_path / "a.mp4", noise(40), codec="libx264", pix_fmt="yuv420p")
    gc.collect()
    gc.disable()
    try:
        for count, frame in enumerate(decode(path, 1), 1):
            assert frame.colour is not None
            frame.colour(32)
            alive = sum(type(one) is VideoFrame for one in gc.get_objects())
            assert alive <= 20, f"{alive} frames are alive after {count}"
        assert count == 40
    finally:
        gc.enable()


def test_it_reads_by_a_pyav_that_has_dropped_an_option(tmp_path: Path) -> None:
    """PyAV 19 has no `metadata_errors`, which those before it need for a title in Latin-1."""
    path = tmp_path / "clip.mp4"
    with VideoSink(path, Fraction(25), (32, 32)) as sink:
        sink.write(np.zeros((32, 32, 3), np.uint8))
    code = f"""
import av

real, av.__version__ = av.open, "19.0.2"
def dropped(*given, metadata_errors=None, **options):
    assert metadata_errors is None
    return real(*given, **options)
av.open = dropped
import mnad.video.live_reader
from mnad.video.source import open_source
with open_source({str(path)!r}) as source:
    print(len(list(source)))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("1\n", "")
