"""Pseudo-anomalies: windows of what is not normal, made of normal ones at no cost.

* ``skip``: frames are skipped, so that everything in them is there, but faster (STEAL Net, Astrid
  et al., ICCVW 2021);
* ``deform``: what moves is squashed, stretched, sheared or upside down, before a background that
  stays as it is. A window is its background and what differs from it; the difference, which is next
  to nothing around what moves and so has no border that gives it away, is warped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnad.config import PseudoAnomalies
from mnad.scoring.windows import Windows, ahead
from mnad.training.order import pseudo_order

STEPS = (2, 3, 4, 5)
"""From one frame to the next of windows that skip frames."""
STRETCH = 300
"""Frames of a clip that have a background of their own, as light and shadows move on."""
SAMPLES = 25
"""Frames that a background is the median of."""
APART = 25
"""Grey levels by which what moves differs from its background."""
SQUASHED, STRETCHED, SHEARED = (0.4, 0.7), (1.5, 2.2), (0.6, 1.2)
"""How much shorter or taller; pixels sideways for each one of height."""

Frames = NDArray[np.uint8]
Signed = NDArray[np.float32]


class Pseudo:
    """The pseudo-anomalies that go along with the steps of a training.

    Args:
        windows: the normal ones.
        kinds: which are made; of ``both`` the first only where a clip is long enough for it.
        batch_size: of the normal windows.
        seed: of the training.

    Raises:
        MnadError: no clip is long enough for a window that skips frames, and no others are made.
    """

    def __init__(
        self, windows: Windows, kinds: PseudoAnomalies, batch_size: int, seed: int
    ) -> None:
        self.batch_size, self.seed = batch_size, seed
        longest = max(map(len, windows.clips))
        long = kinds == "skip" or longest > min(STEPS) * (windows.length - 1)
        self.fast = windows.skipping(STEPS) if kinds != "deform" and long else None
        self.deformed = Deformed(windows) if kinds != "skip" else None

    def batches(self, epoch: int, steps: int, last: int, device: torch.device) -> Iterator[Tensor]:
        """Windows (B, T, H, W, c) uint8 for each of the `last` of an epoch's `steps` steps.

        They are a function of seed and epoch, so that a training that is gone on with has the same.
        """
        kinds = []
        if self.fast is not None:
            order = pseudo_order(len(self.fast), self.batch_size, self.seed, epoch, steps)
            kinds.append(self.fast.batches(order[-last:], device))
        if self.deformed is not None:
            count = len(self.deformed.windows)
            # Not those that the step's normal windows are.
            order = pseudo_order(count, self.batch_size, self.seed + 1, epoch, steps)
            batch = partial(self.deformed.batch, key=(self.seed, epoch))
            kinds.append(ahead(batch, order[-last:], device))
        return map(torch.cat, zip(*kinds, strict=True))


class Deformed:
    """Windows in which what moves is deformed, each as a whole.

    Args:
        windows: the normal ones.
    """

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self._background = lru_cache(maxsize=256)(self._median)

    def batch(self, indices: Sequence[int], key: tuple[int, int]) -> Tensor:
        """Windows (B, T, H, W, c) uint8.

        Args:
            indices: of the normal windows.
            key: decides, with the index of each, how it is deformed.
        """
        found = []
        for index, window in zip(indices, self.windows.batch(indices).numpy(), strict=True):
            clip, first, _ = self.windows.places[index]
            rng = np.random.default_rng((*key, index))
            found.append(deformed(window, self._background(clip, first // STRETCH), rng))
        return torch.from_numpy(np.stack(found))

    def _median(self, clip: int, number: int) -> Signed:
        frames = self.windows.clips[clip]
        first = max(0, min(number * STRETCH, len(frames) - STRETCH))
        last = min(first + STRETCH, len(frames)) - 1
        places = np.linspace(first, last, min(SAMPLES, last - first + 1)).astype(int)
        median: Signed = np.median(frames[places], axis=0).astype(np.float32)
        return median


def deformed(window: Frames, background: Signed, rng: np.random.Generator) -> Frames:
    """A window whose moving things are deformed about the row where most of them are.

    Args:
        window: (T, H, W, c).
        background: (H, W, c) in 0..255.
        rng: decides which of the four ways, and how much; all frames alike.
    """
    away = window - background  # (T, H, W, c)
    _, height, width, channels = away.shape
    moves = np.abs(away).max(-1) > APART
    rows = moves.sum((0, 2))  # (H,)
    middle = float(np.arange(height) @ rows / rows.sum()) if rows.any() else height / 2
    tall, aside = [
        (-1.0, 0.0),
        (rng.uniform(*SQUASHED), 0.0),
        (rng.uniform(*STRETCHED), 0.0),
        (1.0, rng.choice((-1.0, 1.0)) * rng.uniform(*SHEARED)),
    ][int(rng.integers(4))]
    # (x, y) comes to (x + aside * (y - middle), middle + tall * (y - middle)).
    warp = np.array([[1, aside, -aside * middle], [0, tall, middle - tall * middle]])
    warped = [cv2.warpAffine(frame, warp, (width, height)) for frame in away]
    whole = background + np.stack(warped).reshape(-1, height, width, channels)
    found: Frames = np.clip(np.rint(whole), 0, 255).astype(np.uint8)
    return found
