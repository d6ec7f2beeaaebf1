"""From a camera to alarms: learn, watch, go on, learn anew."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from street import HEIGHT, RATE, WIDTH, as_frames, street, video

from mnad import api
from mnad.alarms.alarms import AlarmConfig
from mnad.cli import main
from mnad.errors import MnadError, UsageError
from mnad.events.log import EventLog, read_events
from mnad.events.message import camera_event
from mnad.lock import locked
from mnad.models.folder import load_model
from mnad.runtime.pick import installed
from mnad.video.live import Gap
from mnad.video.source import Frame
from mnad.watch import camera
from mnad.watch import learn as learning
from mnad.watch.camera import watch_camera
from mnad.watch.footage import Footage, read_index
from mnad.watch.normal import load_footage
from mnad.watch.now import NOW
from mnad.watch.options import EventTimes, WatchOptions
from mnad.watch.site import SHORTEST_LEARNING, Settings, Site
from mnad.watch.watcher import Watcher
from mnad.writing import write_json

GIVEN = Settings(HEIGHT, WIDTH, 1, float(RATE), 6.0, 0.02, 0)
QUIET = WatchOptions(overlay=False, clips=False)
STOP = "stop"


class Camera:
    """A live source whose frames are `items`; at a condition among them nothing comes until it
    holds, and `STOP` is a SIGTERM."""

    name, lag, dropped, rate, finite = "cam", 0.0, 0, Fraction(RATE), False

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Frame | Gap | None]:
        for item in self.items:
            if isinstance(item, list):
                yield from item
            elif item == STOP:
                os.kill(os.getpid(), signal.SIGTERM)
                yield None
            elif callable(item):
                until = time.monotonic() + 120
                while not item():
                    assert time.monotonic() < until
                    yield None
                    time.sleep(0.02)
            else:
                yield item

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Training:
    """In place of the process that trains: copies a model that is there already."""

    runs: ClassVar[list[Training]] = []
    model = Path()
    code = 0

    def __init__(self, command: list[str], **options: Any) -> None:
        self.site, self.out = Site(command[-2]), Path(command[-1])
        self.asked, self.ended = 0, datetime.max.replace(tzinfo=UTC)
        Training.runs.append(self)

    def poll(self) -> int | None:
        self.asked += 1
        if self.asked < 30:
            return None
        if not self.code:
            shutil.copytree(self.model, self.out, dirs_exist_ok=True)  # two in a second
        self.ended = datetime.now(UTC)
        return self.code

    def terminate(self) -> None:
        pass

    def wait(self) -> int:
        return 0


@pytest.fixture
def trained(model: Path, monkeypatch: pytest.MonkeyPatch) -> type[Training]:
    monkeypatch.setattr(Training, "runs", [])
    monkeypatch.setattr(Training, "model", model)
    monkeypatch.setattr("mnad.watch.training.subprocess.Popen", Training)
    return Training


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watcher | None]:
    """Runs `watch_camera` on a camera that gives these items."""

    def run(
        site: Path,
        *items: Any,
        relearn: bool = False,
        learning: float | None = SHORTEST_LEARNING,
        **other: Any,
    ) -> Watcher | None:
        monkeypatch.setattr(camera, "PlayedSource", lambda source, channels: Camera(*items))
        given = replace(GIVEN, **other)
        return watch_camera(
            Site(site), "cam", given, QUIET, learn_seconds=learning, relearn=relearn
        )

    return run


def scored(site: Path) -> list[int]:
    (file,) = site.glob("scores-*.csv")
    return [int(line.split(",")[1]) for line in file.read_text().splitlines()[1:]]


def test_from_nothing_to_watching_and_on_again(tmp_path: Path, watch: Any) -> None:
    """The real training, in its own process."""
    site = Site(tmp_path / "site")
    learning = 5 * SHORTEST_LEARNING  # two minutes for the threshold: seconds put it anywhere
    normal = street(10 * int(learning), 1)
    later = as_frames(street(100, 2, thing=range(40, 80)), len(normal), learning)
    learnt_then = (site.path / "events.jsonl").exists
    seen = watch(
        site.path, as_frames(normal), learnt_then, later, STOP, rate=5.0, learning=learning
    )
    assert seen is not None and site.model is not None
    learnt = load_model(site.model)
    assert learnt.calibration is not None and learnt.calibration.trained_on == 0
    assert learnt.config.network.height == HEIGHT and learnt.config.rate == 5
    # It computes by OpenVINO where that is installed.
    fast = installed("openvino", to_export=True)
    assert (site.model / "openvino" / "model.xml").exists() == fast
    assert seen.detector.runtime.name == ("openvino" if fast else "torch")
    clips, rate = load_footage(site.footage, ())
    assert len(clips[0]) >= len(normal) / 2 - 5 and rate == pytest.approx(5, rel=0.01)
    assert seen.frames >= 45 and seen.threshold == learnt.calibration.threshold.score
    # Even so a false alarm may come, before it and after.
    starts = [e for e in read_events(site.path / "events.jsonl") if e.phase == "start"]
    (start,) = [e for e in starts if 4 <= e.start - learning <= 4.8]
    assert (site.path / "report.html").exists()
    assert start.id in {id_ for s in read_index(site.footage) for id_ in s.events}
    # Started again it watches from the first frame on, with the settings of the beginning.
    again = watch(site.path, as_frames(street(30, 3)), STOP, height=160)
    assert again is not None and again.frames == 15 - 4 and start.id in again.events
    assert site.known_settings() == replace(GIVEN, rate=5.0, learn_seconds=SHORTEST_LEARNING)


def test_a_clock_that_comes_right_while_it_is_learnt_dates_what_is_watched(
    tmp_path: Path,
    trained: type[Training],
    watch: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine without a clock of its own begins in 1970, and asks for the time."""
    # Each frame is looked at a second after the one before, the clock once a minute.
    monkeypatch.setattr("mnad.watch.live.time", SimpleNamespace(monotonic=count().__next__))
    booted = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)

    class Booted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return booted.astimezone(tz)

    monkeypatch.setattr(camera, "datetime", Booted)
    now = as_frames(street(1300, 1))
    site = Site(tmp_path / "site")
    watch(site.path, now, lambda: site.model is not None, as_frames(street(20, 2), 1300, 130.0))
    (table,) = site.path.glob("scores-*.csv")
    assert table.name != "scores-19700101.csv"


def test_learning_anew_goes_on_watching_and_swaps_the_model(
    tmp_path: Path, model: Path, trained: type[Training], watch: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    record(site, 1201)
    frames = as_frames(street(160, 1, thing=range(100, 140)))
    seen = watch(site.path, frames, [None] * 40, STOP, relearn=True)
    assert len(trained.runs) == 1 and site.model is not None and site.model.name != "a"
    # No frame is without a score but while the window fills, at the start and at the swap.
    assert seen is not None and seen.frames == 160 - 8
    swap = trained.runs[0].asked + 1
    assert scored(site.path) == [*range(4, swap), *range(swap + 4, 160)]
    (start,) = [e for e in read_events(site.path / "events.jsonl") if e.phase == "start"]
    assert 10 <= start.start <= 10.5
    # What the model before has scored, until the training had ended, is none of the new one's.
    assert site.in_use_since > trained.runs[0].ended


def test_a_first_start_that_fails_leaves_the_folder_as_it_was(tmp_path: Path, capsys: Any) -> None:
    """With a lock in it, it would be taken for a camera's, into which no file is detected."""
    (there := tmp_path / "there").mkdir()
    for out in (there, tmp_path / "made"):
        assert main(["watch", "http://127.0.0.1:1/typo", "--out", str(out)]) == 1
        assert "the connection is refused" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [there] and not list(there.iterdir())
    with locked(there):  # who has it keeps others out, and what lies in it stays
        with pytest.raises(UsageError, match="another mnad watches into"), locked(there):
            pass
        (there / "site.json").touch()
    assert {file.name for file in there.iterdir()} == {".lock", "site.json"}


def test_a_folder_learns_anew_from_as_much_as_it_was_begun_with(
    tmp_path: Path, trained: type[Training], watch: Any, caplog: Any
) -> None:
    caplog.set_level("INFO")
    site = Site(tmp_path / "site")
    assert watch(site.path, as_frames(street(1201, 1)), [None] * 40, STOP) is not None
    assert watch(site.path, [None] * 40, STOP, relearn=True, learning=None) is not None
    assert len(trained.runs) == 2 and "learning anew begins" not in caplog.text
    # Given anew it is waited for, which is said at once, and what holds the next time.
    few = as_frames(street(20, 1))
    assert watch(site.path, few, STOP, relearn=True, learning=300.0) is not None
    said = "120 s of normal footage are recorded, and 300 s are learnt from (--learn): learning"
    assert len(trained.runs) == 2 and caplog.text.count(said) == 1
    assert site.known_settings().learn_seconds == 300.0
    # What is refused changes nothing.
    with pytest.raises(UsageError, match=r"learn is 60 s; give 120 s or more"):
        watch(site.path, STOP, learning=60.0)
    assert site.known_settings().learn_seconds == 300.0


def test_how_much_is_recorded_is_said_a_hundred_times_at_most(
    tmp_path: Path, watch: Any, monkeypatch: Any, caplog: Any
) -> None:
    """Of a day that is learnt from the log would be 8,640 lines of it."""
    caplog.set_level("INFO")
    now = 1000.0

    def later() -> bool:
        nonlocal now
        now += 10.5
        return True

    clock = SimpleNamespace(monotonic=lambda: now, sleep=lambda seconds: None)
    monkeypatch.setattr("mnad.watch.camera.time", clock)
    monkeypatch.setattr("mnad.watch.status.time", clock)
    items = [item for frame in as_frames(street(200, 1)) for item in ([frame], later)]
    assert watch(tmp_path / "short", *items, STOP) is None
    assert caplog.text.count("of 120 s of normal footage") in (199, 200)
    assert watch(tmp_path / "long", *items, STOP, learning=21_000.0) is None
    assert caplog.text.count("of 21000 s of normal footage") in (9, 10)


def test_what_makes_an_event_is_kept_for_the_review(
    tmp_path: Path, model: Path, watch: Any, monkeypatch: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    times = EventTimes(min_seconds=1.0)
    with monkeypatch.context() as given:
        given.setattr("test_watch_camera.QUIET", replace(QUIET, times=times))
        assert watch(site.path, STOP) is not None
    assert site.known_settings().times == times
    assert watch(site.path, STOP) is not None
    assert site.known_settings().times == EventTimes()


def test_a_threshold_that_is_set_meanwhile_holds_from_then_on(
    tmp_path: Path, model: Path, watch: Any, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(camera, "LOOK_SECONDS", 0.0)
    caplog.set_level("INFO")
    site = Site(tmp_path / "site")
    in_use(site, model)
    site.begin(replace(GIVEN, false_alarms_per_hour=60.0))
    before = load_model(model).calibration
    assert before is not None

    def reviewed() -> bool:
        assert "watched for a day" not in caplog.text
        monkeypatch.setattr(camera, "DAY_SECONDS", 0.0)
        api.review(site.path, false_alarms_per_hour=120.0, apply=True)
        return True

    first, rest = as_frames(street(400, 1)), as_frames(street(100, 2), 400, 40.0)
    seen = watch(site.path, first, reviewed, rest, STOP)
    after = load_model(site.path / "models" / "a").calibration
    assert seen is not None and after is not None and after.threshold.per_hour == 120.0
    assert seen.threshold == after.threshold.score != before.threshold.score
    # No frame is without a score but while the window fills, at the start and at the change.
    assert scored(site.path) == [*range(4, 401), *range(405, 500)]
    assert caplog.text.count("read anew; the threshold is") == 1
    assert f"`mnad review {site.path}` says" in caplog.text
    # One that is damaged meanwhile is told of, and what is watched goes on.
    damaged = site.path / "models" / "a" / "normal.safetensors"

    def damage() -> bool:
        damaged.write_bytes(b"x")
        return True

    assert watch(site.path, as_frames(street(40, 1)), damage, as_frames(street(20, 1), 40, 4.0))
    assert "is damaged" in caplog.text and "Until then it goes on as before" in caplog.text


def test_a_training_that_fails_leaves_the_model_before_in_use(
    tmp_path: Path, model: Path, trained: type[Training], watch: Any, monkeypatch: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    record(site, 1201)
    monkeypatch.setattr(Training, "code", 1)
    seen = watch(site.path, as_frames(street(60, 1)), STOP, relearn=True)
    assert len(trained.runs) == 1 and site.model is not None and site.model.name == "a"
    assert seen is not None and scored(site.path) == list(range(4, 60))
    shutil.rmtree(site.path / "models")
    (site.path / "current").unlink()
    with pytest.raises(MnadError, match=r"training in .* failed"):
        watch(site.path, as_frames(street(60, 1)), [None] * 40)


def test_a_model_of_no_use_is_told_of_and_another_one_is_learnt(
    tmp_path: Path, model: Path, trained: type[Training], watch: Any, caplog: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    record(site, 1201)
    assert site.model is not None
    (site.model / "config.json").write_text("{}")
    with pytest.raises(MnadError, match=r"Or learn anew .* --relearn"):
        watch(site.path, as_frames(street(20, 1)), STOP)
    seen = watch(site.path, as_frames(street(20, 1)), [None] * 40, STOP, relearn=True)
    assert "what is learnt now takes its place" in caplog.text
    assert seen is not None and len(trained.runs) == 1


def test_a_model_of_no_use_that_was_just_learnt_leaves_the_one_before(
    tmp_path: Path, model: Path, trained: type[Training], watch: Any, monkeypatch: Any, caplog: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    record(site, 1201)
    damaged = shutil.copytree(model, tmp_path / "damaged")
    (damaged / "config.json").write_text("{}")
    monkeypatch.setattr(Training, "model", damaged)
    seen = watch(site.path, as_frames(street(60, 1)), STOP, relearn=True)
    assert "The model before goes on" in caplog.text
    assert seen is not None and scored(site.path) == list(range(4, 60))
    assert site.model is not None and site.model.name == "a"  # after a restart, too


def test_a_training_that_is_stopped_with_all_else_is_no_failure(
    tmp_path: Path, trained: type[Training], watch: Any, monkeypatch: Any
) -> None:
    """As `systemctl stop` does it: the signal reaches the training, and this process as well."""
    site = Site(tmp_path / "site")
    record(site, 1201)

    def poll(self: Training) -> int | None:
        self.asked += 1
        if self.asked == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return None if self.asked < 10 else -signal.SIGTERM

    monkeypatch.setattr(Training, "poll", poll)
    assert watch(site.path, as_frames(street(60, 1)), [None] * 40) is None
    assert len(trained.runs) == 1


def in_use(site: Site, model: Path) -> None:
    shutil.copytree(model, site.path / "models" / "a")
    site.use(site.path / "models" / "a")


def record(site: Site, count: int, events: tuple[str, ...] = ()) -> None:
    footage = Footage(site.footage, 1000)
    for frame in as_frames(street(count, 1)):
        footage.push(frame.pixels, float(frame.seconds), events)
    footage.flush()


def test_what_is_marked_as_normal_is_learnt(tmp_path: Path, model: Path, watch: Any) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    record(site, 1201)
    watch(site.path, as_frames(street(100, 2, thing=range(40, 80))), STOP)
    (event,) = {e.id for e in read_events(site.path / "events.jsonl")}
    without, _ = load_footage(site.footage, site.normal_events())
    api.mark(site.path, [event], "normal")
    clips, _ = load_footage(site.footage, site.normal_events())
    assert sum(map(len, clips)) - sum(map(len, without)) == 100
    api.mark(site.path, [event], "anomaly")
    assert len(load_footage(site.footage, site.normal_events())[0]) == len(without)


def test_a_stream_that_is_lost_while_it_is_learnt_is_told_of(
    tmp_path: Path, trained: type[Training], watch: Any, monkeypatch: Any
) -> None:
    site = Site(tmp_path / "site")
    record(site, 1201)
    monkeypatch.setattr("mnad.watch.watcher.LOST_SECONDS", 0.0)
    lost = Gap(1.9, None, "refused", 1)
    seen = watch(site.path, as_frames(street(20, 1)), lost, [None] * 40, STOP)
    assert seen is not None
    start, end = read_events(site.path / "events.jsonl")
    assert (start.what, start.start, end.phase) == ("lost", 1.9, "end")
    assert end.end is not None and end.end > 1.9


def test_scraps_between_two_holes_are_not_learnt_from(tmp_path: Path, monkeypatch: Any) -> None:
    site, frames = Site(tmp_path / "site"), as_frames(street(1300, 1))
    site.begin(GIVEN)
    footage = Footage(site.footage, 1000)
    for frame in frames:
        if frame.index in (600, 603):
            footage.interrupt()
        footage.push(frame.pixels, float(frame.seconds), ())
    footage.flush()
    asked: list[int] = []

    def stand_in(footage: Any, *_: object, **__: object) -> None:
        asked.extend(map(len, footage.clips))
        raise MnadError("that was to be seen")

    monkeypatch.setattr(learning, "main", stand_in)
    monkeypatch.setattr(learning, "affordable", lambda footage, config, recipe, *_: recipe)
    with pytest.raises(MnadError, match="to be seen"):
        learning.learn(site, GIVEN, site.new_model())
    assert min(asked) > 5 and 1000 < sum(asked) < 1100


def test_a_model_is_learnt_for_what_makes_an_event_at_its_site(
    tmp_path: Path, model: Path, monkeypatch: Any
) -> None:
    site = Site(tmp_path / "site")
    site.begin(replace(GIVEN, events=asdict(EventTimes(min_seconds=1.5))))
    record(site, 1201)
    asked: dict[str, Any] = {}

    def trained(*_: object, finish: Callable[[Any], Any], **__: object) -> Any:
        return finish(load_model(model))

    def calibrated(*_: object, **options: Any) -> None:
        asked.update(options)
        raise MnadError("that was to be seen")

    monkeypatch.setattr(learning, "main", trained)
    monkeypatch.setattr(learning, "calibrate_model", calibrated)
    monkeypatch.setattr(learning, "affordable", lambda footage, config, recipe, *_: recipe)
    with pytest.raises(MnadError, match="to be seen"):
        learning.learn(site, GIVEN, site.new_model())
    assert asked["events"].min_seconds == 1.5


def test_a_gap_is_in_the_footage_too(tmp_path: Path, trained: type[Training], watch: Any) -> None:
    site = Site(tmp_path / "site")
    frames = as_frames(street(1300, 1))
    gap = [Gap(60.0, None, "refused", 0), Gap(60.0, 70.0, "refused", 3)]
    rest = as_frames(street(700, 2), 601, 70.0)
    watch(site.path, frames[:601], gap, rest, [None] * 40, STOP)
    clips, _ = load_footage(site.footage, ())
    assert [len(clip) for clip in clips] == [601, 700]


def test_a_full_disk_does_not_stop_the_watching(
    tmp_path: Path, model: Path, watch: Any, monkeypatch: Any, caplog: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)

    def full(path: Path, *, lasting: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mnad.watch.footage.beside", full)
    lost = [Gap(3.9, None, "refused", 0), Gap(3.9, 8.0, "refused", 1)]
    with pytest.raises(MnadError, match=r"Footage is missing: .*No space left.*make room"):
        watch(site.path, as_frames(street(40, 1)), lost, as_frames(street(20, 1), 40, 8.0), STOP)
    assert len(scored(site.path)) == 36 + 16
    assert caplog.text.count("No space left") == 1  # not once a minute
    assert len(list(site.footage.glob("*.npy"))) == 0


def test_a_failed_start_begins_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    for source in (str(tmp_path / "none.mp4"), "rtps://10.0.0.1/cam"):
        assert main(["watch", source, "--out", str(site), "--rate", "5", "--height", "48"]) != 0
    assert "'rtps' is no scheme" in capsys.readouterr().err
    assert not (site / "site.json").exists() and not (site / "footage").exists()


def test_a_wish_to_learn_anew_outlives_a_restart(
    tmp_path: Path, model: Path, trained: type[Training], watch: Any
) -> None:
    site = Site(tmp_path / "site")
    in_use(site, model)
    few = as_frames(street(60, 1))
    assert watch(site.path, few, STOP, relearn=True) is not None and not trained.runs
    for _ in range(2):  # though it is not asked for anew; and once
        assert watch(site.path, as_frames(street(1300, 1)), [None] * 40, STOP) is not None
        assert len(trained.runs) == 1


def test_a_camera_that_is_away_at_the_start_is_sought_and_told_of(
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    receiver: tuple[str, list[dict[str, object]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    address, got = receiver
    site = Site(tmp_path / "site")
    tries = []

    def connect(source: str, channels: int, *, quiet: bool) -> Camera:
        assert quiet == bool(tries)  # the feed need not say again and again what is said here
        assert not (site.path / NOW).exists()
        tries.append(source)
        if len(tries) < 4:
            raise MnadError("10.0.0.7-cam: " + ("refused." if len(tries) < 3 else "password."))
        return Camera(as_frames(street(20, 1)), STOP)

    monkeypatch.setattr(camera, "open_live", connect)
    monkeypatch.setattr("mnad.watch.absent.PAUSE", 0.01)
    monkeypatch.setattr("mnad.watch.absent.LOST_SECONDS", 0.0)
    options = replace(QUIET, alarms=AlarmConfig(webhook=address, send_end=True))
    with pytest.raises(MnadError, match="refused"):  # nothing is learnt yet: a typo, most likely
        watch_camera(site, "rtsp://10.0.0.7/cam", GIVEN, options)
    in_use(site, model)
    tries.clear()
    (site.path / NOW).touch()  # of a watch that a power cut ended
    seen = watch_camera(site, "rtsp://10.0.0.7/cam", GIVEN, options)
    assert seen is not None and seen.frames == 16 and len(tries) == 4
    told = read_events(site.path / "events.jsonl")
    assert [(one.what, one.phase) for one in told] == [("lost", "start"), ("lost", "end")]
    assert told[0].id == told[1].id and told[0].source == "10.0.0.7-cam"
    assert [one["phase"] for one in got] == ["start", "end"]
    # Once, and again where there is another reason.
    said = [text.removeprefix("10.0.0.7-cam: ") for text in caplog.messages]
    lost, over = f"lost, event {told[0].id}", f"end of lost, event {told[0].id}"
    expected = ["refused. It is sought on.", lost, "password. It is sought on.", over]
    assert [text for text in said if text in expected] == expected


@pytest.mark.parametrize("away", [False, True])
def test_what_a_kill_left_open_of_a_camera_lasted_to_what_is_known(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """The end was that of the start, however long the camera had been away."""
    site, tries = Site(tmp_path / "site"), list[str]()

    def connect(source: str, channels: int, *, quiet: bool) -> Camera:
        tries.append(source)
        if away and len(tries) < 3:
            raise MnadError("refused.")
        return Camera(as_frames(street(20, 1)), STOP)

    monkeypatch.setattr(camera, "open_live", connect)
    monkeypatch.setattr("mnad.watch.absent.PAUSE", 0.01)
    in_use(site, model)
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    lost = camera_event("lost", "10.0.0.7-cam", noon, 3600.0, 0)
    covered = camera_event("covered", "10.0.0.7-cam", noon, 1800.0, 0)
    with EventLog(site.path / "events.jsonl") as log:
        log.append(covered)  # which ended unseen, as the last status does not tell of it
        log.append(lost)
    # Killed ten minutes later.
    write_json(site.path / "status.json", {"at": "2026-05-04T13:10:00+00:00", "camera": ["lost"]})
    watch_camera(site, "rtsp://10.0.0.7/cam", GIVEN, QUIET)
    ends = [one for one in read_events(site.path / "events.jsonl") if one.phase == "end"]
    assert [(one.id, one.end) for one in ends] == [(covered.id, 1800.0), (lost.id, 4200.0)]


def test_what_is_stopped_while_its_camera_is_away_says_so(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, states = Site(tmp_path / "site"), list[str]()

    def connect(source: str, channels: int, *, quiet: bool) -> Camera:
        if quiet:
            states.append(json.loads((site.path / "status.json").read_text())["state"])
            raise KeyboardInterrupt
        raise MnadError("10.0.0.7-cam: refused.")

    monkeypatch.setattr(camera, "open_live", connect)
    monkeypatch.setattr("mnad.watch.absent.PAUSE", 0.01)
    monkeypatch.setattr("mnad.watch.absent.LOST_SECONDS", 0.0)
    in_use(site, model)
    with pytest.raises(KeyboardInterrupt):
        watch_camera(site, "rtsp://10.0.0.7/cam", GIVEN, QUIET)
    status = json.loads((site.path / "status.json").read_text())
    assert [*states, status["state"]] == ["lost", "stopped"]
    start, end = read_events(site.path / "events.jsonl")
    assert (start.what, start.phase, end.phase, end.id) == ("lost", "start", "end", start.id)


def test_a_file_that_ends_while_it_is_learnt_from_leaves_a_model(
    tmp_path: Path, trained: type[Training], watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, written = Site(tmp_path / "site"), set[int]()
    poll = trained.poll

    def looked_at(training: Training) -> int | None:
        written.add((site.path / "status.json").stat().st_mtime_ns)
        return poll(training)

    monkeypatch.setattr("mnad.watch.status.FILE_SECONDS", 0.0)
    monkeypatch.setattr(trained, "poll", looked_at)
    seen = watch(site.path, as_frames(street(1200, 1)))
    assert site.model is not None and len(trained.runs) == 1
    # Of the thirty times that it is asked, ten are before the end.
    assert len(written) >= 20
    assert seen is not None and seen.frames == 0
    with pytest.raises(MnadError, match=r"ended when 6 s .* of the 120 s"):
        watch(tmp_path / "other", as_frames(street(60, 1)))


def test_a_stop_before_anything_is_learnt_keeps_the_footage(
    tmp_path: Path, trained: type[Training], watch: Any
) -> None:
    site = Site(tmp_path / "site")
    assert watch(site.path, as_frames(street(700, 1)), STOP) is None
    assert site.model is None and not trained.runs
    # The rest is recorded the next time.
    seen = watch(site.path, as_frames(street(600, 2)), [None] * 40, STOP)
    assert seen is not None and len(trained.runs) == 1


def test_too_short_a_time_to_learn_is_refused_before_it_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = video(tmp_path / "calm.mp4", street(8, 2))
    assert main(["watch", str(clip), "--learn", "90s", "--out", str(tmp_path / "site")]) == 2
    assert "learn is 90 s; give 120 s or more" in capsys.readouterr().err


def test_where_there_is_no_room_for_all_footage_a_part_of_its_minutes_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A day takes 88.5 GB, with what is needed to learn from it; half of 20 GB hold a ninth."""
    clip = video(tmp_path / "calm.mp4", street(8, 2))
    words = ["watch", str(clip), "--learn", "24h", "--out", str(tmp_path / "site")]
    assert main([*words, "--most_gigabytes", "20"]) == 1
    assert "ended when 1 s of it were recorded of the 86400 s" in capsys.readouterr().err
    assert (
        "of 1440 minutes of footage there is room for 160 (--most_gigabytes): one in 9"
        in caplog.text
    )
    caplog.clear()
    assert main([*words, "--most_gigabytes", "90"]) == 1
    assert "room for" not in caplog.text
    capsys.readouterr()
    assert main([*words, "--most_gigabytes", "0.1"]) == 2
    said = capsys.readouterr().err
    assert "takes up to 88.5 GB, and all may take 0.1 GB: give more --most_gigabytes." in said


def test_the_command_watches_a_played_file_to_its_end(
    tmp_path: Path, model: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mnad.video.played.time.sleep", lambda seconds: None)
    site = Site(tmp_path / "site")
    in_use(site, model)
    site.begin(GIVEN)
    clip = video(tmp_path / "thing.mp4", street(80, 2, thing=range(20, 60)))
    assert main(["watch", str(clip), "--out", str(site.path)]) == 0
    assert "76 frames scored, 1 event(s)" in capsys.readouterr().out
    assert len(list((site.path / "clips").glob("*.mp4"))) == 1
    with locked(site.path), pytest.raises(UsageError, match="another mnad watches"):
        api.watch(str(clip), out=site.path)
    assert asdict(site.known_settings()) == asdict(GIVEN)
    # What it says next is of that run alone, frames and events.
    calm = video(tmp_path / "calm.mp4", street(40, 2))
    assert main(["watch", str(calm), "--out", str(site.path)]) == 0
    assert "36 frames scored, 0 event(s)" in capsys.readouterr().out
    # Of one that is shorter than a window nothing is known, least of all that all is well.
    short = video(tmp_path / "short.mp4", street(4, 2))
    assert main(["watch", str(short), "--out", str(site.path)]) == 1
    said = "short has fewer frames than the 5 that the model's window spans"
    assert said in capsys.readouterr().err
