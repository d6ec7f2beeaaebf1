"""The process of one row: ``python -m mnad.bench.row``, asked by `mnad.bench.process`."""

from __future__ import annotations

from pathlib import Path

import torch

from mnad.bench.footage import first_frames
from mnad.bench.measure import (
    end_to_end,
    matrix_product,
    memory_update,
    network_alone,
    training,
    training_steps,
)
from mnad.bench.plan import Row
from mnad.bench.process import Answer, Json, serve
from mnad.models.folder import load_model
from mnad.runtime.pick import load_runtime


def make(spec: Json) -> Answer:
    """Load what a row takes; what comes back measures it."""
    row = Row.of_json(spec)
    if row.threads is not None:
        torch.set_num_threads(row.threads)
    return {"peak": _peak, "training": _training, "scoring": _scoring}[row.kind](row)


def _peak(row: Row) -> Answer:
    device = torch.device(row.device)
    facts: Json = {"threads": torch.get_num_threads()}
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return lambda asked: facts | matrix_product(device)


def _training(row: Row) -> Answer:
    model, device = load_model(row.model), torch.device(row.device)
    frames = first_frames(Path(row.video), row.network, model.regions, model.config.rate)
    fitter = training(model.config, frames, device, row.precision)
    return lambda asked: _with_gpu(training_steps(fitter), device)


def _scoring(row: Row) -> Answer:
    model, runtime = load_runtime(row.model, row.device, row.runtime)  # type: ignore[arg-type]
    frames = first_frames(Path(row.video), row.network, model.regions, model.config.rate)

    def answer(asked: Json) -> Json:
        match asked["do"]:
            case "network":
                found = network_alone(runtime, frames, row.streams)
            case "update":
                found = memory_update(runtime, frames, row.streams)
            case kind:
                everything = kind == "everything"
                video, work = Path(row.video), Path(row.model).parent
                found = end_to_end(model, runtime, video, work, row.threshold, everything)
        return _with_gpu(found, runtime.device)

    return answer


def _with_gpu(found: Json, device: torch.device) -> Json:
    if device.type == "cuda":
        found["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return found


if __name__ == "__main__":
    serve(make)
