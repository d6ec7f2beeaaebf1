"""Cheap control scores: what a detector must beat before its result means anything.

They need neither training nor labels. All but the clip's number are per frame, and high where the
frame is late in the clip, moving or bright. Frames are uint8 (H, W, C); work is done on two
consecutive frames at a time, so memory does not grow with the clip.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]

_WHITE = 255


def block_maximum(squares: NDArray[np.generic], block: int = 36) -> float:
    """Largest mean over a block x block square centred on any pixel.

    The map is mirrored at its border (without repeating the border pixels), so that motion half
    out of the view is not halved; on UCSD Ped2 that makes the control stronger.

    Args:
        squares: (H, W), of any unit and type; integers are summed exactly.
        block: side in pixels. 36 suits 256 x 256 frames of UCSD Ped2.

    Returns:
        The mean in the block where it is largest, in the map's unit.

    Raises:
        UsageError: a block below 1 pixel.
    """
    if block < 1:
        raise UsageError(f"block is {block}; it is a side in pixels, 1 or more.")
    # Summed in the type of an error map, float16 or float32, the blocks far from the corner where
    # the sums begin would be lost in their rounding.
    exact = np.asarray(squares, np.float64)
    mirrored = np.pad(exact, (block // 2, (block - 1) // 2), mode="reflect")
    integral = np.pad(mirrored.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    bands = integral[block:] - integral[:-block]
    return float((bands[:, block:] - bands[:, :-block]).max() / block**2)


def control_scores(frames: Iterable[Frame], clip: int = 0, block: int = 36) -> dict[str, Array]:
    """All controls of a clip in one pass over its frames.

    Args:
        frames: the (H, W, C) uint8 frames in order; read once, two held at a time.
        clip: number of the clip in the data set.
        block: side of the block in pixels, as for `block_maximum`.

    Returns:
        Name to (T,) score, high = abnormal: ``constant``, 0; ``random``, uniform in 0..1, seeded by
        the clip's number; ``frame_index`` from 0; ``clip_id``, the clip's number
        throughout; ``mean_intensity``, 0..1; ``squared_difference``, the mean to the frame before,
        0..1; ``squared_difference_block``, its block maximum, 0..1. The differences of the first
        frame are 0.

    Raises:
        MnadError: a frame that is not uint8 (H, W, C) or differs in shape from the one before.
        UsageError: a block below 1 pixel.
    """
    rows: list[tuple[float, float, float]] = []
    previous: Frame | None = None
    for frame in frames:
        squares = _summed_squares(frame if previous is None else previous, frame)
        unit = _unit(frame)
        rows.append(
            (
                float(frame.mean() / _WHITE),
                float(squares.mean() / unit),
                block_maximum(squares, block) / unit,
            )
        )
        # A copy, because a decoder may hand out the same buffer again.
        previous = frame.copy()
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return {
        **blind_scores(len(rows), clip),
        "frame_index": np.arange(len(rows), dtype=np.float64),
        "clip_id": np.full(len(rows), float(clip)),
        "mean_intensity": table[:, 0],
        "squared_difference": table[:, 1],
        "squared_difference_block": table[:, 2],
    }


def blind_scores(frames: int, clip: int = 0) -> dict[str, Array]:
    """The controls that see nothing, (frames,) each: ``constant`` and ``random``.

    Their AUC is 0.5 and near 0.5; where a protocol makes more of them, it does so of any detector.
    """
    return {
        "constant": np.zeros(frames),
        "random": np.random.default_rng(clip).random(frames),
    }


def _summed_squares(previous: Frame, current: Frame) -> NDArray[np.int32]:
    """Sum over the channels in grey levels squared, (H, W): integers, so that sums are exact."""
    for frame in (previous, current):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.size == 0:
            raise MnadError(
                f"A frame is {frame.dtype} of the shape {frame.shape}; "
                "give uint8 frames of (height, width, channels)."
            )
    if previous.shape != current.shape:
        raise MnadError(
            f"A frame of the shape {current.shape} follows one of {previous.shape}; "
            "all frames of a clip must have one size."
        )
    difference = current.astype(np.int32) - previous
    return np.asarray((difference * difference).sum(axis=2), dtype=np.int32)


def _unit(frame: Frame) -> int:
    """What to divide summed squares by to get means over channels of values in 0..1."""
    return _WHITE * _WHITE * int(frame.shape[2])
