"""mnad calibrate."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import TYPE_CHECKING

from mnad.config import Device
from mnad.presets import scale_of

if TYPE_CHECKING:
    from mnad.calibration.result import Calibration


def calibrate(
    model: str | Path,
    sources: list[str],
    *,
    false_alarms_per_hour: float = 1.0,
    folder_rate: float | None = None,
    by_place: bool | None = None,
    trained_on: bool = False,
    device: Device = "auto",
    cache_dir: str | Path | None = None,
) -> "Calibration":
    """Set the threshold of a model from normal footage that it was not trained on.

    Args:
        model: a model folder; the threshold is stored in it.
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4':
            normal footage of the camera, an hour or more for one false alarm per hour.
        false_alarms_per_hour: how many to allow.
        folder_rate: frames per second of folders of images, which do not say it; null: 25.
        by_place: measure errors against what is usual at their place, so that a thing where nothing
            ever moves is told of however busy the rest is; an ordinary one too. null: as before,
            or as the model's preset has it.
        trained_on: accept footage that the model was trained on.
        device: auto, cpu or cuda.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
    """
    from dataclasses import replace

    from mnad.calibration.calibrate import calibrate_model, require_per_hour
    from mnad.calibration.footage import normal_footage
    from mnad.models.builtin import to_change
    from mnad.models.folder import load_model, save_normal
    from mnad.runtime.pick import pick_device

    require_per_hour(false_alarms_per_hour)
    folder = to_change(model)
    loaded = load_model(folder, pick_device(device))
    if by_place is None:
        known, preset = loaded.reference, loaded.config.preset
        if loaded.calibration is not None and known is not None:
            by_place = known.by_place
        else:
            by_place = known is not None and scale_of(preset or "official").by_place
    faults: dict[int, str] = {}
    footage = normal_footage(loaded, sources, folder_rate, cache_dir, faults)
    calibrated = calibrate_model(
        loaded, *footage, false_alarms_per_hour, by_place=by_place, trained_on=trained_on
    )
    save_normal(folder, calibrated)
    assert calibrated.calibration is not None
    return replace(calibrated.calibration, faults=tuple(faults.values()))
