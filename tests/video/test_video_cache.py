from __future__ import annotations

import tracemalloc
from fractions import Fraction

import cv2
import numpy as np
import pytest

from mnad.errors import MnadError
from mnad.video.cache import Stretches, _load, load_clips
from mnad.video.fit import resize
from mnad.video.regions import Regions
from mnad.video.sink import VideoSink
from mnad.video.source import open_source
from mnad.video.thin import taken_rate


@pytest.fixture
def clips(tmp_path, noise):
    """Three folders of 2, 3 and 4 frames, and what each is at 32 x 24 in RGB."""
    paths, expected = [], []
    for count in (2, 3, 4):
        folder = tmp_path / f"clip{count}"
        folder.mkdir()
        images = noise(count)
        for index, image in enumerate(images):
            cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])
        paths.append(folder)
        expected.append(np.stack([cv2.resize(image, (24, 32)) for image in images]))
    return paths, expected


def test_resize_keeps_the_channel_of_grey_frames(noise):
    grey = noise(1)[0][..., :1]
    small = resize(grey, 32, 24)
    assert small.shape == (32, 24, 1)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small[..., 0], cv2.resize(grey[..., 0], (24, 32)))
    assert resize(grey, 48, 64) is grey


def test_bilinear_by_hand():
    # Halving by the half-pixel rule averages 2 x 2 blocks.
    image = np.array([[0, 4, 8, 8], [8, 4, 8, 8]], np.uint8)[..., None]
    assert resize(image, 1, 2).ravel().tolist() == [4, 8]


def test_large_frames_are_halved_first():
    """So that every pixel counts; the sizes of the field's data sets are as the public code."""
    rng = np.random.default_rng(0)
    for size in ((1080, 1920), (640, 1024), (433, 769)):
        frame = rng.integers(0, 256, (*size, 1), np.uint8)
        spread = resize(frame, 160, 256).std()
        assert spread < 0.62 * cv2.resize(frame, (256, 160)).std()
    means = frame[:320, :512].reshape(160, 2, 256, 2).mean((1, 3))
    assert np.abs(resize(frame[:320, :512], 160, 256)[..., 0] - means).max() <= 0.5
    for size in ((240, 360), (360, 640), (480, 856)):  # Ped2, Avenue, ShanghaiTech
        frame = rng.integers(0, 256, (*size, 3), np.uint8)
        np.testing.assert_array_equal(resize(frame, 256, 256), cv2.resize(frame, (256, 256)))


def test_a_clip_is_resized_frame_by_frame(clips):
    for path, expected in zip(*clips, strict=True):
        (clip,) = load_clips([path], 32, 24, 3)
        assert clip.dtype == np.uint8
        np.testing.assert_array_equal(clip, expected)


def test_a_clip_in_memory_takes_no_more_than_it_was_counted_with(tmp_path):
    """Frames on disk first, as decoding takes memory of its own."""
    count, shape = 4097, (16, 16, 1)  # a frame more than is made room for at first
    frames = np.memmap(tmp_path / "frames", np.uint8, "w+", shape=(count, *shape))
    frames[-1] = 7
    tracemalloc.start()
    try:
        clip = _load(iter(frames), count, shape)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(clip, frames)
    assert kept < 1.1 * clip.nbytes
    # What grows in place some versions count twice meanwhile; copied to twice the length, thrice.
    assert most < 2.5 * clip.nbytes


def test_beyond_the_limit_clips_lie_on_disk(clips, tmp_path):
    paths, expected = clips
    cache = tmp_path / "cache"
    cache.mkdir()
    limit = 5 * 32 * 24 * 3  # the 2 and the 3 frames fit
    loaded = load_clips(paths, 32, 24, 3, limit_bytes=limit, cache_dir=cache)
    assert [isinstance(clip, np.memmap) for clip in loaded] == [False, False, True]
    for clip, same in zip(loaded, expected, strict=True):
        np.testing.assert_array_equal(clip, same)
    assert not list(cache.iterdir())


def test_undeclared_length_goes_to_disk(tmp_path, write_video, noise):
    images = noise(3, 16, 16)
    (clip,) = load_clips([write_video(tmp_path / "a.mkv", images)], 16, 16, 3)
    assert isinstance(clip, np.memmap)
    np.testing.assert_array_equal(clip, images)


def test_no_folder_for_the_files(clips, tmp_path):
    with pytest.raises(MnadError, match=r"gone cannot take the decoded frames of .*clip2"):
        load_clips(clips[0], 32, 24, 3, limit_bytes=0, cache_dir=tmp_path / "gone")


def test_an_error_in_a_clip_comes_through(clips):
    paths, _ = clips
    (paths[1] / "1.png").write_bytes(b"no image")
    for limit in (0, 1 << 30):
        with pytest.raises(MnadError, match=r"1\.png cannot be read as an image"):
            load_clips(paths, 32, 24, 3, limit_bytes=limit)


def test_ped2_as_the_public_code_reads_it(data):
    folder = data / "ped2" / "testing" / "frames" / "09"
    (clip,) = load_clips([folder], 256, 256, 3)
    assert clip.shape == (120, 256, 256, 3)
    image = cv2.resize(cv2.imread(str(folder / "077.jpg")), (256, 256))
    np.testing.assert_array_equal(clip[77], image[..., ::-1])


def test_fewer_frames_per_second_are_taken_in_memory_and_on_disk(clips):
    paths, expected = clips
    for limit in (0, 1 << 30):
        loaded = load_clips(paths, 32, 24, 3, limit_bytes=limit, rate=12.5)  # folders have 25
        for clip, whole in zip(loaded, expected, strict=True):
            np.testing.assert_array_equal(clip, whole[::2])
    for clip, whole in zip(load_clips(paths, 32, 24, 3, rate=100), expected, strict=True):
        np.testing.assert_array_equal(clip, whole)


def test_frames_of_a_clip_go_through_a_filter_of_their_own(clips, tmp_path):
    paths, expected = clips
    made = []

    class Filter:
        def __init__(self):
            self.seconds = []
            made.append(self)

        def __call__(self, frame, seconds):
            self.seconds.append(seconds)
            return frame // len(self.seconds)

    prepared = tmp_path / "prepared.npy"
    np.save(prepared, expected[2])
    for limit in (0, 1 << 30):
        made.clear()
        loaded = load_clips([*paths, prepared], 32, 24, 3, limit_bytes=limit, filters=Filter)
        for clip, whole in zip(loaded, [*expected, expected[2]], strict=True):
            numbers = np.arange(1, len(whole) + 1, dtype=np.uint8)
            np.testing.assert_array_equal(clip, whole // numbers[:, None, None, None])
        times = [[index / 25 for index in range(len(clip))] for clip in loaded]
        assert [filter.seconds for filter in made] == times


def test_a_folder_is_thinned_by_the_rate_that_its_owner_knows(clips):
    paths, expected = clips
    for known, every in ((10, 1), (20, 2), (30, 3)):
        loaded = load_clips(paths, 32, 24, 3, rate=10.0, folder_rate=Fraction(known))
        for clip, whole in zip(loaded, expected, strict=True):
            np.testing.assert_array_equal(clip, whole[::every])


def test_the_crop_is_cut_out_before_the_resize(tmp_path, noise):
    images = noise(3)  # 48 x 64
    folder = tmp_path / "clip"
    folder.mkdir()
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])
    ignored = (((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)),)
    regions = Regions(crop=(0.25, 0.5, 0.75, 1.0), ignore=ignored)
    expected = np.stack([cv2.resize(image[24:, 16:48], (24, 32)) for image in images])
    for limit in (0, 1 << 30):
        (clip,) = load_clips([folder], 32, 24, 3, limit_bytes=limit, regions=regions)
        np.testing.assert_array_equal(clip, expected)  # what is ignored is masked, not cut out


def test_clips_are_cut_where_frames_are_missing(tmp_path, noise, caplog):
    """A recorder that stops for four seconds, twice, the second time for a single frame."""
    frames = noise(40, 32, 48)
    times = [t / 10 + 4 * (t >= 25) + 4 * (t >= 26) for t in range(40)]
    with VideoSink(tmp_path / "holes.mp4", Fraction(10), (32, 48)) as sink:
        for frame, seconds in zip(frames, times, strict=True):
            sink.write(frame, seconds)
    with VideoSink(tmp_path / "whole.mp4", Fraction(10), (32, 48)) as sink:
        for frame in frames[:3]:
            sink.write(frame)
    stretches = Stretches()
    paths = [tmp_path / "holes.mp4", tmp_path / "whole.mp4"]
    clips = load_clips(paths, 32, 48, 3, filters=stretches)
    found, names = stretches.cut(clips, ["holes", "whole"], shortest=5)
    assert [len(one) for one in found] == [25, 14, 3] and names == ["holes", "holes", "whole"]
    assert np.array_equal(found[0], clips[0][:25]) and np.array_equal(found[1], clips[0][26:])
    left, names = stretches.cut(clips, ["holes", "whole"], shortest=26)
    assert [len(one) for one in left] == [3] and names == ["whole"]
    assert "holes lacks frames so often that no stretch has the 26" in caplog.text
    alone = Stretches()
    clips = load_clips(paths[:1], 32, 48, 3, filters=alone)
    with pytest.raises(MnadError, match="holes: no stretch without a hole has the 26 frames"):
        alone.cut(clips, ["holes"], shortest=26)


@pytest.mark.parametrize("pause", [24.0, 0.6])
def test_the_rate_of_a_video_with_holes_is_that_of_its_frames(tmp_path, noise, pause):
    """Six seconds, then a pause, as a recorder writes that records what moves; or with stalls."""
    with VideoSink(tmp_path / "a.mp4", Fraction(25), (32, 48)) as sink:
        for t, frame in enumerate(noise(1, 32, 48) * 600):
            sink.write(frame, t / 25 + pause * (t // 150))
    with open_source(tmp_path / "a.mp4") as source:
        assert source.rate == 25
    assert taken_rate(tmp_path / "a.mp4", 10.0) == 12.5
    with VideoSink(tmp_path / "b.mp4", Fraction(25), (32, 48)) as sink:
        for t, frame in enumerate(noise(1, 32, 48) * 60):
            sink.write(frame, t / 12.5 + 0.01 * (t % 2))  # a clock that is not exact
    with open_source(tmp_path / "b.mp4") as source:
        assert source.rate == pytest.approx(12.5, rel=0.02)
