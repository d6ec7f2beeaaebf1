"""A model from the footage of a site, by a process of its own: python -m mnad.watch.learn SITE OUT.

It is taken into use by who watches, once that scores with it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import torch

from mnad.calibration.calibrate import SHORTEST_SECONDS, calibrate_model
from mnad.calibration.holdout import hold_out
from mnad.config import ModelConfig, NetworkConfig, Precision, TrainConfig
from mnad.errors import MnadError
from mnad.models.folder import Model
from mnad.presets import preset_of, scale_of
from mnad.runtime.export import export_model
from mnad.runtime.pick import installed
from mnad.scoring.steady import Steady
from mnad.training.budget import affordable
from mnad.training.loop import Footage, main
from mnad.training.precision import computes_bf16
from mnad.watch.normal import load_footage, told_of
from mnad.watch.site import Settings, Site


def learn(site: Site, settings: Settings, out: Path) -> None:
    """Train and calibrate a model on what a site's footage holds.

    Args:
        site: the camera's folder.
        settings: of the site.
        out: folder of the model; made.

    Raises:
        MnadError: there is too little footage.
    """
    # Steadied, as the stream will be.
    clips, rate = load_footage(site.footage, site.normal_events(), Steady)
    scale = scale_of("camera")
    reading, learning_rate = preset_of("camera", "prediction")
    network = NetworkConfig(
        channels=1 if settings.channels == 1 else 3,
        width=scale.width,
        height=settings.height,
        image_width=settings.image_width,
    )
    config = ModelConfig(network, reading, "camera", settings.rate)
    # Two holes close to each other leave scraps that nothing can be learnt from.
    clips = [clip for clip in clips if len(clip) > network.window]
    trained, held = hold_out(clips, scale.hold_out, network.window)
    if sum(map(len, held)) / rate < SHORTEST_SECONDS:
        seconds = SHORTEST_SECONDS / scale.hold_out
        told = told_of(site.footage, site.normal_events())
        remedy = (
            f"{told:.0f} s of footage have events: mark those that are normal (mnad mark)"
            if told >= seconds
            else f"let it record {seconds:.0f} s or more (--learn)"
        )
        raise MnadError(
            f"{site.footage} holds {sum(map(len, clips)) / rate:.0f} s of normal footage, too "
            f"little to learn from: {remedy}."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    footage = Footage(
        "site", tuple(f"piece {number + 1}" for number in range(len(trained))), trained
    )
    precision: Precision = "bf16" if computes_bf16(device) else "fp32"
    recipe = TrainConfig(
        *(scale.epochs, 4, learning_rate, settings.seed, precision),
        vary_light=scale.vary_light,
        vary_noise=scale.vary_noise,
    )
    recipe = affordable(footage, config, recipe, device, settings.training_minutes)

    def finish(model: Model) -> Model:
        names = [f"held-out piece {number + 1}" for number in range(len(held))]
        now = site.known_settings()  # as `mnad review` may have set them since
        return calibrate_model(
            model,
            held,
            names,
            rate,
            now.false_alarms_per_hour,
            by_place=settings.by_place,
            trained_on=True,  # kept back here: equal frames are a scene that stands still
            events=now.times.at(0.5),
        )

    model = main(footage, out, config, recipe, device, regions=settings.looked, finish=finish)
    if device.type == "cpu" and installed("openvino", to_export=True):
        try:
            export_model(out, model, "openvino")
        except MnadError as error:  # it watches by torch, then
            print(f"mnad: {error}", file=sys.stderr)
    assert model.calibration is not None
    print("\n".join(model.calibration.sentences()), file=sys.stderr, flush=True)


def _end_with_parent() -> None:
    """A watch that was killed must not leave a training behind that the next one runs into."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        place = Site(sys.argv[1])
        learn(place, place.known_settings(), Path(sys.argv[2]))
    except MnadError as problem:
        print(f"mnad: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
