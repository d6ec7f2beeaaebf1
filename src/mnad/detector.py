"""The face of a trained model in a program: load once, score arrays or a live stream."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.config import Device, Policy, RuntimeName
from mnad.errors import MnadError
from mnad.events.event import Box
from mnad.models.folder import Model
from mnad.runtime.pick import load_runtime
from mnad.runtime.runtime import Runtime
from mnad.scoring.light import Light
from mnad.scoring.noise import Denoise
from mnad.scoring.smooth import CausalMean
from mnad.scoring.steady import Steadied, Steady
from mnad.scoring.stream import FrameParts, Scorer, Stream
from mnad.scoring.together import Together
from mnad.scoring.where import Region, Where
from mnad.video.fit import fit
from mnad.video.source import FOLDER_RATE

_LOG = logging.getLogger("mnad")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of n frames, all arrays (n,).

    Attributes:
        index: frame numbers from 0.
        psnr: dB, low = abnormal.
        distance: to the memory, high = abnormal; NaN without memory.
        peak: error of the most unusual block (`mnad.scoring.peaks`), 0 and more, high = abnormal;
            NaN for a model that was never shown normal footage.
        score: causal score in 0..1, high = abnormal; NaN likewise.
    """

    index: NDArray[np.int64]
    psnr: Floats
    distance: Floats
    peak: Floats
    score: Floats


@dataclass(frozen=True, eq=False)
class FrameScore:
    """The score of one frame of a stream.

    Attributes:
        index: number of the frame in its stream, from 0.
        psnr: dB, low = abnormal.
        distance: to the memory, high = abnormal; NaN without memory.
        peak: error of the most unusual block (`mnad.scoring.peaks`), 0 and more; NaN for a model
            that was never shown normal footage.
        score: causal score in 0..1, high = abnormal: how rare such a peak is in normal footage
            (`mnad.scoring.reference`), its mean over about the last quarter second
            (`mnad.scoring.smooth`); NaN likewise.
        abnormal: whether the score reaches the threshold; False without a calibration.
        boxes: where, in shares of the frame's width and height; only of an abnormal frame.
        updated: whether the frame moved the memory.
        shake: pixels of the network by which the frame lay further right and down than those
            before it, as far as that was undone (`mnad.scoring.steady`).
        error: (h, w) float32, squared error of the frame in 0..1 at the size of the network.
        heat_of: makes the heat map once, when it is first asked for; None where nothing is known of
            normal footage.
    """

    index: int
    psnr: float
    distance: float
    peak: float
    score: float
    abnormal: bool
    boxes: tuple[Box, ...]
    updated: bool
    shake: tuple[float, float]
    error: NDArray[np.float32]
    heat_of: Callable[[], NDArray[np.float32]] | None = field(repr=False)

    @property
    def heat(self) -> NDArray[np.float32] | None:
        """(h, w) float32 for the eye: the error smoothed, on a scale on which 1 is as high as
        normal footage hardly ever gets at that place; None where that is not known.
        """
        return None if self.heat_of is None else self.heat_of()


class Detector:
    """Scores frames with a trained model.

    Args:
        model: the model.
        policy: what its memory does while scoring; ``frozen`` by default, because on a camera an
            anomaly could be memorised. Each stream has its own memory.
        runtime: what computes the scores; None: torch, with the model's network.

    Example:
        >>> detector = Detector.load("models/ped2")
        >>> stream = detector.stream()
        >>> for frame in camera:  # (H, W, 3) uint8 RGB
        ...     scored = stream.push(frame)
        ...     if scored and scored.abnormal:
        ...         print(scored.index, scored.score, scored.boxes)
    """

    def __init__(
        self, model: Model, policy: Policy = "frozen", runtime: Runtime | None = None
    ) -> None:
        self.model, self.runtime = model, runtime or model.torch_runtime
        self._scorer: Scorer | Together = Scorer(self.runtime, policy, model.mask, model.blocks)

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: Device = "auto",
        policy: Policy = "frozen",
        runtime: RuntimeName = "auto",
    ) -> Detector:
        """Load a model folder, or a built-in model by name, and what computes its scores.

        What a name means is said in `mnad.models.builtin`, what computes in `mnad.runtime.pick`.

        Raises:
            UsageError: no such folder, no such device, or a runtime that is not installed or that
                the model was not exported for.
            MnadError: the folder is broken, or the export is of another model.
        """
        model, engine = load_runtime(path, device, runtime)
        _LOG.info("%s scores by %s on %s", path, engine.name, engine.device.type)
        return cls(model, policy, engine)

    @property
    def threshold(self) -> float | None:
        """Score from which on a frame is abnormal, 0..1; None for a model without calibration."""
        calibration = self.model.calibration
        return None if calibration is None else calibration.threshold.score

    def score(self, frames: NDArray[np.uint8], rate: float | None = None) -> Scores:
        """Score a clip.

        Args:
            frames: uint8 (T, H, W, 3) RGB, (T, H, W, 1) or (T, H, W) grey, any size.
            rate: frames per second; None: what the model was calibrated on, or 25.

        Raises:
            MnadError: another shape or type, or fewer frames than the model's window spans.
        """
        stream = self.stream()
        times = [None if rate is None else index / rate for index in range(len(frames))]
        pushed = (stream.push(frame, t) for frame, t in zip(frames, times, strict=True))
        found = [scored for scored in pushed if scored is not None]
        if not found:
            raise MnadError(
                f"{len(frames)} frame(s) were given, fewer than the "
                f"{self.model.config.network.window} that the model's window spans; give more."
            )
        return Scores(
            np.array([f.index for f in found]),
            np.array([f.psnr for f in found]),
            np.array([f.distance for f in found]),
            np.array([f.peak for f in found]),
            np.array([f.score for f in found]),
        )

    def stream(self, threshold: float | None = None) -> LiveStream:
        """A new stream with its own window and memory.

        Args:
            threshold: score from which on a frame is abnormal, 0..1; None: the calibrated one.
        """
        at = self.threshold if threshold is None else threshold
        return LiveStream(self.model, self._scorer, at)

    @contextmanager
    def together(self) -> Iterator[Detector]:
        """A detector whose streams may each be pushed by a thread of its own; for a ``with`` block.

        The frames that wait at the same time are scored in one batch, which a GPU does in little
        more time than one frame. Scores are those of streams one by one to about 1e-6.

        Example:
            >>> with detector.together() as shared, ThreadPoolExecutor(8) as threads:
            ...     threads.map(lambda camera: watch(camera, shared.stream()), cameras)
        """
        with Together(self._scorer) as scorer:
            shared = copy(self)
            shared._scorer = scorer
            yield shared


class _Seen(NamedTuple):
    """A frame of a stream: its number, its time, and how far it was off."""

    number: int
    seconds: float
    shake: tuple[float, float]


class LiveStream:
    """One stream of frames; made by `Detector.stream`."""

    def __init__(self, model: Model, scorer: Scorer | Together, threshold: float | None) -> None:
        self._model, self._scorer, self._threshold = model, scorer, threshold
        self._stream: Stream = scorer.open()
        self._seen: deque[_Seen] = deque()
        self._mean = CausalMean()
        reference, calibration = model.reference, model.calibration
        self._light = Light(None if reference is None else reference.light)
        self._denoise = Denoise(None if reference is None else reference.noise)
        # Frames scored by themselves may be of one thing each, not of one camera.
        self._steady = Steady() if model.config.network.window > 1 else None
        self._rate = float(FOLDER_RATE) if calibration is None else calibration.rate
        self._where = (
            None if reference is None else Where(reference.level, reference.floor, model.mask)
        )

    def push(self, pixels: NDArray[np.uint8], seconds: float | None = None) -> FrameScore | None:
        """Give the next frame.

        Frames are taken to come as fast as the model knows: to it everything moves faster where
        they come at half its rate, and has leapt where some are missing. Call `restart` after a
        hole; `mnad watch` and `mnad detect` do (`mnad.video.thin.Breaks`).

        Args:
            pixels: uint8 (H, W, 3) RGB, (H, W, 1) or (H, W) grey, any size; the whole frame, the
                model crops it itself.
            seconds: its time; None: at the rate of the footage that the model was calibrated on.

        Returns:
            The score of the frame that the window now scores: this one for prediction, an earlier
            one for reconstruction with motion cues. None while the first window fills.

        Raises:
            MnadError: another shape or type.
        """
        if seconds is None:
            seconds = self._stream.pushed / self._rate
        return self.push_run([self.fitted(pixels)], [seconds])[0]

    def push_run(
        self, fitted: Sequence[NDArray[np.uint8]], seconds: Sequence[float]
    ) -> list[FrameScore | None]:
        """As `push`, for the next frames, which `fitted` has been at, in one batch where possible.

        Args:
            fitted: (h, w, c) uint8 each.
            seconds: of each.
        """
        usual: list[NDArray[np.uint8]] = []
        for number, (frame, t) in enumerate(zip(fitted, seconds, strict=True), self._stream.pushed):
            ready, shake = self._as_usual(frame, t)
            usual.append(ready)
            self._seen.append(_Seen(number, t, shake))
        found = self._scorer.push_run(self._stream, usual)
        return [None if parts is None else self._scored(parts) for parts in found]

    def fitted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame (H, W), (H, W, 1) or (H, W, 3) as the network takes it, (h, w, c) uint8."""
        network, regions = self._model.config.network, self._model.regions
        if regions is not None:
            pixels = regions.crop_of(pixels)
        return fit(pixels, network.height, network.image_width, network.channels)

    def _as_usual(self, frame: NDArray[np.uint8], seconds: float) -> Steadied:
        """A frame in known light, with known noise, where those before it were; and its shake."""
        # Noise grows with the light; and a frame that was moved has less of it.
        frame = self._denoise(self._light(frame, seconds), seconds)
        if self._steady is None:
            return Steadied(frame, (0.0, 0.0))
        return self._steady.push(frame, seconds)

    def restart(self) -> None:
        """Forget the frames before a gap: a window must not reach over it."""
        self._stream.window.clear()
        self._mean = CausalMean()

    def _scored(self, parts: FrameParts) -> FrameScore:
        reference, error = self._model.reference, parts.error.cpu().numpy()
        measured = parts.measured.cpu().numpy()
        while self._seen[0].number < parts.index:
            self._seen.popleft()
        seen = self._seen[0]
        score = np.nan
        boxes: tuple[Box, ...] = ()
        if reference is not None:
            score = self._mean.push(seen.seconds, float(reference.score([parts.peak])[0]))
        abnormal = self._threshold is not None and score >= self._threshold
        heat_of = None if self._where is None else cache(partial(self._where.map, measured))
        if abnormal and heat_of is not None:
            # The frame is abnormal somewhere: its hottest place counts, however warm.
            heat = heat_of()
            found = Where.boxes(heat, min(1.0, 0.7 * float(heat.max())))
            boxes = tuple(self._box(region, found[0].peak, score) for region in found)
        return FrameScore(
            index=parts.index,
            psnr=parts.psnr,
            distance=parts.distance,
            peak=parts.peak,
            score=score,
            abnormal=abnormal,
            boxes=boxes,
            updated=parts.updated,
            shake=seen.shake,
            error=error,
            heat_of=heat_of,
        )

    def _box(self, region: Region, highest: float, score: float) -> Box:
        """The hottest region has the score of the frame, the others less in proportion."""
        surprise = score / max(1 - score, 1e-9) * region.peak / highest
        box = Box(*region[:4], surprise / (1 + surprise))
        return box if self._model.regions is None else self._model.regions.to_frame(box)
