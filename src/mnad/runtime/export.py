"""Writing the graph of a model for another engine, in int8 with what normal footage makes of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mnad.calibration.calibrate import calibrate_model
from mnad.calibration.footage import NormalFootage
from mnad.calibration.holdout import trained_share
from mnad.calibration.measure import REFERENCE_WINDOWS, measure
from mnad.calibration.things import block_size
from mnad.config import ExportFormat, RuntimeName
from mnad.errors import MnadError
from mnad.lock import locked
from mnad.models.folder import CONFIG, Model, save_normal
from mnad.runtime.exports import FORMAT, RECORD, before_of, graph_of, put_back, sources_of
from mnad.runtime.pick import PACKAGES, open_graph, require
from mnad.runtime.quantize import quantize
from mnad.runtime.runtime import Runtime
from mnad.runtime.usual import usual_torch
from mnad.scoring.windows import Windows


@usual_torch()
def export_model(
    folder: Path,
    model: Model,
    format: ExportFormat,
    footage: NormalFootage | None = None,
    *,
    distances: bool = False,
    trained_on: bool = False,
    faults: Sequence[str] = (),
    progress: bool = True,
) -> Path:
    """Export a model into its folder, in int8 where footage is given.

    The scores of an int8 network are not those of its original, so that what normal footage scores,
    and the threshold if the model has one, are measured anew with the very file that is written.

    Args:
        folder: of the model.
        model: what it holds, on the CPU.
        format: of the export.
        footage: normal footage of the camera that the model was not trained on.
        distances: in int8, keep in floating point what decides the distance to the memory.
        trained_on: accept footage that it was trained on.
        faults: what of the footage could not be read, which the export says.
        progress: show progress bars.

    Returns:
        The folder of the export; all of it is there, or what was there before.

    Raises:
        UsageError: packages are missing, the model was trained on the footage, or another process
            exports into the folder.
        MnadError: the footage is too short, or the folder cannot be written.
    """
    name: RuntimeName = format
    if footage is not None:
        name = "openvino-int8" if format == "openvino" else "onnx-int8"
        trained_share(footage.clips, model.known, trained_on)  # refused before the work, not after
    require(name, to_export=True)
    engine = import_module(f"mnad.runtime.{format}")
    record: dict[str, Any] = {"format": FORMAT, "of": sources_of(folder, name)}
    record["versions"] = {
        package: version(package) for package in ("mnad", "torch", *PACKAGES[name])
    }
    graph = engine.convert(model.network, model.config.method)
    # Of two at a time the one that ends first would take the graph that the other has just written.
    alone = locked(folder, "exports into", CONFIG, needed=False)
    with alone, _written(folder / name) as beside:
        if footage is not None:
            windows = Windows(footage.clips, footage.names, model.config.network.window)
            graph = quantize(graph, engine.nodes(graph), model.network, windows, distances)
            record["calibration"] = {"windows": len(windows), "sources": footage.names}
            if faults:
                record["calibration"]["faults"] = list(faults)
            record["distances"] = distances
        engine.save(graph, beside)
        record["graph"] = graph_of(beside)
        if footage is not None:
            runtime = open_graph(model, name, beside)
            save_normal(beside, _measured(model, runtime, footage, windows, trained_on, progress))
        (beside / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    return folder / name


def _measured(
    model: Model,
    runtime: Runtime,
    footage: NormalFootage,
    windows: Windows,
    trained_on: bool,
    progress: bool,
) -> Model:
    if model.calibration is not None:
        return calibrate_model(
            model,
            *footage,
            model.calibration.threshold.per_hour,
            runtime=runtime,
            by_place=model.reference is not None and model.reference.by_place,
            trained_on=trained_on,
            progress=progress,
        )
    known = model.reference
    block = block_size(footage.clips) if known is None else known.block
    usual = np.ones((), np.float32) if known is None else known.usual
    chosen = windows.spread(REFERENCE_WINDOWS)
    return replace(
        model, reference=measure(runtime, windows, chosen, block, usual, False, model.mask)
    )


@contextmanager
def _written(final: Path) -> Iterator[Path]:
    """A folder beside `final` that takes its place when the block has ended well."""
    part, before = final.with_name(f".{final.name}.part"), before_of(final)
    try:
        put_back(final)
        for left_over in (part, before):
            shutil.rmtree(left_over, ignore_errors=True)
        part.mkdir()
        yield part
        if final.exists():
            os.replace(final, before)
        os.replace(part, final)
    except OSError as error:
        raise MnadError(
            f"{final} cannot be written ({error.strerror}); make room, or export a copy of the "
            "model folder."
        ) from error
    finally:
        put_back(final)
        for left_over in (part, before):
            shutil.rmtree(left_over, ignore_errors=True)
