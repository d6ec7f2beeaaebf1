"""A restart empties no report: what was watched in the day before is in it."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from street import RATE, as_frames, street

from mnad.detector import Detector
from mnad.events.event import Event
from mnad.events.log import latest, read_events
from mnad.reports.page import Gap, Report, verdict
from mnad.watch.before import UNWATCHED, Past, before, joined, moved, thinned
from mnad.watch.options import WatchOptions
from mnad.watch.table import DAILY
from mnad.watch.watcher import Watcher

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
QUIET = WatchOptions(overlay=False, clips=False)


def rows(folder: Path, times: list[float], scores: list[str], camera: str = "") -> None:
    """Scores at so many seconds before noon, as a watch writes them."""
    for back, score in zip(times, scores, strict=True):
        at = NOON - timedelta(seconds=back)
        path = folder / f"scores-{at:%Y%m%d}.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(DAILY)
            writer.writerow([at.isoformat(timespec="milliseconds"), 0, 0, 1, 1, 1, score, camera])


def event(name: str, back: float, lasting: float = 5.0, **other: object) -> Event:
    """An event that began so many seconds before noon, its own seconds of some other run."""
    at = (NOON - timedelta(seconds=back)).isoformat()
    one = Event(
        name, "end", "anomaly", "anomaly", "cam", 77.0, 77.0 + lasting, at, 0.9, 78.0, 1, 0.7
    )
    return replace(one, **other)  # type: ignore[arg-type]


def test_the_day_before_counts_from_its_first_score(tmp_path: Path) -> None:
    rows(tmp_path, [90_000, 3600, 3599, 3598, 600, 599, 10], ["0.9", *"123456"])
    told = [
        event("yesterday", 90_000),
        event("b", 599, what="lost", kind="camera"),
        event("c", 598, threshold=0.8),
        event("a", 3599),
        event("now", -5),
        event("undated", 0, at=None),
    ]
    found = before(tmp_path, told, NOON)
    assert found is not None and found.began == NOON - timedelta(hours=1) and found.frames == 6
    # One, two, three seconds at an hour before; ten minutes before; ten seconds before.
    np.testing.assert_allclose(found.curve[:, 0], [0, 1, 2, 3000, 3001, 3590])
    np.testing.assert_allclose(found.curve[:, 1], [1, 2, 3, 4, 5, 6])
    assert found.gaps == (Gap(2.0, 3000.0, UNWATCHED), Gap(3001.0, 3590.0, UNWATCHED))
    assert [(one.id, one.start, one.end, one.peak_seconds) for one in found.events] == [
        ("a", 1.0, 6.0, 2.0),
        ("c", 3002.0, 3007.0, 3003.0),
    ]
    assert found.earlier == ((3002.0, 0.7),) and found.threshold == 0.8


def test_where_nothing_was_watched_there_is_nothing_before(tmp_path: Path) -> None:
    assert before(tmp_path, [], NOON) is None
    rows(tmp_path, [90_000, -3], ["0.9", "0.8"])
    assert before(tmp_path, [event("a", 90_000)], NOON) is None


def test_the_gap_before_the_start_is_one_and_what_was_blinded_has_no_score(tmp_path: Path) -> None:
    rows(tmp_path, [100, 99], ["0.1", "0.2"])
    rows(tmp_path, [98], ["0.3"], "covered")
    found = before(tmp_path, [], NOON)
    assert found is not None and found.gaps == (Gap(2.0, 100.0, UNWATCHED),)
    np.testing.assert_array_equal(found.curve[:, 1], [0.1, 0.2, np.nan])
    assert found.threshold is None and found.earlier == ()


def test_of_neighbours_the_highest_stays() -> None:
    rng = np.random.default_rng(0)
    curve = np.stack((np.arange(1003.0), rng.random(1003)), axis=1)
    curve[rng.integers(0, 1003, 200), 1] = np.nan
    few = thinned(curve, 100)
    step = 11  # of 1,003 in at most 100 pieces
    slow = [
        max(curve[i : i + step], key=lambda row: np.nan_to_num(row[1], nan=-1))
        for i in range(0, 1003, step)
    ]
    np.testing.assert_array_equal(few, slow)
    assert thinned(curve, 1003) is curve


@pytest.mark.parametrize(("threshold", "changed"), [(0.7, []), (0.6, [(100.0, 0.7)])])
def test_a_run_is_joined_to_what_was_before(
    tmp_path: Path, threshold: float, changed: list[tuple[float, float]]
) -> None:
    rows(tmp_path, [100, 99, 98], ["0.1", "0.9", "0.2"])
    past = before(tmp_path, [event("a", 99)], NOON)
    assert past is not None
    own = event("b", -7.0)
    run = Report(
        "cam",
        "cam",
        20.0,
        150,
        np.array([[5.0, 0.3], [20.0, 0.4]]),
        threshold=threshold,
        earlier=[(12.0, threshold), (15.0, 0.5)],
        started_at=NOON,
        events=[moved(own, 7.0 - own.start)],
        told=1,
        gaps=[Gap(8.0, 9.0, "gone")],
    )
    whole = joined(past, run)
    assert whole.started_at == NOON - timedelta(seconds=100) and whole.duration_seconds == 120
    np.testing.assert_allclose(whole.curve[:, 0], [0, 1, 2, 105, 120])
    assert whole.frames == 153 and whole.told == 2 == whole.count
    assert [(one.id, one.start) for one in whole.events] == [("a", 1.0), ("b", 107.0)]
    assert [(gap.began, gap.ended) for gap in whole.gaps] == [(2.0, 100.0), (108.0, 109.0)]
    assert whole.earlier == [*changed, (112.0, threshold), (115.0, 0.5)]
    # A hundred and twenty seconds, but for those without pictures.
    assert whole.watched_seconds == pytest.approx(120 - 98 - 1)
    assert verdict(whole).startswith("2 events in 21")


def test_a_restart_keeps_what_was_told_in_the_report(model: Path, tmp_path: Path) -> None:
    detector = Detector.load(model)
    frames = as_frames(street(200, 1, thing=range(100, 140)))
    for start in (NOON, NOON + timedelta(minutes=2)):
        with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, start) as watcher:
            for frame in frames:
                watcher.push(frame)
    told = latest(read_events(tmp_path / "events.jsonl"))
    first, second = [one for one in told if one.kind == "anomaly"]
    page = (tmp_path / "report.html").read_text()
    # The first is a hundred seconds and twenty before the second, of forty seconds watched.
    assert "<h1>2 events in 39 s</h1>" in page
    assert first.at is not None and second.at is not None
    for one in (first, second):
        assert datetime.fromisoformat(str(one.at)).astimezone(UTC).strftime("%H:%M:%S") in page
    assert UNWATCHED in page and "392 frames" in page


def test_a_clock_that_was_behind_at_the_start_takes_nothing_from_the_report(
    model: Path, tmp_path: Path
) -> None:
    """After a power cut a machine without a clock has the time of some minutes before it."""
    detector = Detector.load(model)
    frames = as_frames(street(200, 1, thing=range(100, 140)))
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in frames:
            watcher.push(frame)
    wrong, right = NOON + timedelta(seconds=5), NOON + timedelta(minutes=2)
    with Watcher(detector, tmp_path, "cam", Fraction(RATE), QUIET, wrong) as watcher:
        for frame in frames:
            if frame.index == 50:
                watcher.set_clock(right)
            watcher.push(frame)
    page = (tmp_path / "report.html").read_text()
    # As of two runs two minutes apart; the 46 scores that the wrong clock dated are not twice.
    assert "<h1>2 events in 39 s</h1>" in page and "392 frames" in page
    assert UNWATCHED in page


def test_a_clock_that_is_corrected_by_seconds_reads_no_day_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[datetime] = []
    monkeypatch.setattr("mnad.watch.before.before", lambda *given: starts.append(given[2]))
    past = Past(tmp_path, (), NOON)
    for minute in range(30):
        past.set_clock(NOON + timedelta(seconds=12 * minute))
    past.set_clock(NOON + timedelta(hours=1))
    past.found(wait=True)
    assert starts == [NOON, NOON + timedelta(hours=1)]


def test_the_day_before_is_told_by_the_clock_of_that_day(tmp_path: Path, berlin: None) -> None:
    """Daylight saving ends on 25 October 2026 at 3:00, which is 1:00 UTC."""
    start = datetime(2026, 10, 25, 9, tzinfo=UTC).astimezone()
    assert start.utcoffset() == timedelta(hours=1)
    rows(tmp_path, [10.0], ["0.5"])  # of another day
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    rows(tmp_path, [(NOON - at).total_seconds()], ["0.5"])
    found = before(tmp_path, [], start)
    assert found is not None and found.began == at
    assert found.began.utcoffset() == timedelta(hours=2)
