"""Kill and restart a local RTSP server again and again during one run, and count what comes of it.

    python benchmarks/rtsp_restarts.py [RESTARTS]

It needs Debian's GStreamer with its RTSP server, and prints JSON. The server numbers its pictures,
and no number comes twice in one run, so that a frame delivered twice shows.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from script import run

from mnad.video.live import Gap, LiveSource, open_live
from mnad.video.source import Frame

SERVER = Path(__file__).parents[1] / "tests" / "video" / "rtsp_server.py"
RESTARTS, UP, DOWN = 10, 5.0, 2.0
# Of 65536 numbers, so many for each server.
SHARE = 4000


def start(port: int, life: int) -> subprocess.Popen[str]:
    command = ["/usr/bin/python3", str(SERVER), str(port), "--start", str(life * SHARE)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    if server.stdout.readline() != "ready\n":
        raise SystemExit("the RTSP server does not start: is gir1.2-gst-rtsp-server-1.0 installed?")
    return server


def stop(server: subprocess.Popen[str]) -> None:
    server.kill()
    server.communicate()


def number(frame: Frame) -> int:
    """The number that the server drew into the frame."""
    bits = frame.pixels[15:60:30, 10::20, 0].ravel() > 128
    return int(bits @ (1 << np.arange(16)))


def resident() -> int:
    """Resident memory of this process in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def watch(live: LiveSource, items: list[Any], done: Callable[[], bool]) -> None:
    """Keep the numbers and times of frames, and the gaps, but no pictures."""
    for item in live:
        if isinstance(item, Frame):
            items.append((number(item), item.index, item.seconds))
        elif isinstance(item, Gap):
            items.append(item)
        if done():
            return


def until(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("restarts", type=int, nargs="?", default=RESTARTS)
    restarts = parser.parse_args().restarts
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    items: list[Any] = []
    threads = threading.active_count()
    memory = []
    server = start(port, 0)
    try:
        with open_live(f"rtsp://127.0.0.1:{port}/cam", 1) as live:
            for life in range(1, restarts + 1):
                watch(live, items, until(UP))
                memory.append(resident())
                stop(server)
                watch(live, items, until(DOWN))
                server = start(port, life)
                watch(live, items, lambda: isinstance(items[-1], tuple))
            watch(live, items, until(UP))
            memory.append(resident())
            during = threading.active_count()
            dropped = live.dropped
    finally:
        stop(server)
    frames = [item for item in items if isinstance(item, tuple)]
    gaps = [item for item in items if isinstance(item, Gap)]
    seconds = [item[2] for item in frames]
    result = {
        "restarts": restarts,
        "gaps_begun": len({gap.began for gap in gaps}),
        "gaps_ended": sum(gap.ended is not None for gap in gaps),
        "gap_reasons": Counter(gap.reason for gap in gaps),
        "gap_seconds": [round(gap.ended - gap.began, 2) for gap in gaps if gap.ended is not None],
        "frames_delivered": len(frames),
        "frames_twice": len(frames) - len({item[0] for item in frames}),
        "frames_dropped": dropped,
        "indices_without_holes": [item[1] for item in frames] == list(range(len(frames))),
        "time_rises": all(a < b for a, b in pairwise(seconds)),
        "run_seconds": round(float(seconds[-1]), 2),
        "resident_kib": memory,
        "threads_before_during_after": [threads, during, threading.active_count()],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    run(main)
