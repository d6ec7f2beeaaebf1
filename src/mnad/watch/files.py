"""Detection in one file or folder of frames, from its first frame to its last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event, Lock

import numpy as np
from tqdm.auto import tqdm

from mnad.detector import Detector
from mnad.errors import MnadError
from mnad.lock import locked
from mnad.progress import hidden
from mnad.reports.plots import score_plot
from mnad.video.ahead import ahead
from mnad.video.source import open_source
from mnad.watch.folder import PLOT, SOURCE, remove_results, require_no_camera, write_source
from mnad.watch.options import WatchOptions
from mnad.watch.watcher import Watcher
from mnad.writing import discard

_DRAWING = Lock()
"""matplotlib is not made for several threads at a time."""


@dataclass(frozen=True)
class Detection:
    """What came of one source.

    Attributes:
        source: the file, folder or address, without credentials.
        out: the folder with ``scores.csv``, ``events.jsonl``, ``report.html``, ``overlay.mp4``,
            ``scores.png``, ``source.txt``, ``clips`` and ``thumbnails``.
        frames: how many were scored.
        highest: the highest score, NaN without any.
        at_seconds: when that was.
        events: how many anomalies were told; None for a model without a threshold.
        error: why the source could not be read to its end, or None.
    """

    source: str
    out: Path
    frames: int
    highest: float
    at_seconds: float
    events: int | None
    error: str | None


def failed(source: str, out: Path, error: str) -> Detection:
    """A source of which nothing was scored."""
    return Detection(source, out, 0, np.nan, np.nan, None, error)


def detect_source(
    detector: Detector,
    path: Path,
    out: Path,
    options: WatchOptions = WatchOptions(),
    *,
    folder_rate: Fraction | None = None,
    progress: bool = True,
    stop: Event | None = None,
) -> Detection:
    """Score a source frame by frame and write what is found to the folder `out`.

    A source that breaks off is scored up to there: the files are whole, and the result says why.
    Several may be scored at the same time, each by a thread (`mnad.watch.several`).

    Args:
        detector: the model.
        path: a video or a folder of frames.
        out: folder for the results; made if missing.
        options: what to write and whom to tell.
        folder_rate: frames per second of a folder of images, which does not say it; None: 25.
        progress: show a progress bar.
        stop: once it is set, the source is taken to end there.
    """
    channels = detector.model.config.network.channels
    broken: str | None = None
    watcher: Watcher | None = None
    try:
        require_no_camera(out)
        with (
            open_source(path, channels, folder_rate) as source,
            locked(out, "detects into", SOURCE, needed=False),
        ):
            bar = tqdm(
                total=source.length,
                unit="frame",
                desc=source.name,
                disable=hidden(progress),
            )
            seen_as = detector, out, source.name, source.rate, options
            with bar, Watcher(*seen_as, origin=str(path.resolve())) as watcher:
                write_source(out, path)
                try:
                    # Decoding, scoring and writing overlap, each in a thread.
                    with ahead(source) as frames, ahead(watcher.scored(frames), 2) as pairs:
                        for pair in pairs:
                            if stop is not None and stop.is_set():
                                raise MnadError(f"{path} was stopped before its end.")
                            bar.update()
                            watcher.show(pair)
                except MnadError as error:
                    broken = watcher.cut_off = str(error)
    except MnadError as error:
        broken = broken or str(error)
    if watcher is None or not watcher.frames:
        if watcher is not None:
            _leave_nothing(out)
            broken = broken or watcher.unscored(str(path))
        return failed(str(path), out, broken or "")
    try:
        with _DRAWING:
            seconds, psnr, distance, score = watcher.curve.rows().T
            series = (seconds, psnr, distance, score)
            score_plot(out / PLOT, *series, threshold=watcher.threshold, title=watcher.name)
    except MnadError as error:
        broken = broken or str(error)
    return Detection(
        str(path),
        out,
        watcher.frames,
        float(watcher.highest),
        watcher.highest_at,
        None if watcher.threshold is None else watcher.told,
        broken,
    )


def _leave_nothing(out: Path) -> None:
    """Leave nothing of a source that gave no score."""
    with suppress(MnadError):
        remove_results(out)
    discard(out / SOURCE)
    for folder in (out / "clips", out / "thumbnails", out):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
