"""Does a frame cost the same after 100,000 others?

    OMP_NUM_THREADS=1 python benchmarks/constancy.py MODEL CLIP [--frames N] [--runtime NAME]
        [--threshold SCORE] [--json FILE]

The frames of a real clip go again and again through all that detect does to a file (window, score,
events, table, report) but decoding, overlay and clips of events. Measured is the processor time of
the whole process, which other programs on the machine hardly change, and its resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mnad.detector import Detector
from mnad.video.source import FOLDER_RATE, Frame, open_source
from mnad.watch.options import WatchOptions
from mnad.watch.watcher import Watcher

PARTS = 10


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--threshold", type=float, help="without it the model's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    detector = Detector.load(given.model, "cpu", runtime=given.runtime)
    network = detector.model.config.network
    with open_source(given.clip, network.channels) as source:
        pixels = [frame.pixels for frame in source]
        rate = source.rate or FOLDER_RATE
    options = WatchOptions(overlay=False, clips=False, threshold=given.threshold)
    cost: list[float] = []
    memory: list[float] = []
    length = given.frames // PARTS
    with tempfile.TemporaryDirectory() as out:
        with Watcher(detector, Path(out), given.clip.stem, rate, options) as watcher:
            again = cycle(pixels)
            for part in tqdm(range(PARTS)):
                cpu = time.process_time()
                for index, seen in enumerate(islice(again, length), part * length):
                    watcher.push(Frame(seen, index, index / rate))
                cost.append(1e3 * (time.process_time() - cpu) / length)
                memory.append(resident())
        scored, events = watcher.frames, len(watcher.events)
    steady = np.array(cost[1:])
    slope = float(np.polyfit(np.arange(len(steady)), steady, 1)[0])
    result: dict[str, Any] = {
        "frames": scored,
        "events": events,
        "cpu_ms_per_frame_by_tenth": [round(ms, 3) for ms in cost],
        "drift_over_the_run": round(slope * len(steady) / float(steady.mean()), 4),
        "resident_mib_by_tenth": [round(mib, 1) for mib in memory],
        "model": f"width {network.width:g}, {network.image_width}x{network.height}",
        "runtime": given.runtime,
        "clip": given.clip.name,
        "machine": {"python": platform.python_version(), "cpus": os.cpu_count()},
    }
    print(json.dumps(result, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
