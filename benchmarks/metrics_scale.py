"""Pixel metrics over a set as large as ShanghaiTech's test set, in bounded memory.

    OMP_NUM_THREADS=1 python benchmarks/metrics_scale.py --json FILE [--frames 40791]

Frames of 856 x 480 are made as they are needed: noise with an exponential tail, scaled anew for
each frame so that nearly every value is another one, and in 42 % of them a rectangle that is
somewhat higher. No pixel is left out. The highest resident memory of the process is reported, with
the time that each metric and the making of the frames took.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from script import run

from mnad import __version__
from mnad.metrics.pixel import DualPixelCriterion, PixelRoc, UcsdCriterion
from mnad.writing import require_folder

HEIGHT, WIDTH = 480, 856
FRAMES, ABNORMAL = 40_791, 0.425
POOL = 8
SEED = 0

Made = tuple[NDArray[np.float32], NDArray[np.bool_]]


def frames(count: int) -> Iterator[Made]:
    """Maps and masks."""
    rng = np.random.default_rng(SEED)
    pool = [rng.standard_exponential((HEIGHT, WIDTH), dtype=np.float32) for _ in range(POOL)]
    for number in range(count):
        noise = np.roll(pool[number % POOL], int(rng.integers(HEIGHT * WIDTH)))
        found = noise * np.float32(rng.uniform(0.8, 1.2))
        mask = np.zeros((HEIGHT, WIDTH), np.bool_)
        if rng.random() < ABNORMAL:
            height, width = rng.integers(30, 150), rng.integers(20, 90)
            top, left = rng.integers(HEIGHT - height), rng.integers(WIDTH - width)
            place = np.s_[top : top + height, left : left + width]
            mask[place] = True
            found[place] += np.float32(rng.uniform(0, 20))
        yield found, mask


def main() -> None:
    """Measure; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=FRAMES)
    given = parser.parse_args()
    require_folder(given.json)
    metrics: dict[str, PixelRoc | UcsdCriterion | DualPixelCriterion] = {
        "pixel_auroc": PixelRoc(),
        "ucsd_criterion": UcsdCriterion(),
        "dual_pixel_criterion": DualPixelCriterion(),
    }
    seconds = dict.fromkeys(["frames", *metrics], 0.0)
    began = last = time.process_time()
    for found, mask in frames(given.frames):
        last = _spent(seconds, "frames", last)
        for name, metric in metrics.items():
            metric.add(found, mask)
            last = _spent(seconds, name, last)
    values: dict[str, Any] = {}
    for name, metric in metrics.items():
        values[name] = asdict(metric.value())
        last = _spent(seconds, name, last)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {
        "protocol": " ".join(str(__doc__).partition("40791]")[2].split()),
        "command": f"python benchmarks/metrics_scale.py --json FILE --frames {given.frames}",
        "frames": given.frames,
        "size": [WIDTH, HEIGHT],
        "pixels": given.frames * WIDTH * HEIGHT,
        "seed": SEED,
        "values": values,
        "cpu_seconds": {name: round(spent, 1) for name, spent in seconds.items()},
        "cpu_seconds_in_all": round(last - began, 1),
        "highest_resident_bytes": peak,
        "versions": {"mnad": __version__, "numpy": np.__version__},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
    }
    text = json.dumps(result, indent=1)
    print(text)
    given.json.write_text(text + "\n")


def _spent(seconds: dict[str, float], name: str, last: float) -> float:
    now = time.process_time()
    seconds[name] += now - last
    return now


if __name__ == "__main__":
    run(main)
