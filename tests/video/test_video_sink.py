from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from mnad.errors import MnadError, UsageError
from mnad.video.sink import VideoSink, recover
from mnad.video.source import open_source
from mnad.writing import CsvSink

GREYS = np.arange(0, 256, 15)
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (30, 60, 90), (200, 180, 160)]


def flat(colour, size):
    return np.full((*size, 3), colour, np.uint8)


def write(path, images, rate=Fraction(25), seconds=None):
    with VideoSink(path, rate, images[0].shape[:2]) as sink:
        for index, image in enumerate(images):
            sink.write(image, seconds[index] if seconds else None)


def read(path):
    with open_source(path) as source:
        return source, list(source)


def test_grey_levels_survive(tmp_path):
    write(tmp_path / "a.mp4", [flat(grey, (64, 64)) for grey in GREYS])
    _, frames = read(tmp_path / "a.mp4")
    for frame, grey in zip(frames, GREYS, strict=True):
        assert np.abs(frame.pixels.astype(float) - grey).max() <= 1


def test_colours_survive_in_rgb_order(tmp_path):
    write(tmp_path / "a.mp4", [flat(colour, (64, 64)) for colour in COLOURS])
    _, frames = read(tmp_path / "a.mp4")
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame.pixels.astype(float) - colour).max() <= 2


def test_what_a_browser_needs(tmp_path):
    write(tmp_path / "a.mp4", [flat(9, (48, 64))] * 3)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        # H.273: limited range, BT.601 matrix
        assert (context.color_range, context.colorspace) == (1, 6)
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_what_is_torn_plays_up_to_there(tmp_path):
    """Cut anywhere by a kill, or with zeros at its end, as a power cut leaves it."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (200, 48, 64, 3), np.uint8)
    sink = VideoSink(tmp_path / "a.mp4", Fraction(10), (48, 64))
    for index, image in enumerate(noise):
        sink.write(image, index / 10)
    torn = (tmp_path / ".a.part.mp4").read_bytes()
    sink.close()
    _, whole = read(tmp_path / "a.mp4")
    assert len(whole) == 200 and [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    kept = []
    for number, length in enumerate([0, 700, len(torn) // 2, len(torn) - 9]):
        for rest in (b"", bytes(len(torn) - length)):
            folder = tmp_path / f"{number}-{len(rest)}"
            folder.mkdir()
            (folder / ".b.part.mp4").write_bytes(torn[:length] + rest)
            (folder / ".b.copy.part.mp4").write_bytes(b"x")  # the one before was killed here
            found = recover(folder)
            assert list(folder.iterdir()) == found == [folder / "b.mp4"][: len(found)]
            frames = read(found[0])[1] if found else []
            kept.append(len(frames))
            for one, other in zip(frames[:-1], whole, strict=False):  # the last may be torn
                assert one.seconds == other.seconds
                np.testing.assert_array_equal(one.pixels, other.pixels)
    assert kept[:4] == [0] * 4 and all(count >= 80 for count in kept[4:])
    assert all(count >= 175 for count in kept[6:])
    # One that is whole already stays.
    (tmp_path / ".a.part.mp4").write_bytes(torn)
    assert recover(tmp_path) == [] and len(read(tmp_path / "a.mp4")[1]) == 200
    assert not (tmp_path / ".a.part.mp4").exists()


def test_without_room_to_copy_it_a_video_is_kept_with_its_index_at_the_end(tmp_path, monkeypatch):
    def full(pieces, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mnad.video.sink._copied", full)
    write(tmp_path / "a.mp4", [flat(grey, (48, 64)) for grey in GREYS])
    assert len(read(tmp_path / "a.mp4")[1]) == len(GREYS)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("size", [(63, 81), (63, 80), (64, 81)])
def test_odd_sizes_are_padded_by_their_edge(tmp_path, size):
    write(tmp_path / "a.mp4", [flat(200, size)] * 2)
    source, frames = read(tmp_path / "a.mp4")
    assert source.size == (64, size[1] + size[1] % 2)
    assert np.abs(frames[1].pixels.astype(int) - 200).max() <= 1


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(179, 6)])
def test_constant_rate_is_exact(tmp_path, rate):
    write(tmp_path / "a.mp4", [flat(9, (48, 64))] * 30, rate)
    source, frames = read(tmp_path / "a.mp4")
    assert source.rate == rate
    assert [frame.seconds for frame in frames] == [k / rate for k in range(30)]


def test_variable_times_are_kept_and_made_to_rise(tmp_path):
    seconds = [Fraction(0), Fraction(1, 3), Fraction(1, 2), Fraction(1, 2), Fraction(3)]
    write(tmp_path / "a.mp4", [flat(9, (48, 64))] * 5, seconds=seconds)
    _, frames = read(tmp_path / "a.mp4")
    found = [frame.seconds for frame in frames]
    assert found == sorted(set(found))
    assert max(abs(a - b) for a, b in zip(found, seconds, strict=True)) <= Fraction(1, 90000)


def test_only_whole_files_appear(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoSink(path, Fraction(25), (48, 64)) as sink:
        sink.write(flat(9, (48, 64)))
        assert not path.exists()
    assert path.exists()
    before = path.read_bytes()
    with pytest.raises(RuntimeError), VideoSink(path, Fraction(25), (48, 64)) as sink:
        sink.write(flat(9, (48, 64)))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


FULL = """
import resource, sys
from fractions import Fraction
import numpy as np
from mnad.errors import MnadError
from mnad.video.sink import VideoSink
sink = VideoSink(sys.argv[1], Fraction(10), (240, 360))
# Writing past this size fails as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
noise = np.random.default_rng(0)
try:
    while True:
        sink.write(noise.integers(0, 256, (240, 360, 3), np.uint8))
except MnadError as error:
    print(error)
sink.close()
print("went on")
"""


@pytest.mark.parametrize("most", [0, 100_000])
def test_a_full_disk_leaves_no_file_and_the_process_alive(tmp_path, most):
    """Where not even the header has room, to end the file as if it were whole would be fatal."""
    pytest.importorskip("resource", reason="a limit to the size of files needs Unix")
    command = [sys.executable, "-c", FULL, str(tmp_path / "a.mp4"), str(most)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.mp4 cannot be written" in done.stdout and done.stdout.endswith("went on\n")
    assert not list(tmp_path.iterdir())


def test_a_failure_before_the_first_frame_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), VideoSink(tmp_path / "a.mp4", Fraction(25), (48, 64)):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_folder_missing(tmp_path):
    with pytest.raises(MnadError, match=r"a\.mp4 cannot be written \(No such file"):
        VideoSink(tmp_path / "gone" / "a.mp4", Fraction(25), (48, 64))
    with pytest.raises(MnadError, match=r"a\.csv cannot be written \(No such file"):
        CsvSink(tmp_path / "gone" / "a.csv", ["frame"])


def test_another_shape_is_a_bug_of_the_caller(tmp_path):
    with (
        pytest.raises(ValueError, match="shape"),
        VideoSink(tmp_path / "a.mp4", Fraction(25), (48, 64)) as sink,
    ):
        sink.write(flat(9, (64, 48)))


@pytest.mark.parametrize("rate", [29.97, 23.976, 1 / 3, 12])
def test_a_rate_may_be_a_float(tmp_path, rate):
    """The exact fraction of 29.97 has a denominator of 2**48, which no header holds."""
    with VideoSink(tmp_path / "a.mp4", rate, (48, 64)) as sink:
        for _ in range(4):
            sink.write(flat(9, (48, 64)))
    _, frames = read(tmp_path / "a.mp4")
    steps = np.diff([float(frame.seconds) for frame in frames])
    np.testing.assert_allclose(steps, 1 / rate, atol=2e-5)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_leaves_nothing(tmp_path, rate):
    with pytest.raises(UsageError, match=r"the rate of .*a\.mp4 is .*; give frames per second"):
        VideoSink(tmp_path / "a.mp4", rate, (48, 64))
    assert not list(tmp_path.iterdir())


def test_who_closes_within_the_block_closes_once(tmp_path):
    """As with any file: the end of the block found the hidden file gone and called it an error."""
    with VideoSink(tmp_path / "a.mp4", Fraction(10), (48, 64)) as video:
        video.write(flat(9, (48, 64)))
        video.close()
    with CsvSink(tmp_path / "a.csv", ["x"]) as table:
        table.write({"x": 1})
        table.close()
    assert len(read(tmp_path / "a.mp4")[1]) == 1
    assert (tmp_path / "a.csv").read_text() == "x\n1\n"


def test_csv_rows_are_flushed_and_the_file_appears_whole(tmp_path):
    path = tmp_path / "a.csv"
    with CsvSink(path, ["frame", "score"]) as sink:
        sink.write({"frame": 0, "score": 0.5})
        (part,) = tmp_path.iterdir()
        assert part != path
        assert part.read_text() == "frame,score\n0,0.5\n"
        sink.write({"frame": 1, "score": None})
    assert path.read_bytes() == b"frame,score\n0,0.5\n1,\n"
    with pytest.raises(ValueError, match="fields not in"), CsvSink(path, ["frame"]) as sink:
        sink.write({"other": 0})
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text().endswith("1,\n")


@pytest.mark.parametrize(
    "begun",
    [
        lambda folder: VideoSink(folder / "a.mp4", Fraction(25), (48, 64)),
        lambda folder: CsvSink(folder / "a.csv", ["frame"]),
    ],
)
def test_a_disk_that_goes_read_only_is_one_sentence_and_hides_no_other_error(
    tmp_path, begun, read_only
):
    sinks = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        sinks.append(begun(tmp_path / name))
    read_only()
    with pytest.raises(MnadError, match=r"a\.\w+ cannot be written \(Read-only file system\)"):
        sinks[0].close()
    with pytest.raises(RuntimeError, match="first"), sinks[1]:
        raise RuntimeError("first")
