"""A camera of 1080 rows: what `mnad detect` takes for a minute of it, with and without pictures.

::

    python benchmarks/large_frames.py MODEL CLIP --work FOLDER --json FILE

CLIP is enlarged to 1920 x 1080 with noise of two grey levels, at 25 frames per second and 4 Mbit/s
(H.264), 1,500 frames; FOLDER keeps it. Each row is a process of its own; the last one plays the
clip at its own speed, with all outputs, and counts how many of its frames it keeps up to score.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
from script import run

from mnad.errors import MnadError, UsageError
from mnad.writing import require_folder

SIZE, RATE, FRAMES, BITS = (1920, 1080), 25, 1500, 4_000_000
ROWS = {
    "scores and events": ["--no_overlay", "--no_clips"],
    "and clips": ["--no_overlay"],
    "and overlay": [],
    "played at its own speed, all": ["--live"],
}


def large_frames() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model")
    arguments.add_argument("clip", type=Path)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--json", type=Path, required=True)
    given = arguments.parse_args()
    require_folder(given.json)
    clip = given.work / "large.mp4"
    if not clip.exists():
        if not given.clip.is_file():
            raise UsageError(f"{given.clip} does not exist: check the path.")
        given.work.mkdir(parents=True, exist_ok=True)
        # In a process of its own: what is held here counts as memory of those that are measured.
        making = get_context("spawn").Process(target=enlarge, args=(given.clip, clip))
        making.start()
        making.join()
    rows = {name: measured(given.model, clip, given.work, more) for name, more in ROWS.items()}
    result = {
        "protocol": " ".join(str(__doc__).partition("FILE\n\n")[2].split()),
        "command": f"python benchmarks/large_frames.py {given.model} {given.clip.name} …",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": rows,
    }
    given.json.write_text(json.dumps(result, indent=2) + "\n")


def enlarge(source: Path, out: Path) -> None:
    """The frames of a clip, again and again, each twice."""
    width, height = SIZE
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 2, (height // 2, width // 2)).astype(np.float32) for _ in range(8)]
    grain = [cv2.resize(one, SIZE)[..., None] for one in noise]
    with av.open(str(source)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    beside = out.with_name("part.mp4")
    with av.open(str(beside), "w") as container:
        options = {"preset": "veryfast", "tune": "zerolatency"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate, stream.gop_size = BITS, 2 * RATE
        twice = (frame for frame in cycle(frames) for _ in range(2))
        for number, frame in enumerate(islice(twice, FRAMES)):
            large = cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC) + grain[number % 8]
            picture = np.clip(large, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    os.replace(beside, out)


def measured(model: str, clip: Path, work: Path, more: list[str]) -> dict[str, float]:
    """Seconds, seconds of CPU, peak memory and frames scored of one run."""
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "mnad", "detect", model, str(clip), "--out", str(out), *more]
    began = time.monotonic()
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, code, used = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    if code != 0:
        raise MnadError(f"{shlex.join(command)} ended with {code}: run by itself, it says why.")
    (table,) = out.rglob("scores*.csv")
    with table.open() as lines:
        scored = sum(1 for _ in csv.reader(lines)) - 1
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / 1024),
        "scored": scored,
    }


if __name__ == "__main__":
    run(large_frames)
