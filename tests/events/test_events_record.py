from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from footage import number_in, numbered

from mnad.events.event import Observed
from mnad.events.machine import EventConfig, EventMachine
from mnad.events.message import at_peak, camera_event
from mnad.events.record import Recorder, with_files
from mnad.video.sink import VideoSink
from mnad.video.source import open_source

RATE = Fraction(10)


def feed(recorder, scores, rate=10, size=(48, 64)):
    machine = EventMachine(EventConfig(threshold=0.8, cooldown_seconds=2.0), "yard", None)
    ends = []
    for k, score in enumerate(scores):
        told = machine.push(Observed(k, k / rate, score))
        recorder.push(numbered(k, size), k / rate, tuple(map(with_files, told)))
        ends += [m for m in told if m.phase == "end"]
    told = machine.close(len(scores) / rate)
    recorder.push(None, len(scores) / rate, tuple(map(with_files, told)))
    return [with_files(m) for m in (*ends, *told) if m.phase == "end"]


def clip_of(folder, event):
    with open_source(folder / event.clip) as source:
        return source, list(source)


def nothing_half_written(folder):
    return not [path for path in folder.rglob(".*")]


def appear(*paths):
    """Whether they are there within some seconds; the recorder works in a thread of its own."""
    until = time.monotonic() + 10
    while not all(path.exists() for path in paths) and time.monotonic() < until:
        time.sleep(0.01)
    return all(path.exists() for path in paths)


def test_clip_and_picture_of_an_event(tmp_path):
    scores = [0.1] * 150
    scores[50:61] = [0.9] * 6 + [1.0] + [0.9] * 4  # from 5.0 to 6.0, the peak at 5.6
    with Recorder(tmp_path, RATE, live=False) as recorder:
        (event,) = feed(recorder, scores)
    assert (event.start, event.end, event.peak_frame) == (5.0, 6.0, 56)
    source, frames = clip_of(tmp_path, event)
    # 3 s before and 3 s after.
    assert [number_in(f.pixels) for f in frames] == list(range(20, 91))
    assert [float(f.seconds) for f in frames] == pytest.approx(np.arange(71) / 10)
    assert source.size == (48, 64)
    assert number_in(cv2.imread(str(tmp_path / event.thumbnail))) == 56
    assert recorder.dropped == 0 and nothing_half_written(tmp_path)


def test_irregular_times_are_kept(tmp_path):
    seconds = np.cumsum([0.05, 0.2, 0.1, 0.31] * 20)
    event = with_files(camera_event("moved", "yard", None, float(seconds[30]), 30))
    end = replace(event, phase="end", end=6.0)
    with Recorder(tmp_path, RATE, 1.0, 1.0, live=False) as recorder:
        for k, moment in enumerate(seconds):
            told = {30: (event,), 40: (end,)}.get(k, ())
            recorder.push(numbered(k), float(moment), told)
    _, frames = clip_of(tmp_path, event)
    expected = seconds[(seconds >= seconds[30] - 1) & (seconds <= 7.0)]
    found = [float(f.seconds) for f in frames]
    assert found == pytest.approx(expected - expected[0], abs=1e-3)


def test_overlapping_events_share_frames(tmp_path):
    start = with_files(camera_event("covered", "yard", None, 5.2, 52))
    end = replace(start, phase="end", end=7.0)
    scores = [0.1] * 150
    scores[50:61] = [0.9] * 11
    with Recorder(tmp_path, RATE, live=False) as recorder:
        push = recorder.push

        def both(image, seconds, events):
            push(image, seconds, events + {5.5: (start,), 7.0: (end,)}.get(seconds, ()))

        recorder.push = both
        (event,) = feed(recorder, scores)
    found = [[number_in(f.pixels) for f in clip_of(tmp_path, e)[1]] for e in (event, start)]
    assert found == [list(range(20, 91)), list(range(22, 101))]
    assert number_in(cv2.imread(str(tmp_path / start.thumbnail))) == 52


def test_the_longest_clip_and_one_still_open_at_the_end(tmp_path):
    with Recorder(tmp_path, RATE, 1.0, 1.0, longest=4.0, live=False) as recorder:
        (event,) = feed(recorder, [0.1] * 20 + [0.9] * 70)
    assert [number_in(f.pixels) for f in clip_of(tmp_path, event)[1]] == list(range(10, 51))
    with Recorder(tmp_path / "open", RATE, live=False) as recorder:
        (event,) = feed(recorder, [0.1] * 20 + [0.9] * 10)
    frames = clip_of(tmp_path / "open", event)[1]
    assert [number_in(f.pixels) for f in frames] == list(range(30))


def test_the_clip_is_there_before_the_source_ends(tmp_path):
    recorder = Recorder(tmp_path, RATE, live=False)
    event = with_files(camera_event("moved", "yard", None, 1.0, 10))
    end = replace(event, phase="end", end=1.5)
    for k in range(20):
        recorder.push(numbered(k), k / 10, {10: (event,), 15: (end,)}.get(k, ()))
    recorder.push(None, 60.0, (with_files(camera_event("lost", "yard", None, 60.0, 20)),))
    assert appear(tmp_path / event.clip)
    recorder.close()


def test_where_the_stream_is_lost_the_clips_are_finished_at_once(tmp_path):
    ends_with_it, over, going_on = (
        with_files(camera_event(what, "yard", None, start, round(10 * start)))
        for what, start in (("moved", 4.0), ("covered", 3.0), ("frozen", 5.0))
    )
    ended = replace(over, phase="end", end=5.5)
    lost = with_files(at_peak(ends_with_it, "end", Observed(40, 4.0, 1.0), 5.9))
    recorder = Recorder(tmp_path, RATE, live=False)
    told = {30: (over,), 40: (ends_with_it,), 50: (going_on,), 55: (ended,)}
    for k in range(60):
        recorder.push(numbered(k), k / 10, told.get(k, ()))
    recorder.push(None, 5.9, (lost,))
    recorder.lost()
    # Nothing comes any more, and nobody closes it: the process may die before the stream is back.
    three = (ends_with_it, over, going_on)
    assert appear(*(tmp_path / event.clip for event in three))
    for event, first in zip(three, (10, 0, 20), strict=True):
        _, frames = clip_of(tmp_path, event)
        assert [number_in(f.pixels) for f in frames] == list(range(first, 60))
    assert nothing_half_written(tmp_path)
    # Told again, and back: what comes then belongs to none of them.
    recorder.lost()
    for k in range(80, 100):
        recorder.push(numbered(k), k / 10, ())
    recorder.close()
    assert [len(clip_of(tmp_path, event)[1]) for event in three] == [50, 60, 40]


def test_messages_without_a_picture_do_not_cut_the_clip(tmp_path):
    """As when another model takes over, and when pictures are dropped."""
    event = with_files(camera_event("moved", "yard", None, 1.0, 10))
    end = replace(event, phase="end", end=1.5)
    with Recorder(tmp_path, RATE, live=False) as recorder:
        for k in range(60):
            recorder.push(numbered(k), k / 10, (event,) if k == 10 else ())
            if k == 15:
                recorder.push(None, 1.5, (end,))
    _, frames = clip_of(tmp_path, event)
    assert [number_in(f.pixels) for f in frames] == list(range(46))


def test_large_pictures_are_scaled_down(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2160, 3840, 3), np.uint8)
    event = with_files(camera_event("moved", "yard", None, 0.0, 0))
    with Recorder(tmp_path, RATE, live=False) as recorder:
        recorder.push(noise, 0.0, (event,))
        recorder.push(noise[:, :1000], 0.1, ())  # the size changes midway
    source, frames = clip_of(tmp_path, event)
    assert source.size == (720, 1280) and len(frames) == 2
    assert cv2.imread(str(tmp_path / event.thumbnail)).shape == (720, 1280, 3)


def test_what_is_held_is_bounded_in_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("mnad.events.record._HELD_BYTES", 100_000)
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    with Recorder(tmp_path, RATE, live=False) as recorder:
        for k in range(40):
            recorder.push(noise, k / 10, ())
    held = sum(len(held.jpeg) for held in recorder._held)
    assert 50_000 < held == recorder._held_bytes <= 100_000


def test_what_is_held_is_bounded_in_time(tmp_path):
    with Recorder(tmp_path, RATE, pre_seconds=3.0, live=False) as recorder:
        for k in range(200):
            recorder.push(numbered(k), k / 10, ())
    times = [held.seconds for held in recorder._held]
    assert times[-1] == 19.9 and 10.8 < times[0] < 19.9 - 3.0


def test_a_slow_disk_never_stalls_the_caller(tmp_path, monkeypatch, caplog):
    write = VideoSink.write
    slowness = 0.05

    def slow(*args):
        time.sleep(slowness)
        write(*args)

    monkeypatch.setattr(VideoSink, "write", slow)
    scores = [0.1] * 30 + [0.9] * 10 + [0.1] * 160
    recorder = Recorder(tmp_path, RATE)
    began = time.monotonic()
    (event,) = feed(recorder, scores)
    pushed = time.monotonic() - began
    slowness = 0.0
    recorder.close()
    # Every frame of the clip takes 0.05 s: the 200 frames would take seconds.
    assert pushed < 1.0 and 0 < recorder.dropped < 200
    assert len(caplog.records) == 1
    # Dropped frames are missing from the clip, its messages are not.
    numbers = [number_in(f.pixels) for f in clip_of(tmp_path, event)[1]]
    assert numbers == sorted(set(numbers)) and numbers[-1] <= 69
    assert (tmp_path / event.thumbnail).exists() and nothing_half_written(tmp_path)


def test_a_higher_peak_replaces_the_picture(tmp_path):
    first = with_files(camera_event("moved", "yard", None, 1.0, 10))
    second = at_peak(first, "update", Observed(15, 1.5, 1.0))
    with Recorder(tmp_path, RATE, live=False) as recorder:
        for k in range(20):
            recorder.push(numbered(k), k / 10, {12: (first,), 18: (second,)}.get(k, ()))
    assert number_in(cv2.imread(str(tmp_path / first.thumbnail))) == 15


DISK = """
import logging, resource, sys
from dataclasses import replace
from fractions import Fraction
import numpy as np
from mnad.events.message import camera_event
from mnad.events.record import Recorder, with_files
# Writing past this size fails as on a full disk, for every file of the process.
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
logging.basicConfig(format="LOGGED %(message)s")
rng = np.random.default_rng(0)
event = with_files(camera_event("moved", "yard", None, 1.0, 10))
with Recorder(sys.argv[1], Fraction(10), live=False) as recorder:
    for k in range(60):
        noise = rng.integers(0, 256, (96, 128, 3), np.uint8)
        recorder.push(noise, k / 10, (event,) if k == 10 else ())
print("went on")
"""


@pytest.mark.parametrize(("most", "left"), [(1_000, 0), (60_000, 1)])
def test_a_full_disk_costs_the_clip_only(tmp_path, most, left):
    pytest.importorskip("resource", reason="a limit to the size of files needs Unix")
    done = subprocess.run(
        [sys.executable, "-c", DISK, str(tmp_path), str(most)], capture_output=True, text=True
    )
    assert done.returncode == 0 and "went on" in done.stdout, done.stderr
    assert done.stderr.count("LOGGED") == 1 and "Traceback" not in done.stderr
    # No clip; the picture where it is small enough; nothing half-written.
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.suffix for path in files] == [".jpg"] * left


def test_what_a_crash_left_is_removed(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / ".a.part.mp4").write_bytes(b"x")
    (tmp_path / "clips" / "b.mp4").write_bytes(b"x")
    Recorder(tmp_path, RATE).close()
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["b.mp4"]


def test_messages_without_names_get_no_files(tmp_path):
    event = camera_event("moved", "yard", None, 0.0, 0)
    with Recorder(tmp_path, RATE) as recorder:
        recorder.push(numbered(0), 0.0, (event,))
        with pytest.raises(ValueError, match="uint8"):
            recorder.push(numbered(0)[..., :1], 0.1, ())
    assert list(tmp_path.iterdir()) == []
