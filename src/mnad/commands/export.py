"""mnad export."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import logging
from pathlib import Path
from shlex import quote
from typing import get_args

from mnad.config import ExportFormat, one_of
from mnad.errors import UsageError

_LOG = logging.getLogger("mnad")


def export(
    model: str | Path,
    *,
    format: ExportFormat = "openvino",
    int8: bool = False,
    calibration: list[str] | None = None,
    distances: bool = False,
    folder_rate: float | None = None,
    trained_on: bool = False,
    cache_dir: str | Path | None = None,
) -> Path:
    """Write a model for another engine than torch into its folder; detect and watch then use it.

    Args:
        model: a model folder.
        format: openvino (for cameras, and in int8 the fastest), ncnn (the fastest in floating
            point from width 0.5 on) or onnx.
        int8: convolutions in 8 bits, smaller and on most CPUs faster; scores change a little, so
            that the threshold is set anew for it.
        calibration: for int8: normal footage that the model was not trained on, as for mnad
            calibrate; what of it cannot be read is left out and told.
        distances: for int8: keep in floating point what decides the distance to the memory, which
            the paper's score takes into account and the one for cameras does not; a little slower.
            By the norm of eq. 9 (preset camera) it is kept without.
        folder_rate: frames per second of folders of images, which do not say it; null: 25.
        trained_on: accept footage that the model was trained on.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
    """
    one_of("format", format, get_args(ExportFormat))
    if int8 and format == "ncnn":
        raise UsageError("ncnn computes in floating point here; for int8 say --format openvino.")
    if int8 and not calibration:
        raise UsageError(
            f"--int8 takes normal footage: mnad export {quote(str(model))} --format {format} "
            "--int8 --calibration NORMAL_FOOTAGE"
        )
    if calibration and not int8:
        raise UsageError("--calibration is for int8 alone; add --int8, or leave it out.")
    if distances and not int8:
        raise UsageError("--distances is for int8 alone; add --int8, or leave it out.")

    from mnad.calibration.footage import normal_footage
    from mnad.models.builtin import to_change
    from mnad.models.folder import load_model
    from mnad.runtime.export import export_model
    from mnad.runtime.pick import require

    folder = to_change(model)
    require(format, to_export=True)
    loaded = load_model(folder)
    if distances and loaded.network.memory is None:
        raise UsageError(f"{model} has no memory, and so no distances; leave --distances out.")
    footage, faults = None, dict[int, str]()
    if calibration:
        footage = normal_footage(loaded, calibration, folder_rate, cache_dir, faults)
        for sentence in faults.values():
            _LOG.warning("warning: %s", sentence)
        loaded = load_model(folder)  # which may have been calibrated anew while that was decoded
    return export_model(
        folder,
        loaded,
        format,
        footage,
        distances=distances,
        trained_on=trained_on,
        faults=[*faults.values()],
    )
