"""The face of a trained model in a program: load once, score arrays or a live stream."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.config import Device, Policy, RuntimeName
from mnad.errors import MnadError, UsageError
from mnad.models.folder import Model
from mnad.runtime.pick import load_runtime
from mnad.runtime.runtime import Runtime
from mnad.scoring.stream import Scorer
from mnad.scoring.together import Together
from mnad.stream import LiveStream
from mnad.video.thin import SLOWER

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


class Detector:
    """Scores frames with a trained model.

    Its streams are for one thread; for a thread each see `together`. For processes start them by
    ``spawn``, and load a detector in each: what computes by an export cannot be sent to another. In
    a fork of one that has scored, the threads of torch and OpenVINO are gone, and whoever waits for
    them waits for ever.

    Args:
        model: the model.
        policy: what its memory does while scoring; ``frozen`` by default, because on a camera an
            anomaly could be memorised. Each stream has its own memory.
        runtime: what computes the scores; None: torch, with the model's network.

    Example:
        >>> detector = Detector.load("models/ped2")
        >>> stream = detector.stream(rate=25)
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

    def score(
        self, frames: NDArray[np.uint8] | Iterable[NDArray[np.uint8]], rate: float | None = None
    ) -> Scores:
        """Score a clip.

        Args:
            frames: uint8 (T, H, W, 3) RGB, (T, H, W, 1) or (T, H, W) grey, any size; or what
                gives such frames one by one.
            rate: frames per second, see `stream`.

        Raises:
            MnadError: another shape or type, one frame alone, fewer frames than the model's window
                spans, or fewer per second than it knows.
        """
        # Taken as a clip, it would be as many grey frames of three columns as it has rows.
        if isinstance(frames, np.ndarray) and frames.ndim == 3 and frames.shape[2] in (1, 3):
            raise MnadError(
                f"an array of the shape {frames.shape} is one frame; give several, as (frames, "
                "height, width, 3), or push them one by one into what `stream` returns."
            )
        stream, calibration = self.stream(rate=rate), self.model.calibration
        if rate is not None and calibration is not None and rate * SLOWER < calibration.rate:
            raise MnadError(
                f"{rate:g} frames per second were given, and the model knows "
                f"{calibration.rate:.3g}: give more of them, or another model."
            )
        given, rows = 0, list[tuple[int, float, float, float, float]]()
        for frame in frames:
            given += 1
            # The maps of hours of frames must not pile up.
            if (one := stream.push(frame)) is not None:
                rows.append((one.index, one.psnr, one.distance, one.peak, one.score))
        if not rows:
            raise MnadError(
                f"{given} frame(s) were given, fewer than the {self.model.config.network.window} "
                "that the model's window spans (of those that it looks at, where it is asked for "
                "fewer per second); give more."
            )
        index, *columns = (np.array(column) for column in zip(*rows, strict=True))
        return Scores(index, *columns)

    def stream(
        self, threshold: float | None = None, rate: Fraction | float | None = None
    ) -> LiveStream:
        """A new stream with its own window and memory.

        Args:
            threshold: score from which on a frame is abnormal, 0..1; None: the calibrated one.
            rate: frames per second of the source; of more than the model looks at, those between
                are passed over. None: as many as it was calibrated on, or 25 without that, and
                none is passed over.

        Raises:
            UsageError: a threshold or rate out of its range.
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise UsageError(f"threshold is {threshold}; give a score, 0 to 1.")
        if rate is not None and not 0 < rate < inf:
            raise UsageError(
                f"rate is {rate}; give frames per second above 0, or leave it out where it is not "
                "known."
            )
        at = self.threshold if threshold is None else threshold
        return LiveStream(self.model, self._scorer, at, rate)

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
