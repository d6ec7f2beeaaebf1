"""Pseudo-anomalies: pieces of normal frames that move where and as nothing normal moves.

They stand in for the anomalies that nobody has before a camera has run for long, when the form of
the score is chosen. A piece keeps the brightness and the texture of the scene, so that only its
place, its outline and its motion are unusual.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

SIZES = (0.04, 0.2)
"""Smallest and largest height of a piece, in shares of the frame's height."""
SPEEDS = (0.005, 0.04)
"""Slowest and fastest motion, in shares of the frame's width per frame."""
CANDIDATES = 8


def with_moving_piece(
    window: Frames, donor: Frames, rng: np.random.Generator, size: float | None = None
) -> tuple[Frames, NDArray[np.bool_]]:
    """A window into which a piece of another frame was blended that moves on a straight line.

    Of several random pieces the one is taken that differs most from what it covers: a piece of
    empty ground on empty ground would be no anomaly.

    Args:
        window: (T, H, W, c) uint8, consecutive frames.
        donor: (H, W, c) uint8, a frame of another time.
        rng: source of chance.
        size: height of the piece in shares of H; drawn log-uniformly from `SIZES` without it.

    Returns:
        The new window (T, H, W, c) uint8, and where the piece is in its last frame (H, W) bool.
    """
    height, width = donor.shape[:2]
    share = float(np.exp(rng.uniform(*np.log(SIZES)))) if size is None else size
    rows = max(4, round(share * height))
    columns = min(max(4, round(rows * rng.uniform(0.5, 1.5))), width // 2)
    rows = min(rows, height // 2)
    # The piece is where `end` says in the last frame, and came there on a straight line.
    end = np.array([rng.uniform(0, height - rows), rng.uniform(0, width - columns)])
    angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(*SPEEDS) * width
    step = speed * np.array([np.sin(angle), np.cos(angle)])
    top, left = (int(n) for n in end)
    covered = window[-1, top : top + rows, left : left + columns].astype(np.float32)
    best, piece = -1.0, covered
    for _ in range(CANDIDATES):
        y, x = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        patch = donor[y : y + rows, x : x + columns].astype(np.float32)
        if (contrast := float(np.abs(patch - covered).mean())) > best:
            best, piece = contrast, patch
    alpha = _outline(rows, columns, rng)
    made = window.copy()
    last = len(window) - 1
    shares = np.zeros((height, width), np.float32)
    for t, frame in enumerate(made):
        shares = _blend(frame, piece, alpha, end - (last - t) * step)
    return made, shares > 0.5


def _outline(rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Opacity (rows, columns) of a soft, irregular blob in 0..1."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    turn, around = rng.uniform(0, 2 * np.pi), np.arctan2(y, x)
    radius = 0.8 + 0.12 * np.sin(3 * around + turn) + 0.08 * np.sin(2 * around - turn)
    soft = (radius - np.hypot(x, y)) * min(rows, columns) / 2 / 1.5
    return np.asarray(np.clip(soft + 0.5, 0, 1), np.float32)


def _blend(
    frame: Frames,
    piece: NDArray[np.float32],
    alpha: NDArray[np.float32],
    corner: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Blend a piece into a frame in place, between pixels too; returns its opacity (H, W)."""
    height, width = frame.shape[:2]
    shift = np.array([[1, 0, corner[1]], [0, 1, corner[0]]], np.float32)
    share = cv2.warpAffine(alpha, shift, (width, height))
    moved = cv2.warpAffine(piece, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
    mixed = frame + share[..., None] * (moved.reshape(frame.shape) - frame)
    frame[:] = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
    return np.asarray(share, np.float32)
