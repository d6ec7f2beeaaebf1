"""Accuracy against speed: what smaller networks lose on UCSD Ped2, and how fast they are here.

    python benchmarks/trade_off.py VIDEO LABEL=MODEL:RESULT … --json FILE --plot FILE.png

MODEL is a model folder, RESULT what camera_score.py wrote of it, or ``tests/carried.json`` of
``mnad ablate``; both have the score for cameras. All models are exported to
OpenVINO as they are and in int8 (ranges from the beginning of VIDEO, for speed alone), and measured
in turn, round after round: the network alone, and from VIDEO, an H.264 file, to scores and events.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from script import run
from tqdm import tqdm

from mnad.bench.cost import gflop
from mnad.bench.footage import first_frames
from mnad.bench.machine import machine, versions
from mnad.bench.measure import end_to_end, network_alone
from mnad.bench.prepare import export
from mnad.calibration.footage import NormalFootage
from mnad.errors import UsageError
from mnad.models.folder import load_model
from mnad.reports.figures import CURVES, DIM, INK, head, new_figure, plain, save
from mnad.runtime.pick import load_runtime
from mnad.writing import require_folder

RUNTIMES = ("openvino", "openvino-int8")
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("models", nargs="+", metavar="LABEL=MODEL:RESULT")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    require_folder(given.json)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        measured = []
        for number, text in enumerate(given.models):
            label, _, rest = text.partition("=")
            model, _, result = rest.rpartition(":")
            if not (model and result):
                raise UsageError(f"{text} is no LABEL=MODEL:RESULT.")
            folder = Path(work) / str(number)
            shutil.copytree(model, folder, ignore=shutil.ignore_patterns("training", "*vino*"))
            loaded = load_model(folder)
            network = loaded.config.network
            frames = first_frames(given.video, network, loaded.regions)
            row: dict[str, Any] = {
                "label": label,
                "gflop": gflop(network),
                "auc": _auc(json.loads(Path(result).read_text())),
            }
            rows.append(row)
            for runtime in RUNTIMES:
                export(folder, loaded, runtime, NormalFootage([frames], ["video"], 25.0))
                used, engine = load_runtime(folder, "cpu", runtime)  # type: ignore[arg-type]
                measured.append((row.setdefault(runtime, {}), used, engine, frames))
        for _ in tqdm(range(ROUNDS), unit="round"):
            for found, used, engine, frames in measured:
                seconds = network_alone(engine, frames, 1)["seconds"]
                found.setdefault("alone", []).append(len(seconds) / sum(seconds))
                file = end_to_end(used, engine, given.video, Path(work), 0.9, False)
                found.setdefault("file", []).append(file["frames"] / file["seconds"])
    result = {"machine": machine(), "versions": versions(), "rounds": ROUNDS, "rows": rows}
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    print(table(rows))
    if given.plot is not None:
        plot(given.plot, rows)


def _auc(result: dict[str, Any]) -> dict[str, float]:
    """Of the score for cameras, causal and macro."""
    if "parts" not in result:
        return dict(result["auc"])
    camera = result["parts"]["camera"]
    return {"causal": camera["causal_micro"], "macro": camera["macro"]}


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown."""
    lines = [
        "| network | GFLOP | causal AUC | macro | alone, fp32 | int8 | from file, fp32 | int8 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        speeds = (median(row[runtime][what]) for what in ("alone", "file") for runtime in RUNTIMES)
        shown = " | ".join(f"{speed:.1f}" for speed in speeds)
        auc = row["auc"]
        lines.append(
            f"| {row['label']} | {row['gflop']:.2f} | {auc['causal']:.3f} | {auc['macro']:.3f} | "
            f"{shown} |"
        )
    return "\n".join(lines)


def plot(path: Path, rows: list[dict[str, Any]]) -> None:
    """Causal AUC with its interval over clips against frames per second from the file."""
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    plain(axes)
    for runtime, colour in zip(RUNTIMES, CURVES, strict=False):
        x = [median(row[runtime]["file"]) for row in rows]
        y = [row["auc"]["causal"] for row in rows]
        axes.plot(x, y, "o", color=colour, label=runtime, markersize=5)
        for at, row in zip(x, rows, strict=True):
            axes.annotate(
                row["label"], (at, row["auc"]["causal"]), (4, 5), textcoords="offset points",
                fontsize=7, color=INK,
            )  # fmt: skip
    axes.set_xlabel("frames per second from an H.264 file, two cores")
    axes.set_ylabel("frame AUC on Ped2, causal")
    axes.legend(fontsize=8, labelcolor=DIM)
    head(figure, "What a faster network loses", "same schedule, one seed each")
    save(figure, path, "png")


if __name__ == "__main__":
    run(main)
