from __future__ import annotations

import http.server
import io
import socket
import threading
import time
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from mnad.errors import MnadError, UsageError
from mnad.video import live_feed, live_time
from mnad.video.live import Gap, open_live
from mnad.video.live_reader import Lost, Shot
from mnad.video.live_time import Clock
from mnad.video.source import Frame, open_source


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(live_feed, "_FIRST_PAUSE", 0.1)


@contextmanager
def serving(handle):
    """A local HTTP server; `handle(request)` answers each GET."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(OSError):  # the other side has had enough
                handle(self)
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def grey(level, height=48, width=64):
    return np.full((height, width), level, np.uint8)


def shot(level, pts=None, lasting=False):
    frame = av.VideoFrame.from_ndarray(grey(level), "gray")
    return Shot(frame, pts, time.monotonic(), Fraction(25), lasting, False)


@pytest.fixture
def acts(monkeypatch):
    """Replaces FFmpeg by a function of (number of the connection, pulse) that yields shots."""

    def use(act):
        numbers = iter(range(10**6))
        monkeypatch.setattr(live_feed, "shots", lambda _, stall, pulse: act(next(numbers), pulse))

    return use


def frames_of(items):
    return [item for item in items if isinstance(item, Frame)]


# Time


def test_time_stamps_are_exact_while_they_last():
    clock = Clock()
    tick = Fraction(1001, 30000)
    seconds = [clock.at(7 + k * tick, 100 + 0.04 * k) for k in range(5)]
    assert seconds == [k * tick for k in range(5)]


@pytest.mark.parametrize(
    "second",
    [Fraction(5), Fraction(3), Fraction(-90000), None, Fraction(5 + 3600)],
    ids=["repeated", "back", "reset", "missing", "jump"],
)
def test_the_clock_replaces_a_bad_time_stamp(second):
    clock = Clock()
    assert clock.at(Fraction(5), 100.0) == 0
    assert clock.at(second, 100.25) == Fraction(1, 4)
    if second is not None:
        assert clock.at(second + Fraction(1, 25), 100.3) == Fraction(29, 100)
    assert clock.at(None, 100.0) > clock.at(None, 90.0) - 1  # not even if the clock stood still


def test_the_clock_counts_from_one_connection_to_the_next():
    clock = Clock()
    clock.at(Fraction(5), 100.0)
    clock.interrupt()
    assert clock.at(Fraction(5) + Fraction(1, 25), 112.5) == Fraction(25, 2)
    assert clock.at(Fraction(5) + Fraction(2, 25), 112.5) == Fraction(25, 2) + Fraction(1, 25)


def test_a_stream_that_starts_again_earlier_repeats_itself():
    clock = Clock()
    clock.at(Fraction(100), 0.0)
    assert not clock.repeats(Fraction(99))
    clock.interrupt()
    assert [clock.repeats(Fraction(n)) for n in (90, 100, 101, 2)] == [True, True, False, False]


# The consumer's side


def test_the_newest_frames_win_and_no_gap_is_left_out(acts):
    sent = threading.Event()

    def act(number, pulse):
        for k in range(300):
            yield shot(k % 256, Fraction(number * 300 + k, 25))
        if number == 2:
            sent.set()
            pulse.sleep(60)
        raise Lost("the stream ended", "wait.")

    acts(act)
    with open_live("rtsp://h/a", 1) as live:
        assert sent.wait(5)
        items = [next(live) for _ in range(8)]
        gaps = [item for item in items if isinstance(item, Gap)]
        assert [gap.ended is None for gap in gaps] == [True, False, True, False]
        assert [gap.attempts for gap in gaps] == [0, 1, 0, 1]
        assert {gap.reason for gap in gaps} == {"the stream ended"}
        levels = [int(frame.pixels[0, 0, 0]) for frame in frames_of(items)]
        assert levels == [296 % 256, 297 % 256, 298 % 256, 299 % 256]
        assert [frame.index for frame in frames_of(items)] == [0, 1, 2, 3]
        assert live.dropped == 896
        assert next(live) is None  # within a second, for the consumer to go on
    with pytest.raises(StopIteration):
        next(live)


def test_of_a_file_nothing_is_left_out_however_slow_the_consumer(acts):
    def act(number, pulse):
        for k in range(30):
            yield shot(k, Fraction(k, 25), lasting=True)

    acts(act)
    levels = []
    with open_live("http://h/a.mp4", 1) as live:
        for item in live:
            time.sleep(0.005)
            levels.append(int(item.pixels[0, 0, 0]))
    assert levels == list(range(30))
    assert live.dropped == 0


def test_frames_that_a_new_connection_repeats_are_left_out(acts):
    def act(number, pulse):
        for k in range(5 * number, 5 * number + 10):
            yield shot(10 * k, Fraction(100 + k, 25))._replace(absolute=True)
            pulse.sleep(0.01)
        if number == 2:
            pulse.sleep(60)
        raise Lost("the stream ended", "wait.")

    acts(act)
    levels = []
    with open_live("http://h/a.m3u8", 1) as live:
        for item in live:
            if isinstance(item, Frame):
                levels.append(int(item.pixels[0, 0, 0]))
            if len(levels) == 20:
                break
    assert levels == list(range(0, 200, 10))


def test_a_thread_that_is_stuck_is_replaced_and_ignored(acts, monkeypatch):
    monkeypatch.setattr(live_time, "_MARGIN", 0.1)
    monkeypatch.setattr(live_feed, "_TICK", 0.1)
    freed = threading.Event()
    before = threading.active_count()

    def act(number, pulse):
        yield shot(number)
        if number < 2:
            freed.wait(20)  # a call that no timeout of FFmpeg reaches
            yield shot(100 + number)
        while True:
            pulse.sleep(0.02)
            yield shot(number)

    acts(act)
    with open_live("rtsp://h/a", 1, stall=0.1) as live:
        items = []
        while len(frames_of(items)) < 8:
            items.append(next(live))
        freed.set()
        items += [next(live) for _ in range(10)]
    levels = [int(frame.pixels[0, 0, 0]) for frame in frames_of(items)]
    assert set(levels) == {0, 1, 2}
    assert levels == sorted(levels)
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [gap.reason for gap in gaps if gap.ended is None] == ["the connection hangs"] * 2
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_stuck_threads_do_not_pile_up(acts, monkeypatch):
    monkeypatch.setattr(live_time, "_MARGIN", 0.0)
    monkeypatch.setattr(live_feed, "_TICK", 0.02)
    monkeypatch.setattr(live_feed, "_FIRST_PAUSE", 0.0)
    freed = threading.Event()
    before = threading.active_count()

    def act(number, pulse):
        if number == 0:
            yield shot(0)
        freed.wait(20)
        raise Lost("late", "wait.")

    acts(act)
    with open_live("rtsp://h/a", 1, stall=0.01) as live:
        for _ in range(40):
            next(live)
        assert threading.active_count() == before + 5
        freed.set()


def test_an_unforeseen_failure_is_told_without_the_password(acts):
    def act(number, pulse):
        yield shot(0)
        raise RuntimeError("bad thing in rtsp://u:hunter2@h/a")

    acts(act)
    with (
        open_live("rtsp://u:hunter2@h/a") as live,
        pytest.raises(MnadError, match=r"^rtsp://\*\*\*@h/a: reading failed") as error,
    ):
        list(live)
    assert "hunter2" not in str(error.value)


# FFmpeg against local servers


def test_nothing_answers():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("rtsp", "http"):
            source = f"{scheme}://u:hunter2@127.0.0.1:{silent.getsockname()[1]}/cam"
            began = time.monotonic()
            with pytest.raises(MnadError, match=r"://\*\*\*@\S+: no answer came for 0.3 s; check"):
                open_live(source, stall=0.3, connect=0.6)
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("quiet", [False, True])
def test_refused(quiet, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(MnadError, match="the connection is refused; check the address") as error:
        open_live(f"rtsp://u:hunter2@127.0.0.1:{port}/cam", connect=2.5, quiet=quiet)
    assert "hunter2" not in str(error.value) + caplog.text
    # Once, at once, though it is tried again and again: whoever waits is to know for what.
    assert caplog.text.count("no picture yet: the connection is refused") == (not quiet)


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "user name or password is wrong"), (403, "may not see it"), (404, "no such stream")],
)
def test_http_errors_are_told_at_once(code, words):
    began = time.monotonic()
    with (
        serving(lambda request: request.send_error(code)) as address,
        pytest.raises(MnadError, match=words),
    ):
        open_live(f"{address}/cam", connect=20)
    assert time.monotonic() - began < 10


def test_sound_without_pictures():
    content = io.BytesIO()
    with av.open(content, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with (
        serving(lambda request: answer(request, content.getvalue())) as address,
        pytest.raises(MnadError, match="there is no video in it"),
    ):
        open_live(f"{address}/a.wav")


def test_a_camera_whose_sound_goes_on_without_its_picture_is_lost(noise):
    """Its connections piled up, each read for ever, until after four none was made any more."""
    content = io.BytesIO()
    with av.open(content, "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("mp2", rate=48000, layout="mono")
        for index, image in enumerate(noise(50)):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        both = content.tell()
        for index in range(500):
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), "s16", "mono")
            piece.sample_rate, piece.pts = 48000, 1152 * index
            container.mux(sound.encode(piece))
    silent = content.getvalue()[both:]

    def send(request):
        request.send_response(200)
        request.end_headers()
        request.wfile.write(content.getvalue()[: both + len(silent) // 2])
        for part in range(50, 100):
            request.wfile.write(silent[len(silent) * part // 100 : len(silent) * (part + 1) // 100])
            time.sleep(0.1)

    with serving(send) as address, open_live(f"{address}/cam", stall=0.5) as live:
        gaps = []
        while len(gaps) < 4:
            gaps += [item for item in [next(live)] if isinstance(item, Gap)]
    assert [gap.reason for gap in gaps] == ["no picture came for 0.5 s"] * 4
    assert [gap.ended is None for gap in gaps] == [True, False] * 2


@pytest.mark.parametrize("source", ["7", "/dev/video7"])
def test_no_camera(source):
    with pytest.raises(MnadError, match="there is no device /dev/video7"):
        open_live(source)


def test_cameras_are_told_to_be_had_on_linux_alone(monkeypatch):
    """As FFmpeg has it on macOS and Windows: without Video4Linux."""
    monkeypatch.setattr("av.formats_available", {"mp4", "rtsp", "avfoundation", "dshow"})
    with pytest.raises(MnadError, match="0: cameras are read on Linux alone; give the address"):
        open_live("0")


def test_no_camera_but_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").mkdir()
    with pytest.raises(MnadError, match=r"plug the camera in, or \./7 if you mean the file or"):
        open_live("7")


def test_wrong_arguments():
    with pytest.raises(UsageError, match="channels is 2"):
        open_live("0", 2)
    with pytest.raises(UsageError, match="use more than 0"):
        open_live("0", stall=0)
    with pytest.raises(UsageError, match="neither an address of a stream nor a camera"):
        open_live("clip.mp4")


def answer(request, content, length=None, kind="application/octet-stream"):
    """As a server does that knows ranges."""
    start = int(request.headers.get("Range", "bytes=0-")[6:].split("-")[0])
    total = len(content) if length is None else length
    request.send_response(206)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    request.send_header("Content-Length", str(total - start))
    request.end_headers()
    request.wfile.write(content[start:])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_over_http_is_read_whole_and_ends(tmp_path, write_video, noise, channels):
    path = write_video(tmp_path / "a.mp4", noise(40), codec="libx264", pix_fmt="yuv420p",
                       options={"movflags": "+faststart"})  # fmt: skip
    with open_source(path, channels) as source:
        expected = list(source)
    with (
        serving(lambda request: answer(request, path.read_bytes())) as address,
        open_live(f"{address}/a.mp4", channels) as live,
    ):
        assert (live.size, live.rate) == ((48, 64), 25)
        found = list(live)
    assert [(f.index, f.seconds) for f in found] == [(f.index, f.seconds) for f in expected]
    for frame, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(frame.pixels, same.pixels)
        np.testing.assert_array_equal(frame.rgb, same.rgb)


def test_a_title_that_is_not_utf_8_does_no_harm_over_http(latin):
    content = latin.read_bytes()
    with serving(lambda request: answer(request, content)) as url, open_live(url) as source:
        assert len(frames_of(source)) == 8


def test_a_file_over_http_that_breaks_off(tmp_path, write_video, noise):
    path = write_video(tmp_path / "a.mp4", noise(100), codec="libx264", pix_fmt="yuv420p",
                       options={"movflags": "+faststart"})  # fmt: skip
    content = path.read_bytes()
    good = []
    with (
        serving(lambda r: answer(r, content[: len(content) // 3], len(content))) as address,
        open_live(f"{address}/a.mp4") as live,
        pytest.raises(MnadError, match=r"a\.mp4: the (file broke off|connection broke)"),
    ):
        for item in live:
            good.append(item)
    assert 20 < len(good) < 40


def test_a_stream_of_jpegs_stops_and_comes_back_in_another_size():
    """One connection after the other sends 12 pictures of its own brightness."""
    numbers = iter(range(100))

    def send(request):
        number = next(numbers)
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for k in range(12):
            size = (48, 64) if number < 2 else (60, 80)
            jpeg = cv2.imencode(".jpg", grey(100 * (number % 2) + 5 * k + 20, *size))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            request.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(0.02)

    items = []
    began = time.monotonic()
    with serving(send) as address, open_live(f"{address}/cam", 1) as live:
        assert live.size == (48, 64)
        assert live.rate is None
        for item in live:
            items.append(item)
            if isinstance(item, Frame) and item.pixels.shape == (60, 80, 1):
                break
        passed = time.monotonic() - began
    found = frames_of(items)
    assert [frame.index for frame in found] == list(range(len(found)))
    # Pictures of a connection come in order and none comes twice.
    levels = [round(float(frame.pixels.mean())) for frame in found[:-1]]
    assert levels == sorted(set(levels))
    assert min(levels) < 80 < 120 <= max(levels)
    # Not the 25 frames per second that FFmpeg makes up.
    times = [frame.seconds for frame in found]
    assert times == sorted(set(times))
    assert times[-1] <= passed
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [gap.ended is None for gap in gaps] == [True, False] * 2
    assert all(gap.ended > gap.began for gap in gaps[1::2])
    assert gaps[1].ended < gaps[2].began < gaps[3].ended <= float(times[-1])


def test_hls_is_slowed_down_to_its_own_pace(tmp_path, noise):
    """Segments come many frames at once, of which the newest would push out all others."""
    with av.open(
        str(tmp_path / "a.m3u8"),
        "w",
        format="hls",
        options={"hls_time": "0.4", "hls_segment_filename": str(tmp_path / "%d.ts")},
    ) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, image in enumerate(noise(50)):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # As if more were to come.
    playlist = (tmp_path / "a.m3u8").read_text().replace("#EXT-X-ENDLIST", "").encode()

    def send(request):
        name = request.path[1:]
        content = playlist if name == "a.m3u8" else (tmp_path / name).read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    began = time.monotonic()
    with serving(send) as address, open_live(f"{address}/a.m3u8", 1) as live:
        found = []
        while len(found) < 25:
            found += frames_of([next(live)])
        assert live.dropped < 3
    assert time.monotonic() - began > 0.8
    gaps = {b.seconds - a.seconds for a, b in pairwise(found)}
    assert gaps <= {Fraction(k, 25) for k in (1, 2, 3)}
