"""Watching what never ends: the camera's ills, gaps, restarts, stopping in order."""

from __future__ import annotations

import csv
import errno
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
from street import RATE, as_frames, colour, street, video

from mnad.alarms.alarms import AlarmConfig
from mnad.camera.view import View
from mnad.cli import main
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.events.event import Event
from mnad.events.log import EventLog, read_events
from mnad.models.folder import load_model
from mnad.reports.pictures import _embedded
from mnad.video.live import Gap, LiveSource
from mnad.video.source import Frame, count_frames
from mnad.watch.live import Wall, watch_live
from mnad.watch.messages import MOST_EVENTS
from mnad.watch.options import EventTimes, WatchOptions
from mnad.watch.status import Status
from mnad.watch.table import read_days
from mnad.watch.watcher import Watcher

QUIET = WatchOptions(overlay=False, clips=False)
STREAM, FILE = (
    cast(LiveSource, SimpleNamespace(name="cam", finite=finite)) for finite in (False, True)
)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def detector(model: Path) -> Detector:
    return Detector.load(model)


@pytest.fixture
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A played file comes as fast as it is read."""
    monkeypatch.setattr("mnad.video.played.time.sleep", lambda seconds: None)


def table(out: Path) -> list[dict[str, str]]:
    (path,) = out.glob("scores-*.csv")
    with path.open() as lines:
        return list(csv.DictReader(lines))


def of(events: list[Event], phase: str, kind: str = "anomaly") -> list[Event]:
    return [event for event in events if event.phase == phase and event.kind == kind]


def test_while_the_lens_is_covered_nothing_of_the_scene_is_told(
    detector: Detector, tmp_path: Path
) -> None:
    frames = street(260, 1, thing=range(130, 160), covered=range(60, 180))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in as_frames(frames):
            watcher.push(frame)
    told = read_events(tmp_path / "events.jsonl")
    (covered,) = of(told, "start", "camera")
    (again,) = of(told, "end", "camera")
    assert covered.what == "covered" and again.id == covered.id
    # Two seconds to be sure, and the mean over the last seconds that it looks at.
    assert 8 <= covered.start < 13 and 20 <= again.end < 25
    # The cover itself looks unusual until it is known as such; nothing does after that.
    assert all(event.start < covered.start for event in of(told, "start"))
    assert all(event.end <= covered.start for event in of(told, "end"))
    # One cause, two alarms: the second one says so, and the report, too.
    just_before = [e.id for e in of(told, "start") if e.start >= covered.start - 10]
    assert just_before and covered.explains == again.explains == tuple(just_before)
    page = (tmp_path / "report.html").read_text()
    assert page.count("what befell the camera: covered from 00:00:") == 1
    assert len(of(told, "start")) == len(of(told, "end")) <= 1
    rows = table(tmp_path)
    assert len(rows) == 256 and {row["camera"] for row in rows} == {"", "covered"}
    blind = [float(row["seconds"]) for row in rows if row["camera"]]
    assert (blind[0], blind[-1]) == pytest.approx((covered.start, again.end - 1 / RATE), abs=0.11)
    assert len(blind) == round((blind[-1] - blind[0]) * RATE) + 1
    # mnad review leaves that out.
    read = read_days(tmp_path, NOON)
    np.testing.assert_array_equal(np.isnan(read.score), [bool(row["camera"]) for row in rows])


def test_a_clock_that_was_wrong_dates_nothing_once_it_is_right(
    detector: Detector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Started without a network at noon of another day; the time is had after fifteen seconds."""
    right = NOON + timedelta(days=30)

    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Now:
            since = NOON if frame.index < 150 else right
            return cls.fromtimestamp(
                (since + timedelta(seconds=float(frame.seconds))).timestamp(), tz
            )

    monkeypatch.setattr("mnad.watch.live.datetime", Now)
    monkeypatch.setattr("mnad.watch.live.WALL_SECONDS", 0.0)
    options = replace(QUIET, overlay=True)
    frames = street(260, 1, thing=range(200, 220), covered=range(60, 180))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        wall = Wall(STREAM, NOON)
        for frame in as_frames(frames):
            if wall.look(frame):
                watcher.set_clock(wall.started_at)
            watcher.push(frame)
    assert caplog.text.count("the clock was set") == 1
    told = read_events(tmp_path / "events.jsonl")
    (covered,), (again,) = of(told, "start", "camera"), of(told, "end", "camera")
    assert again.id == covered.id and again.at == covered.at
    last = of(told, "start")[-1]
    assert covered.at is not None and covered.at[:10] == "2026-05-04"
    assert last.at is not None and last.at[:10] == "2026-06-03"
    rows = [
        row
        for path in sorted(tmp_path.glob("scores-*.csv"))
        for row in csv.DictReader(path.open(encoding="utf-8"))
    ]
    assert [row["time"][:10] for row in rows].index("2026-06-03") == 151 - 4  # looked at twice
    seconds = (datetime.fromisoformat(rows[-1]["time"]) - right).total_seconds()
    assert seconds == pytest.approx(float(rows[-1]["seconds"]), abs=0.001)


def test_a_clock_that_was_set_to_another_season_shows_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Begun without a network on a day in May, which is one in December."""
    right = NOON.replace(month=12)

    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Now:
            return cls.fromtimestamp(right.timestamp(), tz)

    monkeypatch.setattr("mnad.watch.live.datetime", Now)
    monkeypatch.setattr("mnad.watch.live.WALL_SECONDS", 0.0)
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        time.tzset()
        wall = Wall(STREAM, NOON.astimezone())
        assert [wall.look(as_frames(street(1, 1))[0]) for _ in range(2)] == [False, True]
        assert wall.started_at == right
        assert wall.started_at.utcoffset() == timedelta(hours=1)
    time.tzset()


def test_a_clock_that_is_right_is_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnad.watch.live.WALL_SECONDS", 0.0)
    started = datetime.now(UTC) - timedelta(seconds=1)
    wall = Wall(STREAM, started)
    assert not any(wall.look(frame) for frame in as_frames(street(3, 1)))
    assert wall.started_at == started


def test_frames_that_are_late_once_change_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnad.watch.live.WALL_SECONDS", 0.0)
    started = datetime.now(UTC) - timedelta(seconds=12)
    late, in_time = as_frames(street(1, 1), 0, 4.0), as_frames(street(3, 1), 1, 12.0)
    wall = Wall(STREAM, started)
    assert not any(wall.look(frame) for frame in (*late, *in_time))
    assert wall.started_at == started


def test_the_seconds_of_a_file_are_none_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnad.watch.live.WALL_SECONDS", 0.0)
    for source, kept in ((FILE, True), (STREAM, False)):
        wall = Wall(source, NOON)
        for frame in as_frames(street(3, 1)):
            wall.look(frame)
        assert (wall.started_at == NOON) == kept


def test_time_stamps_that_run_slow_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that says 25 frames per second and sends 20: twelve seconds off each minute."""
    now = NOON

    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Now:
            return cls.fromtimestamp(now.timestamp(), tz)

    monkeypatch.setattr("mnad.watch.live.datetime", Now)
    monkeypatch.setattr("mnad.watch.live.WALL_SECONDS", 0.0)
    wall = Wall(STREAM, NOON)
    for minute in range(60):
        now = NOON + timedelta(minutes=minute)
        (frame,) = as_frames(street(1, 1), minute, 48.0 * minute)
        wall.look(frame)
        off = wall.started_at + timedelta(seconds=48 * minute) - now
        assert abs(off) <= timedelta(seconds=24)


def test_what_is_told_now_is_not_what_was_told_before(detector: Detector, tmp_path: Path) -> None:
    for thing, told in ((range(20, 40), 1), (range(0), 0)):
        with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
            for frame in as_frames(street(60, 2, thing=thing)):
                watcher.push(frame)
        assert watcher.told == told and len(watcher.events) == 1


def test_a_gap_ends_the_event_and_no_window_reaches_over_it(
    detector: Detector, tmp_path: Path
) -> None:
    before, after = street(40, 2, thing=range(20, 40)), street(30, 3)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in as_frames(before):
            watcher.push(frame)
        assert len(watcher.going_on) == 1
        watcher.gap(Gap(3.9, None, "the connection hangs", 0))
        watcher.gap(Gap(3.9, None, "refused", 1))  # told again with another reason
        assert not watcher.going_on
        watcher.gap(Gap(3.9, 9.0, "refused", 2))
        for frame in as_frames(after, 40, 9.0):
            watcher.push(frame)
    told = read_events(tmp_path / "events.jsonl")
    assert [event.phase for event in told if event.phase != "update"] == ["start", "end"]
    assert told[-1].end == pytest.approx(3.9)
    scored = [int(row["frame"]) for row in table(tmp_path)]
    assert scored == [*range(4, 40), *range(44, 70)]
    # Another stream that saw only what came after scores it just so.
    with Watcher(detector, tmp_path / "x", "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in as_frames(after, 40, 9.0):
            watcher.push(frame)
    assert table(tmp_path / "x") == table(tmp_path)[36:]
    page = (tmp_path / "report.html").read_text()
    assert "No picture: refused" in page


def test_of_who_cuts_the_cable_there_is_a_clip_before_the_stream_is_back(
    detector: Detector, tmp_path: Path
) -> None:
    options = replace(QUIET, clips=True)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in as_frames(street(40, 2, thing=range(20, 40))):
            watcher.push(frame)
        (id_,) = watcher.going_on
        watcher.gap(Gap(3.9, None, "the connection hangs", 0))
        clip = tmp_path / "clips" / f"{id_}.mp4"
        until = time.monotonic() + 10
        while not clip.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert clip.exists() and count_frames(clip) == 40


def test_the_report_of_each_minute_scales_no_picture(detector: Detector, tmp_path: Path) -> None:
    """The thread that scores writes it."""
    options = replace(QUIET, clips=True)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in as_frames(street(60, 2, thing=range(20, 40))):
            watcher.push(frame)
        (id_,) = watcher.events
        watcher.gap(Gap(5.9, None, "refused", 0))
        clip, until = tmp_path / "clips" / f"{id_}.mp4", time.monotonic() + 10
        while not clip.exists() and time.monotonic() < until:  # its picture comes before
            time.sleep(0.01)
        made = _embedded.cache_info().misses
        watcher.keep_house()
        assert "data:image/jpeg" in (tmp_path / "report.html").read_text()
        assert _embedded.cache_info().misses == made


def test_a_stream_that_stays_away_is_told_of_once(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(QUIET, clips=True)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in as_frames(street(40, 2)):
            watcher.push(frame)
        watcher.gap(Gap(3.9, None, "the connection hangs", 0))
        watcher.idle()
        assert not watcher.events  # it may be back in a moment
        monkeypatch.setattr("mnad.watch.watcher.LOST_SECONDS", 0.0)
        for _ in range(3):
            watcher.idle()
            watcher.gap(Gap(3.9, None, "refused", 1))
        watcher.swap(detector)  # a training that ends meanwhile changes nothing
        watcher.idle()
        watcher.gap(Gap(3.9, 99.0, "refused", 2))
        for frame in as_frames(street(30, 3), 40, 99.0):
            watcher.push(frame)
        # Lost again, for a moment.
        watcher.gap(Gap(101.9, None, "refused", 1))
        watcher.gap(Gap(101.9, 103.0, "refused", 1))
        watcher.idle()
        # And for good, until it is stopped.
        watcher.gap(Gap(102.5, None, "refused", 1))
        watcher.idle()
    start, end, again, stopped = read_events(tmp_path / "events.jsonl")
    assert (again.what, again.start, stopped.id) == ("lost", 102.5, again.id)
    assert stopped.end is not None and 102.5 <= stopped.end < 110
    assert (start.kind, start.what, start.phase, start.start) == ("camera", "lost", "start", 3.9)
    assert end == replace(start, phase="end", end=99.0)
    assert start.clip is not None and count_frames(tmp_path / start.clip) == 31
    assert "Camera: lost" in (tmp_path / "report.html").read_text()


def test_a_covered_lens_goes_on_until_it_is_free_and_is_not_what_is_learnt(
    detector: Detector, tmp_path: Path
) -> None:
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        seen = []
        for frame in as_frames(street(260, 2, covered=range(60, 160))):
            watcher.push(frame)
            seen.append(tuple(watcher.going_on))
    (start,) = of(read_events(tmp_path / "events.jsonl"), "start", "camera")
    assert start.what == "covered"
    told = [number for number, ids in enumerate(seen) if start.id in ids]
    assert told == [*range(told[0], told[-1] + 1)]
    assert 60 < told[0] < 120 and 160 < told[-1] < 260


def test_what_moved_while_the_picture_was_frozen_has_not_leapt(
    detector: Detector, tmp_path: Path
) -> None:
    frames = street(250, 1)
    frames[40:140] = frames[39]
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in as_frames(frames):
            watcher.push(frame)
    assert [(e.what, e.phase) for e in read_events(tmp_path / "events.jsonl")] == [
        ("frozen", "start"),
        ("frozen", "end"),
    ]
    # Until it is over, its scores are of a frozen camera: `mnad review` leaves them out.
    blind = [float(row["seconds"]) for row in table(tmp_path) if row["camera"]]
    assert (blind[0], blind[-1]) == pytest.approx((9.0, 16.5), abs=0.3)


def test_of_two_frames_a_second_a_window_takes_longer_to_be_of_new_ones(
    model: Path, tmp_path: Path
) -> None:
    known = load_model(model)
    assert known.calibration is not None
    slow = Detector(replace(known, calibration=replace(known.calibration, rate=2.0)))
    frames = street(140, 1)
    frames[40:80] = frames[39]
    with Watcher(slow, tmp_path, "cam", Fraction(2), QUIET, NOON) as watcher:
        for frame in as_frames(frames):
            watcher.push(replace(frame, seconds=Fraction(frame.index, 2)))
    (frozen,) = of(read_events(tmp_path / "events.jsonl"), "end", "camera")
    # The window is full of new frames at 42 s.
    assert (frozen.what, frozen.end) == ("frozen", 43.5)


def test_what_is_told_ever_more_rarely_is_not_what_is_learnt_meanwhile(
    detector: Detector, tmp_path: Path
) -> None:
    times = EventTimes(longest_seconds=3.0, cooldown_seconds=3.0)
    options, seen = replace(QUIET, times=times), []
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in as_frames(street(260, 2, thing=range(20, 160))):
            watcher.push(frame)
            seen.append(tuple(watcher.going_on))
    told = read_events(tmp_path / "events.jsonl")
    first, second = of(told, "start")
    ends = [event.end for event in of(told, "end")]
    assert ends == pytest.approx([5.1, 11.2], abs=0.4)
    # Two rests of three and of six seconds; it is over a cool-down after its last frame.
    began, changed = seen.index((first.id,)), seen.index((second.id,))
    over = seen.index((), changed)
    assert (changed / RATE, over / RATE) == pytest.approx((8.2, 19.1), abs=0.5)
    assert seen == (
        [()] * began
        + [(first.id,)] * (changed - began)
        + [(second.id,)] * (over - changed)
        + [()] * (len(seen) - over)
    )


def rarely(count: int, first: int, seconds: float, **seen: range) -> list[Frame]:
    """One frame a second."""
    frames = as_frames(street(count, 3, **seen), first)
    return [
        replace(f, seconds=Fraction(seconds + n).limit_denominator(10))
        for n, f in enumerate(frames)
    ]


def test_a_camera_that_falls_to_a_frame_a_second_is_told_of(
    detector: Detector, tmp_path: Path, receiver: tuple[str, list[dict[str, object]]]
) -> None:
    address, got = receiver
    options = replace(QUIET, clips=True, alarms=AlarmConfig(webhook=address, send_end=True))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in as_frames(street(40, 2, thing=range(20, 40))):
            watcher.push(frame)
        (open_,) = watcher.going_on
        for frame in rarely(60, 40, 4.9):
            watcher.push(frame)
        assert not watcher.going_on  # what nobody sees does not go on
        watcher.keep_house()
        text = " ".join((tmp_path / "report.html").read_text().split())
        assert "00:00:03 – now</a><span>Camera: slow <span" in text and "for 1 min so far" in text
        watcher.swap(detector)  # a training that ends meanwhile changes nothing
        for frame in as_frames(street(150, 4), 100, 64.0):
            watcher.push(frame)
        # And for good, until it is stopped.
        for frame in rarely(50, 250, 80.0):
            watcher.push(frame)
    told = [event for event in read_events(tmp_path / "events.jsonl") if event.phase != "update"]
    camera = [event for event in told if event.kind == "camera"]
    start, end, again, stopped = camera
    assert (start.what, start.phase, start.start, start.peak_frame) == ("slow", "start", 3.9, 39)
    assert end == replace(start, phase="end", end=end.end) and 64 < end.end < 75
    assert (again.start, again.phase) == (pytest.approx(78.9), "start")
    assert stopped == replace(again, phase="end", end=129.0)
    assert [event.phase for event in told if event.id == open_] == ["start", "end"]
    assert next(event.end for event in told if event.id == open_ and event.end) == 3.9
    assert [(one["what"], one["phase"]) for one in got if one["kind"] == "camera"] == [
        ("slow", "start"),
        ("slow", "end"),
    ] * 2
    assert start.clip is not None and (tmp_path / start.clip).is_file()


def test_of_a_camera_that_never_comes_fast_enough_there_is_a_report(
    detector: Detector, tmp_path: Path
) -> None:
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in rarely(40, 0, 0.0):
            watcher.push(frame)
    assert watcher.frames == 0
    page = (tmp_path / "report.html").read_text()
    assert "Nothing was scored in 39 s" in page and "Camera: slow" in page


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[3:]
from fractions import Fraction
from pathlib import Path
from street import RATE, as_frames, street
from mnad.alarms.alarms import AlarmConfig
from mnad.detector import Detector
from mnad.watch.options import WatchOptions
from mnad.watch.watcher import Watcher
from datetime import UTC, datetime

options = WatchOptions(alarms=AlarmConfig(webhook="http://127.0.0.1:9/nobody"))
start = datetime(2026, 5, 4, 12, tzinfo=UTC)
detector, out = Detector.load(sys.argv[1]), Path(sys.argv[2])
with Watcher(detector, out, "cam", Fraction(RATE), options, start) as w:
    for frame in as_frames(street(60, 2, thing=range(20, 60))):
        w.push(frame)
        if frame.index == 40:
            assert w.going_on and w.waiting
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_the_open_event_ends_and_waiting_alarms_are_delivered(
    model: Path,
    detector: Detector,
    tmp_path: Path,
    receiver: tuple[str, list[dict[str, object]]],
) -> None:
    here = Path(__file__).parent
    code = [sys.executable, "-c", KILLED, str(model), str(tmp_path), str(here), str(here.parent)]
    assert subprocess.run(code, timeout=120).returncode == -signal.SIGKILL
    (start,) = of(read_events(tmp_path / "events.jsonl"), "start")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"id": "torn')  # as the power failed, too
    address, got = receiver
    options = WatchOptions(alarms=AlarmConfig(webhook=address, send_end=True))
    later = datetime(2026, 5, 4, 13, tzinfo=UTC)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, later) as watcher:
        for frame in as_frames(street(12, 4)):
            watcher.push(frame)
        assert watcher.events[start.id].phase == "end"
    assert [(one["id"], one["phase"]) for one in got] == [(start.id, "start"), (start.id, "end")]
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [one["phase"] for one in told if one["phase"] != "update"] == ["start", "end"]
    # Of the clip that the kill cut off there is what was on disk; nothing else is named or left.
    clip = told[-1]["clip"]
    assert clip is None or count_frames(tmp_path / clip) > 0
    assert not list(tmp_path.rglob("*.part*"))
    assert Path(tmp_path, told[-1]["thumbnail"]).is_file()
    page = (tmp_path / "report.html").read_text()
    assert "<h1>1 event in" in page and start.id in page


def test_what_is_killed_between_the_alarm_and_the_record_loses_no_alarm(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def append(log: EventLog, event: Event) -> None:
        if event.phase == "start":
            raise Killed

    monkeypatch.setattr(EventLog, "append", append)
    options = WatchOptions(alarms=AlarmConfig(webhook="http://127.0.0.1:9/nobody"))
    start = datetime(2026, 5, 4, 12, tzinfo=UTC)
    with (
        pytest.raises(Killed),
        Watcher(detector, tmp_path, "cam", Fraction(RATE), options, start) as w,
    ):
        for frame in as_frames(street(60, 2, thing=range(20, 60))):
            w.push(frame)
    (waiting,) = (tmp_path / "alarms").glob("*-webhook.json")
    assert json.loads(waiting.read_text())["payload"]["phase"] == "start"


def test_the_log_says_what_is_told_and_how_the_camera_is(
    detector: Detector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where nobody has set up alarms, and where one wants to know whether it is alive."""
    caplog.set_level("INFO")
    monkeypatch.setattr("mnad.watch.status.QUIET_SECONDS", 0.0)
    source = cast(LiveSource, SimpleNamespace(name="cam", lag=0.0, dropped=0))
    frames = as_frames(street(260, 1, covered=range(60, 180)))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        status, said = Status(tmp_path, source), []
        for frame in frames:
            watcher.push(frame)
            status.show(watcher)
            said.append("frames/s, COVERED, lag 0.00 s" in caplog.messages[-1])
        watcher.gap(Gap(25.9, None, "the cable", 0))
        status.show(watcher)
        assert caplog.messages[-1].startswith("cam: LOST, lag")
    told = read_events(tmp_path / "events.jsonl")
    (covered,), (again,) = of(told, "start", "camera"), of(told, "end", "camera")
    assert [said.index(True), 260 - said[::-1].index(True)] == [
        round(one * RATE) for one in (covered.start, again.end)
    ]
    events = [text for text in caplog.messages if "event " in text]
    starts = [f"cam: {e.what}, event {e.id}" for e in told if e.phase == "start"]
    assert events == [*starts, f"cam: end of covered, event {covered.id}"]


def test_a_terminal_that_is_closed_ends_no_watching(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun in the background and disowned, it outlives the shell."""

    class Terminal(io.StringIO):
        there = True

        def isatty(self) -> bool:
            return True

        def flush(self) -> None:
            if not self.there:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    terminal = Terminal()
    monkeypatch.setattr("mnad.watch.status.TERMINAL_SECONDS", 0.0)
    monkeypatch.setattr("mnad.watch.status.sys", SimpleNamespace(stderr=terminal))
    source = cast(LiveSource, SimpleNamespace(name="cam", lag=0.0, dropped=0))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        status = Status(tmp_path, source)
        status.show(watcher)
        assert "0 events" in terminal.getvalue()
        terminal.there = False
        for _ in range(2):
            status.show(watcher)
        status.end(watcher)


def test_a_played_file_is_watched_to_its_end(
    model: Path, tmp_path: Path, unpaced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = video(tmp_path / "thing.mp4", street(90, 2, thing=range(20, 50)))
    out = tmp_path / "out"
    words = ["detect", str(model), str(clip), "--live", "--fail_on_event", "--out", str(out)]
    assert main(words) == 3
    assert "86 frames, 1 event(s)" in capsys.readouterr().out
    out = out / "thing"
    (start,) = of(read_events(out / "events.jsonl"), "start")
    assert start.at is not None and start.at.endswith("Z")
    rows = table(out)
    assert [int(row["frame"]) for row in rows] == list(range(4, 90))
    gaps = [
        (datetime.fromisoformat(b["time"]) - datetime.fromisoformat(a["time"])).total_seconds()
        for a, b in pairwise(rows)
    ]
    assert gaps == pytest.approx([0.1] * 85, abs=0.0011)
    assert len(list((out / "overlay").glob("overlay-*.mp4"))) == 1
    assert len(list((out / "clips").glob("*.mp4"))) == 1


def test_a_played_file_that_is_too_short_says_so(
    model: Path, tmp_path: Path, unpaced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of a file that is not played; it read "0 frames scored", with exit code 0."""
    clip = video(tmp_path / "short.mp4", street(4, 2))
    told = []
    for live in ([], ["--live"]):
        out = tmp_path / "-".join(["out", *live])
        assert main(["detect", str(model), str(clip), *live, "--out", str(out)]) == 1
        told.append(capsys.readouterr().err.splitlines()[-1])
    assert told[0] == told[1]
    assert told[0].startswith(f"mnad: {clip} has fewer frames than the 5")


FULL = """
import resource, sys
from mnad.cli import main
# Writing past this size fails as on a full disk, for every file of the process.
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""


def test_a_live_run_that_lost_results_says_so_at_its_end(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="a limit to the size of files needs Unix")
    clip = video(tmp_path / "thing.mp4", street(60, 2, thing=range(20, 50)))
    words = ["detect", str(model), str(clip), "--live", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", FULL, *words], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"mnad: {tmp_path / 'out' / 'thing'} lacks some of the scores, clips or "
        "pictures (1), segments of the overlay video (1), messages of events.jsonl (2), "
        "report.html, which could not be written: make room there."
    )


def test_a_disk_that_was_full_for_a_while_costs_what_was_lost_then(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(MnadError, match="lacks some of the scores, which could not"),
        Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher,
    ):
        for frame in as_frames(street(60, 2)):
            with monkeypatch.context() as broken:
                if 20 <= frame.index < 30:
                    broken.setattr("mnad.watch.table.csv.writer", full)
                watcher.push(frame)
    assert len(table(tmp_path)) == 56 - 10 and (tmp_path / "report.html").exists()


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_signal_ends_it_in_order(detector: Detector, tmp_path: Path, unpaced: None) -> None:
    clip = video(tmp_path / "calm.mp4", street(60, 2))
    before = signal.getsignal(signal.SIGTERM)

    def at_frame(frame: object, watcher: Watcher) -> None:
        if watcher.frames == 20:
            os.kill(os.getpid(), signal.SIGTERM)

    seen = watch_live(detector, str(clip), tmp_path / "out", QUIET, on_frame=at_frame)
    assert seen.frames == 20 and len(table(tmp_path / "out")) == 20
    assert (tmp_path / "out" / "report.html").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_live_model_without_a_threshold_says_so_at_once(
    model: Path, tmp_path: Path, unpaced: None, caplog: pytest.LogCaptureFixture
) -> None:
    bare = Detector(replace(load_model(model), calibration=None))
    clip = video(tmp_path / "calm.mp4", street(8, 2))
    with caplog.at_level(logging.WARNING, "mnad"):
        watch_live(bare, str(clip), tmp_path / "out", QUIET)
    assert "no threshold" in caplog.text


def test_the_picture_may_change_its_size(detector: Detector, tmp_path: Path) -> None:
    frames = street(60, 2, thing=range(10, 60))
    options = replace(QUIET, overlay=True, clips=True)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in as_frames(frames):
            if frame.index >= 30:
                large = cv2.resize(frame.pixels, None, fx=2, fy=2)[..., None]
                frame = replace(frame, pixels=large, colour=partial(colour, large))
            watcher.push(frame)
    assert len(list((tmp_path / "overlay").glob("*.mp4"))) == 2
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 1
    assert len(table(tmp_path)) == 56


def test_pictures_of_a_live_source_are_of_the_frames_that_are_looked_at(
    detector: Detector, tmp_path: Path
) -> None:
    frames = np.repeat(street(60, 2, thing=range(20, 60)), 3, axis=0)  # of 30 a second
    options = replace(QUIET, clips=True, overlay=True)
    kept = {}
    for live in (True, False):
        out = tmp_path / str(live)
        started = NOON if live else None
        with Watcher(detector, out, "cam", Fraction(3 * RATE), options, started) as watcher:
            for number, pixels in enumerate(frames):
                (frame,) = as_frames([pixels], number)
                watcher.push(replace(frame, seconds=Fraction(number, 3 * RATE)))
        videos = [*out.glob("clips/*.mp4"), *out.glob("overlay*/*.mp4"), *out.glob("overlay.mp4")]
        assert len(videos) == 2
        kept[live] = [count_frames(path) for path in videos]
        assert watcher.frames == 56
    assert kept[False][1] == 180 and kept[True][1] == 60
    assert kept[True][0] == pytest.approx(kept[False][0] / 3, abs=2)


def test_another_model_takes_over_without_losing_a_frame_or_an_event(
    detector: Detector, tmp_path: Path
) -> None:
    frames = as_frames(street(90, 2, thing=range(30, 90)))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in frames:
            if frame.index == 60:
                watcher.swap(detector)
            watcher.push(frame)
    scored = [int(row["frame"]) for row in table(tmp_path)]
    assert scored == [*range(4, 60), *range(64, 90)]  # all but what fills the window
    told = [e for e in read_events(tmp_path / "events.jsonl") if e.phase != "update"]
    assert [event.phase for event in told] == ["start", "end"] * 2
    assert told[1].end <= 5.9 and told[2].start == pytest.approx(6.4)


@pytest.mark.parametrize("same", [True, False])
def test_what_the_camera_suffers_goes_on_over_another_threshold(
    detector: Detector, tmp_path: Path, same: bool
) -> None:
    """As `mnad review --apply` sets it: the view is the same, the rate as good as the same."""
    model, known = detector.model, detector.model.calibration
    assert known is not None and known.view is not None
    view = View.from_arrays(known.view.as_arrays())
    if not same:
        view = replace(view, same=view.same + 1)
    higher = replace(known.threshold, score=known.threshold.score + 0.01)
    calibration = replace(known, threshold=higher, rate=0.998 * known.rate, view=view)
    other = Detector(replace(model, calibration=calibration), runtime=detector.runtime)
    frames = street(260, 1, thing=range(130, 160), covered=range(60, 180))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in as_frames(frames):
            if frame.index == 125:
                watcher.swap(other)
            watcher.push(frame)
        assert watcher.threshold == higher.score
    told = of(read_events(tmp_path / "events.jsonl"), "start", "camera")
    assert [event.what for event in told] == ["covered"] * (1 if same else 2)
    before = f"Before, it was {known.threshold.score:.3f} until 12:00:12."
    assert before in (tmp_path / "report.html").read_text()
    # Nothing is let out meanwhile; the window that fills anew has no scores.
    blind = [float(row["seconds"]) for row in table(tmp_path) if row["camera"]]
    assert (len(blind) == round((blind[-1] - blind[0]) * RATE) + 1 - 4) == same


def test_what_an_earlier_run_told_takes_bounded_memory(detector: Detector, tmp_path: Path) -> None:
    one = Event("0", "end", "anomaly", "anomaly", "cam", 1.0, 2.0, None, 0.9, 1.0, 1, 0.5)
    count = MOST_EVENTS + 5
    text = "".join(json.dumps(replace(one, id=f"{n:08d}").as_dict()) + "\n" for n in range(count))
    (tmp_path / "events.jsonl").write_text(text)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        assert next(iter(watcher.events)) == "00000005" and len(watcher.events) == MOST_EVENTS
    with EventLog(tmp_path / "events.jsonl"):
        assert len(read_events(tmp_path / "events.jsonl")) == count


def test_of_more_events_than_are_listed_all_are_counted(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three alarms an hour are more than the report lists after a month."""
    monkeypatch.setattr("mnad.watch.messages.MOST_EVENTS", 3)
    times = EventTimes(longest_seconds=0.5, cooldown_seconds=0.5)
    options = replace(QUIET, threshold=0.0, times=times)
    frames = as_frames(street(300, 1))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), options, NOON) as watcher:
        for frame in frames:
            watcher.push(frame)
    told = len(of(read_events(tmp_path / "events.jsonl"), "start"))
    assert told == watcher.told == 6 and len(watcher.events) == 3
    page = (tmp_path / "report.html").read_text()
    assert "<h1>6 events in 30 s</h1>" in page and "The newest 3 of 6 are listed." in page
    # What the run before told is none of the next one's.
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as again:
        pass
    assert again.told == 0


def test_a_report_that_cannot_be_written_is_said_once(
    detector: Detector,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not every minute for as long as the disk is full."""

    def full(*args: object, **more: object) -> None:
        raise MnadError("report.html cannot be written")

    with (
        pytest.raises(MnadError, match=r"lacks report\.html"),
        Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher,
    ):
        for frame in as_frames(street(12, 2)):
            watcher.push(frame)
        for broken in (True, True, False, True, True):
            with monkeypatch.context() as disk:
                if broken:
                    disk.setattr("mnad.watch.watcher.write_report", full)
                watcher.keep_house()
        monkeypatch.setattr("mnad.watch.watcher.write_report", full)
    assert caplog.text.count("report.html cannot be written") == 2


def test_housekeeping_before_the_first_score_does_no_harm(
    detector: Detector, tmp_path: Path
) -> None:
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in as_frames(street(2, 2)):
            watcher.push(frame)
        watcher.keep_house()
        assert not (tmp_path / "report.html").exists()
    assert not list(tmp_path.rglob("*.part*"))


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="most_gigabytes"):
        WatchOptions(most_gigabytes=0)
    with pytest.raises(UsageError, match="threshold"):
        WatchOptions(threshold=1.5)
    with pytest.raises(UsageError, match="min_seconds"):
        EventTimes(min_seconds=-1)
