"""From what was measured in the rounds to the numbers of a row."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

from mnad.bench.cost import gflop
from mnad.bench.plan import Row
from mnad.bench.rounds import Rounds

Numbers = dict[str, Any]


def scoring_numbers(row: Row, rounds: Rounds, peak_gflops: float) -> Numbers:
    """The numbers of a row that scores; medians over the rounds, p95 over all of them.

    Args:
        row: what was measured.
        rounds: of it.
        peak_gflops: of the device of the row, in bf16 for a row in bf16 on CUDA, else in fp32.
    """
    alone = rounds["network"]
    rate = median(row.streams * len(one["seconds"]) / sum(one["seconds"]) for one in alone)
    pooled = [second for one in alone for second in one["seconds"]]
    each = 1e3 / row.streams
    numbers = _names(row) | {
        "gflop_per_frame": gflop(row.network),
        "frames_per_second": rate,
        "ms_per_frame_median": each * median(median(one["seconds"]) for one in alone),
        "ms_per_frame_p95": each * float(np.quantile(pooled, 0.95)),
        "share_of_peak": rate * gflop(row.network) / peak_gflops,
    }
    if "update" in rounds:
        numbers |= _update(row, rounds)
    for ask, name in (("plain", "end_to_end"), ("everything", "end_to_end_everything")):
        if ask in rounds:
            found = rounds[ask]
            numbers |= {
                f"{name}_frames_per_second": median(
                    one["frames"] / one["seconds"] for one in found
                ),
                f"{name}_seconds_besides": median(one["besides"] for one in found),
            }
    return numbers | _memory(rounds)


def training_numbers(row: Row, rounds: Rounds) -> Numbers:
    """The numbers of a row that trains."""
    speeds = [
        one["windows"] * len(one["seconds"]) / sum(one["seconds"]) for one in rounds["training"]
    ]
    return _names(row) | {"windows_per_second": median(speeds)} | _memory(rounds)


def peak_numbers(rounds: Rounds) -> Numbers:
    """What the matrix product came to, and what was told with it."""
    found = rounds["peak"]
    names = [name for name in found[-1] if name.endswith("gflops")]
    return {**found[-1], **{name: median(one[name] for one in found) for name in names}}


def _names(row: Row) -> Numbers:
    config = row.network
    return {
        "runtime": row.runtime,
        "precision": row.precision,
        "width": config.width,
        "size": f"{config.image_width}x{config.height}",
        "channels": config.channels,
        "task": config.task,
        "streams": row.streams,
        "device": row.device,
    }


def _update(row: Row, rounds: Rounds) -> Numbers:
    costs, shares = [], []
    for one in rounds["update"]:
        scored, updated = median(one["scored"]), median(one["updated"])
        costs.append(1e3 * updated / row.streams)
        shares.append(updated / (scored + updated))
    return {"update_ms_per_frame": median(costs), "update_share_of_frame": median(shares)}


def _memory(rounds: Rounds) -> Numbers:
    answers = [one for found in rounds.values() for one in found]
    most: Numbers = {}
    if any(one["peak_mib"] is not None for one in answers):
        most["peak_mib"] = max(one["peak_mib"] or 0.0 for one in answers)
    if any("peak_gpu_mib" in one for one in answers):
        most["peak_gpu_mib"] = max(one.get("peak_gpu_mib", 0.0) for one in answers)
    # The memory of the network alone: the files come after it in a round.
    if "network" in rounds and "peak_mib" in most:
        most["peak_mib_network_alone"] = rounds["network"][0]["peak_mib"]
    return most
