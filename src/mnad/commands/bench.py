"""mnad bench."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import shlex
from pathlib import Path
from typing import Any

from mnad.config import Device, require_count
from mnad.errors import UsageError


def bench(
    model: str | Path | None = None,
    *,
    video: str | Path | None = None,
    runtimes: str = "auto",
    widths: str | None = None,
    sizes: str | None = None,
    streams: str = "1,4",
    repeats: int = 3,
    threads: int | None = None,
    training: bool = False,
    json: str | Path | None = None,
    markdown: str | Path | None = None,
    device: Device = "auto",
) -> dict[str, Any]:
    """Measure how fast this machine scores video, in one table.

    Args:
        model: a model folder, or the name of a built-in one (mnad models); without it untrained
            official prediction networks, grey.
        video: what is scored; a rendered scene without it.
        runtimes: of torch, torch-bf16, openvino, openvino-int8, ncnn, onnx and onnx-int8, with
            commas between; auto for those that are installed.
        widths: of the untrained networks, with commas between; 1,0.5,0.25 without it.
        sizes: of their frames, columns x rows, with commas between; 256x256 without it.
        streams: how many are scored side by side, with commas between; a file is one.
        repeats: rounds in which every row is measured; figures are medians over them.
        threads: of each engine; null: its own choice.
        training: measure the training too, in fp32, and in bf16 where that is computed.
        json: file for all numbers, round by round too.
        markdown: file for the table.
        device: of torch, auto, cpu or cuda; the others compute on the CPU.
    """
    given = {k: v for k, v in locals().items() if v is not None}

    from mnad.bench.plan import counts, networks
    from mnad.bench.plan import runtimes as runtimes_of
    from mnad.bench.run import Plan, run_bench
    from mnad.bench.table import text_of
    from mnad.models.folder import load_model
    from mnad.runtime.pick import pick_device
    from mnad.training.precision import computes_bf16
    from mnad.writing import require_folder, write, write_json

    for name, value in (("repeats", repeats), ("threads", threads)):
        if value is not None:
            require_count(name, value)
    for file in (json, markdown):
        if file is not None:
            require_folder(Path(file))
    threshold = None
    if model is None:
        measured = networks(widths or "1,0.5,0.25", sizes or "256x256")
    else:
        if widths or sizes:
            raise UsageError("A model has its own width and size; leave --widths and --sizes out.")
        loaded = load_model(model)
        measured = [loaded.config.network]
        if loaded.calibration is not None:
            threshold = loaded.calibration.threshold.score
    where = pick_device(device)
    bf16 = computes_bf16(where)
    available, missing = runtimes_of(runtimes, bf16)
    precisions = ("fp32", "bf16") if bf16 else ("fp32",)
    plan = Plan(
        networks=measured,
        runtimes=available,
        streams=counts("streams", streams),
        repeats=repeats,
        device=where.type,
        model=None if model is None else Path(model),
        threshold=threshold,
        video=None if video is None else Path(video),
        threads=threads,
        training=precisions if training else (),
    )
    result = run_bench(plan) | {"missing": missing, "command": _command(given)}
    if json is not None:
        write_json(Path(json), result)
    if markdown is not None:
        write(Path(markdown), text_of(result, markdown=True) + "\n")
    return result


def _command(given: dict[str, Any]) -> str:
    """The command line that this measurement came of."""
    words = ["mnad", "bench"]
    if "model" in given:
        words.append(str(given.pop("model")))
    for name, value in given.items():
        if isinstance(value, bool):
            words += [f"--{name}"] if value else []
        else:
            words += [f"--{name}", str(value)]
    return shlex.join(words)
