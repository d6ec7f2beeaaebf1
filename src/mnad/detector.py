"""The face of a trained model in a program: load once, score arrays or a live stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mnad.config import Device, Policy
from mnad.errors import MnadError, UsageError
from mnad.models.folder import Model, load_model
from mnad.scoring.stream import FrameParts, Scorer, Stream
from mnad.video.fit import fit

Floats = NDArray[np.float64]


def pick_device(device: Device) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "device is 'cuda' but this torch finds no CUDA GPU; use --device cpu, or install a "
            "CUDA build of torch."
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


@dataclass(frozen=True)
class Scores:
    """Scores of n frames, all arrays (n,).

    Attributes:
        index: frame numbers from 0.
        psnr: dB, low = abnormal.
        distance: to the memory, high = abnormal; NaN without memory.
        score: causal score in 0..1, high = abnormal (`mnad.scoring.reference`); NaN for a model
            that was never shown normal footage.
    """

    index: NDArray[np.int64]
    psnr: Floats
    distance: Floats
    score: Floats


@dataclass(frozen=True)
class FrameScore:
    """The score of one frame of a stream.

    Attributes:
        index: number of the frame in its stream, from 0.
        psnr: dB, low = abnormal.
        distance: to the memory, high = abnormal; NaN without memory.
        score: causal score in 0..1; NaN for a model that was never shown normal footage.
        updated: whether the frame moved the memory.
        error: (h, w) float32, squared error of the frame in 0..1 at the size of the network.
    """

    index: int
    psnr: float
    distance: float
    score: float
    updated: bool
    error: NDArray[np.float32]


class Detector:
    """Scores frames with a trained model.

    Args:
        model: the model.
        policy: what its memory does while scoring; ``frozen`` by default, because on a camera an
            anomaly could be memorised. Each stream has its own memory.

    Example:
        >>> detector = Detector.load("models/ped2")
        >>> stream = detector.stream()
        >>> for frame in camera:  # (H, W, 3) uint8 RGB
        ...     scored = stream.push(frame)
        ...     if scored and scored.score > 0.75:
        ...         print(scored.index, scored.score)
    """

    def __init__(self, model: Model, policy: Policy = "frozen") -> None:
        self.model = model
        self._scorer = Scorer(model.network, model.config.method, policy)

    @classmethod
    def load(cls, path: str | Path, device: Device = "auto", policy: Policy = "frozen") -> Detector:
        """Load a model folder.

        Raises:
            UsageError: no such folder, or no such device.
            MnadError: the folder is broken.
        """
        return cls(load_model(path, pick_device(device)), policy)

    def score(self, frames: NDArray[np.uint8]) -> Scores:
        """Score a clip.

        Args:
            frames: uint8 (T, H, W, 3) RGB, (T, H, W, 1) or (T, H, W) grey, any size.

        Raises:
            MnadError: another shape or type, or fewer frames than the model's window spans.
        """
        stream = self.stream()
        found = [scored for frame in frames if (scored := stream.push(frame)) is not None]
        if not found:
            raise MnadError(
                f"{len(frames)} frame(s) were given, fewer than the "
                f"{self.model.config.network.window} that the model's window spans; give more."
            )
        return Scores(
            np.array([f.index for f in found]),
            np.array([f.psnr for f in found]),
            np.array([f.distance for f in found]),
            np.array([f.score for f in found]),
        )

    def stream(self) -> LiveStream:
        """A new stream with its own window and memory."""
        return LiveStream(self.model, self._scorer, self._scorer.open())


class LiveStream:
    """One stream of frames; made by `Detector.stream`."""

    def __init__(self, model: Model, scorer: Scorer, stream: Stream) -> None:
        self._model, self._scorer, self._stream = model, scorer, stream

    def push(self, pixels: NDArray[np.uint8]) -> FrameScore | None:
        """Give the next frame.

        Args:
            pixels: uint8 (H, W, 3) RGB, (H, W, 1) or (H, W) grey, any size.

        Returns:
            The score of the frame that the window now scores: this one for prediction, an earlier
            one for reconstruction with motion cues. None while the first window fills.

        Raises:
            MnadError: another shape or type.
        """
        network = self._model.config.network
        frame = fit(pixels, network.height, network.image_width, network.channels)
        parts = self._scorer.push([self._stream], [frame])[0]
        return None if parts is None else self._scored(parts)

    def _scored(self, parts: FrameParts) -> FrameScore:
        reference, score = self._model.reference, np.nan
        if reference is not None:
            weight = self._model.config.method.lambda_score
            score = float(reference.causal_score([parts.psnr], [parts.distance], weight)[0])
        return FrameScore(
            index=parts.index,
            psnr=parts.psnr,
            distance=parts.distance,
            score=score,
            updated=parts.updated,
            error=parts.error.cpu().numpy(),
        )
