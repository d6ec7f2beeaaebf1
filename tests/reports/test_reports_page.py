from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mnad.errors import MnadError
from mnad.events.event import Box, Event
from mnad.reports.page import (
    MOST_PICTURES,
    Calibration,
    Gap,
    Report,
    verdict,
    write_page,
)
from mnad.reports.pictures import (
    EMBEDDED_BYTES,
    KEPT_PICTURES,
    _embedded,
    clock,
    embedded,
    round_times,
    small_jpeg,
    spoken,
    svg_path,
    with_holes,
)

HOSTILE = "</script><script>alert('1')</script>\"><img src=http://x.test/a onerror=alert(1)>{{7*7}}"


class Elements(HTMLParser):
    """Every element with its attributes, and the text in it and below."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[int] = []
        self.feed(html)
        self.close()
        assert not self.open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in self.VOID:
            self.open.append(len(self.found) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.found[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for i in self.open:
            self.texts[i] += data

    def all(self, tag: str, name: str = "") -> list[dict[str, str | None]]:
        return [a for t, a in self.found if t == tag and name in (a.get("class") or "")]

    def text(self, tag: str) -> list[str]:
        """Their texts, white space drawn together."""
        pairs = zip(self.found, self.texts, strict=True)
        return [" ".join(text.split()) for (t, _), text in pairs if t == tag]

    def attribute(self, name: str) -> list[str]:
        return [a[name] or "" for _, a in self.found if name in a]

    @property
    def data(self) -> Any:
        (index,) = [i for i, (_, a) in enumerate(self.found) if a.get("id") == "data"]
        return json.loads(self.texts[index])


def event(number: int = 0, **values: Any) -> Event:
    start = 10.0 * number
    common: dict[str, Any] = {
        "id": f"e{number}", "phase": "end", "kind": "anomaly", "what": "anomaly", "source": "gate",
        "start": start, "end": start + 3, "at": None, "peak_score": 0.9, "peak_seconds": start + 1,
        "peak_frame": 1, "threshold": 0.8, "boxes": (Box(0.1, 0.1, 0.2, 0.2, 0.9),),
    }  # fmt: skip
    return Event(**{**common, **values})


def report(**values: Any) -> Report:
    curve = np.column_stack((np.arange(100.0), np.full(100, 0.25)))
    common: dict[str, Any] = {
        "title": "Gate", "source": "gate.mp4", "duration_seconds": 100, "frames": 2500,
        "curve": curve, "threshold": 0.8, "rate": 25.0,
    }  # fmt: skip
    return Report(**{**common, **values})


def page(folder: Path, content: Report) -> Elements:
    write_page(folder / "report.html", content)
    assert [file.name for file in folder.glob("*report*")] == ["report.html"]
    return Elements((folder / "report.html").read_text(encoding="utf-8"))


def test_the_verdict_in_words() -> None:
    assert verdict(report()) == "Nothing unusual in 1 min 40 s"
    assert verdict(report(events=[event()])) == "1 event in 1 min 40 s"
    covered = event(1, kind="camera", what="covered")
    assert verdict(report(events=[covered])) == "Nothing unusual in 1 min 37 s"  # 3 s unwatched
    long = report(events=[event(i) for i in range(1200)], duration_seconds=2 * 3600 + 14 * 60)
    assert verdict(long) == "1,200 events in 2 h 14 min"
    assert verdict(report(threshold=None)) == "1 min 40 s scored, without a threshold"
    unscored = np.array([[0, np.nan], [1, np.nan]])
    assert verdict(report(curve=unscored)) == "Nothing was scored in 1 min 40 s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"), (3.24, "3.2 s"), (9.97, "10 s"), (59.6, "1 min"), (61, "1 min 1 s"),
        (3599.4, "59 min 59 s"), (3600, "1 h"), (8040, "2 h 14 min"), (3 * 86400 + 7200, "3 d 2 h"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_the_clock_goes_on_beyond_a_day() -> None:
    assert [clock(s) for s in (0, 59.99, 3661, 130_000)] == [
        "00:00:00",
        "00:00:59",
        "01:01:01",
        "36:06:40",
    ]


def test_nothing_is_fetched_and_the_page_forbids_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(small_jpeg(np.zeros((90, 160, 3), np.uint8)))
    (tmp_path / "a b#1.mp4").touch()
    found = page(tmp_path, report(events=[event(thumbnail="a.jpg", clip="a b#1.mp4")]))
    assert "http" not in " ".join(found.attribute("src") + found.attribute("href"))
    assert all(src.startswith("data:image/jpeg;base64,") for src in found.attribute("src"))
    assert all(href.startswith(("#", "a%20b%231.mp4")) for href in found.attribute("href"))
    assert not found.all("link")
    assert "url(http" not in (tmp_path / "report.html").read_text()
    (policy,) = [a["content"] for a in found.all("meta") if "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    found = page(
        tmp_path,
        report(
            title=HOSTILE,
            source=HOSTILE + "\udcff",
            events=[event(what=HOSTILE), event(1, kind="camera", what=HOSTILE)],
            gaps=[Gap(1, 2, HOSTILE)],
            calibration=Calibration(1, 1, (0, 2), (HOSTILE,)),
            settings={HOSTILE: HOSTILE},
            versions={HOSTILE: HOSTILE},
            warnings=(HOSTILE,),
        ),
    )
    assert len(found.all("script")) == 2
    assert not found.all("img")
    assert not found.attribute("onerror")
    assert HOSTILE in found.text("title")[0]
    assert found.text("dd") == [HOSTILE, HOSTILE]
    assert f"No picture: {HOSTILE}" in found.attribute("data-what")


def test_the_curve_is_all_there_and_broken_where_there_is_no_score(tmp_path: Path) -> None:
    seconds = np.arange(8000) * 1.5
    scores = np.random.default_rng(0).random(8000)
    scores[100:200] = np.nan
    found = page(tmp_path, report(curve=np.column_stack((seconds, scores))))
    data = found.data
    assert data["times"] == seconds.tolist()
    known = [s for s in data["scores"] if s is not None]
    assert np.allclose(known, scores[~np.isnan(scores)], atol=5.1e-4)
    assert [i for i, s in enumerate(data["scores"]) if s is None] == list(range(100, 200))
    (line,) = [a["d"] for a in found.all("path", "line")]
    assert line is not None
    runs = [re.findall(r"([\d.]+) ([\d.]+)", run) for run in line.split("M")[1:]]
    assert [len(run) for run in runs] == [100, 7800]
    drawn = np.array(runs[0] + runs[1], float)
    assert np.allclose(drawn[:, 0], seconds[~np.isnan(scores)])
    assert np.allclose(1 - drawn[:, 1], scores[~np.isnan(scores)], atol=5.1e-4)


def test_the_path_breaks_at_gaps_and_shows_single_points() -> None:
    curve = np.array([[0, 0.5], [1, 0.5], [9, 0.25], [10, np.nan], [11, 1]])
    assert (
        svg_path(curve, [1.5], closed=False)
        == "M0.0 0.5L1.0 0.5M9.0 0.75L9.0 0.75M11.0 0.0L11.0 0.0"
    )
    assert svg_path(curve[:2], [], closed=True) == "M0.0 1L0.0 0.5L1.0 0.5L1.0 1"
    assert svg_path(curve[:0], [3.0], closed=True) == ""


def test_nothing_is_drawn_or_read_where_there_were_no_scores_for_a_while(
    tmp_path: Path,
) -> None:
    """As over a restart, or while the machine was busy: it looked like a score that rises."""
    before, after = np.arange(100) / 10, 30 + np.arange(50) / 10
    seconds = np.concatenate([before, after])
    told = page(tmp_path, report(curve=np.stack((seconds, np.full(150, 0.5)), axis=1)))
    (line,) = (a["d"] or "" for a in told.all("path", "line"))
    assert [run.count(" ") for run in line.split("M")[1:]] == [100, 50]
    # The point that is nearest to any time in the hole has no score.
    times, scores = np.array(told.data["times"]), told.data["scores"]
    assert all(scores[np.abs(times - t).argmin()] is None for t in (10, 15, 20, 25, 29.9))
    assert sum(score is None for score in scores) == 2


def test_far_apart_points_of_a_long_run_are_one_line_also_beside_those_of_a_short_one() -> None:
    """A day before the start is thinned, the minutes since are not."""
    rng = np.random.default_rng(0)
    steps = np.concatenate([rng.uniform(10, 30, 4000), np.full(2000, 0.1)])
    curve = np.stack((steps.cumsum(), np.full(6000, 0.5)), axis=1)
    assert np.array_equal(with_holes(curve), curve)
    for n in range(4):
        assert np.array_equal(with_holes(curve[:n]), curve[:n])
    curve[3000:, 0] += 3600
    assert np.isnan(with_holes(curve)[:, 1]).sum() == 2


@pytest.mark.parametrize("total", [0.04, 1, 59, 3600, 8040, 86400, 1e6, 3e7])
def test_few_round_times_on_the_axis(total: float) -> None:
    times = round_times(total)
    assert times[0] == 0
    assert 1 <= len(times) <= 4
    assert times[-1] < total
    assert total < 1 or len(times) > 1 or total < 2
    # By the clock on the wall, 14:03:22 at the start.
    since = 14 * 3600 + 3 * 60 + 22
    step = times[1] if len(times) > 1 else 0.1
    on_wall = round_times(total, since)
    step = min(step, 86400)  # of days, from the first midnight on
    assert all(0 <= t < total and (t + since) / step == round((t + since) / step) for t in on_wall)
    assert abs(len(on_wall) - len(times)) <= 1


def test_without_anything(tmp_path: Path) -> None:
    empty = report(curve=np.empty((0, 2)), duration_seconds=0, frames=0, threshold=None, rate=None)
    found = page(tmp_path, empty)
    assert found.text("h1") == ["Nothing was scored in 0.0 s"]
    assert "Events" not in found.text("h2")
    assert not found.all("i", "band")


def test_2000_events_with_the_pictures_of_the_highest(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # A picture that no JPEG makes small, above what a page has room for.
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "noise.jpg"), noise)
    assert (tmp_path / "noise.jpg").stat().st_size > EMBEDDED_BYTES
    peaks = rng.permutation(2000) / 2000
    events = [event(i, peak_score=p, thumbnail="noise.jpg") for i, p in enumerate(peaks)]
    curve = np.column_stack((np.linspace(0, 20_000, 8000), rng.random(8000)))
    found = page(tmp_path, report(events=events, curve=curve, duration_seconds=20_000))
    assert (tmp_path / "report.html").stat().st_size < 15_000_000
    cards = [a for a in found.all("li") if (a.get("id") or "").startswith("event-")]
    assert len(cards) == len(found.data["spans"]) == 2000
    shade, bar = (a["d"] or "" for a in found.all("path", "events"))
    assert bar.startswith("M0.0 -.06H3.0M10.0 -.06H13.0M20.0")
    assert shade.count("M") == bar.count("M") == 2000
    shown = {int(a["alt"].split()[1]) - 1 for a in found.all("img") if a["alt"]}
    assert shown == set(np.argsort(-peaks)[:MOST_PICTURES])
    assert any(f"The {MOST_PICTURES} with the highest peaks" in text for text in found.text("p"))


def test_a_large_picture_is_made_smaller_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    for name in ("a.jpg", "a.png"):
        cv2.imwrite(str(tmp_path / name), noise)
        address = embedded(tmp_path / name)
        assert address is not None
        data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
        assert len(data) <= EMBEDDED_BYTES
        height, width = cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape[:2]
        assert width / height == pytest.approx(16 / 9, rel=0.02)
    small = small_jpeg(noise[:90, :160])
    (tmp_path / "b.jpg").write_bytes(small)
    assert (
        embedded(tmp_path / "b.jpg") == "data:image/jpeg;base64," + base64.b64encode(small).decode()
    )
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    (tmp_path / "d.jpg").touch()
    for name in ("c.jpg", "d.jpg", "missing.jpg", "."):
        assert embedded(tmp_path / name) is None


def test_a_report_that_is_written_again_does_only_the_new_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), noise)
    decoded, decode = [], cv2.imdecode

    def counted(*args: Any) -> Any:
        decoded.append(args)
        return decode(*args)

    monkeypatch.setattr("mnad.reports.pictures.cv2.imdecode", counted)
    events = [event(number, thumbnail=f"{number}.jpg") for number in range(4)]

    def shown(some: list[Event]) -> list[dict[str, str | None]]:
        decoded.clear()
        return page(tmp_path, report(events=some)).all("img")

    first = shown(events[:3])
    assert len(decoded) == 3 and len({picture["src"] for picture in first}) == 3
    assert shown(events[:3]) == first and not decoded
    assert shown(events)[:3] == first and len(decoded) == 1
    # A peak that was replaced, as the recorder does it.
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "new.jpg"), noise)
    (tmp_path / "new.jpg").replace(tmp_path / "1.jpg")
    again = shown(events[:3])
    assert [a == b for a, b in zip(again, first, strict=True)] == [True, False, True]
    assert len(decoded) == 1
    (tmp_path / "1.jpg").unlink()
    assert len(shown(events[:3])) == 2 and not decoded


def test_the_pictures_that_are_kept_are_bounded(tmp_path: Path) -> None:
    small = small_jpeg(np.zeros((90, 160, 3), np.uint8))
    # A page must find all of its own again, and some for those that are new in it.
    assert 1.5 * MOST_PICTURES <= KEPT_PICTURES < 1000
    for number in range(KEPT_PICTURES + 50):
        (tmp_path / f"{number}.jpg").write_bytes(small)
        assert embedded(tmp_path / f"{number}.jpg") is not None
    assert _embedded.cache_info().currsize == KEPT_PICTURES


def test_a_picture_that_cannot_be_read_for_now_is_read_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(small_jpeg(np.zeros((90, 160, 3), np.uint8)))

    def fails(path: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fails)
        assert embedded(tmp_path / "a.jpg") is None
    assert embedded(tmp_path / "a.jpg") is not None


def test_the_picture_of_a_peak_has_its_heat() -> None:
    grey = np.full((540, 960, 1), 128, np.uint8)
    error = np.zeros((64, 64), np.float32)
    error[28:36, 28:36] = 0.02
    picture = cv2.imdecode(np.frombuffer(small_jpeg(grey, error), np.uint8), 1)[..., ::-1].astype(
        int
    )
    assert picture.shape == (270, 480, 3)
    red, _, blue = picture[135, 240]
    assert red > blue + 60
    assert abs(picture[20, 20] - 128).max() < 6
    assert abs(picture[100, 180] - 128).max() < 6


def test_clips_are_linked_only_while_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "1.mp4").touch()
    events = [event(clip="clips/1.mp4"), event(1, clip="clips/2.mp4"), event(2)]
    found = page(tmp_path, report(events=events))
    assert [a["href"] for a in found.all("a", "clip")] == ["clips/1.mp4"]


def test_wall_clock_time_where_it_is_known(tmp_path: Path) -> None:
    east = timezone(timedelta(hours=1))
    start = datetime(2026, 11, 23, 14, 3, 22, tzinfo=east)
    # The stream's clock says 10 s; the camera's own time of the event is 2 s later.
    late = event(1, at="2026-11-23T13:03:34+00:00")
    found = page(tmp_path, report(started_at=start, events=[event(), late]))
    facts = [text for text in found.text("p") if text.startswith("Event")]
    assert facts == ["Event 1 · 14:03:22 · 3.0 s", "Event 2 · 14:03:34 · 3.0 s"]
    assert "from 2026-11-23 14:03:22 UTC+01:00" in found.text("li")
    ticks = [text for text in found.text("span") if re.fullmatch(r"\d\d:\d\d:\d\d\d\d:.*", text)]
    assert ticks[:2] == ["14:03:3000:00:08", "14:04:0000:00:38"]
    dated = report(started_at=start, duration_seconds=40_000, events=[event(3600)])
    assert "Event 1 · 2026-11-24 00:03:22 · 3.0 s" in page(tmp_path, dated).text("p")
    assert page(tmp_path, report(events=[event()])).data["wall"] is None


def test_daylight_saving_may_end_and_begin_while_it_is_watched(
    tmp_path: Path, berlin: None
) -> None:
    start = datetime(2026, 10, 24, 12, 7, tzinfo=UTC).astimezone()
    winter, summer = 13 * 3600 - 420, 13 * 3600 - 420 + 154 * 86_400
    day, year = 86_400, 365 * 86_400
    dated = event(1, at="2026-10-25T12:07:00.000Z")
    events = [event(), replace(dated, start=day), replace(event(2), start=summer + day)]
    whole = page(tmp_path, report(started_at=start, duration_seconds=year, events=events))
    said = [text.split(" · ")[1] for text in whole.text("p") if text.startswith("Event")]
    assert said == ["2026-10-24 14:07:00", "2026-10-25 13:07:00", "2027-03-29 03:00:00"]
    # For what the page works out itself: at 3:00 it is 2:00, and in spring at 2:00 it is 3:00.
    assert whole.data["shifts"] == [[winter, -3_600_000], [summer, 0]]
    # Elsewhere it is as it was at the start; nobody knows the rules there.
    abroad = datetime(2026, 10, 24, 12, tzinfo=timezone(timedelta(hours=5)))
    later = [replace(event(), start=day)]
    other = page(tmp_path, report(started_at=abroad, duration_seconds=year, events=later))
    assert other.data["shifts"] == []
    assert "Event 1 · 2026-10-25 12:00:00 · 0.0 s" in other.text("p")


def test_camera_trouble_and_gaps_in_the_order_of_time(tmp_path: Path) -> None:
    events = [event(5, kind="camera", what="covered"), event(1)]
    gaps = [Gap(70, 132, "connection lost"), Gap(2, 3, "stalled")]
    found = page(tmp_path, report(events=events, gaps=gaps))
    rows = [text for text in found.text("li") if "–" in text and "Event" not in text]
    assert rows == [
        "00:00:02 – 00:00:03No picture: stalled for 1.0 s",
        "00:00:50 – 00:00:53Camera: covered for 3.0 s",
        "00:01:10 – 00:02:12No picture: connection lost for 1 min 2 s",
    ]
    # One outage is one row, that with the reason; while it lasts there is only the event.
    lost = event(7, kind="camera", what="lost", end=132.0)
    again = page(tmp_path, report(events=[*events, lost], gaps=gaps))
    assert [text for text in again.text("li") if "–" in text and "Event" not in text] == rows
    going_on = page(tmp_path, report(events=[replace(lost, end=None)]))
    assert "00:01:10 – nowCamera: lost for 30 s so far" in going_on.text("li")
    # The timeline reaches to the end of the last gap, beyond the last frame.
    assert found.data["total"] == 132


def test_what_goes_on_with_the_camera_lasts_until_now(tmp_path: Path) -> None:
    events = [
        event(5, kind="camera", what="covered", end=None),
        event(6, kind="camera", what="slow", end=None),
    ]
    found = page(tmp_path, report(events=events))
    rows = [text for text in found.text("li") if "–" in text and "Event" not in text]
    assert rows == [
        "00:00:50 – nowCamera: covered for 50 s so far",
        "00:01:00 – nowCamera: slow for 40 s so far",
    ]


def test_what_could_not_be_scored_was_not_watched_and_has_no_curve(tmp_path: Path) -> None:
    values = {
        "started_at": datetime(2026, 11, 23, 14, tzinfo=UTC),
        "curve": np.array([[0, 0.2], [1000, 0.2], [9000, 0.2], [10_000, 0.2]]),
        "duration_seconds": 10_800,
        # Slow, then lost, and both for a time; then covered, when anomalies are held back.
        "events": [
            event(100, kind="camera", what="slow", end=4000),
            event(390, kind="camera", what="lost", end=7400),
            event(950, kind="camera", what="covered", end=9600),
        ],
        "gaps": [Gap(3900, 7400, "refused")],
    }
    assert report(**values).watched_seconds == 10_800 - 6400 - 100
    page(tmp_path, report(**values))
    html = (tmp_path / "report.html").read_text()
    assert 'class="line" d="M0.0 0.8L1000.0 0.8M9000.0 0.8L10000.0 0.8"' in html
    blind = re.findall(r'data-what="([^"]*)" data-blind', html)
    assert blind == ["No picture: refused", "Camera: slow"]


def test_calibration_in_sentences(tmp_path: Path) -> None:
    facts = Calibration(3.25, 0.5, (0.21, 224.0), ("Too short for 0.1 per hour.",))
    sentences = page(tmp_path, report(calibration=facts)).text("p")
    assert "The threshold of 0.800 was set on 3 h 15 min of normal footage." in sentences
    expected = (
        "Expect about 0.5 false alarms per hour, which is 12 a day "
        "(95 % interval: 0.21 to 220 per hour)."
    )
    assert expected in sentences
    assert "Too short for 0.1 per hour." in sentences
    assert any("no calibration" in p for p in page(tmp_path, report(threshold=None)).text("p"))
    # What it came to so far is told of a camera, after an hour.
    start = datetime(2026, 11, 23, 14, tzinfo=UTC)
    watched = {"calibration": facts, "started_at": start, "events": [event(1), event(2)]}
    gap = Gap(50.0, 650.0, "lost")
    long = page(tmp_path, report(**watched, duration_seconds=7850, gaps=[gap])).text("p")
    assert "In the 2 h that were watched it told 2 events, true or false: 0.99 per hour." in long
    for other in (
        report(**watched, duration_seconds=3000),
        report(**watched | {"started_at": None}, duration_seconds=7200),
    ):
        assert not any("true or false" in p for p in page(tmp_path, other).text("p"))


def test_the_time_in_which_a_camera_was_learnt_from_was_not_watched(tmp_path: Path) -> None:
    # Five hours of learning, then one: seconds count from the start of the run.
    curve = np.column_stack((np.linspace(18_000, 22_200, 100), np.full(100, 0.25)))
    values = {
        "curve": curve,
        "duration_seconds": 22_200,
        "started_at": datetime(2026, 11, 23, 14, tzinfo=UTC),
        "calibration": Calibration(1, 0.9, (0.1, 3)),
        "events": [event(number) for number in (1900, 2000, 2100)],
        # Partly while it was learnt from, and while it was watched.
        "gaps": [Gap(3000, 4000, "lost"), Gap(17_000, 18_200, "lost"), Gap(20_000, 20_400, "lost")],
    }
    found = page(tmp_path, report(**values))
    assert found.text("h1") == ["3 events in 1 h"]
    expected = "In the 1 h that were watched it told 3 events, true or false: 3 per hour."
    assert expected in found.text("p")
    assert found.data["total"] == 22_200
    quiet = report(**values | {"events": []})
    assert verdict(quiet) == "Nothing unusual in 1 h"
    # A second too short to say it.
    short = report(**values | {"duration_seconds": 22_199})
    assert not any("true or false" in p for p in page(tmp_path, short).text("p"))
    # Of a file the first frames have no score either, and nothing was learnt.
    file = report(curve=np.array([[20, 0.2], [80, 0.2]]), duration_seconds=80)
    assert verdict(file) == "Nothing unusual in 1 min 20 s"


def test_each_threshold_is_drawn_while_it_held(tmp_path: Path) -> None:
    """An event of before is seen to lie above what held then, and not below what came later."""
    facts = Calibration(3.25, 0.4, (0.1, 1.2))
    changed = report(
        threshold=0.9, earlier=[(0.0, 0.5), (30.0, 0.6), (60.0, 0.7)], calibration=facts
    )
    found = page(tmp_path, changed)
    (line,) = found.all("path", "threshold")
    drawn = [[float(n) for n in re.split("[ H]", part)] for part in str(line["d"]).split("M")[1:]]
    assert np.array(drawn) == pytest.approx(np.array([[0, 0.4, 30], [30, 0.3, 60], [60, 0.1, 100]]))
    boxes = [
        tuple(float(box[n] or 0) for n in ("x", "y", "width", "height"))
        for box in found.all("rect")
    ]
    below, above = np.array(boxes[:3]), np.array(boxes[3:])
    assert below == pytest.approx(np.array([(0, 0.4, 30, 2), (30, 0.3, 30, 2), (60, 0.1, 40, 2)]))
    assert above == pytest.approx(
        np.array([(0, -1, 30, 1.4), (30, -1, 30, 1.3), (60, -1, 40, 1.1)])
    )
    said = "Before, it was 0.600 until 00:00:30, 0.700 until 00:01:00."
    assert said in [" ".join(p.split()) for p in found.text("p")]
    assert not any("Before, it" in p for p in page(tmp_path, report(calibration=facts)).text("p"))


def test_of_a_threshold_given_by_hand_the_calibration_says_nothing(tmp_path: Path) -> None:
    values = {
        "calibration": Calibration(1, 0.9, (0.1, 3), ("Too short.",)),
        "started_at": datetime(2026, 11, 23, 14, tzinfo=UTC),
        "duration_seconds": 7200,
        "events": [event(1)],
        "by_hand": True,
    }
    sentences = page(tmp_path, report(**values)).text("p")
    assert not any("was set on" in p or "Expect about" in p for p in sentences)
    assert "Too short." not in sentences
    by_hand = "The threshold was given by hand: the calibration does not say what to expect of it."
    assert by_hand in sentences
    # What it came to has nothing to do with the calibration.
    assert "In the 2 h that were watched it told 1 event, true or false: 0.5 per hour." in sentences


def luminance(colour: str) -> float:
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        values = [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    else:
        values = [int(v) for v in re.findall(r"\d+", colour)]
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.array(values) / 255
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_contrast_meets_wcag_aa_in_light_and_dark(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", report())
    themes = re.findall(r":root \{([^}]*)\}", (tmp_path / "report.html").read_text())[:2]
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): ([^;]+);", theme))
        level = {name: luminance(colour) for name, colour in colours.items()}

        def contrast(a: str, b: str, level: dict[str, float] = level) -> float:
            low, high = sorted((level[a], level[b]))
            return (high + 0.05) / (low + 0.05)

        for ground in ("paper", "card"):
            assert min(contrast(ink, ground) for ink in ("text", "dim", "alarm")) >= 4.5
            assert min(contrast(ink, ground) for ink in ("normal", "camera")) >= 3
        assert contrast("text", "warm") >= 4.5


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page(tmp_path, report())
    before = (tmp_path / "report.html").read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(
        MnadError, match=r"report\.html cannot be written \(No space left on device\)"
    ):
        write_page(tmp_path / "report.html", replace(report(), title="new"))
    assert (tmp_path / "report.html").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    with pytest.raises(MnadError, match="cannot be written"):
        write_page(tmp_path / "missing" / "report.html", report())


def test_a_disk_that_goes_read_only_is_one_sentence(
    tmp_path: Path, read_only: Callable[[], None]
) -> None:
    page(tmp_path, report())
    read_only()
    with pytest.raises(MnadError, match=r"report\.html cannot be written \(Read-only"):
        write_page(tmp_path / "report.html", report())
