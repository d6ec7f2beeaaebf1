from __future__ import annotations

from fractions import Fraction

import pytest

from mnad.errors import MnadError
from mnad.video.file_time import rising
from mnad.video.source import open_source


def times(stamps: list[int | None], origin: int | None = 0) -> list[float]:
    pairs = [(number, None if s is None else Fraction(s)) for number, s in enumerate(stamps)]
    given = list(rising(pairs, Fraction(1), None if origin is None else Fraction(origin)))  # type: ignore[arg-type]
    assert [number for number, _ in given] == list(range(len(stamps)))
    return [float(seconds) for _, seconds in given]


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([5, 6, 9], [0, 1, 4]),
        # Late ones lie between their neighbours, and those after them stay where they were.
        ([5, 6, 16, 8, 17, 18], [0, 1, 11, 11.5, 12, 13]),
        ([5, 10, 6, 7, 8, 9, 15], [0, 5, 6, 7, 8, 9, 10]),
        # The clock was set back: by more frames than can be late, or by the last ones.
        ([5, 6, 7, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ([5, 6, 7, 1, 3, 4], [0, 1, 2, 3, 5, 6]),
        # Without a time of its own a frame comes after the one before it.
        ([None, None, None], [0, 1, 2]),
        ([5, None, 9, None], [0, 1, 4, 5]),
    ],
)
def test_times_by_hand(stamps, seconds):
    assert times(stamps, origin=5) == seconds


def test_without_an_origin_the_first_frame_is_second_0():
    assert times([7, 8, 10], origin=None) == [0, 1, 3]


def test_late_frames_that_were_held_come_before_an_error():
    def broken():
        yield from ((0, Fraction(0)), (1, Fraction(5)), (2, Fraction(3)))
        raise MnadError("torn")

    found = []
    with pytest.raises(MnadError, match="torn"):
        found.extend(rising(broken(), Fraction(1), Fraction(0)))
    assert found == [(0, 0), (1, 5), (2, 6)]


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"x264-params": "bframes=0"}),
        ("libx264", {"x264-params": "bframes=5:b-adapt=0:scenecut=0:b-pyramid=strict"}),
        ("mpeg4", {"bf": "2"}),
        ("mjpeg", {}),
    ],
)
def test_an_avi_keeps_its_constant_rate(tmp_path, write_video, noise, codec, options):
    """AVI has no times of display, and its frames are out of order where there are B-frames."""
    path = write_video(
        *(tmp_path / "a.avi", noise(24)),
        codec=codec,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        codec_options=options,
    )
    with open_source(path) as source:
        assert [frame.seconds * 25 for frame in source] == list(range(24))


@pytest.mark.parametrize(
    ("codec", "suffix", "rate"),
    [
        ("libx264", ".h264", 10),
        ("libx264", ".h264", 25),
        ("libx264", ".h264", 60),
        ("libx265", ".hevc", 10),
        ("mpeg2video", ".m2v", 50),
    ],
)
def test_a_file_without_a_container_has_the_rate_of_its_headers(
    tmp_path, write_video, noise, codec, suffix, rate
):
    path = write_video(
        *(tmp_path / f"a{suffix}", noise(12)),
        codec=codec,
        pix_fmt="yuv420p",
        tick=Fraction(1, rate),
        rate=Fraction(rate),
        codec_options={"x265-params": "log-level=error"} if codec == "libx265" else {},
    )
    with open_source(path) as source:
        assert source.rate == rate
        seconds = [frame.seconds for frame in source]
    assert [then - seconds[0] for then in seconds] == [Fraction(k, rate) for k in range(12)]
