from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Set before torch is imported (`footage` does): tiny networks gain nothing from threads, and a
# machine that also does something else loses a lot by them. Set later it would reach only the
# processes that tests start, whose sums then differ from the tests' own in the last bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from footage import TINY, write_own


def pytest_sessionstart() -> None:
    if find_spec("torch") is None:  # frames are read without it, see .ci/run
        return
    import torch

    if os.environ["OMP_NUM_THREADS"] == "1" and torch.get_num_threads() != 1:
        raise pytest.UsageError("torch was imported before tests/conftest.py set OMP_NUM_THREADS")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, from MNAD_DATA; tests that ask for it skip without it."""
    where = os.environ.get("MNAD_DATA")
    if not where:
        pytest.skip("real data: MNAD_DATA is not set")
    path = Path(where)
    assert path.is_dir(), f"MNAD_DATA={where} is not a folder"
    return path


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A small data set of one's own: 2 training clips, 2 labelled test clips, all PNG folders."""
    return write_own(tmp_path / "own", 0)


@pytest.fixture(scope="session")
def tiny() -> dict[str, object]:
    """Options of a network that trains in a second."""
    return {**TINY, "epochs": 2}


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Call it with a folder that holds files alone: it is gone when its turn comes in a walk."""

    def begin(folder: Path) -> None:
        scan = os.scandir

        def scandir(path: str | os.PathLike[str] = ".") -> object:
            if Path(path) == folder and folder.exists():
                for name in os.listdir(folder):
                    os.unlink(folder / name)
                folder.rmdir()
            return scan(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return begin


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and files can be neither renamed nor removed: the disk has gone read-only."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def begin() -> None:
        for name in ("replace", "unlink"):
            monkeypatch.setattr(os, name, refused)

    return begin


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of this machine goes as in Berlin."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook: its address, and what it was sent."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alarm", got
    server.shutdown()
    thread.join()
    server.server_close()
