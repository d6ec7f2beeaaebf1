"""Light, clouds and wind: slow functions of seed and time."""

from __future__ import annotations

import cv2
import numpy as np

from mnad.scene.camera import Floats
from mnad.scene.foliage import Bytes, Foliage
from mnad.scene.place import Place


class Drift:
    """A slowly varying quantity: a sum of sines with random phases.

    Args:
        rng: gives the phases.
        periods: seconds.
        sizes: amplitudes.
    """

    def __init__(
        self, rng: np.random.Generator, periods: tuple[float, ...], sizes: tuple[float, ...]
    ) -> None:
        self.pace = 2 * np.pi / (np.array(periods) * rng.uniform(0.9, 1.1, len(periods)))
        self.phase = rng.uniform(0, 2 * np.pi, len(periods))
        self.sizes = np.array(sizes)

    def __call__(self, seconds: float) -> float:
        """The value at a time."""
        return float(self.sizes @ np.sin(self.pace * seconds + self.phase))


class Weather:
    """What the sky does to a place.

    Args:
        seed: of the clip.
        place: whose leaves the wind moves.
    """

    def __init__(self, seed: int, place: Place) -> None:
        rng = np.random.default_rng([0x11647, seed])
        self._light = Drift(rng, (1100.0, 240.0, 47.0), (0.07, 0.05, 0.02))
        self._clouds = Drift(rng, (310.0, 83.0), (0.25, 0.2))
        self._gusts = Drift(rng, (7.3, 17.0, 41.0), (0.6, 0.6, 0.6))
        self._leaves = [_Leaves(rng, f) for f in place.foliage]
        self._canopy = [Drift(rng, (2.5, 2.0), (0.7, 0.3)) for _ in range(2)]
        self._dapple, self._metre = place.dapple, place.metre
        rows, columns = np.mgrid[: self._dapple.shape[0], : self._dapple.shape[1]]
        self._rows, self._columns = rows.astype(np.float32), columns.astype(np.float32)

    def light(self, now: float) -> float:
        """Factor on all brightness, around 1."""
        return 1 + self._light(now)

    def shadow(self, now: float) -> float:
        """Opacity of shadows, 0.4 under clouds to 0.64 in the sun."""
        return 0.52 + 0.12 * float(np.tanh(2 * self._clouds(now)))

    def gust(self, now: float) -> float:
        """Strength of the wind, 0..1."""
        return float(1 / (1 + np.exp(-2.2 * self._gusts(now))))

    def blow(self, now: float) -> list[Bytes]:
        """Every sprite (h, w, 4) as the wind bends it."""
        return [leaves.bent(now, self.gust(now - 0.4 * k)) for k, leaves in enumerate(self._leaves)]

    def dapple(self, now: float) -> Bytes:
        """The shade (H, W) of the tall trees, whose crowns sway by up to a metre."""
        gust = self.gust(now + 0.5)
        right = np.float32(1.4 * gust * self._canopy[0](now))
        away = np.float32(0.8 * gust * self._canopy[1](now))
        return np.asarray(
            cv2.remap(
                self._dapple,
                self._columns - right * self._metre[..., 0],
                self._rows - away * self._metre[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
        )


class _Leaves:
    def __init__(self, rng: np.random.Generator, foliage: Foliage) -> None:
        self.sprite, weight = foliage.sprite, foliage.weight
        self.sway = Drift(rng, (2.4, 1.9), (0.7, 0.3))
        self.flutter = Drift(rng, (1.6, 2.1), (0.5, 0.5))
        self.rows, self.columns = np.mgrid[: weight.shape[0], : weight.shape[1]].astype(np.float32)
        wave = np.sin(0.11 * self.rows + 0.07 * self.columns)
        self.weight: Floats = weight
        self.across: Floats = 0.15 * weight * wave
        self.down: Floats = 0.1 * weight * wave[::-1]

    def bent(self, now: float, gust: float) -> Bytes:
        shift = np.float32(gust * (0.4 + self.sway(now)))
        ripple = np.float32(gust * self.flutter(now))
        return np.asarray(
            cv2.remap(
                self.sprite,
                self.columns - shift * self.weight - ripple * self.across,
                self.rows - ripple * self.down,
                cv2.INTER_LINEAR,
            )
        )
