"""What a threshold gave on what was watched, and one that gives what is asked for."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mnad.calibration.calibrate import KEPT_SCORES
from mnad.calibration.rate import Scored, threshold_for
from mnad.cli import main
from mnad.errors import MnadError, UsageError
from mnad.events.event import Event
from mnad.models.folder import load_model
from mnad.watch.review import review, stretches_of
from mnad.watch.site import CURRENT, Settings, Site
from mnad.watch.table import COLUMNS, DailyTable, Table, read_days

RATE = 10
DAY = 86_400.0
NOW = datetime.now(UTC).replace(microsecond=0)


def written(folder: Path, began: datetime, scores: np.ndarray, covered: range = range(0)) -> None:
    """A run that scored so, as `mnad watch` writes it."""
    table = DailyTable(folder, began)
    for index, score in enumerate(scores):
        numbers = (str(index), f"{index / RATE:.6f}", "30.0", "0.1", "1.0", f"{score:.6f}")
        row = dict(zip(COLUMNS, numbers, strict=True))
        table.write(row, ["covered"] if index in covered else [])
    table.close()


def event(id_: str, at: datetime, lasted: float, peak: float = 0.9, what: str = "anomaly") -> Event:
    kind = "anomaly" if what == "anomaly" else "camera"
    when = at.isoformat(timespec="milliseconds")
    return Event(id_, "end", kind, what, "cam", 5.0, 5 + lasted, when, peak, 6.0, 60, 0.5)  # type: ignore[arg-type]


def tell(folder: Path, events: Iterable[Event]) -> None:
    lines = [json.dumps(one.as_dict()) + "\n" for one in events]
    (folder / "events.jsonl").write_text("".join(lines))


@pytest.fixture
def site(tmp_path: Path, model: Path) -> Site:
    """One that has been watched for two hours by its model."""
    site = Site(tmp_path / "the site")
    site.begin(Settings(48, 64, 1, float(RATE), 6.0, 0.02, 0))
    shutil.copytree(model, site.path / "models" / "a")
    site.use(site.path / "models" / "a")
    began = NOW - timedelta(hours=2)
    (site.path / CURRENT).write_text(f"a\n{began.isoformat()}\n")
    return site


def quiet(hours: float, seed: int = 0) -> np.ndarray:
    """Scores of a calm place, alike for some frames, none of them above 0.5."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.uniform(0.1, 0.5, round(3600 * hours * RATE / 5)), 5)


def test_the_table_is_read_back_over_midnight_without_the_torn_line(tmp_path: Path) -> None:
    began = datetime(2026, 5, 4, 23, 59, 59, tzinfo=UTC)
    written(tmp_path, began, np.arange(20) / 100)
    files = sorted(tmp_path.glob("scores-*.csv"))
    assert [file.name for file in files] == ["scores-20260504.csv", "scores-20260505.csv"]
    with files[1].open("a") as file:
        file.write("2026-05-05T00:00:01.000+00:00,20,2.0")  # a crash, and then the next run
    written(tmp_path, datetime(2026, 5, 5, 1, tzinfo=UTC), np.array([0.5, 0.6]))
    table = read_days(tmp_path, began)
    np.testing.assert_allclose(table.score, [*np.arange(20) / 100, 0.5, 0.6])
    np.testing.assert_allclose(np.diff(table.time[:20]), 0.1, atol=2e-6)
    assert table.seconds[-1] == 0.1
    later = read_days(tmp_path, began + timedelta(seconds=1))
    np.testing.assert_allclose(later.score, [*np.arange(10, 20) / 100, 0.5, 0.6])
    assert len(read_days(tmp_path / "none", began).score) == 0
    # Of other readers a line of too many columns stops all.
    assert {len(row) for row in csv.reader(files[1].open())} == {8}


@pytest.mark.parametrize("left", [b"2026-05-04T01:00:00.2", bytes(5000), b""])
def test_a_row_stands_on_a_line_of_its_own_whatever_a_power_cut_left(
    tmp_path: Path, left: bytes
) -> None:
    file = tmp_path / "scores-20260504.csv"
    written(tmp_path, datetime(2026, 5, 4, 1, tzinfo=UTC), np.array([0.5, 0.6]))
    whole = file.read_bytes()
    file.write_bytes(whole + left)
    written(tmp_path, datetime(2026, 5, 4, 2, tzinfo=UTC), np.array([0.7]))
    assert file.read_bytes()[: len(whole)] == whole
    assert file.read_text().count("\n") == 4 and file.read_text().endswith("0.700000,\n")
    file.write_bytes(whole[:20])  # not even its header is whole
    written(tmp_path, datetime(2026, 5, 4, 3, tzinfo=UTC), np.array([0.8]))
    header, row = file.read_text().splitlines()
    assert header.startswith("time,frame") and row.endswith("0.800000,")


def test_scores_go_on_where_their_folder_was_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = DailyTable(tmp_path / "site", NOW)
    row = dict.fromkeys(COLUMNS, "0")
    (tmp_path / "site").mkdir()
    table.write(row)
    shutil.rmtree(tmp_path / "site")
    table.write(row)
    assert not table.whole and "No such file" in caplog.text
    (tmp_path / "site").mkdir()
    table.write(row)
    table.close()
    (file,) = (tmp_path / "site").iterdir()
    assert len(file.read_text().splitlines()) == 2


def test_a_day_whose_file_a_power_cut_left_empty_has_its_header(tmp_path: Path) -> None:
    file = tmp_path / "scores-20260504.csv"
    file.touch()
    for hour in (1, 2):
        written(tmp_path, datetime(2026, 5, 4, hour, tzinfo=UTC), np.array([0.5, 0.6]))
    header, *rows = file.read_text().splitlines()
    assert header.startswith("time,frame") and [row[:4] for row in rows] == ["2026"] * 4


def test_pieces_end_at_gaps_at_runs_and_at_what_is_left_out() -> None:
    seconds = np.concatenate([np.arange(200), np.arange(260, 400), np.arange(100)]) / RATE
    time = np.concatenate([seconds[:340], 1000 + seconds[340:]])
    score = np.full(440, 0.3)
    score[30:40] = np.nan
    # A run of 20 s, 6 s lost, 14 s, and another run of 10 s. Left out: NaN from 3.0 to 3.9 s, and
    # 12.0 to 16.0 s: a second less than from 4.0 to 11.9 on the one side, 3.9 s on the other.
    kept, left_out = stretches_of(Table(time, seconds, score), [(12.0, 16.0), (1500.0, 1600.0)])
    spans = [(one.seconds[0], one.seconds[-1], len(one.score)) for one in kept]
    assert spans == [(0, 2.9, 30), (4, 11.9, 80), (16.1, 19.9, 39), (26, 39.9, 140), (0, 9.9, 100)]
    assert left_out == pytest.approx((1.0 + 4.1) / 3600)
    assert stretches_of(Table(*np.empty((3, 0))), []) == ([], 0)


def test_it_is_the_threshold_of_what_was_watched(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    began = NOW - timedelta(hours=2)
    scores = quiet(2)
    for at in range(600, 7200, 1200):  # six false alarms
        scores[at * RATE : at * RATE + 5] = 0.6 + at / 1e5
    told = [event("true", began + timedelta(seconds=1000), 4.0, 0.95)]
    scores[10_000:10_040] = 0.95
    told.append(event("missed", began - timedelta(hours=1), 4.0, 0.8))  # before this model
    # What is still going on, and what blinds nobody.
    told.append(event("blind", began + timedelta(seconds=3000), 0.0, what="covered"))
    told.append(event("dark", began + timedelta(seconds=4000), 600.0, what="lighting"))
    scores[30_000:30_600] = 0.97
    written(site.path, began, scores, range(30_000, 30_601))
    tell(site.path, told)
    site.mark(["true", "missed"], "anomaly")

    seen = review(site, DAY, 2.0, apply=False)
    pieces = [scores[:9950], scores[10_091:30_000], scores[30_601:]]
    starts = (0, 10_091, 30_601)
    clean = [
        Scored((start + np.arange(len(piece))) / RATE, np.round(piece, 6))
        for start, piece in zip(starts, pieces, strict=True)
    ]
    expected = threshold_for(clean, 2.0)
    (offer,) = (one for one in seen.offers if one.per_hour == 2.0)
    assert replace(offer, hours=expected.hours) == expected
    # Of the six, one is in the dark. 2 an hour are 3 of these 1,425 blocks: it lies on the third.
    assert not offer.extrapolated and offer.score == pytest.approx(0.642) and offer.counted == 2
    assert seen.hours == pytest.approx(sum(map(len, pieces)) / RATE / 3600)
    assert seen.left_out == pytest.approx((14.1 + 60.1) / 3600)
    assert [e.id for e in seen.anomalies] == ["true"] and seen.unmarked == ()
    assert sorted(one.per_hour for one in seen.offers) == [0.1, 0.3, 1, 2, 3, 10]
    before = load_model(site.path / "models" / "a").calibration
    assert before is not None and seen.threshold == before.threshold.score and seen.taken is None
    # Not marked, it counts as a false alarm.
    site.mark(["true"], "normal")
    higher = review(site, DAY, 2.0, apply=False)
    assert higher.offers[3].score > offer.score and higher.anomalies == ()
    tell(site.path, [*told, event("odd", began + timedelta(seconds=4200), 0.5, 0.642)])
    assert [e.id for e in review(site, DAY, 2.0, apply=False).unmarked] == ["odd"]

    assert main(["review", str(site.path), "--false_alarms_per_hour", "2"]) == 0
    said = capsys.readouterr().out
    assert "2.0 h watched" in said and "extrapolated" in said
    # To be copied into a shell.
    assert f"mnad review '{site.path}' --false_alarms_per_hour RATE --apply" in said
    assert f"mnad mark '{site.path}' EVENT" in said
    one = "\n".join(replace(seen, alarms=1, asked=1.0).lines())
    assert "set for 1 false alarm an hour, comes to 1 alarm there" in one
    row = next(line.split() for line in said.splitlines() if line.split()[:1] == ["2"])
    assert row[3:] == ["-", "0", "of", "1"]
    assert "  odd  peak 0.642" in said
    tell(site.path, [event(str(n), began, 1.0, 0.5 + n / 100) for n in range(25)])
    listed = review(site, DAY, 2.0, apply=False).lines()
    assert "  and 5 with lower peaks" in listed and any("24  peak 0.740" in x for x in listed)
    assert main(["review", str(site.path), "--last", "1000000d"]) == 0
    assert main(["review", str(site.path), "--last", "yesterday"]) == 2
    assert main(["review", str(site.path), "--false_alarms_per_hour", "0"]) == 2


def test_it_counts_what_the_watch_would_tell(site: Site) -> None:
    """Of six half seconds and two of two seconds, `--events.min_seconds 1` tells two."""
    scores = quiet(2)
    for at in range(600, 7200, 1200):
        scores[at * RATE : at * RATE + 5] = 0.95 + at / 1e6
    for at in (1000, 5000):
        scores[at * RATE : at * RATE + 20] = 0.9 + at / 1e6
    written(site.path, NOW - timedelta(hours=2), scores)
    usual = review(site, DAY, 1.0, apply=False)
    site.change(events={"min_seconds": 1.0})
    seldom = review(site, DAY, 1.0, apply=False)
    assert (usual.alarms, seldom.alarms) == (8, 2)
    # One an hour: just above the second highest of all, or of what lasts so long.
    at_one = [next(o for o in seen.offers if o.per_hour == 1.0) for seen in (usual, seldom)]
    assert [offer.score for offer in at_one] == pytest.approx([0.9554, 0.901])
    assert [offer.counted for offer in at_one] == [1, 1]
    site.change(events={"cooldown_seconds": 600.0})
    assert review(site, DAY, 1.0, apply=False).alarms == 6  # 400 s apart is one, twice


def test_applied_it_is_in_the_model_and_in_what_is_learnt_from_then_on(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, began = site.path / "models" / "a", NOW - timedelta(hours=2)
    before = load_model(folder)
    scores = quiet(2)
    scores[::9000] = 0.7  # of single frames no alarm comes
    written(site.path, began, scores)
    assert main(["review", str(site.path), "--false_alarms_per_hour", "4", "--apply"]) == 0
    taken = threshold_for([Scored(np.arange(len(scores)) / RATE, np.round(scores, 6))], 4.0)
    said = f"The threshold is {taken.score:.3f} from now on, unless mnad watch was given one"
    assert said in capsys.readouterr().out
    after = load_model(folder)
    assert before.calibration is not None and after.calibration is not None
    assert replace(after.calibration.threshold, hours=taken.hours) == taken
    assert after.calibration.rate == pytest.approx(RATE)
    assert after.calibration.frames == len(scores) and after.calibration.trained_on == 0
    assert len(after.calibration.score) <= KEPT_SCORES
    assert after.calibration.view is not None and before.calibration.view is not None
    for now, then in zip(
        after.calibration.view.as_arrays().values(),
        before.calibration.view.as_arrays().values(),
        strict=True,
    ):
        np.testing.assert_array_equal(now, then)
    assert before.reference is not None and after.reference is not None
    np.testing.assert_array_equal(after.reference.peak, before.reference.peak)
    assert site.known_settings().false_alarms_per_hour == 4.0
    # And it is the one of which the next review tells.
    again = review(site, DAY, None, apply=False)
    assert again.threshold == taken.score and again.asked == 4.0
    assert again.alarms == taken.counted
    # Of the same hours, when something was marked in them, a little less is left: that does.
    tell(site.path, [event("true", began + timedelta(seconds=900), 1.0)])
    site.mark(["true"], "anomaly")
    assert review(site, DAY, None, apply=True).hours < taken.hours


def test_what_is_told_ever_more_rarely_is_of_the_event_before(site: Site) -> None:
    began = NOW - timedelta(hours=2)
    scores = quiet(2)
    # By --events.longest_seconds 20; it is over in a rest, and pauses of a second end nothing.
    scores[10_000:11_400] = 0.95
    scores[10_250:10_260] = scores[11_300:11_310] = 0.1
    spans = [("a", 1000, 20.0), ("b", 1040, 20.0), ("c", 1100, 20.0)]
    # And one that is still told of.
    scores[70_000:71_000] = 0.95
    written(site.path, began, scores)
    events = [
        replace(event(id_, began + timedelta(seconds=at), lasted, 0.95), threshold=0.8)
        for id_, at, lasted in [*spans, ("open", 7000, 0.0)]
    ]
    tell(site.path, [*events[:3], replace(events[3], phase="start", end=None)])
    # As it was told, or less often.
    assert review(site, DAY, None, apply=False).alarms == 2
    site.mark(["a", "c", "open"], "anomaly")
    seen = review(site, DAY, None, apply=False)
    assert seen.alarms == 1 and [e.id for e in seen.unmarked] == ["b"]
    assert seen.left_out == pytest.approx((50 + 50 + 110) / 3600, abs=1 / 3600)
    site.mark(["b"], "anomaly")
    seen = review(site, DAY, None, apply=False)
    assert seen.alarms == 0 and all(offer.score < 0.8 for offer in seen.offers if offer.counted)
    assert seen.left_out == pytest.approx((150 + 110) / 3600, abs=1 / 3600)
    assert max(offer.score for offer in seen.offers if not offer.extrapolated) < 0.5


def test_a_rest_in_which_what_is_looked_at_begins_is_of_its_event(site: Site) -> None:
    # Of the last hour: by the clock of the test, which may begin long after this file was read.
    began = datetime.now(UTC) - timedelta(hours=2)
    scores = quiet(2)
    scores[30_000:42_000] = 0.95
    written(site.path, began, scores)
    told = replace(event("long", began + timedelta(seconds=3000), 300.0, 0.95), threshold=0.8)
    tell(site.path, [told])
    site.mark(["long"], "anomaly")
    seen = review(site, 3600.0, None, apply=False)
    assert seen.alarms == 0 and seen.hours == pytest.approx(2995 / 3600, abs=30 / 3600)


def test_the_rate_that_a_model_knows_is_not_that_of_a_stream_with_holes(site: Site) -> None:
    folder, began = site.path / "models" / "a", NOW - timedelta(hours=2)
    before = load_model(folder).calibration
    table = DailyTable(site.path, began)
    for index, score in enumerate(quiet(1.9)):
        if index % 25:
            numbers = (str(index), f"{index / RATE:.6f}", "30.0", "0.1", "1.0", f"{score:.6f}")
            table.write(dict(zip(COLUMNS, numbers, strict=True)))
    table.close()
    review(site, DAY, 4.0, apply=True)
    after = load_model(folder).calibration
    assert before is not None and after is not None
    assert after.threshold.score != before.threshold.score and after.rate == before.rate


def test_less_than_the_threshold_rests_on_does_not_move_it(site: Site) -> None:
    folder = site.path / "models" / "a"
    with pytest.raises(MnadError, match=r"0 s were watched since"):
        review(site, DAY, None, apply=False)
    written(site.path, NOW - timedelta(minutes=30), quiet(0.006))  # 22 s; it was calibrated on 24
    review(site, DAY, None, apply=False)
    content = (folder / "normal.safetensors").read_bytes()
    with pytest.raises(MnadError, match=r"22 s were watched, and 2\d s is the least"):
        review(site, DAY, None, apply=True)
    assert (folder / "normal.safetensors").read_bytes() == content
    # What came before the model, or before what is asked for, does not count.
    written(site.path, NOW - timedelta(hours=4), quiet(1))
    assert review(site, DAY, None, apply=False).hours < 0.01
    with pytest.raises(MnadError, match=r"0 s were watched since"):
        review(site, 60.0, None, apply=False)


def test_where_nothing_was_learnt_it_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with pytest.raises(
        MnadError, match=r"has no site\.json: give the folder \(--out\) of a mnad watch"
    ):
        review(site, DAY, None, apply=False)
    settings = Settings(48, 64, 1, 5.0, 6.0, 0.02, 0)
    site.begin(settings)
    with pytest.raises(MnadError, match="has learnt nothing yet"):
        review(site, DAY, None, apply=False)
    site.change(false_alarms_per_hour=0.5)
    assert site.known_settings() == replace(settings, false_alarms_per_hour=0.5)
    with pytest.raises(UsageError, match="no length of time"):
        from mnad import api

        api.review(tmp_path, last="1 day")


def test_a_folder_from_before_knows_since_when_by_its_file(site: Site) -> None:
    assert site.in_use_since == NOW - timedelta(hours=2)
    (site.path / CURRENT).write_text("a\n")
    assert site.model == site.path / "models" / "a"
    assert timedelta(0) <= datetime.now(UTC) - site.in_use_since < timedelta(minutes=1)
