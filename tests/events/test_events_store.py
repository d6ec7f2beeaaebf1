from __future__ import annotations

import os

import pytest

from mnad.events.store import prune

# Name and size, from the oldest on.
FILES = {
    "scores-20260102.csv": 700,  # the day is in the name, whatever a copy of the file says
    "scores-20260101.csv": 600,
    **{f"scores-202601{day:02}.csv": 400 for day in range(10, 18)},
    "scores-tests.csv": 50,
    "events.jsonl": 500,
    "overlay-20260101T000000Z.mp4": 3000,
    "clips/a.mp4": 1000,
    "thumbnails/a.jpg": 100,
    "clips/.b.part.mp4": 1000,
    "overlay/overlay-20260101T001000Z.mp4": 3000,
    "clips/b.mp4": 1000,
    "clips/c.mp4": 1000,
    "thumbnails/c.jpg": 100,
    "thumbnails/.d.part.jpg": 100,
    "overlay/.overlay-20260101T002000Z.part.mp4": 3000,
    "model/weights.safetensors": 2000,
}
TOTAL = sum(FILES.values())
ORDER = [
    "scores-20260101.csv",
    "scores-20260102.csv",
    "clips/a.mp4",
    "clips/b.mp4",
    "clips/c.mp4",
    "overlay-20260101T000000Z.mp4",
    "overlay/overlay-20260101T001000Z.mp4",
    "thumbnails/a.jpg",
    "thumbnails/c.jpg",
]


@pytest.fixture
def results(tmp_path):
    for age, (name, size) in enumerate(FILES.items()):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (1000 + age, 1000 + age))
    return tmp_path


@pytest.mark.parametrize("count", range(len(ORDER) + 1))
def test_no_more_than_needed_goes_in_order(results, count):
    gone = sum(FILES[name] for name in ORDER[:count])
    removed = prune(results, TOTAL - gone)
    assert removed == [results / name for name in ORDER[:count]]
    left = {str(p.relative_to(results)) for p in results.rglob("*") if p.is_file()}
    assert left == set(FILES) - set(ORDER[:count])


def test_one_byte_over_takes_one_file(results):
    assert prune(results, TOTAL - 1) == [results / "scores-20260101.csv"]


def test_what_must_stay_stays(results):
    prune(results, 0)
    left = {str(p.relative_to(results)) for p in results.rglob("*") if p.is_file()}
    assert left == set(FILES) - set(ORDER)


def test_a_disk_that_has_gone_read_only_is_said_once(results, read_only, caplog):
    read_only()
    assert prune(results, 0) == []
    assert len(caplog.records) == 1 and "Read-only file system" in caplog.text


def test_an_empty_or_missing_folder(tmp_path):
    assert prune(tmp_path, 0) == prune(tmp_path / "missing", 0) == []


def test_what_vanishes_meanwhile_is_no_error(results, vanishing):
    """Such as what a training in another process had written beside and renamed."""
    part = results / "models" / ".part"
    part.mkdir(parents=True)
    (part / "weights.safetensors").write_bytes(b"x" * 5000)
    (results / "gone").symlink_to("nowhere")  # listed, but there is nothing to ask the size of
    vanishing(part)
    assert prune(results, TOTAL - 1) == [results / "scores-20260101.csv"]
    assert not part.exists()
