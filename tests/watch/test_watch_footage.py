"""The ring of footage: bounded, whole after a crash, never joined over a gap."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnad.errors import MnadError
from mnad.watch.footage import INDEX, Footage, read_index
from mnad.watch.learn import learn
from mnad.watch.normal import load_footage, told_of
from mnad.watch.site import MARKS, Settings, Site


def frame(number: int) -> np.ndarray:
    return np.full((4, 6, 1), number % 251, np.uint8)


def record(
    footage: Footage, first: int, count: int, step: float = 1.0, events: tuple[str, ...] = ()
) -> None:
    """One frame each `step` seconds, with its number in it."""
    for number in range(first, first + count):
        footage.push(frame(number), number * step, events)


def numbers(clip: np.ndarray) -> list[int]:
    return [int(one) for one in clip[:, 0, 0, 0]]


def test_what_is_recorded_is_read_back_in_one_piece(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 200)
    assert footage.seconds == pytest.approx(199, abs=1)
    footage.flush()
    (clip,), rate = load_footage(tmp_path, ())
    assert clip.shape == (200, 4, 6, 1) and numbers(clip) == list(range(200))
    assert rate == pytest.approx(1.0)


def test_hours_are_mapped_from_disk_and_the_same(tmp_path: Path) -> None:
    """Two clips of 70 and 50 frames of 24 bytes; each has its own filter and its own time."""
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 70, step=0.5)
    footage.interrupt()
    record(footage, 200, 50, step=0.5)
    footage.flush()
    whole, rate = load_footage(tmp_path, ())
    assert [len(clip) for clip in whole] == [70, 50] and rate == pytest.approx(2.0, rel=0.03)
    asked: list[list[float]] = []

    def darker() -> Any:
        asked.append([])
        return lambda frame, seconds: asked[-1].append(seconds) or frame // 2

    files = set(tmp_path.iterdir())
    for limit, on_disk in ((70 * 24, [False, True]), (0, [True, True]), (2880, [False, False])):
        asked.clear()
        clips, _ = load_footage(tmp_path, (), darker, limit)
        assert [isinstance(clip, np.memmap) for clip in clips] == on_disk
        for clip, same in zip(clips, whole, strict=True):
            np.testing.assert_array_equal(clip, same // 2)
        assert [len(times) for times in asked] == [70, 50]
        assert asked[1][:3] == pytest.approx([0, 1 / rate, 2 / rate])
    assert set(tmp_path.iterdir()) == files


def test_the_ring_keeps_the_newest_and_is_bounded(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 300)
    for start in range(0, 3000, 50):
        record(footage, start, 50)
        on_disk = sum(np.load(file).shape[0] for file in tmp_path.glob("*.npy"))
        assert on_disk <= 300 + 61
    footage.flush()
    (clip,), _ = load_footage(tmp_path, ())
    kept = [(start + n) % 251 for start, n in ((3000 - len(clip), n) for n in range(len(clip)))]
    assert numbers(clip) == kept and len(clip) >= 300
    assert {file.name for file in tmp_path.glob("*.npy")} == {s.name for s in read_index(tmp_path)}


def test_gaps_and_restarts_are_not_joined(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 70)
    footage.interrupt()
    record(footage, 100, 20)
    footage.flush()
    again = Footage(tmp_path, 1000)
    record(again, 150, 30)
    again.flush()
    clips, _ = load_footage(tmp_path, ())
    assert [numbers(clip) for clip in clips] == [
        list(range(70)),
        list(range(100, 120)),
        list(range(150, 180)),
    ]


def test_what_was_too_slow_for_the_rest_is_not_learnt_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten frames a second by day, eight at dusk, which is near enough, and one by night."""
    footage = Footage(tmp_path, 10000)
    now = 0.0
    for value, step, count in ((1, 0.1, 1801), (2, 0.125, 961), (3, 1.0, 122), (4, 0.1, 601)):
        for _ in range(count):
            footage.push(frame(value), now)
            now += step
        footage.interrupt()

    clips, rate = load_footage(tmp_path, ())

    assert [set(numbers(clip)) for clip in clips] == [{1}, {2}, {4}]
    # The mean is 9.3, but what is of eight must have a score.
    assert rate == pytest.approx(1.15 * 8, rel=0.01)
    assert "122 s of footage have too few frames per second" in caplog.text


def test_where_nights_have_half_the_frames_days_are_learnt_at_that_rate(tmp_path: Path) -> None:
    """Ten frames a second for six minutes, five for two, and two for one: those are left out."""
    footage = Footage(tmp_path, 10000)
    now = 0.0
    for value, step, count in ((1, 0.1, 3601), (2, 0.2, 601), (3, 0.5, 122)):
        for _ in range(count):
            footage.push(frame(value), now)
            now += step
        footage.interrupt()

    (day, night), rate = load_footage(tmp_path, ())

    assert set(numbers(day)) == {1} and len(day) == pytest.approx(1801, abs=6)
    assert numbers(night) == [2] * 601
    assert rate == pytest.approx(5.0, rel=0.01)


def test_a_rare_half_rate_does_not_slow_down_the_rest(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 10000)
    now = 0.0
    for value, step, count in ((1, 0.1, 4801), (2, 0.2, 301)):
        for _ in range(count):
            footage.push(frame(value), now)
            now += step
        footage.interrupt()
    (day,), rate = load_footage(tmp_path, ())
    assert numbers(day) == [1] * 4801 and rate == pytest.approx(10.0, rel=0.01)


def test_of_a_long_span_some_minutes_are_kept_and_stand_for_all(tmp_path: Path) -> None:
    """Three hours, a frame a second, of which every fourth minute is kept; bounded by the span."""
    footage = Footage(tmp_path, 3600, one_in=4)
    record(footage, 0, 1800)
    assert footage.seconds == pytest.approx(1800, abs=30)
    footage.flush()
    clips, rate = load_footage(tmp_path, ())
    # Segments of 61 frames: the first, the fifth, …
    assert [numbers(clip)[0] for clip in clips] == [(61 * 4 * n) % 251 for n in range(len(clips))]
    assert {len(clip) for clip in clips} == {61} and rate == pytest.approx(1.0)
    assert sum(map(len, clips)) == pytest.approx(1800 / 4, abs=61)
    again = Footage(tmp_path, 3600, one_in=4)
    record(again, 1800, 9000)
    assert again.seconds == pytest.approx(3600, abs=4 * 61)
    again.flush()
    assert sum(one.seconds for one in again.segments) == pytest.approx(900, abs=2 * 61)


def test_what_a_sparse_ring_skipped_does_not_count_in_a_dense_one(tmp_path: Path) -> None:
    sparse = Footage(tmp_path, 3600, one_in=5)
    record(sparse, 0, 1200)
    sparse.flush()
    assert sparse.seconds == pytest.approx(1200, abs=61) and sparse.kept <= 300
    dense = Footage(tmp_path, 600)
    assert dense.seconds == dense.kept == pytest.approx(sparse.kept)
    record(dense, 2000, 500)
    dense.flush()
    assert 600 <= dense.seconds < 600 + 61


def test_what_was_recorded_densely_stands_for_itself_in_a_sparse_ring(tmp_path: Path) -> None:
    dense = Footage(tmp_path, 600)
    record(dense, 0, 500)
    dense.flush()
    sparse = Footage(tmp_path, 3600, one_in=3)
    assert sparse.seconds == sparse.kept == pytest.approx(dense.seconds)
    record(sparse, 1000, 366)  # six segments, of which the first and the fourth are kept
    assert sparse.kept == pytest.approx(dense.seconds + 2 * 61)
    assert sparse.seconds == pytest.approx(dense.seconds + 6 * 61)


def test_where_nearly_all_has_events_it_is_said_that_they_may_be_marked(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 100, events=("a",))
    footage.flush()
    with pytest.raises(MnadError, match=r"100 s have events: mark those that are normal"):
        load_footage(tmp_path, ())
    assert told_of(tmp_path, ()) == pytest.approx(100) and told_of(tmp_path, {"a"}) == 0


def test_events_that_were_marked_as_anomalies_are_not_called_unmarked(tmp_path: Path) -> None:
    site, settings = Site(tmp_path), Settings(16, 16)
    site.begin(settings)
    footage = Footage(site.footage, 1000)
    record(footage, 0, 130, events=("a",))
    footage.interrupt()
    record(footage, 130, 10)
    footage.flush()
    (tmp_path / MARKS).write_text('{"event": "a", "as": "anomaly"}\n')
    with pytest.raises(MnadError, match=r"13. s of footage have events: mark those that"):
        learn(site, settings, tmp_path / "model")


def test_an_index_that_may_not_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(MnadError, match=r"cannot be read \(Permission denied\): see to its rights"):
        list(read_index(tmp_path))


def test_what_was_told_of_is_kept_besides_for_a_person_may_call_it_normal(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 36000, one_in=10)
    for minute in range(100):
        told = (f"event {minute}",) if minute in (13, 17, 55) else ()
        record(footage, 61 * minute, 61, events=told)
    told_of = [one.events for one in footage.segments if one.events]
    assert told_of == [("event 13",), ("event 55",)]  # by the 17th one of three was of an event
    clips, _ = load_footage(tmp_path, {"event 13"})
    assert len(clips) == 11
    # One that tells of everything does not push out what is normal.
    for minute in range(100, 300):
        record(footage, 61 * minute, 61, events=() if minute % 10 == 0 else ("all",))
    of_events = sum(bool(one.events) for one in footage.segments)
    assert len(footage.segments) - of_events == 30 and of_events <= 11


def test_a_single_frame_is_dropped_and_what_follows_it_is_not_joined(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 10)
    footage.flush()
    record(footage, 10, 1)
    footage.flush()
    record(footage, 11, 10)
    footage.flush()
    clips, _ = load_footage(tmp_path, ())
    assert [numbers(clip) for clip in clips] == [list(range(10)), list(range(11, 21))]


def test_segments_with_anomalies_are_left_out_until_these_are_called_normal(
    tmp_path: Path,
) -> None:
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 50)
    footage.flush()
    record(footage, 50, 50, events=("a", "b"))
    footage.flush()
    record(footage, 100, 50)
    footage.flush()
    clips, _ = load_footage(tmp_path, {"a"})
    assert [numbers(clip) for clip in clips] == [list(range(50)), list(range(100, 150))]
    (clip,), _ = load_footage(tmp_path, {"b", "a", "c"})
    assert numbers(clip) == list(range(150))


def test_a_crash_between_file_and_index_leaves_the_footage_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footage = Footage(tmp_path, 100)
    record(footage, 0, 61)
    record(footage, 61, 61)
    footage.flush()
    before = (tmp_path / INDEX).read_bytes()
    replace = os.replace

    def crash(source: Any, target: Any) -> None:
        if Path(target).name == INDEX:
            raise KeyboardInterrupt
        replace(source, target)

    record(footage, 122, 60)
    monkeypatch.setattr("mnad.writing.os.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        footage.flush()
    monkeypatch.undo()
    assert (tmp_path / INDEX).read_bytes() == before
    # All that the index names is there, and a new start removes what it does not name.
    (clip,), _ = load_footage(tmp_path, ())
    assert numbers(clip) == list(range(122))
    again = Footage(tmp_path, 100)
    assert len(list(tmp_path.glob("*.npy"))) == len(again.segments) == 2
    record(again, 182, 20)
    again.flush()
    clips, _ = load_footage(tmp_path, ())
    assert numbers(clips[-1]) == list(range(182, 202))


@pytest.mark.parametrize("most", [100, 300])
def test_a_full_disk_is_one_sentence_and_what_is_lost_is_a_gap(tmp_path: Path, most: int) -> None:
    resource = pytest.importorskip("resource", reason="a limit to the size of files needs Unix")
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 20)
    footage.flush()
    record(footage, 20, 20)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writing past this size fails as on a full disk, within the header or the frames.
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(MnadError, match=r"cannot take more footage \(File too large\)"):
            footage.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    record(footage, 40, 20)
    footage.flush()
    clips, _ = load_footage(tmp_path, ())
    assert [numbers(clip) for clip in clips] == [list(range(20)), list(range(40, 60))]
    assert not list(tmp_path.glob(".*"))


def test_a_disk_that_goes_read_only_is_one_sentence(
    tmp_path: Path, read_only: Callable[[], None]
) -> None:
    """What was half written cannot be removed there, either."""
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 20)
    read_only()
    with pytest.raises(MnadError, match=r"cannot take more footage \(Read-only file system\)"):
        footage.flush()


def test_a_segment_that_the_ring_drops_meanwhile_is_a_gap(tmp_path: Path) -> None:
    footage = Footage(tmp_path, 1000)
    for start in (0, 20, 40):
        record(footage, start, 20)
        footage.flush()
    (tmp_path / footage.segments[1].name).unlink()
    clips, _ = load_footage(tmp_path, ())
    assert [numbers(clip) for clip in clips] == [list(range(20)), list(range(40, 60))]


@pytest.mark.parametrize("content", ["", "null", '[{"name": 1}]', "\0" * 100])
def test_an_index_that_a_power_cut_left_damaged_begins_the_ring_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    """A camera with a model goes on being watched."""
    footage = Footage(tmp_path, 1000)
    record(footage, 0, 20)
    footage.flush()
    (tmp_path / INDEX).write_text(content)
    again = Footage(tmp_path, 1000)
    assert again.segments == [] and not list(tmp_path.glob("*.npy"))
    assert caplog.text.count("is damaged") == caplog.text.count("recorded anew") == 1
    record(again, 40, 20)
    again.flush()
    clips, _ = load_footage(tmp_path, ())
    assert [numbers(clip) for clip in clips] == [list(range(40, 60))]


@pytest.mark.parametrize("left", [slice(0), slice(500), slice(None)])
def test_a_segment_that_a_power_cut_left_torn_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: slice
) -> None:
    footage = Footage(tmp_path, 1000)
    for start in (0, 20, 40):
        record(footage, start, 20)
        footage.flush()
    torn = tmp_path / footage.segments[1].name
    content = torn.read_bytes()
    torn.write_bytes(content[left] if left.stop is not None else bytes(len(content)))
    clips, _ = load_footage(tmp_path, ())
    assert [numbers(clip) for clip in clips] == [list(range(20)), list(range(40, 60))]
    assert f"{torn} is damaged" in caplog.text


def test_what_cannot_be_learnt_from_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MnadError, match="no normal footage"):
        load_footage(tmp_path, ())
    (tmp_path / INDEX).write_text("[{]")
    with pytest.raises(MnadError, match="is damaged"):
        load_footage(tmp_path, ())
    (tmp_path / "file").touch()
    with pytest.raises(MnadError, match="cannot be made"):
        Footage(tmp_path / "file" / "footage", 100)
