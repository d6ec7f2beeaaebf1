from __future__ import annotations

import itertools
import os
import wave
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from mnad.errors import MnadError, UsageError
from mnad.video.source import count_frames, open_source


def frames(path, channels=3, rate=None):
    with open_source(path, channels, rate) as source:
        return list(source)


def write_images(folder, names, images):
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, images, strict=True):
        assert cv2.imwrite(str(folder / name), image[..., ::-1])
    return folder


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


# Video files


def test_rgb_order_and_values_are_exact_on_a_lossless_video(tmp_path, write_video, noise):
    images = noise(5)
    with open_source(write_video(tmp_path / "a.mkv", images)) as source:
        assert (source.name, source.size, source.rate) == ("a", (48, 64), 25)
        for index, frame in enumerate(source):
            assert frame.index == index
            assert frame.seconds == Fraction(index, 25)
            np.testing.assert_array_equal(frame.pixels, images[index])
        assert index == 4


@pytest.mark.parametrize(
    ("pix_fmt", "color_range", "low", "high"),
    [
        ("yuv420p", None, 16, 235),
        ("yuv420p", 2, 0, 255),
        ("yuv420p10le", None, 64, 940),
        ("gray", None, 0, 255),
    ],
)
def test_grey_is_luma_on_the_full_range(tmp_path, pix_fmt, color_range, low, high):
    deep = high > 255
    ramp = np.tile(np.linspace(low, high, 64).round().astype("u2" if deep else "u1"), (48, 1))
    chroma = np.full((24, 64), 512 if deep else 128, ramp.dtype)
    frame = av.VideoFrame.from_ndarray(
        ramp if pix_fmt == "gray" else np.concatenate([ramp, chroma]), pix_fmt
    )
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        if color_range:
            stream.codec_context.color_range = frame.color_range = color_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    expected = (ramp.astype(float) - low) * 255 / (high - low)
    grey, colour = (frames(tmp_path / "a.mkv", c)[0].pixels for c in (1, 3))
    assert grey.shape == (48, 64, 1)
    # From 10 bits the scaler dithers.
    assert np.abs(grey[..., 0] - expected).max() < (1 if deep else 0.51)
    assert np.abs(colour - expected[..., None]).max() <= 1
    assert abs((colour - expected[..., None]).mean()) < 0.1


def test_times_of_a_variable_frame_rate_are_exact_and_start_at_zero(tmp_path, write_video, noise):
    pts = [900, 1000, 1001, 1500, 4000]
    path = write_video(tmp_path / "a.mp4", noise(5), pts=pts, tick=Fraction(1, 30000),
                       codec="libx264", pix_fmt="yuv444p")  # fmt: skip
    assert [f.seconds for f in frames(path)] == [Fraction(p - 900, 30000) for p in pts]


def test_29_97_frames_per_second_stay_so(tmp_path, write_video, noise):
    tick = Fraction(1001, 30000)
    path = write_video(tmp_path / "a.mp4", noise(40), tick=tick, codec="libx264",
                       pix_fmt="yuv420p")  # fmt: skip
    assert [f.seconds for f in frames(path)] == [k * tick for k in range(40)]


def test_time_never_goes_back_in_a_file(tmp_path, write_video, noise):
    """What is not after the frame before it comes one frame after it, and the rest with it."""
    images = noise(12)
    parts = [
        write_video(tmp_path / f"{k}.ts", images[6 * k : 6 * k + 6], codec="mpeg2video",
                    pix_fmt="yuv420p", codec_options={"g": "1"})
        for k in (0, 1)
    ]  # fmt: skip
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with av.open(str(tmp_path / "a.ts")) as container:
        pts = [frame.pts for frame in container.decode(video=0)]
    assert pts[6] < pts[5]
    assert [f.seconds * 25 for f in frames(tmp_path / "a.ts")] == list(range(12))


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # a telephone held upright
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
    ],
)
def test_rotation_metadata_is_honoured(tmp_path, write_video, noise, matrix, shown):
    a, b, c, d = (n << 16 for n in matrix)
    images = noise(2)
    path = write_video(
        *(tmp_path / "a.mp4", images),
        codec="libx264rgb",
        pix_fmt="rgb24",
        codec_options={"qp": "0"},  # lossless
        matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30],
    )
    expected = shown(images[1])
    with open_source(path) as source:
        assert source.size == expected.shape[:2]
        np.testing.assert_array_equal(list(source)[1].pixels, expected)


def test_a_name_with_a_colon_is_no_protocol(tmp_path, write_video, noise, monkeypatch):
    write_video(tmp_path / "2024-01-01T12:00:00.mkv", noise(1))
    monkeypatch.chdir(tmp_path)
    assert len(frames("2024-01-01T12:00:00.mkv")) == 1


def test_every_pass_starts_again_and_is_lazy(tmp_path, write_video, noise):
    with open_source(write_video(tmp_path / "a.mkv", noise(5))) as source:
        assert [f.index for f in itertools.islice(source, 3)] == [0, 1, 2]
        running = iter(source)
        assert next(running).index == 0
    with pytest.raises(StopIteration):
        next(running)


# Folders of images


def test_folder_in_natural_order_without_litter(tmp_path, noise):
    images = noise(4)
    folder = write_images(tmp_path / "clip.1", ["10.png", "2.PNG", "1.bmp", "3.tiff"], images)
    for litter in ("._1.png", ".DS_Store", "Thumbs.db", "notes.txt"):
        (folder / litter).write_bytes(b"litter")
    with open_source(folder) as source:
        assert (source.name, source.length, source.rate, source.size) == ("clip.1", 4, 25, (48, 64))
        found = list(source)
    for frame, k in zip(found, (2, 1, 3, 0), strict=True):
        np.testing.assert_array_equal(frame.pixels, images[k])
    assert [f.seconds for f in frames(folder, rate=Fraction(10))] == [
        Fraction(i, 10) for i in range(4)
    ]
    assert found[1].seconds == Fraction(1, 25)
    assert count_frames(folder) == 4


def test_folder_with_one_frame_opens(tmp_path, noise):
    assert len(frames(write_images(tmp_path, ["1.jpg"], noise(1)))) == 1


# What goes wrong


def test_missing_path(tmp_path):
    for use in (open_source, count_frames):
        with pytest.raises(MnadError, match=r"gone\.mp4 does not exist"):
            use(tmp_path / "gone.mp4")


@pytest.mark.parametrize("address", ["http://u:secret@cam/1", "http:/cam/1", "RTSP://cam/1"])
def test_a_stream_where_a_file_is_wanted(address):
    """Of `http` it was said that it is no scheme, and in the same sentence that it is one."""
    scheme = address.partition(":")[0]
    with pytest.raises(MnadError, match="not there as a file; a stream is for mnad wat") as told:
        open_source(address)
    assert str(told.value).endswith(f"starts with {scheme}://.")
    assert "no scheme" not in str(told.value) and "secret" not in str(told.value)
    with pytest.raises(MnadError, match="'rtps' is no scheme of a stream"):
        open_source("rtps://cam/1")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("pixel", "turned", "shown"),
    [
        (Fraction(2), False, (48, 128)),  # half of the columns, as of 352 x 480
        (Fraction(1, 2), False, (96, 64)),  # half of the rows, as of 704 x 288
        (Fraction(16, 11), True, (93, 48)),
        (Fraction(40), False, (48, 64)),  # nonsense
        (Fraction(2), None, (480, 1280)),
    ],
)
def test_what_people_see_has_square_pixels_and_what_is_scored_has_those_there_are(
    tmp_path, write_video, channels, pixel, turned, shown
):
    size = (600, 800) if turned is None else (48, 64)
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2, : size[1] // 4] = 200  # the quarter at the left, of the upper half
    matrix = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30] if turned else None
    path = write_video(
        *(tmp_path / "a.mp4", [image, image]),
        codec="libx264rgb",
        pix_fmt="rgb24",
        codec_options={"qp": "0"},
        pixel=pixel,
        matrix=matrix,
    )
    with open_source(path, channels) as source:
        first = next(iter(source))
        size = tuple(reversed(size)) if turned else size
        assert first.pixels.shape == (*size, channels) and source.size == size
        assert first.rgb.shape == (*size, 3)
        picture = first.picture
    assert picture.shape == (*shown, 3)
    rows, columns = (np.flatnonzero((picture[..., 0] > 100).any(axis=axis)) for axis in (1, 0))
    tall, wide = (shown[1], shown[0]) if turned else shown
    found = (len(columns), len(rows)) if turned else (len(rows), len(columns))
    assert found == (pytest.approx(tall / 2, abs=1), pytest.approx(wide / 4, abs=1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_refused_where_one_would_wait_for_its_second_writer(tmp_path):
    os.mkfifo(tmp_path / "a.ts")
    with pytest.raises(MnadError, match=r"a\.ts is a pipe"):
        open_source(tmp_path / "a.ts")


def test_empty_folder(tmp_path):
    with pytest.raises(MnadError, match="holds no frames"):
        open_source(tmp_path)


def test_wrong_arguments(tmp_path):
    with pytest.raises(UsageError, match="channels is 2"):
        open_source(tmp_path, 2)
    with pytest.raises(UsageError, match="rate is 0"):
        open_source(tmp_path, 3, Fraction(0))


@pytest.mark.parametrize("name", ["2.jpg", "2.png"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_cut_image_in_the_middle(tmp_path, noise, name, keep):
    folder = write_images(tmp_path, ["1.png", name, "3.png"], noise(3))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(keep * len(content))])
    with open_source(folder) as source:
        passing = iter(source)
        assert next(passing).index == 0
        with pytest.raises(MnadError, match=rf"{name} cannot be read as an image: replace"):
            next(passing)


def test_what_follows_a_whole_jpeg_does_no_harm(tmp_path, noise):
    """A phone's film behind its photograph; the end of a JPEG is that of its own last scan."""
    folder = write_images(tmp_path, ["1.jpg"], noise(1))
    whole = (folder / "1.jpg").read_bytes()
    assert whole.endswith(b"\xff\xd9")
    (folder / "2.jpg").write_bytes(whole + b"film \xff\xda film")
    first, second = frames(folder)
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_the_end_of_a_thumbnail_is_not_that_of_the_jpeg(tmp_path, noise):
    folder = write_images(tmp_path, ["1.jpg"], noise(1))
    whole = (folder / "1.jpg").read_bytes()
    exif = b"Exif\0\0" + whole[:2000] + b"\xff\xd9"
    head = b"\xff\xd8\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (folder / "1.jpg").write_bytes(head + whole[2:])
    assert len(frames(folder)) == 1
    (folder / "1.jpg").write_bytes(head + whole[2 : len(whole) // 2])
    with pytest.raises(MnadError, match=r"1\.jpg cannot be read as an image"):
        frames(folder)


def test_frames_of_differing_sizes(tmp_path, noise):
    folder = write_images(tmp_path, ["1.png"], noise(1))
    write_images(tmp_path, ["2.png"], noise(1, 30, 40))
    with pytest.raises(MnadError, match=r"2\.png is 40x30 pixels but 1\.png is 64x48"):
        frames(folder)


def test_a_single_image_is_no_source(tmp_path, noise):
    write_images(tmp_path, ["1.png"], noise(1))
    with pytest.raises(MnadError, match=r"1\.png is a single image: give the folder"):
        open_source(tmp_path / "1.png")


@pytest.mark.parametrize("text", ["", "hello\n" * 100, "frame,seconds,score\n0,0.0,1\n" * 500])
def test_text_named_mp4(tmp_path, text):
    (tmp_path / "a.mp4").write_text(text)
    for use in (open_source, count_frames):
        with pytest.raises(MnadError, match=r"a\.mp4 cannot be read as a video"):
            use(tmp_path / "a.mp4")


def test_sound_without_pictures(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(MnadError, match="holds no video stream"):
        open_source(tmp_path / "a.wav")


def test_video_without_frames(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        container.start_encoding()
    with pytest.raises(MnadError, match="holds no frame that can be decoded"):
        open_source(tmp_path / "a.avi")


def cut(path, share):
    content = path.read_bytes()
    short = path.with_name(f"cut{path.suffix}")
    short.write_bytes(content[: int(share * len(content))])
    return short


def test_mp4_cut_before_its_index(tmp_path, write_video, noise):
    path = write_video(tmp_path / "a.mp4", noise(20), codec="libx264", pix_fmt="yuv420p")
    with pytest.raises(MnadError, match=r"cut\.mp4 cannot be read as a video"):
        open_source(cut(path, 0.7))


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("mpeg4", ".avi")])
def test_cut_video_gives_its_good_frames_then_says_where(
    tmp_path, write_video, noise, codec, suffix
):
    path = write_video(
        *(tmp_path / f"a{suffix}", noise(40)),
        codec=codec,
        pix_fmt="yuv420p",
        options={"movflags": "+faststart"} if suffix == ".mp4" else {},
        # Frames out of order: where the file is cut, later ones have come before earlier ones.
        codec_options={"x264-params": "bframes=3:b-adapt=0:scenecut=0"}
        if codec == "libx264"
        else {},
    )
    whole = frames(path)
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    assert len(packets) == 40
    for last in (4, 5, 6, 7, 17, 18, 19, 20, 39):
        position, size = packets[last]
        short = cut(path, (position + size // 2) / path.stat().st_size)
        good = []
        with pytest.raises(MnadError) as error, open_source(short) as source:
            for frame in source:
                good.append(frame)
        assert f"cut{suffix} breaks at frame {len(good)}:" in str(error.value)
        # Of H.264, up to 3 that are whole lack one that is shown before them.
        assert max(1, last - (3 if codec == "libx264" else 0)) <= len(good) <= last
        for frame, same in zip(good, whole, strict=False):
            assert (frame.index, frame.seconds) == (same.index, same.seconds)
            np.testing.assert_array_equal(frame.pixels, same.pixels)


def test_a_matroska_file_that_was_cut_is_told(tmp_path, write_video, noise):
    """FFmpeg gives what is left and says nothing, and so did whoever looked at it."""
    path = write_video(tmp_path / "a.mkv", noise(40))
    whole = frames(path)
    assert len(whole) == 40
    short = cut(path, 0.6)
    good = []
    with pytest.raises(MnadError, match=r"cut\.mkv breaks at frame \d+:"):
        good.extend(open_source(short))
    assert 20 <= len(good) < 30
    for frame, same in zip(good, whole, strict=False):
        np.testing.assert_array_equal(frame.pixels, same.pixels)


def test_a_recording_without_an_end_is_whole(tmp_path, write_video, noise):
    """As browsers and streams write Matroska: its size is not known."""
    path = write_video(tmp_path / "a.mkv", noise(40), options={"live": "1"})
    assert b"\x18\x53\x80\x67\x01" + 7 * b"\xff" in path.read_bytes()[:100]
    assert len(frames(path)) == 40
    assert 20 <= len(frames(cut(path, 0.6))) < 30


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mp4", {"g": "10", "bf": "2"}),
        ("libx265", ".mp4", {"x265-params": "keyint=10:bframes=2:log-level=none"}),
        ("mpeg4", ".avi", {"g": "10"}),
        ("mjpeg", ".mov", {}),
    ],
)
def test_damage_in_the_middle_of_a_video(tmp_path, write_video, noise, codec, suffix, options):
    """What cannot be decoded is a hole; before and behind it the frames are what they are."""
    layout = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(
        *(tmp_path / f"a{suffix}", noise(60)),
        **{"codec": codec, "pix_fmt": layout, "codec_options": options},
    )
    whole = {frame.seconds: frame.pixels for frame in frames(path)}
    assert len(whole) == 60
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        spoilt = [packets[at] for at in (24, 43)]
        keys = [p.pts * p.time_base for p in packets if p.is_keyframe]
        content = bytearray(path.read_bytes())
        for packet in spoilt:
            content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(content)
    good = []
    said = r"a\.\w+ is damaged at \d\.\d s \(2 places in all\): .* and (\d+) frames are good"
    with pytest.raises(MnadError, match=said) as error:
        good.extend(open_source(path))
    assert f"and {len(good)} frames are good" in str(error.value)
    # Lost are a frame and what follows it up to the next key frame, and of B-frames two before it.
    assert 60 - 2 * (9 + 2) <= len(good) <= 58
    shown = [frame.seconds for frame in good]
    assert shown[-1] == max(whole) and shown == sorted(shown)
    assert sum(key in shown for key in keys) >= len(keys) - 2
    for frame in good:
        np.testing.assert_array_equal(frame.pixels, whole[frame.seconds])


def test_video_that_changes_its_size(tmp_path, write_video, noise):
    small = write_video(tmp_path / "s.h264", noise(3), codec="libx264", pix_fmt="yuv420p")
    large = write_video(tmp_path / "l.h264", noise(3, 96, 128), codec="libx264", pix_fmt="yuv420p")
    (tmp_path / "a.h264").write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(MnadError, match="frame 3 is 128x96 pixels but frame 0 is 64x48"):
        frames(tmp_path / "a.h264")


# Real data


def test_ped2_images_are_read_as_opencv_reads_them(data):
    folder = data / "ped2" / "testing" / "frames" / "01"
    grey, colour = frames(folder, 1), frames(folder, 3)
    assert len(grey) == 180
    for k in (0, 90, 179):
        luma = cv2.imread(str(folder / f"{k:03d}.jpg"), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(grey[k].pixels[..., 0], luma)
        for frame in (grey[k], colour[k]):
            np.testing.assert_array_equal(frame.rgb, np.repeat(luma[..., None], 3, 2))


@pytest.mark.parametrize("clip", ["training/01", "testing/09"])
@pytest.mark.parametrize("channels", [1, 3])
def test_ped2_video_keeps_the_brightness_of_its_images(data, clip, channels):
    part, name = clip.split("/")
    paths = (data / f"ped2/{part}/frames/{name}", data / f"ped2-mp4/{part}/{name}.mp4")
    images, video = (
        np.stack([f.pixels for f in itertools.islice(open_source(path, channels), 40)])
        for path in paths
    )
    assert video.shape == (40, 240, 360, channels)
    assert psnr(video, images) > 47
    assert abs(video.mean() - images.mean()) < 0.2


@pytest.mark.parametrize(
    ("name", "rate", "size", "length"),
    [
        ("bottle-detection", Fraction(179, 6), (360, 640), 1189),
        ("car-detection", Fraction(25, 2), (432, 768), 377),
        ("one-by-one-person-detection", Fraction(10), (432, 768), 1394),
    ],
)
def test_sample_videos_keep_their_rational_rates(data, name, rate, size, length):
    with open_source(data / "sample-videos" / f"{name}.mp4") as source:
        assert (source.name, source.rate, source.size, source.length) == (name, rate, size, length)
        seconds = [f.seconds for f in itertools.islice(source, 20)]
    assert seconds == [k / rate for k in range(20)]


@pytest.mark.parametrize(
    ("name", "length"),
    [("training_videos/12", 145), ("training_videos/16", 244),
     ("testing_videos/20", 273), ("testing_videos/21", 76)],
)  # fmt: skip
def test_avenue_videos_decode_whole(data, name, length):
    path = data / "avenue-sample" / f"{name}.avi"
    with open_source(path, 1) as source:
        assert source.size == (360, 640)
        assert source.length == length
        assert sum(frame.pixels.shape == (360, 640, 1) for frame in source) == length
    assert count_frames(path) == length


def test_a_video_that_was_cut_without_encoding_has_the_frames_that_it_shows(tmp_path, write_video):
    """As by ffmpeg -ss 1.6 -c copy: frames 30 to 39 are in the file, and are not shown."""
    levels = [np.full((48, 64, 3), 2 * t, np.uint8) for t in range(100)]
    how = {"codec": "libx264", "pix_fmt": "yuv420p", "codec_options": {"g": "30", "bf": "2"}}
    whole = write_video(tmp_path / "whole.mp4", levels, **how)
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as sink:
        stream = source.streams.video[0]
        copied = sink.add_stream_from_template(stream)
        begin = int(Fraction(40, 25) / stream.time_base)
        source.seek(begin, stream=stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts -= begin
                packet.dts -= begin
                packet.stream = copied
                sink.mux(packet)
    shown = frames(cut)
    assert abs(int(shown[0].pixels.mean()) - 80) <= 2 and len(shown) == 60
    with open_source(cut) as again:
        assert again.length == count_frames(cut) == 60
