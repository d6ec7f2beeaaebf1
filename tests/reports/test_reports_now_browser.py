"""What the page that shows a camera does in a browser."""

from __future__ import annotations

import os
import re
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, opened

from mnad.reports.page import NOW_PAGE
from mnad.watch.now import NOW, Now

# Appended to the page: what it shows at first, and seconds later.
PERSON = """
<script>
const told = [], note = () => told.push({
  size: $("now").offsetHeight ? [$("now").naturalWidth, $("now").naturalHeight] : [0, 0],
  says: $("what").textContent, why: $("why").offsetHeight > 0,
  address: $("now").src.split("/").pop(), clock: $("clock").textContent});
setTimeout(note, 500);
setTimeout(() => { note(); document.body.dataset.told = JSON.stringify({told}); }, 2700);
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_picture_is_renewed_and_its_absence_is_said(tmp_path: Path) -> None:
    Now(tmp_path, "<b>gate</b>")
    page = tmp_path / NOW_PAGE
    page.write_text(page.read_text().replace("</body>", PERSON + "</body>"))
    cv2.imwrite(str(tmp_path / NOW), np.full((120, 200, 3), 90, np.uint8))
    html, seen = opened(page, tmp_path / "profile")
    first, later = seen["told"]
    assert first["size"] == later["size"] == [200, 120] and later["says"] == "Now"
    assert not later["why"]
    assert first["address"] != later["address"]  # or the browser would show what it has
    assert re.fullmatch(r"\d\d:\d\d:\d\d", later["clock"])
    assert "&lt;b&gt;gate" in html and "<b>gate" not in html
    (tmp_path / NOW).unlink()
    for shown in opened(page, tmp_path / "profile")[1]["told"]:
        assert shown["size"] == [0, 0] and shown["says"] == "No picture" and shown["why"]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_what_a_killed_watch_left_is_not_now(tmp_path: Path) -> None:
    """Which a page from a web server can see, by the dates that every one of them sends."""
    Now(tmp_path, "gate")
    page, picture = tmp_path / NOW_PAGE, tmp_path / NOW
    page.write_text(page.read_text().replace("</body>", PERSON + "</body>"))
    cv2.imwrite(str(picture), np.full((120, 200, 3), 90, np.uint8))
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/{NOW_PAGE}"
    try:
        for age, says in ((0, "Now"), (60, "No picture")):
            os.utime(picture, 2 * (time.time() - age,))
            later = opened(address, tmp_path / "profile")[1]["told"][1]
            assert later["says"] == says and later["why"] == (age > 0)
            assert later["size"] == ([0, 0] if age else [200, 120])
    finally:
        server.shutdown()
        server.server_close()
