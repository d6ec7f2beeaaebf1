"""Footage of one's own of which some cannot be read: the rest is trained and calibrated on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

import mnad
from mnad.cli import main
from mnad.errors import MnadError
from mnad.video.cache import Stretches, load_clips


def damaged(path: Path) -> bytes:
    """The file with zeros in place of the packet in the middle of it."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        spoilt = packets[len(packets) // 2]
        assert spoilt.pos is not None
        content[spoilt.pos : spoilt.pos + spoilt.size] = bytes(spoilt.size)
    return bytes(content)


@pytest.fixture
def footage(data: Path, tmp_path: Path) -> Path:
    """Three real clips: one cannot be opened, one is damaged in the middle, one is whole."""
    clips = [data / "ped2-mp4" / "training" / f"0{number}.mp4" for number in (1, 2, 4)]
    folder = tmp_path / "footage"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(clips[0].read_bytes()[:40_000])
    (folder / "b.mp4").write_bytes(damaged(clips[1]))
    (folder / "c.mp4").write_bytes(clips[2].read_bytes())
    return folder


def test_what_can_be_read_is_trained_and_calibrated_on(
    footage: Path, tmp_path: Path, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    faults: dict[int, str] = {}
    clips = load_clips(sorted(footage.iterdir()), 32, 32, 1, faults=faults)
    assert [len(clip) > 0 for clip in clips] == [False, True, True]
    assert len(clips[2]) == 180 and 60 < len(clips[1]) < 75
    said = [
        f"{footage}/a.mp4 cannot be read as a video (",
        f"{footage}/b.mp4 is damaged at ",
    ]
    assert [faults[n].startswith(start) for n, start in enumerate(said)] == [True, True]

    given = [f"--{name}={value}" for name, value in tiny.items()]
    assert main(["train", str(footage), "--out", str(tmp_path / "m"), *given]) == 1
    told = capsys.readouterr()
    assert "steps in" in told.out
    assert [line.removeprefix("mnad: ") for line in told.err.splitlines()][-2:] == [
        *faults.values()
    ]
    record = mnad.info(tmp_path / "m")["training"]
    assert record["data"]["frames"] == len(clips[1]) + len(clips[2])
    assert record["faults"] == [*faults.values()]

    command = ["calibrate", str(tmp_path / "m"), str(footage), "--trained_on"]
    assert main(command) == 1
    told = capsys.readouterr()
    assert "put the threshold at" in told.out
    assert told.err.splitlines() == [f"mnad: {fault}" for fault in faults.values()]


def test_of_a_data_set_and_of_nothing_readable_nothing_is_made(
    footage: Path, tmp_path: Path, tiny: dict[str, Any]
) -> None:
    (footage / "c.mp4").write_bytes(b"")
    (footage / "b.mp4").unlink()
    with pytest.raises(MnadError, match=r"a\.mp4 cannot be read as a video"):
        mnad.train(footage, out=tmp_path / "m", **tiny)
    frames = tmp_path / "ped2" / "training" / "frames"
    frames.mkdir(parents=True)
    (footage / "a.mp4").rename(frames / "01.mp4")
    with pytest.raises(MnadError, match=r"01\.mp4 cannot be read as a video"):
        mnad.train(f"ped2:{tmp_path / 'ped2'}", out=tmp_path / "m", **tiny)


def test_of_a_clip_that_breaks_at_once_nothing_is_left(footage: Path) -> None:
    """Shorter than a window, which of a clip that is whole is refused later on."""
    faults: dict[int, str] = {}
    stretches = Stretches()
    paths = [footage / "a.mp4", footage / "c.mp4"]
    clips = load_clips(paths, 32, 32, 1, filters=stretches, faults=faults)
    clips[0] = clips[1][:3]
    assert [len(clip) for clip in stretches.cut(clips, ["a", "c"], 5, faults)[0]] == [180]
    assert [len(clip) for clip in stretches.cut(clips, ["a", "c"], 5)[0]] == [3, 180]
