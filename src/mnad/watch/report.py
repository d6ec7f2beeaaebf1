"""The report of a run, from what the run knows."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.detector import Detector
from mnad.events.event import Event
from mnad.reports.page import Calibration, Gap, Report, write_page
from mnad.watch.before import Before, joined
from mnad.watch.options import WatchOptions


def write_report(
    path: Path,
    detector: Detector,
    options: WatchOptions,
    *,
    name: str,
    curve: NDArray[np.float64],
    seconds: float,
    frames: int,
    threshold: float | None,
    earlier: Sequence[tuple[float, float]],
    rate: Fraction | None,
    started_at: datetime | None,
    events: Sequence[Event],
    told: int,
    gaps: Sequence[Gap],
    cut_off: str | None = None,
    past: Before | None = None,
) -> None:
    """Write the page.

    `curve` is (n, 2) seconds and score, thinned, `seconds` the last frame's, `told` the number of
    anomalies, of which `events` may hold the newest only, and `cut_off` why the last frame is not
    the source's last one. `past` is what was watched before.
    """
    model = detector.model
    calibrated = model.calibration
    warnings: list[str] = []
    if cut_off is not None:
        warnings.append(f"This is not all of it, but its first {seconds:.1f} s: {cut_off}")
    facts = None
    if calibrated is not None:
        own = calibrated.threshold
        facts = Calibration(own.hours, own.expected, own.interval, calibrated.warnings())
        if options.threshold is not None:
            warnings.append(
                f"The threshold of {options.threshold:.3f} was given by hand; the calibrated one "
                f"is {own.score:.3f}."
            )
    elif threshold is None:
        warnings.append(
            "This model has no threshold, so that no events can be told: run mnad calibrate on "
            "normal footage that it was not trained on."
        )
    network = model.config.network
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
    versions = {"mnad": version("mnad"), "torch": version("torch"), "av": version("av")}
    versions |= {"python": platform.python_version(), "preset": str(model.config.preset)}
    report = Report(
        title=name,
        source=name,
        duration_seconds=seconds,
        frames=frames,
        curve=curve,
        threshold=threshold,
        earlier=earlier,
        started_at=started_at,
        rate=None if rate is None else float(rate),
        events=events,
        told=told,
        gaps=gaps,
        calibration=facts,
        by_hand=options.threshold is not None,
        settings=settings,
        versions=versions,
        warnings=warnings,
    )
    write_page(path, report if past is None else joined(past, report))
