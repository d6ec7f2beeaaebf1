"""One stream of frames: pushed one by one, each scored by the window that it fills."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.events.event import Box
from mnad.models.folder import Model
from mnad.scoring.light import Light
from mnad.scoring.noise import Denoise
from mnad.scoring.smooth import CausalMean
from mnad.scoring.steady import Steadied, Steady
from mnad.scoring.stream import FrameParts, Scorer, Stream
from mnad.scoring.together import Together
from mnad.scoring.where import Region, Where
from mnad.video.fit import fit, require_frame
from mnad.video.source import FOLDER_RATE
from mnad.video.thin import Pace


@dataclass(frozen=True, eq=False)
class FrameScore:
    """The score of one frame of a stream.

    Attributes:
        index: number of the frame in its stream, from 0.
        psnr: dB, low = abnormal.
        distance: to the memory, high = abnormal; NaN without memory.
        peak: error of the most unusual block (`mnad.scoring.peaks`), 0 and more; NaN for a model
            that was never shown normal footage.
        score: causal score in 0..1, high = abnormal: how rare such a peak and distance are in
            normal footage (`mnad.scoring.reference`), its mean over about the last quarter second
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


def pace_of(model: Model, rate: Fraction | float | None) -> Pace:
    """What a model is given of a source of so many frames per second; None is taken as 25."""
    known = None if model.calibration is None else model.calibration.rate
    return Pace(rate, model.config.rate, known, model.config.network.window)


class _Seen(NamedTuple):
    """A frame of a stream: its number, its time, and how far it was off."""

    number: int
    seconds: float
    shake: tuple[float, float]


class _Heat:
    """A heat map that is made once, when it is first asked for, or sent to another process."""

    def __init__(self, where: Where, measured: NDArray[np.float32]) -> None:
        self._where, self._measured = where, measured
        self._made: NDArray[np.float32] | None = None

    def __call__(self) -> NDArray[np.float32]:
        if self._made is None:
            self._made = self._where.map(self._measured)
        return self._made

    def __getstate__(self) -> dict[str, NDArray[np.float32]]:
        return {"_made": self()}


class LiveStream:
    """One stream of frames; made by `Detector.stream`."""

    def __init__(
        self,
        model: Model,
        scorer: Scorer | Together,
        threshold: float | None,
        rate: Fraction | float | None = None,
    ) -> None:
        self._model, self._scorer, self._threshold = model, scorer, threshold
        self._stream: Stream = scorer.open()
        self._seen: deque[_Seen] = deque()
        self._mean = CausalMean()
        reference, calibration = model.reference, model.calibration
        self._light = Light(None if reference is None else reference.light)
        self._denoise = Denoise(None if reference is None else reference.noise)
        # Frames scored by themselves may be of one thing each, not of one camera.
        self._steady = Steady() if model.config.network.window > 1 else None
        known = None if calibration is None else calibration.rate
        self._rate = float(rate or known or FOLDER_RATE)
        wanted = None if rate is None else model.config.rate
        self._pace = Pace(rate, wanted, known, model.config.network.window)
        self._given = 0
        # Of the frames in the window, their numbers among all that were given.
        self._numbers: deque[int] = deque(maxlen=model.config.network.window)
        self._where = (
            None if reference is None else Where(reference.level, reference.floor, model.mask)
        )

    def push(self, pixels: NDArray[np.uint8], seconds: float | None = None) -> FrameScore | None:
        """Give the next frame.

        To a model everything moves faster where frames come at half the rate that it knows, and has
        leapt where some are missing. So, by their times, they have no score after a hole, nor while
        they come too slowly (`mnad.video.thin.Breaks`), as with `mnad watch`.

        Args:
            pixels: uint8 (H, W, 3) RGB, (H, W, 1) or (H, W) grey, any size; the whole frame, the
                model crops it itself.
            seconds: when it was taken, from any start; None: as the rate of the stream says. Not
                when it came, where frames come in bursts: the pauses would count as holes. Where
                it falls, as that of a camera that was started anew, nothing follows on what was.

        Returns:
            The score of the frame that the window now scores: this one for prediction, an earlier
            one for reconstruction with motion cues; `index` counts all frames that were given. None
            where there is none: passed over, after a hole, or while the first window fills.

        Raises:
            MnadError: another shape or type, or a time that is no number.
        """
        # What is refused was never given: it must leave nothing behind.
        require_frame(pixels)
        if seconds is not None and not isfinite(seconds):
            raise MnadError(f"the time of a frame is {seconds}; give seconds, or leave them out.")
        number, self._given = self._given, self._given + 1
        if seconds is None:
            seconds = number / self._rate
        if not self._pace.takes(seconds):
            return None
        if self._pace.breaks_before(seconds):
            self.restart()
        self._numbers.append(number)
        [scored] = self.push_run([self.fitted(pixels)], [seconds])
        if scored is None:
            return None
        return replace(scored, index=self._numbers[scored.index - self._stream.pushed])

    def push_run(
        self, fitted: Sequence[NDArray[np.uint8]], seconds: Sequence[float]
    ) -> list[FrameScore | None]:
        """Score the next frames, which `fitted` has been at, in one batch where possible.

        All of them are taken, and taken to follow on each other: the caller sees to that
        (`pace_of`, `restart`). `index` counts the frames that were given here.

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
        self._seen.clear()
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
            single = reference.score([parts.peak], [parts.distance])
            score = self._mean.push(seen.seconds, float(single[0]))
        abnormal = self._threshold is not None and score >= self._threshold
        heat_of = None if self._where is None else _Heat(self._where, measured)
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
        regions = self._model.regions
        sides = region[:4] if regions is None else regions.to_frame(*region[:4])
        return Box(*sides, surprise / (1 + surprise))
