from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mnad.errors import MnadError
from mnad.video import live_feed
from mnad.video.live import Gap, open_live
from mnad.video.source import Frame

SYSTEM = "/usr/bin/python3"
NEEDS = (
    "import gi; gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "assert Gst.ElementFactory.find('x264enc')"
)


@pytest.fixture(scope="module", autouse=True)
def _server_installed():
    try:
        check = subprocess.run([SYSTEM, "-c", NEEDS], capture_output=True, timeout=30)
    except OSError:
        pytest.skip(f"no {SYSTEM}")
    if check.returncode:
        pytest.skip(f"{SYSTEM} has no GStreamer RTSP server (Debian: gir1.2-gst-rtsp-server-1.0)")


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(live_feed, "_FIRST_PAUSE", 0.3)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def serving(port, *options):
    command = [SYSTEM, str(Path(__file__).with_name("rtsp_server.py")), str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            yield server
        finally:
            server.kill()


def number(frame):
    """The number that the server drew into the frame."""
    bits = frame.pixels[15:60:30, 10::20, 0].ravel() > 128
    return int(bits @ (1 << np.arange(16)))


def watch(live, items, frames):
    """Take items until there have been so many frames more."""
    for item in live:
        items.append(item)
        frames -= isinstance(item, Frame)
        if not frames:
            return


def watch_until(live, items, reason):
    for item in live:
        items.append(item)
        if isinstance(item, Gap) and reason in item.reason:
            return


def test_every_restart_is_a_gap_and_no_frame_comes_twice(port):
    before, items = threading.active_count(), []
    with serving(port):
        live = open_live(f"rtsp://127.0.0.1:{port}/cam", 1)
        assert live.size == (120, 160)
        assert live.rate == 25
        watch(live, items, 10)
    with live:
        with serving(port, "--start", "1000"):
            watch(live, items, 10)
        with serving(port, "--start", "2000", "--login", "me:hunter2"):
            watch_until(live, items, "401")
        with serving(port, "--start", "3000"):
            watch(live, items, 10)
    assert threading.active_count() == before
    found = [item for item in items if isinstance(item, Frame)]
    assert [frame.index for frame in found] == list(range(len(found)))
    assert all(a.seconds < b.seconds for a, b in pairwise(found))
    numbers = [number(frame) for frame in found]
    assert all(a < b for a, b in pairwise(numbers))
    assert {n // 1000 for n in numbers} == {0, 1, 3}
    # Within a connection time is exactly that of the pictures.
    for a, b, k, n in zip(found[2:], found[3:], numbers[2:], numbers[3:], strict=False):
        if k // 1000 == n // 1000 and k % 1000 > 2:
            assert b.seconds - a.seconds == (n - k) * (1 / live.rate)
    gaps = [item for item in items if isinstance(item, Gap)]
    holes = [(float(a.seconds), float(b.seconds)) for (a, k), (b, n) in pairwise(
        zip(found, numbers, strict=True)) if k // 1000 != n // 1000]  # fmt: skip
    assert sorted({gap.began for gap in gaps}) == [began for began, _ in holes]
    ended = [gap for gap in gaps if gap.ended is not None]
    assert len(ended) == 2
    assert all(gap.ended <= end for gap, (_, end) in zip(ended, holes, strict=True))


def test_a_server_that_freezes(port):
    items = []
    with serving(port) as server, open_live(f"rtsp://127.0.0.1:{port}/cam", 1, stall=0.8) as live:
        watch(live, items, 5)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            watch_until(live, items, "no picture came for 0.8 s")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        watch(live, items, 1)
    assert any(isinstance(item, Gap) and item.ended is not None for item in items)


def test_wrong_password_and_wrong_path(port):
    with serving(port, "--login", "me:hunter2"):
        with pytest.raises(MnadError, match=r"password is wrong or missing \(401\)") as error:
            open_live(f"rtsp://me:hunter3@127.0.0.1:{port}/cam")
        assert "hunter3" not in str(error.value)
        with pytest.raises(MnadError, match=r"no such stream \(404\)"):
            open_live(f"rtsp://me:hunter2@127.0.0.1:{port}/nope")
        with open_live(f"rtsp://me:hunter2@127.0.0.1:{port}/cam") as live:
            assert isinstance(next(live), Frame)
