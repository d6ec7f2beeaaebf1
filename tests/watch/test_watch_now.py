"""What whoever looks after a camera sees: now.jpg, now.html, status.json."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from street import HEIGHT, RATE, WIDTH, as_frames, place, street
from test_watch_camera import GIVEN, QUIET, STOP, Camera, Training, trained

from mnad.detector import Detector
from mnad.reports.overlay import Overlay
from mnad.reports.page import NOW_PAGE, Report, write_page
from mnad.video.live import Gap
from mnad.watch import camera, now, status
from mnad.watch.camera import watch_camera
from mnad.watch.now import NOW, Now
from mnad.watch.options import WatchOptions
from mnad.watch.site import SHORTEST_LEARNING, Site
from mnad.watch.watcher import Watcher

__all__ = ["trained"]  # the fixture
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
CLIPS = WatchOptions(overlay=False, clips=True)


def seen(folder: Path) -> np.ndarray[Any, Any]:
    picture = cv2.imread(str(folder / NOW))
    assert picture is not None
    return picture[..., ::-1]


def test_the_newest_frame_is_shown_with_its_time_score_and_curve(tmp_path: Path) -> None:
    """Against the overlay itself, fed with every score."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (9, 16, 3), np.uint8), (640, 360))
    shown, overlay = Now(tmp_path, "gate"), Overlay(360, 640, 60.0, 0.5)
    for i in range(40):
        score, at = 0.1 + i / 100, NOON + timedelta(seconds=i / 10)
        if i in (0, 39):  # the first makes the curve, as its size is known then
            shown.show(picture, i, i / 10, at, score, 0.5)
        else:
            shown.follow(i / 10, score)
        whole = overlay.draw(picture, i, i / 10, score, at=at)
    difference = np.abs(seen(tmp_path).astype(int) - whole)
    assert seen(tmp_path).shape == whole.shape and difference.mean() < 4  # of the JPEG
    # The time of day is there, and no seconds from the start.
    plain = Overlay(360, 640, 60.0, 0.5).draw(picture, 39, 3.9, 0.49)
    assert np.abs(whole[360:395, :250].astype(int) - plain[360:395, :250]).mean() > 10


def test_a_large_picture_is_scaled_down_and_another_threshold_is_drawn(tmp_path: Path) -> None:
    shown, large = Now(tmp_path, "gate"), np.full((720, 1280, 3), 90, np.uint8)
    shown.show(large, 0, 0.0, NOON, 0.3, 0.5)
    first = seen(tmp_path)
    assert first.shape[1] == 640 and (abs(first[:360].astype(int) - 90) < 4).all()
    shown.show(large, 1, 0.1, NOON, 0.3, 0.9)
    assert (np.abs(seen(tmp_path)[395:].astype(int) - first[395:]) > 60).any()


def test_a_picture_is_due_once_a_second_and_goes_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(now.time, "monotonic", lambda: clock[0])
    shown, picture = Now(tmp_path, "gate"), np.zeros((64, 96, 1), np.uint8)
    assert shown.due
    shown.show(picture, 0, 0.0, NOON)
    clock[0] = 100.9
    assert not shown.due and (tmp_path / NOW).exists()
    clock[0] = 101.0
    assert shown.due
    shown.show(picture, 1, 1.0, NOON)
    shown.none()
    assert not (tmp_path / NOW).exists() and shown.due
    shown.none()


def test_a_picture_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = Now(tmp_path, "gate")
    (tmp_path / NOW / "in the way").mkdir(parents=True)
    for i in range(3):
        shown.show(np.zeros((64, 96, 3), np.uint8), i, i / 10, NOON)
    assert caplog.text.count("cannot be written") == 1


def test_who_watches_a_camera_shows_it_until_it_is_lost_or_left(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(now, "EVERY", 0.0)
    frames = as_frames(street(40, 1))
    with Watcher(Detector.load(model), tmp_path, "cam", Fraction(RATE), CLIPS, NOON) as watcher:
        for frame in frames[:20]:
            watcher.push(frame)
        assert (tmp_path / NOW).exists() and "cam" in (tmp_path / NOW_PAGE).read_text()
        watcher.gap(Gap(2.0, None, "gone", 1))
        assert not (tmp_path / NOW).exists()
        watcher.gap(Gap(2.0, 2.1, "gone", 1))
        for frame in frames[21:]:
            watcher.push(frame)
        assert (tmp_path / NOW).exists()
    assert not (tmp_path / NOW).exists()
    # Nobody who wants no pictures gets one, and no file's results have a now.
    for out, options, started in (("a", QUIET, NOON), ("b", CLIPS, None)):
        with Watcher(
            Detector.load(model), tmp_path / out, "cam", Fraction(RATE), options, started
        ) as watcher:
            for frame in frames:
                watcher.push(frame)
            assert not (tmp_path / out / NOW).exists() and not (tmp_path / out / NOW_PAGE).exists()


def test_the_status_tells_what_goes_on(
    tmp_path: Path, model: Path, trained: type[Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "FILE_SECONDS", 0.0)
    site, told = tmp_path / "site", []

    def note() -> bool:
        told.append(json.loads((site / "status.json").read_text()))
        told[-1]["picture"] = (site / NOW).exists()
        return True

    def watching() -> bool:
        return bool(json.loads((site / "status.json").read_text())["state"] == "watching")

    normal = as_frames(street(1300, 1))
    items: list[Any] = [
        *(normal[:100], note, normal[100:], watching),
        *(as_frames(street(40, 2), 1300, 130.0), note),
        *([Gap(134.0, None, "gone", 1)], note, STOP),
    ]
    monkeypatch.setattr(camera, "PlayedSource", lambda source, channels: Camera(*items))
    watch_camera(Site(site), "cam", GIVEN, CLIPS, learn_seconds=SHORTEST_LEARNING)
    note()
    learning, watched, _, stopped = told
    assert [one["state"] for one in told] == ["learning", "watching", "lost", "stopped"]
    assert [one["picture"] for one in told] == [True, True, False, False]
    assert {one["source"] for one in told} == {"cam"}
    assert 8 <= learning["recorded_seconds"] <= 10 and not learning["training"]
    assert learning["learns_from_seconds"] == SHORTEST_LEARNING and "score" not in learning
    threshold = Detector.load(model).model.calibration
    assert threshold is not None
    assert watched["threshold"] == round(threshold.threshold.score, 3)
    assert 0 <= watched["score"] <= 1 and watched["frames_per_second"] >= 0
    assert watched["events"] == 0 and watched["camera"] == [] and watched["alarms_waiting"] == 0
    age = datetime.now(UTC) - datetime.fromisoformat(stopped["at"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_the_status_names_what_the_camera_suffers(model: Path, tmp_path: Path) -> None:
    frames, ill = as_frames(street(260, 1, covered=range(60, 180))), []
    with Watcher(Detector.load(model), tmp_path, "cam", Fraction(RATE), QUIET, NOON) as watcher:
        for frame in frames:
            watcher.push(frame)
            ill.append(tuple(watcher.suffers))
    assert set(ill) == {(), ("covered",)}
    assert ill[0] == ill[-1] == () and 40 <= ill.count(("covered",)) <= 160


def test_while_learning_what_is_not_looked_at_is_hidden(
    tmp_path: Path, trained: type[Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, pictures = tmp_path / "site", []
    regions = {"ignore": [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]}

    def look() -> bool:
        pictures.append(seen(site))
        return True

    items: list[Any] = [as_frames(street(30, 1)), look, STOP]
    monkeypatch.setattr(camera, "PlayedSource", lambda source, channels: Camera(*items))
    given = replace(GIVEN, regions=regions)
    watch_camera(Site(site), "cam", given, CLIPS, learn_seconds=SHORTEST_LEARNING)
    (picture,) = pictures
    half = WIDTH // 2
    frame, real = picture[:HEIGHT, :, 0], place()

    def alike(columns: slice) -> float:
        return float(np.corrcoef(frame[:40, columns].ravel(), real[:40, columns].ravel())[0, 1])

    # A JPEG's blocks reach eight pixels beyond the edge.
    assert abs(alike(slice(0, half - 8))) < 0.2 and alike(slice(half + 8, WIDTH)) > 0.9


def test_the_report_leads_to_what_is_seen_now(tmp_path: Path) -> None:
    report = Report("gate", "gate", 1.0, 10, np.array([[0.0, 0.1], [1.0, 0.2]]))
    write_page(tmp_path / "report.html", report)
    assert NOW_PAGE not in (tmp_path / "report.html").read_text()
    Now(tmp_path, "gate")
    write_page(tmp_path / "report.html", report)
    assert (tmp_path / "report.html").read_text().count(f'href="{NOW_PAGE}"') == 1


def test_what_is_seen_now_leads_to_no_report_that_is_not_there(
    tmp_path: Path, trained: type[Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link was there while a first model is learnt, and a minute before the first report."""
    site, linked = tmp_path / "site", []

    def look() -> bool:
        link = 'href="report.html"' in (site / NOW_PAGE).read_text()
        linked.append((link, (site / "report.html").exists()))
        return True

    def watching() -> bool:
        return bool(json.loads((site / "status.json").read_text())["state"] == "watching")

    monkeypatch.setattr(status, "FILE_SECONDS", 0.0)
    normal = as_frames(street(1300, 1))
    items: list[Any] = [
        *(normal[:100], look, normal[100:], watching),
        *(as_frames(street(10, 2), 1300, 130.0), look, STOP),
    ]
    monkeypatch.setattr(camera, "PlayedSource", lambda source, channels: Camera(*items))
    watch_camera(Site(site), "cam", GIVEN, CLIPS, learn_seconds=SHORTEST_LEARNING)
    assert linked == [(False, False), (True, True)]
