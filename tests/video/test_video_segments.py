from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from footage import number_in, numbered

from mnad.errors import MnadError
from mnad.video.segments import SegmentedVideo
from mnad.video.sink import VideoSink
from mnad.video.source import open_source

RATE = Fraction(10)
NIGHT = datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC)


def numbers(path):
    with open_source(path) as source:
        return [(number_in(f.pixels), f.seconds) for f in source]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_frame_is_in_one_segment(tmp_path):
    with SegmentedVideo(tmp_path, RATE, seconds=2.0, started_at=NIGHT) as video:
        for k in range(50):
            video.write(numbered(k), k / 10)
            whole = [name for name in names(tmp_path) if not name.startswith(".")]
            assert len(whole) == k // 20  # there as soon as it is closed
            assert all(numbers(tmp_path / name) for name in whole[-1:] if k % 20 == 0)
    assert names(tmp_path) == [
        "overlay-20261231T235958Z.mp4",
        "overlay-20270101T000000Z.mp4",
        "overlay-20270101T000002Z.mp4",
    ]
    found = [numbers(tmp_path / name) for name in names(tmp_path)]
    assert [k for part in found for k, _ in part] == list(range(50))
    assert all([s for _, s in part] == [k / RATE for k in range(len(part))] for part in found)


def test_another_size_begins_another_segment(tmp_path):
    with SegmentedVideo(tmp_path, RATE, started_at=NIGHT) as video:
        for k, size in enumerate([(48, 64)] * 3 + [(32, 64)] * 2 + [(48, 64)] * 2):
            video.write(numbered(k, size), k / 10)
    found = [[k for k, _ in numbers(tmp_path / name)] for name in names(tmp_path)]
    assert found == [[0, 1, 2], [3, 4], [5, 6]]


def test_numbers_go_on(tmp_path):
    for _ in range(2):
        with SegmentedVideo(tmp_path, RATE, seconds=0.2) as video:
            for k in range(4):
                video.write(numbered(k), k / 10)
    assert names(tmp_path) == [f"overlay-00000{n}.mp4" for n in (1, 2, 3, 4)]


def test_an_exception_keeps_what_was_written(tmp_path):
    with pytest.raises(KeyboardInterrupt), SegmentedVideo(tmp_path, RATE) as video:
        for k in range(4):
            video.write(numbered(k), k / 10)
        raise KeyboardInterrupt
    assert len(numbers(tmp_path / "overlay-000001.mp4")) == 4


def test_a_segment_that_fails_is_dropped_and_tried_again(tmp_path, monkeypatch, caplog):
    write = VideoSink.write
    full = True

    def failing(*args):
        if full:
            raise MnadError("the disk is full")
        write(*args)

    monkeypatch.setattr(VideoSink, "write", failing)
    with SegmentedVideo(tmp_path, RATE) as video:
        for k in range(30):
            video.write(numbered(k), k / 10)
        assert len(caplog.records) == 1 and names(tmp_path) == []
        full = False
        video.write(numbered(40), 59.9)
        video.write(numbered(41), 60.0)
    assert [k for k, _ in numbers(tmp_path / "overlay-000001.mp4")] == [41]


def test_a_disk_that_goes_read_only_is_logged_and_ends_nothing(
    tmp_path, monkeypatch, caplog, read_only
):
    def failing(*args):
        raise MnadError("the disk is read-only")

    with SegmentedVideo(tmp_path, RATE, seconds=1) as video:
        for k in range(10):
            video.write(numbered(k), k / 10)
        read_only()
        video.write(numbered(10), 1.0)  # the first ends here
        monkeypatch.setattr(VideoSink, "write", failing)
        video.write(numbered(11), 1.1)
    first, second = (record.getMessage() for record in caplog.records)
    assert "Read-only file system" in first and "the disk is read-only" in second


KILLED = """
import sys
from fractions import Fraction
import numpy as np
from mnad.video.segments import SegmentedVideo
rng = np.random.default_rng(0)
with SegmentedVideo(sys.argv[1], Fraction(10), seconds=float(sys.argv[2])) as video:
    for k in range(200):
        bars = np.repeat(np.unpackbits(np.array([k], np.uint8)) * np.uint8(255), 8)
        picture = np.tile(bars[None, :, None], (48, 1, 3))
        picture[:8] = rng.integers(0, 255, (8, 64, 3))  # as a real one, it takes some room
        video.write(picture, k / 10)
        if k == int(sys.argv[3]):
            print("here", flush=True)
            sys.stdin.read()
"""


def killed(folder, seconds, last):
    """What a run leaves that is killed after so many frames."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(seconds), str(last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_kill_costs_the_last_seconds_of_the_open_segment(tmp_path):
    killed(tmp_path, 600.0, 120)
    assert names(tmp_path) == [".overlay-000001.part.mp4"]
    with SegmentedVideo(tmp_path, RATE) as video:
        assert names(tmp_path) == ["overlay-000001.mp4"]
        video.write(numbered(7), 0.0)
    kept = numbers(tmp_path / "overlay-000001.mp4")
    assert 80 <= len(kept) <= 121 and kept == [(k, k / RATE) for k in range(len(kept))]
    assert numbers(tmp_path / "overlay-000002.mp4") == [(7, 0)]


def test_a_kill_costs_the_open_segment_at_most(tmp_path):
    killed(tmp_path, 2.0, 50)
    whole = ["overlay-000001.mp4", "overlay-000002.mp4"]
    assert names(tmp_path) == [".overlay-000003.part.mp4", *whole]
    assert [k for name in whole for k, _ in numbers(tmp_path / name)] == list(range(40))
    with SegmentedVideo(tmp_path, RATE):
        assert names(tmp_path) == whole


def test_no_place_for_it(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MnadError, match="cannot be written"):
        SegmentedVideo(tmp_path / "file", RATE)
