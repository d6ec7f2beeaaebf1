"""mnad calibrate."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import TYPE_CHECKING

from mnad.config import Device
from mnad.errors import MnadError

if TYPE_CHECKING:
    from mnad.calibration.result import Calibration


def calibrate(
    model: Path,
    sources: list[str],
    *,
    false_alarms_per_hour: float = 1.0,
    rate: float | None = None,
    trained_on: bool = False,
    device: Device = "auto",
    cache_dir: Path | None = None,
) -> "Calibration":
    """Set the threshold of a model from normal footage that it was not trained on.

    Args:
        model: a model folder; the threshold is stored in it.
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4':
            normal footage of the camera, an hour or more for one false alarm per hour.
        false_alarms_per_hour: how many to allow.
        rate: frames per second of folders of images, which do not say it; null: 25.
        trained_on: accept footage that the model was trained on.
        device: auto, cpu or cuda.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
    """
    from fractions import Fraction

    from mnad.calibration.calibrate import calibrate_model
    from mnad.detector import pick_device
    from mnad.models.folder import load_model, save_normal
    from mnad.video.cache import load_clips
    from mnad.video.find import find_sources, name_of
    from mnad.video.thin import taken_rate

    loaded = load_model(model, pick_device(device))
    network, wanted = loaded.config.network, loaded.config.rate
    paths = find_sources(sources)
    known = None if rate is None else Fraction(rate).limit_denominator(1001)
    rates = [taken_rate(path, wanted, known) for path in paths]
    if max(rates) > 1.2 * min(rates):
        raise MnadError(
            f"the sources have from {min(rates):g} to {max(rates):g} frames per second; calibrate "
            "on footage of one rate, that of the camera."
        )
    size = (network.height, network.image_width, network.channels)
    clips = load_clips(
        paths, *size, cache_dir=cache_dir, rate=wanted, regions=loaded.regions, folder_rate=known
    )
    calibrated = calibrate_model(
        loaded,
        clips,
        [name_of(path) for path in paths],
        rates[0],
        false_alarms_per_hour,
        trained_on=trained_on,
    )
    save_normal(Path(model), calibrated)
    assert calibrated.calibration is not None
    return calibrated.calibration
