"""Several sources at once: the results of one after the other, whatever happens to one of them."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from street import street, video
from torch import Tensor

import mnad
from mnad.cli import main
from mnad.config import ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.models.folder import Model, build_network
from mnad.watch.files import Detection
from mnad.watch.options import WatchOptions
from mnad.watch.several import detect_sources

QUIET = WatchOptions(overlay=False, clips=False)
LENGTHS = (30, 9, 41, 17)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("in")
    return [
        video(folder / f"{n}.mp4", street(count, n, range(12, 20)))
        for n, count in enumerate(LENGTHS)
    ]


def table(out: Path) -> np.ndarray:
    with (out / "scores.csv").open() as lines:
        return np.array([[float(v) for v in row.values()] for row in csv.DictReader(lines)])


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t is not threading.main_thread()}


def assert_alike(some: list[Detection], others: list[Detection]) -> None:
    """The same to 1e-4 of each value, or the last decimal that is written."""
    assert [one.source for one in some] == [one.source for one in others]
    for one, other in zip(some, others, strict=True):
        assert (one.frames, one.events, one.error) == (other.frames, other.events, other.error)
        if one.frames:
            ours, theirs = table(one.out), table(other.out)
            np.testing.assert_allclose(ours[:, 2], theirs[:, 2], atol=1.01e-4)  # psnr, 4 decimals
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1.01e-6)
            assert one.highest == pytest.approx(other.highest, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("policy", ["frozen", "reset"])
def test_at_once_they_give_what_they_give_one_after_the_other(
    model: Path, clips: list[Path], tmp_path: Path, policy: str
) -> None:
    before = threads()
    sources = [str(clip) for clip in clips]
    found = [
        mnad.detect(
            model,
            sources,
            out=tmp_path / str(at_once),
            overlay=False,
            policy=policy,  # type: ignore[arg-type]
            at_once=at_once,
        )
        for at_once in (3, 1)
    ]
    assert_alike(*found)
    assert [one.frames for one in found[0]] == [count - 4 for count in LENGTHS]
    assert threads() == before
    files = [sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*")) for n in "31"]
    assert files[0] == files[1] and any(p.parent.name == "clips" for p in files[0])


def test_a_memory_of_its_own_for_each(model: Path, clips: list[Path], tmp_path: Path) -> None:
    """Under `reset` one source's frames move its memory and no other's."""
    alike = [str(clips[2])] * 3
    found = mnad.detect(model, alike, out=tmp_path, overlay=False, policy="reset", at_once=3)
    frozen = mnad.detect(model, alike[:1], out=tmp_path / "frozen", overlay=False)
    for one in found[1:]:
        np.testing.assert_allclose(table(one.out), table(found[0].out), rtol=1e-4, atol=1.01e-6)
    assert [one.out.name for one in found] == ["2", "2-2", "2-3"]
    moved, kept = (table(one.out)[:, 3] for one in (found[0], frozen[0]))
    assert np.abs(moved / kept - 1).max() > 0.01  # a thousand times what rounding does


def test_a_target_in_the_middle_of_the_window(clips: list[Path], tmp_path: Path) -> None:
    network = NetworkConfig(
        task="reconstruction", frames_in=8, channels=1, width=0.05, height=32, image_width=32
    )
    torch.manual_seed(0)
    config = ModelConfig(network)
    detector = Detector(Model(config, build_network(config).eval().requires_grad_(False)))
    found = []
    for at_once in (2, 1):
        pairs = [(clip, tmp_path / str(at_once) / clip.stem) for clip in clips[2:]]
        found.append(detect_sources(detector, pairs, QUIET, at_once, progress=False))
    assert_alike(*found)
    assert [int(table(one.out)[0, 0]) for one in found[0]] == [network.target] * 2


def test_broken_and_short_ones_stop_no_other_and_say_what_they_say_alone(
    model: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn"
    torn.mkdir()
    for t, frame in enumerate(street(24, 3)):
        cv2.imwrite(str(torn / f"{t}.png"), frame)
    (torn / "20.png").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video")
    short = video(tmp_path / "short.mp4", street(3, 3))
    names = [clips[0], tmp_path / "nowhere.mp4", torn, clips[1], tmp_path / "text.mp4", short]
    said = []
    for at_once in ("4", "1"):
        out = ["--out", str(tmp_path / "out"), "--no_overlay", "--at_once", at_once]
        assert main(["detect", str(model), *map(str, names), *out]) == 1
        said.append(capsys.readouterr())
    assert said[0] == said[1]
    sentences = said[0].err.splitlines()
    failed = ["nowhere.mp4", "20.png", "text.mp4", "short.mp4"]
    assert [name in line for name, line in zip(failed, sentences, strict=True)] == [True] * 4
    assert len(said[0].out.splitlines()) == 3
    assert len(table(tmp_path / "out" / "torn")) == 6 and not (tmp_path / "out" / "short").exists()
    assert not list((tmp_path / "out").rglob("*.part*"))


def test_an_error_of_the_engine_ends_all_and_leaves_whole_files(
    model: Path, clips: list[Path], tmp_path: Path
) -> None:
    before = threads()
    detector = Detector.load(model, runtime="torch")
    score, calls = detector.runtime.score, 0

    def failing(windows: Tensor, items: Tensor | None = None, mask: Tensor | None = None) -> object:
        nonlocal calls
        calls += 1
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)  # until all three are under way
        if calls > 8:  # the shortest has 13 windows, at most one in a batch
            raise RuntimeError("out of memory")
        return score(windows, items, mask)

    detector.runtime.score = failing  # type: ignore[method-assign, assignment]
    pairs = [(clips[n], tmp_path / str(n)) for n in (0, 2, 3, 1)]
    with pytest.raises(RuntimeError, match="out of memory"):
        detect_sources(detector, pairs, QUIET, 3, progress=False)
    assert threads() == before
    # The first three were under way; the last one never began.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "2", "3"]
    assert not list(tmp_path.rglob("*.part*"))
    assert all(np.isfinite(table(tmp_path / name)).all() for name in ("0", "2", "3"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_soon_with_whole_files(
    model: Path, clips: list[Path], tmp_path: Path, number: int, code: int
) -> None:
    long = [video(tmp_path / f"long{n}.mp4", street(1200, n)) for n in range(2)]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mnad", "detect", str(model), *map(str, [*long, clips[0]])]
    command += ["--at_once", "2", "--out", str(out)]
    # Run in the background by a shell, this process ignores the signal, and so would its child.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, heard)
    with process:
        deadline = time.monotonic() + 120
        while not all(rows_so_far(out / one.stem) > 20 for one in long):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    cut = "".join(f"mnad: {one} was stopped before its end.\n" for one in long)
    assert said == f"mnad: {model} scores by torch on cpu\n{cut}mnad: stopped.\n"
    assert sorted(p.name for p in out.iterdir()) == ["long0", "long1"]
    assert not list(out.rglob("*.part*"))
    for one in long:
        scored = len(table(out / one.stem))
        assert 20 <= scored < 1100
        with av.open(str(out / one.stem / "overlay.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == scored + 4
        report = (out / one.stem / "report.html").read_text()
        assert f"This is not all of it, but its first {(scored + 3) / 10:.1f} s" in report


def rows_so_far(out: Path) -> int:
    part = out / ".scores.part.csv"
    return part.read_text().count("\n") if part.exists() else 0


def test_at_once_must_be_one_or_more(
    model: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["detect", str(model), str(clips[0]), "--out", str(tmp_path / "out"), "--at_once", "0"]
    assert main(words) == 2
    assert "at_once is 0" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_folders_of_images_have_the_rate_that_is_given(
    model: Path,
    clips: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for t, frame in enumerate(street(24, 3)):
        cv2.imwrite(str(folder / f"{t}.png"), frame)
    sources = [str(folder), str(clips[1])]
    found = mnad.detect(model, sources, out=tmp_path / "out", overlay=True, folder_rate=10)
    # The model takes 10 a second: all of a folder of 10, every second of one of 25.
    assert [one.frames for one in found] == [20, 5]
    np.testing.assert_allclose(table(found[0].out)[:, 1], np.arange(4, 24) / 10)
    np.testing.assert_allclose(table(found[1].out)[:, 1], np.arange(4, 9) / 10)
    with av.open(str(found[0].out / "overlay.mp4")) as container:
        assert container.streams.video[0].average_rate == 10
    assert not caplog.messages[1:]
    (one,) = mnad.detect(model, sources[:1], out=tmp_path / "25", overlay=False)
    assert one.frames == 8
    assert (
        f"{folder}: images do not say their rate; taken as 25 per second, of which one in 2 is "
        "looked at. Where they come at another, give --folder_rate."
    ) in caplog.messages
    base = ["detect", str(model), "--out", str(tmp_path / "no")]
    for words, part in (
        ([str(clips[0]), "--folder_rate", "10"], "for folders of images"),
        (["rtsp://camera/1", "--folder_rate", "10"], "for folders of images"),
        ([str(folder), "--folder_rate", "0"], "folder_rate is 0"),
    ):
        assert main([*base, *words]) == 2
        said = capsys.readouterr().err
        assert part in said and said.count("\n") == 1
    assert not (tmp_path / "no").exists()
