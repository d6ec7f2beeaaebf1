"""Detection in files: what is told of a clip in which something appears, and where it is kept."""

from __future__ import annotations

import csv
import errno
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from street import HEIGHT, RATE, THING, WIDTH, as_frames, street, video

import mnad
from mnad.alarms.alarms import AlarmConfig
from mnad.cli import main
from mnad.commands.detect import detect
from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.errors import MnadError
from mnad.lock import locked
from mnad.models.folder import Model, build_network, load_model, save_model
from mnad.video.regions import Regions
from mnad.video.sink import VideoSink
from mnad.video.source import Frame
from mnad.watch.files import Detection, detect_source
from mnad.watch.live import watch_live
from mnad.watch.options import WatchOptions
from mnad.watch.pairs import Pairing
from mnad.watch.watcher import Watcher

QUIET = WatchOptions(overlay=False, clips=False)
BEGAN, ENDED = 10.0, 14.0
CENTRE = THING[0] + 5 / WIDTH, THING[1] + 6 / HEIGHT


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds; the thing is there from 10 to 14."""
    return video(tmp_path_factory.mktemp("in") / "thing.mp4", street(200, 1, range(100, 140)))


@pytest.fixture(scope="module")
def found(model: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Detection:
    (one,) = mnad.detect(model, [str(clip)], out=tmp_path_factory.mktemp("out"))
    return one


def messages(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open() as lines:
        return list(csv.DictReader(lines))


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [
            (float(f.pts * f.time_base), f.to_ndarray(format="rgb24"))
            for f in container.decode(video=0)
        ]


def test_what_appears_is_one_event_at_its_time_and_place(found: Detection) -> None:
    assert found.events == 1 and found.error is None and found.frames == 196
    told = messages(found.out)
    assert len({one["id"] for one in told}) == 1
    assert [told[0]["phase"], told[-1]["phase"]] == ["start", "end"]
    last = told[-1]
    assert BEGAN <= last["start"] <= BEGAN + 0.5 and ENDED <= last["end"] <= ENDED + 0.5
    assert BEGAN <= last["peak_seconds"] <= ENDED + 0.5 and last["peak_score"] == found.highest
    first = max(last["boxes"], key=lambda box: box["score"])
    assert first["left"] < CENTRE[0] < first["right"] and first["top"] < CENTRE[1] < first["bottom"]
    assert first["right"] - first["left"] < 0.5 and first["bottom"] - first["top"] < 0.6


def test_the_table_has_a_row_for_every_frame_that_has_a_score(found: Detection) -> None:
    table = rows(found.out)
    assert [int(row["frame"]) for row in table] == list(range(4, 200))
    times = [n / RATE for n in range(4, 200)]
    assert [float(row["seconds"]) for row in table] == pytest.approx(times)
    high = [float(r["seconds"]) for r in table if float(r["score"]) > 0.8]
    assert high[0] >= BEGAN and high[-1] <= ENDED + 0.5 and len(high) > 30


def test_the_clip_has_pre_roll_and_post_roll_and_the_thumbnail_shows_the_peak(
    found: Detection,
) -> None:
    (path,) = (found.out / "clips").iterdir()
    event = messages(found.out)[-1]
    assert event["clip"] == f"clips/{path.name}"
    shown = pictures(path)
    assert shown[0][1].shape == (HEIGHT, WIDTH, 3)
    # The clip begins three seconds before the event, so the thing comes 3 s less its delay later.
    begin = event["start"] - 3
    assert shown[-1][0] + begin >= event["end"] + 3 - 0.11
    x, y = round(CENTRE[0] * WIDTH), round(CENTRE[1] * HEIGHT)
    plain = shown[0][1][y - 3 : y + 3, x - 3 : x + 3].mean()
    changed = [
        t + begin
        for t, picture in shown
        if abs(picture[y - 3 : y + 3, x - 3 : x + 3].mean() - plain) > 40
    ]
    assert changed[0] == pytest.approx(BEGAN, abs=0.11)
    assert changed[-1] == pytest.approx(ENDED, abs=0.5)
    thumbnail = cv2.imread(str(found.out / str(event["thumbnail"])))
    assert thumbnail.shape == (HEIGHT, WIDTH, 3)
    assert abs(thumbnail[y - 3 : y + 3, x - 3 : x + 3].mean() - plain) > 25  # under its heat


def test_the_report_and_the_overlay_tell_of_the_event(found: Detection) -> None:
    page = (found.out / "report.html").read_text()
    event = messages(found.out)[-1]
    assert page.count("data:image/jpeg;base64") == 1
    assert str(event["clip"]) in page and "1 event in 20 s" in " ".join(page.split())
    shown = pictures(found.out / "overlay.mp4")
    assert len(shown) == 200 and shown[0][1].shape[0] > HEIGHT
    assert [t for t, _ in shown] == pytest.approx([n / 10 for n in range(200)], abs=1e-3)
    assert not list(found.out.rglob("*.part*")) and (found.out / "scores.png").exists()


def test_events_make_exit_code_3_only_when_asked_for(model: Path, tmp_path: Path) -> None:
    clip = video(tmp_path / "short.mp4", street(60, 2, range(20, 50)))
    calm = video(tmp_path / "calm.mp4", street(40, 3))
    quiet = ["--no_overlay", "--no_clips", "--out", str(tmp_path / "out")]
    assert main(["detect", str(model), str(clip), *quiet]) == 0
    assert len({m["id"] for m in messages(tmp_path / "out" / "short")}) == 1
    assert main(["detect", str(model), str(clip), *quiet, "--fail_on_event"]) == 3
    assert main(["detect", str(model), str(calm), *quiet, "--fail_on_event"]) == 0
    assert messages(tmp_path / "out" / "calm") == []


def test_of_several_sources_a_broken_one_stops_no_other(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    calm = video(tmp_path / "calm.mp4", street(12, 3))
    torn = tmp_path / "torn"
    torn.mkdir()
    for t, frame in enumerate(street(12, 3)):
        cv2.imwrite(str(torn / f"{t}.png"), frame)
    (torn / "9.png").write_bytes(b"")
    short = video(tmp_path / "short.mp4", street(3, 3))
    sources = [str(tmp_path / "broken.mp4"), str(torn), str(short), str(calm)]
    out = tmp_path / "out"
    code = main(["detect", str(model), *sources, "--fail_on_event", "--out", str(out)])
    said = capsys.readouterr()
    assert code == 1 and "Traceback" not in said.err
    assert all(name in said.err for name in ("broken.mp4", "9.png", "short.mp4"))
    # Folders have 25 frames per second, of which the model takes every second.
    assert [int(r["frame"]) for r in rows(out / "torn")] == [8]
    assert len(pictures(out / "torn" / "overlay.mp4")) == 9
    assert len(rows(out / "calm")) == 8
    assert not (out / "short").exists() and not (out / "broken").exists()


def test_folders_that_are_called_like_cameras(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test clips of UCSD Ped2 are called 01 to 12."""
    monkeypatch.chdir(tmp_path)
    for name in ("01", "10"):
        Path(name).mkdir()
        for t, frame in enumerate(street(12, 3)):
            cv2.imwrite(f"{name}/{t}.png", frame)
    assert main(["detect", str(model), "01", "./10", "--no_overlay", "--out", "out"]) == 0
    assert len(rows(Path("out/01"))) == len(rows(Path("out/10"))) == 2
    assert main(["detect", str(model), "01", "10", "--out", "out"]) == 2
    said = capsys.readouterr().err
    assert "10 is live and never ends" in said and "or ./10 if you mean the file or folder" in said


def test_an_overlay_without_room_leaves_the_scores_up_to_there(
    model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it fails once more at its end."""
    real, count = VideoSink._encode, 0

    def full(sink: VideoSink, frame: object) -> None:
        nonlocal count
        count += 1
        if frame is None or count > 50:
            raise MnadError(f"{sink.path} cannot be written (No space left on device).")
        real(sink, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoSink, "_encode", full)
    options = WatchOptions(overlay=True, clips=False)
    found = detect_source(Detector.load(model), clip, tmp_path / "out", options, progress=False)
    assert found.error is not None and "No space left" in found.error
    assert len(rows(tmp_path / "out")) == found.frames > 40
    left = {one.name for one in (tmp_path / "out").iterdir()}
    assert left == {"events.jsonl", "report.html", "scores.csv", "scores.png", "source.txt"}


def test_a_folder_for_results_that_cannot_be_is_one_sentence(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (one,) = mnad.detect(model, [str(clip)], out=tmp_path / "file")
    assert one.error is not None and "cannot be written (Not a directory)" in one.error


def test_frames_that_come_too_rarely_are_told_of(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = video(tmp_path / "slow.mp4", street(60, 2), rate=1)
    calm, out = video(tmp_path / "calm.mp4", street(20, 2)), tmp_path / "o"
    assert main(["detect", str(model), str(slow), str(calm), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert (
        f"{slow}: its frames come every 1 s, and the model knows one every 0.1 s, so that none can "
        "be scored: give a source with more frames per second, or a model of so few (mnad train "
        "--rate 1)."
    ) in said
    assert len(rows(out / "calm")) == 16 and not (out / "slow").exists()


def test_frames_that_make_no_window_are_told_of(model: Path, tmp_path: Path) -> None:
    detector = Detector.load(model)
    short = video(tmp_path / "short.mp4", street(3, 2))
    found = detect_source(detector, short, tmp_path / "o", QUIET, progress=False)
    assert found.error is not None and "has fewer frames than the 5" in found.error
    with VideoSink(tmp_path / "holes.mp4", Fraction(RATE), (HEIGHT, WIDTH)) as sink:
        for t, frame in enumerate(street(30, 2)):
            if t % 10 < 4:
                sink.write(np.repeat(frame, 3, axis=2), t / RATE)
    found = detect_source(detector, sink.path, tmp_path / "o", QUIET, progress=False)
    assert found.error is not None and "has no 5 frames without a hole" in found.error


def test_results_that_cannot_be_replaced_are_one_sentence(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that has gone read-only."""
    detector, clip = Detector.load(model), video(tmp_path / "x.mp4", street(20, 2))

    def refuses(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    assert detect_source(detector, clip, tmp_path / "out", QUIET, progress=False).error is None
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuses)
        found = detect_source(detector, clip, tmp_path / "out", QUIET, progress=False)
    assert found.error == (
        f"{tmp_path / 'out' / 'events.jsonl'} cannot be removed (Read-only file system): give "
        "another --out."
    )


def test_a_model_without_a_threshold_says_so_and_scores_all_the_same(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path / "bare", replace(load_model(model), calibration=None))
    calm = video(tmp_path / "calm.mp4", street(12, 3))
    out = tmp_path / "out"
    assert main(["detect", str(tmp_path / "bare"), str(calm), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert (
        "no threshold" in said.err and "mnad calibrate" in said.err and "event(s)" not in said.out
    )
    assert messages(out / "calm") == [] and not (out / "calm" / "clips").exists()
    assert all(0 <= float(row["score"]) <= 1 for row in rows(out / "calm"))
    assert "This model has no threshold" in (out / "calm" / "report.html").read_text()


def test_a_threshold_by_hand_holds_and_the_report_says_so(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    detector = Detector.load(model)
    high = replace(QUIET, threshold=0.99)
    found = detect_source(detector, clip, tmp_path / "high", high, progress=False)
    assert found.events == 0 and found.highest < 0.99
    report = (tmp_path / "high" / "report.html").read_text()
    assert "0.990 was given by hand" in report and "was set on" not in report
    # Without a calibration it is the only one there is.
    bare = Detector(replace(load_model(model), calibration=None))
    found = detect_source(
        bare, clip, tmp_path / "low", replace(QUIET, threshold=0.8), progress=False
    )
    assert found.events == 1
    assert all(one["threshold"] == 0.8 for one in messages(tmp_path / "low"))


def test_the_plot_shows_the_threshold_that_held(
    model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the curve alone nobody sees what of it was an event."""
    drawn = []
    monkeypatch.setattr(
        "mnad.watch.files.score_plot", lambda *_, threshold, **__: drawn.append(threshold)
    )
    detector = Detector.load(model)
    for by_hand in (None, 0.625):
        detect_source(detector, clip, tmp_path / "out", replace(QUIET, threshold=by_hand))
    assert detector.threshold is not None and drawn == [detector.threshold, 0.625]


def test_what_is_ignored_raises_no_event_and_is_never_shown(model: Path, tmp_path: Path) -> None:
    left = THING[0]
    corners = ((left - 0.1, 0.0), (left + 0.3, 0.0), (left + 0.3, 0.5), (left - 0.1, 0.5))
    detector = Detector(replace(load_model(model), regions=Regions(ignore=(corners,))))
    clip = video(tmp_path / "thing.mp4", street(60, 1, range(20, 50)))
    found = detect_source(detector, clip, tmp_path / "out", progress=False)
    assert found.events == 0 and found.highest < 0.75
    # At a threshold of 0 all of it is an event, so that there are a clip and a picture.
    low = WatchOptions(threshold=0.0)
    found = detect_source(detector, clip, tmp_path / "low", low, progress=False)
    assert found.events == 1
    (thumbnail,) = (tmp_path / "low" / "thumbnails").iterdir()
    (event,) = (tmp_path / "low" / "clips").iterdir()
    everything = [p for _, p in pictures(event) + pictures(tmp_path / "low" / "overlay.mp4")]
    for picture in [*everything, cv2.imread(str(thumbnail))]:
        hidden = picture[3 : HEIGHT // 2 - 3, round((left - 0.1) * WIDTH) + 3 :][:, : WIDTH // 3]
        assert hidden.min() >= 80 and hidden.max() <= 176  # the hatching, and what coding adds


def test_detection_is_causal(model: Path, tmp_path: Path) -> None:
    detector = Detector.load(model)
    frames = as_frames(street(80, 4, range(30, 60)))
    for name, count in (("all", 80), ("half", 40)):
        with Watcher(detector, tmp_path / name, name, Fraction(RATE), QUIET) as watcher:
            for frame in frames[:count]:
                watcher.push(frame)
    half, whole = rows(tmp_path / "half"), rows(tmp_path / "all")
    assert len(half) == 36 and len(whole) == 76
    assert half == whole[:36]
    assert max(float(row["score"]) for row in half) > 0.8


def test_of_30_frames_per_second_a_model_of_10_scores_every_third(
    model: Path, tmp_path: Path
) -> None:
    detector = Detector.load(model)
    clip = video(tmp_path / "fast.mp4", street(60, 5, per_move=3), rate=30)
    found = detect_source(detector, clip, tmp_path / "out", progress=False)
    assert found.frames == 16 and found.highest < 0.75
    assert [int(r["frame"]) for r in rows(tmp_path / "out")] == list(range(12, 60, 3))
    assert len(pictures(tmp_path / "out" / "overlay.mp4")) == 60


def middle() -> Detector:
    """An untrained network that is shown 16 frames and scores the ninth."""
    network = NetworkConfig(
        task="reconstruction", frames_in=16, channels=1, width=0.05, height=32, image_width=32
    )
    config = ModelConfig(network)
    return Detector(Model(config, build_network(config).eval().requires_grad_(False)))


def flash(count: int, at: int) -> Iterator[Frame]:
    grey = np.full((32, 32, 1), 100, np.uint8)
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((4, 4)))[..., None] * 255
    for t in range(count):
        yield Frame(checks.astype(np.uint8) if t == at else grey, t, Fraction(t, 10))


def test_a_target_in_the_middle_of_the_window_keeps_frames_and_scores_together(
    tmp_path: Path,
) -> None:
    detector = middle()
    network = detector.model.config.network
    pairing = Pairing(detector, Fraction(RATE))
    pairs = [pair for frame in flash(40, 20) for pair in pairing.push([frame])]
    assert len(pairs) == 40 - (network.window - 1 - network.target)
    pairs += pairing.rest()
    assert [pair.frame.index for pair in pairs] == list(range(40))
    scored = [pair for pair in pairs if pair.scored is not None]
    last = 40 - (network.window - network.target)
    assert [p.frame.index for p in scored] == list(range(network.target, last + 1))
    # The one frame that differs is the one that is reconstructed worst.
    assert min(scored, key=lambda p: p.scored.psnr).frame.index == 20
    with Watcher(detector, tmp_path, "flash", Fraction(RATE), QUIET) as watcher:
        for frame in flash(40, 20):
            watcher.push(frame)
    table = rows(tmp_path)
    assert min(table, key=lambda row: float(row["psnr"]))["frame"] == "20"
    assert {int(row["frame"]): row["psnr"] for row in table} == {
        pair.frame.index: f"{pair.scored.psnr:.4f}" for pair in scored
    }


def test_a_file_never_takes_the_place_of_a_camera(model: Path, tmp_path: Path) -> None:
    detector, clip = (
        Detector.load(model),
        video(tmp_path / "gate.mp4", street(60, 2, range(20, 50))),
    )
    seen = watch_live(detector, str(clip), tmp_path / "gate", QUIET)
    kept = (tmp_path / "gate" / "events.jsonl").read_bytes()
    found = detect_source(detector, clip, tmp_path / "gate", QUIET, progress=False)
    assert found.error is not None and "holds what was watched live" in found.error
    assert seen.told == 1 and (tmp_path / "gate" / "events.jsonl").read_bytes() == kept != b""
    assert not (tmp_path / "gate" / "source.txt").exists()


def test_what_is_told_of_files_of_one_name_has_different_ids(
    model: Path, clip: Path, tmp_path: Path
) -> None:
    """A receiver drops what comes twice under one key: the other file's alarm would be lost."""
    other = tmp_path / clip.name
    other.write_bytes(clip.read_bytes())

    def ids(out: Path) -> list[list[object]]:
        found = mnad.detect(model, [str(clip), str(other)], out=out, overlay=False, clips=False)
        return [[one["id"] for one in messages(f.out) if one["phase"] == "start"] for f in found]

    (first,), (second,) = told = ids(tmp_path / "out")
    assert first != second
    assert ids(tmp_path / "out") == ids(tmp_path / "elsewhere") == told  # scored anew


def test_another_file_of_the_same_name_takes_another_folder(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = street(60, 2, range(20, 50))
    days = []
    for day in ("mon", "tue"):
        (tmp_path / day).mkdir()
        days.append(str(video(tmp_path / day / "cam.mp4", odd)))
    out = tmp_path / "out"
    found = [detect(model, [day], out=out, overlay=False)[0] for day in (*days, *days)]
    assert [one.out.name for one in found] == ["cam", "cam-2", "cam", "cam-2"]
    assert all(one.error is None and one.events == 1 for one in found)
    assert f"{out / 'cam'} holds another cam: this one goes to {out / 'cam-2'}." in caplog.text


def test_a_run_leaves_nothing_of_the_one_before(model: Path, tmp_path: Path) -> None:
    clip, out = video(tmp_path / "x.mp4", street(60, 2, range(20, 50))), tmp_path / "out"
    detector, all_of_it = Detector.load(model), WatchOptions()
    assert detect_source(detector, clip, out, all_of_it, progress=False).error is None
    assert (out / "overlay.mp4").exists() and list(out.glob("clips/*.mp4"))
    (out / ".scores.part.csv").write_text("left by a run that was killed")
    few = WatchOptions(overlay=False, clips=False)
    assert detect_source(detector, clip, out, few, progress=False).error is None
    names = ["events.jsonl", "report.html", "scores.csv", "scores.png", "source.txt"]
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == names
    # Too short for a score: then there is nothing, a report of what was before neither.
    video(clip, street(3, 2))
    assert detect_source(detector, clip, out, all_of_it, progress=False).error is not None
    assert not out.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_two_do_not_write_into_one_folder(model: Path, tmp_path: Path) -> None:
    detector, clip = Detector.load(model), video(tmp_path / "x.mp4", street(60, 2))
    out = tmp_path / "out"
    with locked(out, "detects into", "source.txt"):
        found = detect_source(detector, clip, out, QUIET, progress=False)
        assert [one.name for one in out.iterdir()] == ["source.txt"]
    assert found.error is not None and "another mnad detects into" in found.error


def test_detecting_again_in_a_folder_replaces_what_was_told(model: Path, tmp_path: Path) -> None:
    detector = Detector.load(model)
    clip = video(tmp_path / "x.mp4", street(60, 2, range(20, 50)))
    for _ in range(2):
        assert detect_source(detector, clip, tmp_path / "out", QUIET, progress=False).events == 1
    assert [one["phase"] for one in messages(tmp_path / "out")].count("start") == 1


def test_an_alarm_that_waits_when_its_file_is_scored_anew_goes_out_once(
    model: Path, tmp_path: Path, receiver: tuple[str, list[dict[str, object]]]
) -> None:
    detector, (address, got) = Detector.load(model), receiver
    away, here = (
        replace(QUIET, alarms=AlarmConfig(webhook=url))
        for url in ("http://127.0.0.1:9/nobody", address)
    )
    for name, thing, options in (
        ("yesterday", range(5, 25), away),
        ("today", range(20, 50), away),
        ("today", range(20, 50), here),
    ):
        # Another file by the same name, too: its alarms are no less due.
        (tmp_path / name).mkdir(exist_ok=True)
        clip = video(tmp_path / name / "x.mp4", street(60, 2, thing))
        found = detect_source(detector, clip, tmp_path / "out", options, progress=False)
        assert found.events == 1
    starts = [float(str(one["start"])) for one in got]
    assert starts == [pytest.approx(0.6, abs=0.3), pytest.approx(2.1, abs=0.3)]
    assert len({one["id"] for one in got}) == 2
