"""Trees: sprites that sway, and the shade of crowns outside the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.scene.camera import Camera, Floats
from mnad.scene.layout import SUN, TREE, ground_noise

OVERSAMPLING = 2  # canvas pixels per pixel of a frame, each way

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Foliage:
    """A leafy sprite that sways in the wind and hides what is behind it.

    Attributes:
        depth: metres from the camera.
        corner: x, y of the top left sprite pixel in the oversampled frame.
        sprite: (h, w, 4) RGB and opacity.
        weight: (h, w) how far each pixel follows the wind, in oversampled pixels.
        shadow: homography from the sprite to its shadow in the frame (not oversampled), or None.
    """

    depth: float
    corner: tuple[int, int]
    sprite: Bytes
    weight: Floats
    shadow: Floats | None


def dapple(rng: np.random.Generator, camera: Camera, side: float) -> tuple[Bytes, Floats]:
    """`dapple` and `metre` of `mnad.scene.place.Place`."""
    x, z = camera.ground()
    x, z = np.nan_to_num(x), np.nan_to_num(z, nan=99.0)
    light = ground_noise(rng, x, z, 1.1) + 0.4 * ground_noise(rng, x, z, 0.6)
    crowns = [(-side * 4.0, 8.6, 4.2), (side * 3.2, 8.0, 3.6), (side * 7.0, 14.0, 5.5)]
    cover = np.maximum.reduce([1 - np.hypot(x - u, 0.9 * (z - v)) / r for u, v, r in crowns])
    shade = np.clip(0.5 + 0.9 * light, 0, 1) * np.clip(3 * cover + 0.6, 0, 1) * (z < 24)
    metre = np.stack((camera.focal / z, -camera.focal * camera.altitude / z**2), axis=-1)
    blurred = cv2.GaussianBlur((255 * shade).astype(np.uint8), (5, 5), 1.2)
    return np.asarray(blurred), metre.astype(np.float32)


def lawn_tree(rng: np.random.Generator, camera: Camera, x: float) -> Foliage:
    """The tree at X = `x` metres with its trunk."""
    unit = OVERSAMPLING * camera.focal / TREE  # pixels per metre
    top, half, crown = 4.8, 1.9, 3.3  # metres: height, half width, height of the crown alone
    height, width, leafy = round(top * unit), round(2 * half * unit), round(crown * unit)
    rows, columns = np.mgrid[-1 : 1 : leafy * 1j, -1 : 1 : width * 1j]
    blobs = rng.uniform(-0.55, 0.55, (9, 2))
    outline = np.maximum.reduce(
        [0.62 - np.hypot(rows, columns), *(0.4 - np.hypot(rows - r, columns - c) for r, c in blobs)]
    )
    inside = np.where(outline > 0, 0.7 - 0.45 * rows - 0.35 * columns, 0)
    sprite = np.zeros((height, width, 4), np.uint8)
    foot, fork = (width // 2, height - 1), (width // 2, leafy - round(0.6 * unit))
    cv2.line(sprite, foot, fork, (78, 60, 46, 255), max(2, round(0.26 * unit)))
    lit = max(1, round(0.07 * unit))
    cv2.line(sprite, (foot[0] - lit, foot[1]), (fork[0] - lit, fork[1]), (112, 92, 72, 255), lit)
    leaves = _leaves(rng, leafy, width, inside, 1.0, 0.15 * unit)
    sprite[:leafy] = np.where(leaves[..., 3:] > 0, leaves, sprite[:leafy])

    fine = Camera.over_square(camera.height * OVERSAMPLING, camera.width * OVERSAMPLING)
    left, upper = np.round(fine.project(np.array([x - half, top, TREE]))).astype(int).tolist()
    weight = 0.6 * unit * np.linspace(1, 0, height)[:, None] ** 1.3
    corners = np.array([[x - half, top], [x + half, top], [x + half, 0], [x - half, 0]])
    ground = np.stack(
        (corners[:, 0] + corners[:, 1] * SUN[0], np.zeros(4), TREE + corners[:, 1] * SUN[1]), 1
    )
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shadow = cv2.getPerspectiveTransform(source, camera.project(ground).astype(np.float32))
    weights = np.broadcast_to(weight, (height, width)).astype(np.float32)
    return Foliage(TREE, (left, upper), sprite, weights, shadow)


def hanging_branch(rng: np.random.Generator, camera: Camera, side: float) -> Foliage:
    """Leaves of a tree beside the camera that hang into the upper corner."""
    height = round(0.44 * camera.height * OVERSAMPLING)
    width = round(0.32 * camera.width * OVERSAMPLING)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    if side > 0:
        columns = 1 - columns
    reach = 0.78 - np.hypot(rows, columns * 0.9)
    ragged = 0.1 * cv2.resize(rng.standard_normal((9, 13)), (width, height))
    _, parts = cv2.connectedComponents((reach + ragged > 0).astype(np.uint8))
    whole = parts == parts[0, -1 if side > 0 else 0]  # without twigs that float
    inside = np.where(whole, 0.55 + 0.4 * columns - 0.2 * rows, 0)
    sprite = _leaves(rng, height, width, inside, 0.62, 0.045 * camera.height * OVERSAMPLING)
    # It reaches beyond the picture, so that no edge shows when it sways.
    margin = round(0.06 * camera.width * OVERSAMPLING)
    sides = (margin, 0) if side < 0 else (0, margin)
    sprite = cv2.copyMakeBorder(sprite, margin, 0, *sides, cv2.BORDER_REFLECT)
    reach = cv2.copyMakeBorder(np.hypot(rows, columns), margin, 0, *sides, cv2.BORDER_REPLICATE)
    left = -margin if side < 0 else camera.width * OVERSAMPLING - width
    weight = 0.08 * camera.height * OVERSAMPLING * reach
    return Foliage(5.0, (left, -margin), sprite, weight.astype(np.float32), None)


def _leaves(
    rng: np.random.Generator, height: int, width: int, inside: Floats, dark: float, leaf: float
) -> Bytes:
    """Paint leaves where `inside` (height, width) is positive, lit from the upper left."""
    sprite = np.zeros((height, width, 4), np.uint8)
    spots = np.argwhere(inside > 0)
    count = max(60, int(len(spots) / (leaf * leaf * 0.55)))
    chosen = spots[rng.integers(0, len(spots), count)]
    clumps = cv2.resize(rng.normal(0, 0.45, (5, 6)), (width, height), interpolation=cv2.INTER_CUBIC)
    light = (inside + clumps)[chosen[:, 0], chosen[:, 1]] + rng.normal(0, 0.2, count)
    for k in np.argsort(light):  # dark leaves lie behind
        tone = dark * (0.4 + 0.75 * np.clip(light[k], 0, 1.6))
        colour = (np.array([92, 122, 56]) + rng.normal(0, 8, 3)) * tone
        axes = (leaf * rng.uniform(0.5, 1.1), leaf * rng.uniform(0.4, 0.7))
        row, column = (int(v) for v in chosen[k])
        cv2.ellipse(
            sprite,
            (column, row),
            (max(1, round(axes[0])), max(1, round(axes[1]))),
            float(rng.uniform(0, 180)),
            0,
            360,
            (*np.clip(colour, 0, 255).tolist(), 255),
            -1,
        )
    return sprite
