"""Detection in one source: a table of scores, an overlay video, a plot. Memory does not grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from mnad.detector import Detector, FrameScore
from mnad.errors import MnadError
from mnad.reports.heat import ErrorScale
from mnad.reports.overlay import Overlay
from mnad.reports.plots import score_plot
from mnad.video.sink import CsvSink, VideoSink
from mnad.video.source import FOLDER_RATE, Frame, Source, open_source

COLUMNS = ("frame", "seconds", "psnr", "distance", "score")
PLOTTED = 4096


@dataclass(frozen=True)
class Detection:
    """What came of one source.

    Attributes:
        source: the file or folder.
        out: the folder with ``scores.csv``, ``overlay.mp4`` and ``scores.png``.
        frames: how many were scored.
        highest: the highest score, NaN without any.
        at_seconds: when that was.
        error: why the source could not be read to its end, or None.
    """

    source: Path
    out: Path
    frames: int
    highest: float
    at_seconds: float
    error: str | None


def detect_source(
    detector: Detector, path: Path, out: Path, *, overlay: bool = True, progress: bool = True
) -> Detection:
    """Score a source frame by frame and write what is found to the folder `out`.

    A source that breaks off is scored up to there: the files are whole, and the result says why.

    Args:
        detector: the model.
        path: a video or a folder of frames.
        out: folder for the results; made if missing.
        overlay: write the overlay video.
        progress: show a progress bar.
    """
    curve = Curve(PLOTTED)
    broken: str | None = None
    try:
        with ExitStack() as stack:
            source = stack.enter_context(open_source(path, detector.model.config.network.channels))
            out.mkdir(parents=True, exist_ok=True)
            table = stack.enter_context(CsvSink(out / "scores.csv", COLUMNS))
            video = stack.enter_context(_OverlayVideo(detector, source, out)) if overlay else None
            bar = stack.enter_context(
                tqdm(
                    total=source.length,
                    unit="frame",
                    desc=source.name,
                    disable=None if progress else True,
                )
            )
            try:
                for frame, scored in scored_frames(detector, source):
                    bar.update()
                    if scored is not None:
                        row = _row(frame, scored)
                        table.write(row)
                        curve.add([float(row[name]) for name in COLUMNS])
                    if video is not None:
                        video.write(frame, scored)
            except MnadError as error:
                broken = str(error)
            if not curve.count:  # leaves no files behind
                window = detector.model.config.network.window
                raise MnadError(
                    broken
                    or f"{path} has fewer frames than the {window} that the model's window spans; "
                    "give a longer one."
                )
    except MnadError as error:
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        return Detection(path, out, 0, np.nan, np.nan, str(error))
    _, seconds, psnr, distance, score = curve.rows().T
    score_plot(out / "scores.png", seconds, psnr, distance, score, title=path.name)
    top = int(np.nanargmax(score)) if not np.isnan(score).all() else 0
    return Detection(path, out, curve.count, float(score[top]), float(seconds[top]), broken)


def scored_frames(detector: Detector, source: Source) -> Iterator[tuple[Frame, FrameScore | None]]:
    """Every frame once and in order, with its score where it has one.

    A model whose target lies in the middle of its window scores a frame some frames later; they
    wait here. What was waiting when a source breaks off is not given.
    """
    stream = detector.stream()
    waiting: deque[Frame] = deque()
    for frame in source:
        waiting.append(frame)
        scored = stream.push(frame.pixels)
        behind = detector.model.config.network.window - 1 - detector.model.config.network.target
        while waiting and waiting[0].index <= frame.index - behind:
            first = waiting.popleft()
            yield first, scored if scored and scored.index == first.index else None
    for frame in waiting:
        yield frame, None


class _OverlayVideo:
    """The overlay video of one source."""

    def __init__(self, detector: Detector, source: Source, out: Path) -> None:
        reference = detector.model.reference
        self._scale = ErrorScale(floor=reference.error_peak) if reference else ErrorScale()
        self._overlay = Overlay(*source.size)
        rate = source.rate or FOLDER_RATE
        self._sink = VideoSink(out / "overlay.mp4", rate, self._overlay.size)

    def __enter__(self) -> _OverlayVideo:
        self._sink.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self._sink.__exit__(*problem)  # type: ignore[arg-type]

    def write(self, frame: Frame, scored: FrameScore | None) -> None:
        """Draw and encode one frame."""
        error = None if scored is None else scored.error
        drawn = self._overlay.draw(
            frame.rgb,
            frame.index,
            float(frame.seconds),
            None if scored is None else scored.score,
            error,
            0.02 if error is None else self._scale.update(error),
        )
        self._sink.write(drawn, frame.seconds)


class Curve:
    """The rows of a plot in bounded memory: when there are too many, of two the higher one stays.

    Args:
        most: rows kept at most, at least 2; the last column decides which is higher.
    """

    def __init__(self, most: int) -> None:
        self._most, self._step, self.count = most, 1, 0
        self._rows: list[list[float]] = []
        self._group: list[list[float]] = []

    def add(self, row: list[float]) -> None:
        """Append a row."""
        self.count += 1
        self._group.append(row)
        if len(self._group) == self._step:
            self._rows.append(_highest(self._group))
            self._group = []
        if len(self._rows) == self._most:
            pairs = zip(self._rows[::2], self._rows[1::2], strict=False)
            self._rows = [_highest(list(pair)) for pair in pairs]
            self._step *= 2

    def rows(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """What was kept, in order, (n, columns); at least one row was added."""
        rest = [_highest(self._group)] if self._group else []
        return np.array([*self._rows, *rest], np.float64)


def _highest(rows: list[list[float]]) -> list[float]:
    return max(rows, key=lambda row: row[-1] if row[-1] == row[-1] else -np.inf)


def _row(frame: Frame, scored: FrameScore) -> dict[str, str]:
    return {
        "frame": str(frame.index),
        "seconds": f"{float(frame.seconds):.6f}",
        "psnr": f"{scored.psnr:.4f}",
        "distance": f"{scored.distance:.6g}",
        "score": f"{scored.score:.6f}",
    }
