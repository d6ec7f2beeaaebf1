"""A fixed pinhole camera over flat ground.

World axes in metres: X to the right, Y up from the ground, Z away from the camera. The camera
looks straight ahead and its sensor is shifted down, so that vertical edges stay vertical.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Camera:
    """Where a world point falls on an image of `height` x `width` pixels.

    Attributes:
        focal: focal length in pixels.
        horizon: image row of the horizon.
        altitude: metres of the camera above the ground.
    """

    height: int
    width: int
    focal: float
    horizon: float
    altitude: float

    @staticmethod
    def over_square(height: int, width: int) -> Camera:
        """The view of every scene: people are 1/3 of the image high in front, 1/7 at the back."""
        return Camera(height, width, focal=1.6 * height, horizon=0.1 * height, altitude=3.8)

    def project(self, points: Floats) -> Floats:
        """Map points (..., 3) in metres to (..., 2) pixel coordinates x, y."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        scale = self.focal / z
        return np.stack(
            (0.5 * self.width + x * scale, self.horizon + (self.altitude - y) * scale), axis=-1
        )

    def ground(self) -> tuple[Floats, Floats]:
        """World X and Z (height, width) of the ground under each pixel centre.

        Above the horizon both are infinite or meaningless.
        """
        rows = np.arange(self.height)[:, None] + 0.5 - self.horizon
        columns = np.arange(self.width)[None, :] + 0.5 - 0.5 * self.width
        depth = self.focal * self.altitude / np.where(rows > 0, rows, np.nan)
        return columns * depth / self.focal, np.broadcast_to(depth, (self.height, self.width))
