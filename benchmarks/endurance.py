"""An hour of a camera as fast as it goes: does memory stay flat, and does a kill lose anything?

    python benchmarks/endurance.py CLIP --work FOLDER [--frames N] [--runtime torch] [--busy]
        [--json FILE]

A real clip is decoded again and again at half its size, 10 frames per second of camera time, and
watched with all there is: overlay, clips, the report and the disk once a minute, and a webhook that
fails every second time. The threshold makes one or two events in each round of the clip, or with
--busy as many as can be: then two or three encoders of clips, 24 MiB each, come and go all along.
Then a shorter run with most events is killed while alarms wait and an event is open,
and gone on with.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from script import run

import mnad
from mnad.alarms.alarms import AlarmConfig
from mnad.config import RuntimeName
from mnad.detector import Detector
from mnad.events.event import Observed
from mnad.events.log import latest, read_events
from mnad.events.machine import EventMachine
from mnad.video.source import Frame, open_source
from mnad.watch.options import EventTimes, WatchOptions
from mnad.watch.watcher import Watcher
from mnad.writing import require_folder

RATE = Fraction(10)
MINUTE = 600
TIMES = EventTimes(merge_seconds=0.5, cooldown_seconds=0.5)
ALLOWED = 0.02


class Receiver:
    """A webhook that is away, or fails every second time, or works."""

    def __init__(self) -> None:
        self.mood, self.requests, self.got = "half", 0, []  # type: ignore[var-annotated]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.requests += 1
                well = receiver.mood == "works" or (
                    receiver.mood == "half" and receiver.requests % 2 == 0
                )
                if well:
                    receiver.got.append(body["key"])
                self.send_response(200 if well else 503)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def camera(clip: Path, count: int) -> Iterator[Frame]:
    """`count` frames of the clip, over and over, with rising times."""
    number = 0
    while True:
        with open_source(clip, 3) as source:
            for frame in source:
                if number == count:
                    return
                rgb = cv2.resize(frame.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]
                yield Frame(grey, number, number / RATE, partial(np.asarray, rgb))
                number += 1


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _Heap(ctypes.Structure):
    """What mallinfo2 of the GNU C library tells."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "mapped"),
            *("usmblks", "fsmblks", "used", "free", "keepcost"),
        )
    )


def in_use() -> float:
    """MiB that the program holds, without what the C library keeps of what was freed."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Heap
    heap = library.mallinfo2()
    return float(heap.used + heap.mapped) / 2**20


def thresholds(detector: Detector, clip: Path) -> tuple[float, float]:
    """Those that make one or two events in one round of the clip, and the most."""
    with open_source(clip, 1) as source:
        length = sum(1 for _ in source)
    stream = detector.stream()
    scored = [stream.push(f.pixels, float(f.seconds)) for f in camera(clip, length)]
    found = [s for s in scored if s is not None]

    def events(threshold: float) -> int:
        machine = EventMachine(TIMES.at(threshold), "", None)
        told = (machine.push(Observed(s.index, s.index / 10, s.score)) for s in found)
        return sum(event.phase == "start" for some in told for event in some)

    candidates = np.quantile([s.score for s in found], np.linspace(0.5, 0.998, 40))
    told = {float(threshold): events(float(threshold)) for threshold in candidates}
    few = [threshold for threshold, count in told.items() if 1 <= count <= 2]
    busiest = max(told, key=lambda threshold: told[threshold])
    return (max(few) if few else busiest), busiest


def hour(
    detector: Detector, clip: Path, out: Path, options: WatchOptions, frames: int
) -> dict[str, Any]:
    """The long run."""
    memory: list[float] = []
    held: list[float] = []
    minute: list[float] = []
    began = time.monotonic()
    cpu = time.process_time()
    with Watcher(detector, out, clip.stem, RATE, options, datetime.now(UTC)) as watcher:
        for frame in camera(clip, frames):
            watcher.push(frame)
            if frame.index % 10 == 0:
                minute.append(resident())
            if (frame.index + 1) % MINUTE == 0:
                watcher.keep_house()
                # The median, as encoders come and go with the clips.
                memory.append(round(float(np.median(minute)), 1))
                held.append(round(in_use(), 1))
                minute.clear()
                print(
                    f"{len(memory)} min: {memory[-1]} MiB, {held[-1]} in use, "
                    f"{len(watcher.events)} events",
                    file=sys.stderr,
                    flush=True,
                )
        during = threading.active_count()
    steady = np.array(memory[len(memory) // 10 :])
    middle = float(np.median(steady))
    slope = float(np.polyfit(np.arange(len(steady)), steady, 1)[0]) if len(steady) > 1 else 0.0
    thirds = [float(np.median(part)) for part in np.array_split(steady, 3)]
    events = latest(read_events(out / "events.jsonl"))
    return {
        "frames": frames,
        "seconds": round(time.monotonic() - began),
        "cpu_seconds": round(time.process_time() - cpu),
        "resident_mib_each_minute": memory,
        "in_use_mib_each_minute": held,
        "median_after_first_tenth": middle,
        "median_of_each_third": thirds,
        "largest_deviation": round(float(np.abs(steady / middle - 1).max()), 4),
        "growth_over_the_run": round(slope * len(steady) / middle, 4),
        "flat_within_2_percent": abs(slope * len(steady) / middle) <= ALLOWED
        and bool((np.abs(np.array(thirds) / middle - 1) <= ALLOWED).all()),
        "anomalies": sum(event.kind == "anomaly" for event in events),
        "camera_events": [event.what for event in events if event.kind == "camera"],
        "all_ended": all(event.phase == "end" for event in events),
        "clips": len(list((out / "clips").glob("*.mp4"))),
        "thumbnails": len(list((out / "thumbnails").glob("*.jpg"))),
        "overlay_segments": len(list((out / "overlay").glob("*.mp4"))),
        "left_half_written": [path.name for path in out.rglob("*.part*")],
        "report_bytes": (out / "report.html").stat().st_size,
        "threads": during,
    }


def starts(out: Path) -> list[str]:
    path = out / "events.jsonl"
    told = read_events(path) if path.exists() else []
    return [f"{event.id}-start" for event in told if event.phase == "start"]


def killed(
    model: Path,
    clip: Path,
    out: Path,
    options: WatchOptions,
    receiver: Receiver,
    frames: int,
    runtime: RuntimeName,
) -> dict[str, Any]:
    """A run that is killed while alarms wait, and the run after it."""
    receiver.mood, receiver.got = "away", []
    arguments = [
        str(model),
        str(out),
        str(frames),
        receiver.address,
        str(options.threshold),
        runtime,
    ]
    child = subprocess.Popen([sys.executable, __file__, str(clip), "--child", *arguments])
    while child.poll() is None and len(starts(out)) < 10:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    ended_by = child.wait()
    told = read_events(out / "events.jsonl")
    wanted = {f"{event.id}-start" for event in told if event.phase == "start"}
    open_ones = sum(event.phase != "end" for event in latest(told))
    waiting = len(list((out / "alarms").glob("*-webhook.json")))
    delivered_before, receiver.mood = len(receiver.got), "works"
    detector = Detector.load(model, runtime=runtime)
    with Watcher(detector, out, clip.stem, RATE, options, datetime.now(UTC)) as watcher:
        for frame in camera(clip, MINUTE // 10):
            watcher.push(frame)
    again = read_events(out / "events.jsonl")
    return {
        "killed_by_signal": -ended_by,
        "events_at_the_kill": len(wanted),
        "open_at_the_kill": open_ones,
        "alarms_waiting_at_the_kill": waiting,
        "delivered_before": delivered_before,
        "event_file_valid": all(
            json.loads(line)["id"] for line in (out / "events.jsonl").read_text().splitlines()
        ),
        "earlier_messages_kept": again[: len(told)] == told,
        "all_ended_after_restart": all(event.phase == "end" for event in latest(again)),
        "alarms_lost": sorted(wanted - set(receiver.got)),
        "alarms_delivered_twice": len(receiver.got) - len(set(receiver.got)),
    }


def child(clip: Path, model: str, out: str, frames: str, address: str, *rest: str) -> None:
    threshold, runtime = rest
    options = choices(address, float(threshold))
    detector = Detector.load(model, runtime=runtime)  # type: ignore[arg-type]
    with Watcher(detector, Path(out), clip.stem, RATE, options, datetime.now(UTC)) as watcher:
        for frame in camera(clip, int(frames)):
            watcher.push(frame)


def choices(address: str, threshold: float) -> WatchOptions:
    return WatchOptions(threshold=threshold, times=TIMES, alarms=AlarmConfig(webhook=address))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--frames", type=int, default=36_000)
    parser.add_argument("--runtime", choices=("torch", "openvino"), default="torch")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)
    if given.child:
        child(given.clip, *given.child)
        return
    if given.work is None:
        parser.error("--work FOLDER is needed: it takes the model and what is written.")
    model = given.work / "model"
    if not (model / "config.json").exists():
        mnad.train(
            str(given.clip),
            out=model,
            preset="camera",
            width=0.25,
            height=64,
            image_width=96,
            epochs=4,
            learning_rate=1e-3,
        )
    detector = Detector.load(model, runtime=given.runtime)
    receiver = Receiver()
    calm, busiest = thresholds(detector, given.clip)
    options = choices(receiver.address, busiest if given.busy else calm)
    run = given.work / f"run-{datetime.now(UTC):%H%M%S}"
    result = hour(detector, given.clip, run / "hour", options, given.frames)
    due = set(starts(run / "hour"))
    result["alarms"] = {
        "due": len(due),
        "requests": receiver.requests,
        "delivered": len(due & set(receiver.got)),
        "still_waiting": len(list((run / "hour" / "alarms").glob("*-webhook.json"))),
        "given_up": len(list((run / "hour" / "alarms" / "rejected").glob("*.json"))),
    }
    short = replace(options, overlay=True, threshold=busiest)
    result["kill"] = killed(
        model,
        given.clip,
        run / "kill",
        short,
        receiver,
        max(given.frames // 10, 3 * MINUTE),
        given.runtime,
    )
    text = json.dumps(
        {
            "command": shlex.join(["python", "benchmarks/endurance.py", *sys.argv[1:]]),
            "protocol": " ".join((__doc__ or "").split("\n\n")[2].split()),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            "python": platform.python_version(),
            "clip": given.clip.name,
            "threshold": options.threshold,
            **result,
        },
        indent=1,
    )
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    run(main)
