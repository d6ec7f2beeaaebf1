"""The plan of a place: where paths, trees and lamps stand and where people walk."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnad.scene.camera import Camera, Floats

SUN = np.array([0.75, -0.3])  # metres that a shadow moves in X and Z per metre of height
FACADE = 27.0  # depths in metres: of the building,
FAR = 19.6  # of the middle of the back path,
TREE = 15.2  # of the tree on the lawn,
BENCH = 17.1
LAMP = 22.6


@dataclass(frozen=True)
class Layout:
    """What differs from place to place, in metres.

    Attributes:
        side: 1 or -1, mirrors the place.
        slope: of the front path.
        bend: X of both ends of the path that joins the front path to the back path.
        tree: X of the tree on the lawn.
    """

    side: float
    slope: float
    bend: tuple[float, float]
    tree: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Layout:
        """A random plan."""
        side = float(rng.choice([-1.0, 1.0]))
        slope = side * rng.uniform(0.02, 0.06)
        bend = (side * rng.uniform(-2.2, -1.0), side * rng.uniform(1.5, 3.0))
        return Layout(side, slope, bend, tree=-side * rng.uniform(3.0, 4.2))

    @property
    def lamp(self) -> float:
        """X of the lamp post."""
        return self.bend[1] + 2.4 * self.side

    def front(self, x: Floats | float) -> Floats:
        """Depth of the middle of the front path."""
        return np.asarray(9.7 + self.slope * x)

    def joint(self, z: Floats | float) -> Floats:
        """X of the middle of the path that joins the front path to the back path."""
        s = np.clip((z - 10.5) / (FAR - 11.5), 0, 1)
        return np.asarray(self.bend[0] + (self.bend[1] - self.bend[0]) * s * s * (3 - 2 * s))

    def routes(self, camera: Camera) -> tuple[Floats, Floats]:
        """The ways that people take, as in `mnad.scene.place.Place`; they end out of sight."""

        def edge(z: float) -> float:
            return z * 0.5 * camera.width / camera.focal + 1.6

        near = [(x, float(self.front(x))) for x in np.array([-1, -0.6, 0.6, 1]) * edge(10.5)]
        far = [(x, FAR) for x in np.array([-1, -0.6, 0.6, 1]) * edge(FAR)]
        lawn = [(-edge(7.2), 7.15), (0.0, 7.25), (edge(7.2), 7.15)]
        across = [(float(self.joint(z)), z) for z in (12.2, 13.5, 15.0, 16.5, 17.6)]
        plans = [near, far]
        for start in (near[:2], near[:1:-1]):
            turn = self.bend[0] + np.sign(start[0][0]) * 1.2
            first = [p for p in start if abs(p[0]) > abs(turn) + 0.5]
            for end in (far[1::-1], far[2:]):
                leave = self.bend[1] + np.sign(end[0][0]) * 1.2
                last = [p for p in end if abs(p[0]) > abs(leave) + 0.5]
                inner = (turn, float(self.front(self.bend[0])))
                plans.append([*first, inner, *across, (leave, FAR), *last])
        plans.append(lawn)
        both = [np.array(way) for plan in plans for way in (plan, plan[::-1])]
        rounded = [_resample(way) for way in both]
        return np.stack([r[0] for r in rounded]), np.array([r[1] for r in rounded])


def _resample(points: Floats) -> tuple[Floats, float]:
    """Round the corners of a polyline and put 256 points at equal distances along it."""
    for _ in range(4):  # Chaikin's corner cutting
        inner = np.stack(
            (0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]), 1
        ).reshape(-1, 2)
        points = np.concatenate((points[:1], inner, points[-1:]))
    way = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    even = np.linspace(0, way[-1], 256)
    return np.stack([np.interp(even, way, points[:, k]) for k in range(2)], 1), float(way[-1])


def ground_noise(rng: np.random.Generator, x: Floats, z: Floats, cell: float) -> Floats:
    """Smooth noise around 0 with features of `cell` metres, at ground points."""
    tile = rng.standard_normal((128, 128)).astype(np.float32)
    tile[-1], tile[:, -1] = tile[0], tile[:, 0]  # it repeats
    return np.asarray(
        cv2.remap(
            tile,
            np.mod(x / cell, 127).astype(np.float32),
            np.mod(z / cell, 127).astype(np.float32),
            cv2.INTER_LINEAR,
        )
    )
