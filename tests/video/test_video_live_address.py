from __future__ import annotations

import random
import re
from itertools import pairwise
from urllib.parse import quote

import pytest

from mnad.video.address import camera, is_live, live_name, or_path, redacted


@pytest.mark.parametrize(
    "source",
    ["rtsp://h/a", "RTSP://h", "rtsps://h", "rtmp://h/a", "http://h/a.mp4", "https://h", "0", "12",
     "/dev/video3"],
)  # fmt: skip
def test_live(source):
    assert is_live(source)


@pytest.mark.parametrize(
    "source",
    ["clip.mp4", "./0", "videos/*.avi", "/dev/video", "rtsp", "http:/x", "file:///a", "a/rtsp://h",
     "-1", "0.mp4", "", "01", "007", "00", "/dev/video01", "1000"],
)  # fmt: skip
def test_not_live(source):
    assert not is_live(source)


def test_cameras():
    assert [camera(s) for s in ("0", "120", "/dev/video7", "clip7")] == [0, 120, 7, None]
    # As the clips of UCSD Ped2, Avenue and others are called.
    assert [camera(s) for s in ("01", "007", "/dev/video01")] == [None] * 3


def test_what_is_called_like_a_camera_is_pointed_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12").mkdir()
    assert is_live("12") and not is_live("./12")
    assert or_path("12") == ", or ./12 if you mean the file or folder of that name"
    assert [or_path(s) for s in ("0", "/dev/video0", "rtsp://h/12")] == [""] * 3


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.7:554/cam", "rtsp://***@10.0.0.7:554/cam"),
        ("rtsp://admin:p@ss/w@rd@10.0.0.7/cam", "rtsp://***@10.0.0.7/cam"),
        (
            "rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0",
            "rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0",
        ),
        ("http://h/v?user=me&pwd=a/b==&n=2", "http://h/v?user=***&pwd=***&n=2"),
        ("https://h/v.m3u8?x=0123456789abcdef0", "https://h/v.m3u8?x=***"),
        ("https://h/v.m3u8?0123456789abcdef0", "https://h/v.m3u8?***"),
        ("https://h/v.m3u8?0123456789abcdef==&n=1", "https://h/v.m3u8?***&n=1"),
        ("http://h/v?transport_protocol=tcp", "http://h/v?transport_protocol=tcp"),
        ("http://h/v?Access_Token=abc", "http://h/v?Access_Token=***"),
        (
            "rtsp://h/user=admin_password=tlJw_channel=1_stream=0.sdp",
            "rtsp://h/user=***_password=***_channel=1_stream=0.sdp",
        ),
        (
            "[Errno 111] Connection refused: 'rtsp://u:p@h/cam' after http://v:q@g/x",
            "[Errno 111] Connection refused: 'rtsp://***@h/cam' after http://***@g/x",
        ),
        ("0", "0"),
    ],
)
def test_redacted(source, shown):
    assert redacted(source) == shown


def texts(count, space=False):
    """Random text of all kinds, punctuation and other scripts among it."""
    draw = random.Random(0)
    letters = [chr(n) for n in (*range(33, 127), *range(0xA1, 0x180), 0x4E2D, 0x1F4F9)]
    letters += [*"@@@:::///???===&&&%%%"] + [" "] * (40 * space)
    return ["".join(draw.choices(letters, k=draw.randint(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "http", "https"])
@pytest.mark.parametrize("escaped", [False, True])
def test_no_login_is_ever_shown(scheme, escaped):
    for user, password in pairwise(f"<{text}>" for text in texts(500)):
        if escaped:
            user, password = quote(user, safe=""), quote(password, safe="")
        source = f"{scheme}://{user}:{password}@10.0.0.7:554/cam?channel=1"
        for text in (redacted(source), redacted(f"bad: '{source}' (refused)"), live_name(source)):
            assert user not in text
            assert password not in text
            assert "10.0.0.7" in text


@pytest.mark.parametrize("key", ["password", "pwd", "token", "api_key", "sig", "auth"])
def test_no_secret_of_a_query_is_ever_shown(key):
    for text in texts(200):
        value = f"<{quote(text, safe='')}>"
        assert value not in redacted(f"http://h/v?n=1&{key}={value}&m=2")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("0", "camera-0"),
        ("/dev/video2", "camera-2"),
        ("rtsp://admin:hunter2@10.0.0.7:554/cam/1", "10.0.0.7-554-cam-1"),
        ("http://h/v?token=abc", "h-v-token"),
        ("http://", "stream"),
    ],
)
def test_name(source, name):
    assert live_name(source) == name


def test_a_name_fits_a_file():
    for text in texts(1000, space=True):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", live_name(f"rtsp://{text}"))


def test_a_name_that_does_not_tell_all_ends_with_a_hash_of_the_rest():
    """Else two cameras of a recorder may share an MQTT client id, a topic and a folder."""
    path = "rtsp://{}recorder.building-7.campus.example.org:554/ISAPI/Streaming/Channels/{}"
    first, second = (live_name(path.format("", number)) for number in (101, 102))
    assert first[:57] == second[:57] == "recorder.building-7.campus.example.org-554-ISAPI-Streamin"
    # `printf rtsp://…/101 | sha256sum` and 102.
    assert (first[57:], second[57:]) == ("-4f904d", "-742d3c")
    # Another password makes no other camera of it.
    assert live_name(path.format("admin:hunter2@", 101)) == first

    short = "http://h/v?pwd={}&stream={}"
    names = [
        live_name(short.format(pwd, stream))
        for pwd, stream in (("a", "0123456789abcdef0"), ("b", "0123456789abcdef0"), ("a", "f" * 17))
    ]
    assert names[0] == names[1] != names[2]
    assert all(re.fullmatch(r"h-v-pwd-stream-[0-9a-f]{6}", name) for name in names)
    assert re.fullmatch(r"stream-[0-9a-f]{6}", live_name("http://?0123456789abcdef0"))


def test_a_name_that_tells_all_has_no_hash():
    whole = "h-" + "a" * 62
    assert live_name(f"rtsp://h/{'a' * 62}/") == whole
    assert live_name(f"rtsp://h/{'a' * 62}b") != whole
