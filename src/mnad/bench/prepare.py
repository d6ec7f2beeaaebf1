"""The process that makes models and exports: ``python -m mnad.bench.prepare``.

Converting and quantizing take memory of their own, which must not count for the rows.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from mnad.bench.footage import first_frames
from mnad.bench.process import Answer, Json, serve
from mnad.calibration.footage import NormalFootage
from mnad.calibration.measure import reference_of
from mnad.calibration.things import block_size
from mnad.config import ModelConfig, NetworkConfig
from mnad.models.builtin import copy_folder
from mnad.models.folder import Model, build_network, load_model, save_model
from mnad.models.normal import NORMAL
from mnad.presets import preset_of
from mnad.runtime.export import export_model
from mnad.runtime.exports import find_export
from mnad.scoring.windows import Windows


def make(spec: Json) -> Answer:
    """A model folder at ``spec["folder"]``: a copy of a model, or an untrained network.

    The answerer exports it for the runtimes that it is asked for.
    """
    folder, video = Path(spec["folder"]), Path(spec["video"])
    if spec["threads"] is not None:
        torch.set_num_threads(spec["threads"])
    if spec["model"] is not None:
        copy_folder(spec["model"], folder)  # to be written to, whatever the model's folder is
    else:
        save_model(folder, untrained(NetworkConfig(**spec["network"]), video))
    model = load_model(folder)
    frames = first_frames(video, model.config.network, model.regions, model.config.rate)

    footage = NormalFootage([frames], ["video"], 25.0)
    return lambda asked: {"made": export(folder, model, asked["runtime"], footage)}


def untrained(network: NetworkConfig, video: Path) -> Model:
    """A network that knows how the beginning of a video scores with it, so that it has events."""
    torch.manual_seed(0)
    config = ModelConfig(network, preset_of("official", network.task)[0], "official")
    model = Model(config, build_network(config).eval().requires_grad_(False))
    frames = first_frames(video, network)
    windows = Windows([frames], ["video"], network.window, most=16)
    return replace(
        model, reference=reference_of(model.torch_runtime, windows, block_size([frames]))
    )


def export(folder: Path, model: Model, runtime: str, footage: NormalFootage) -> bool:
    """Export for a runtime, unless there is an export that may be used; whether it was made."""
    found = find_export(folder, runtime)
    if runtime.startswith("torch") or (found is not None and not found.changed):
        return False
    form, _, int8 = runtime.partition("-")
    # Without a threshold, which would take footage of minutes: it is the speed that is asked for.
    plain = replace(model, calibration=None)
    export_model(
        folder,
        plain,
        form,  # type: ignore[arg-type]
        footage if int8 else None,
        trained_on=True,
        progress=False,
    )
    if int8 and (folder / NORMAL).exists():  # judged as by the other runtimes
        shutil.copy(folder / NORMAL, folder / runtime / NORMAL)
    return True


if __name__ == "__main__":
    serve(make)
