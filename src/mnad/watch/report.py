"""The report of a run: what the run knows, and what the model says of it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from mnad.detector import Detector
from mnad.reports.page import Calibration, Report, write_page
from mnad.watch.before import Before, joined
from mnad.watch.options import WatchOptions


def write_report(
    path: Path,
    run: Report,
    detector: Detector,
    options: WatchOptions,
    *,
    cut_off: str | None = None,
    past: Before | None = None,
) -> None:
    """Write the page.

    Args:
        path: of the page.
        run: what was seen; what is known of model and options is added.
        detector: the model.
        options: what was asked for.
        cut_off: why its last frame is not the source's last one.
        past: what was watched before.
    """
    calibrated = detector.model.calibration
    warnings: list[str] = []
    if cut_off is not None:
        first = f"{run.duration_seconds:.1f} s"
        warnings.append(f"This is not all of it, but its first {first}: {cut_off}")
    facts = None
    if calibrated is not None:
        own = calibrated.threshold
        facts = Calibration(own.hours, own.expected, own.interval, calibrated.warnings())
        if options.threshold is not None:
            warnings.append(
                f"The threshold of {options.threshold:.3f} was given by hand; the calibrated one "
                f"is {own.score:.3f}."
            )
    elif run.threshold is None:
        warnings.append(
            "This model has no threshold, so that no events can be told: run mnad calibrate on "
            "normal footage that it was not trained on."
        )
    versions = {"mnad": version("mnad"), "torch": version("torch"), "av": version("av")}
    versions |= {"python": platform.python_version(), "preset": str(detector.model.config.preset)}
    report = replace(
        run,
        calibration=facts,
        by_hand=options.threshold is not None,
        settings=_settings(detector, options),
        versions=versions,
        warnings=warnings,
    )
    write_page(path, report if past is None else joined(past, report))


def _settings(detector: Detector, options: WatchOptions) -> Mapping[str, str]:
    """Names and values, as they are to be read."""
    model, network = detector.model, detector.model.config.network
    settings = {
        "task": network.task,
        "runtime": detector.runtime.name,
        "network": f"width {network.width:g}, {network.image_width}x{network.height} pixels, "
        f"{'colour' if network.channels == 3 else 'grey'}",
        "frames per second looked at": "all"
        if model.config.rate is None
        else f"about {model.config.rate:g}",
        "regions": "the whole picture" if model.regions is None else str(model.regions.as_dict()),
    }
    settings |= {
        name.replace("_", " "): f"{value:g}" for name, value in asdict(options.times).items()
    }
    if model.reference is not None:
        settings["block of the score"] = f"{model.reference.block} pixels"
    return settings
