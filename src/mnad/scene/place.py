"""What never changes in a scene: ground, building, trees, and where people walk.

Everything is painted once, at `OVERSAMPLING` times the size of the frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.scene.camera import Camera, Floats

OVERSAMPLING = 2
SUN = np.array([0.75, -0.3])  # metres that a shadow moves in X and Z per metre of height
FACADE = 27.0  # depth of the building in metres
TREE = 15.2
BRANCH = 5.0

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


@dataclass(frozen=True)
class Place:
    """One fixed camera's view without people.

    Attributes:
        background: (S*H, S*W, 3) RGB with S = `OVERSAMPLING`.
        shade: (H, W) shadows of things that stand still, 0..255.
        vignette: (H, W) fall-off of the lens, around 1.
        foliage: what sways, from the farthest to the nearest.
        dapple: (H, W) shade on the ground of tall trees outside the picture, 0..255.
        metre: (H, W, 2) pixels that a metre to the right and a metre away are on the ground.
        routes: (R, L, 2) X and Z of points at equal distances along each route; a route and its
            reverse are neighbours: 0, 1 the front path, 2, 3 the back path, 4 to 11 change over,
            12 to 15 cross the lawns.
        lengths: (R,) metres.
    """

    background: Bytes
    shade: Bytes
    vignette: Floats
    foliage: tuple[Foliage, ...]
    dapple: Bytes
    metre: Floats
    routes: Floats
    lengths: Floats


@lru_cache(maxsize=4)
def build_place(camera: Camera, seed: int) -> Place:
    """Paint the place that `seed` stands for.

    Args:
        camera: of the frame size; painting is finer by `OVERSAMPLING`.
        seed: same seed, same place.
    """
    rng = np.random.default_rng([0x91ACE, seed])
    side = float(rng.choice([-1.0, 1.0]))  # mirrors the layout
    slope = side * rng.uniform(0.02, 0.06)
    bend = (side * rng.uniform(-2.2, -1.0), side * rng.uniform(1.5, 3.0))
    tree = -side * rng.uniform(3.0, 4.2)
    fine = Camera.over_square(camera.height * OVERSAMPLING * 2, camera.width * OVERSAMPLING * 2)
    picture = _ground(rng, fine, slope, bend, tree)
    _facade(rng, fine, picture)
    _furniture(fine, picture, bend[1] + 2.4 * side, tree)
    size = (camera.width * OVERSAMPLING, camera.height * OVERSAMPLING)
    background = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    routes, lengths = _routes(slope, bend)
    dapple, metre = _dapple(rng, camera, side)
    y, x = np.mgrid[-1 : 1 : camera.height * 1j, -1 : 1 : camera.width * 1j]
    return Place(
        background=background,
        shade=_still_shadows(camera, bend[1] + 2.4 * side, tree),
        vignette=(1.03 - 0.14 * (x**2 + y**2) / 2).astype(np.float32),
        foliage=(_tree(rng, camera, tree), _branch(rng, camera, side)),
        dapple=dapple,
        metre=metre,
        routes=routes,
        lengths=lengths,
    )


def _near(x: Any, slope: float) -> Any:
    """Depth of the middle of the front path."""
    return 9.7 + slope * x


FAR = 19.6  # depth of the middle of the back path


def _middle(z: Floats, bend: tuple[float, float]) -> Floats:
    """X of the middle of the path that joins the front path to the back path."""
    s = np.clip((z - 10.5) / (FAR - 11.5), 0, 1)
    return np.asarray(bend[0] + (bend[1] - bend[0]) * s * s * (3 - 2 * s))


def _noise(rng: np.random.Generator, x: Floats, z: Floats, cell: float) -> Floats:
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


def _ground(
    rng: np.random.Generator,
    camera: Camera,
    slope: float,
    bend: tuple[float, float],
    tree: float,
) -> Bytes:
    x, z = camera.ground()
    x, z = np.nan_to_num(x), np.nan_to_num(z, nan=99.0)
    detail = np.clip(14 / z, 0, 1)[..., None]  # far texture would alias

    grass = np.array([86, 110, 60], np.float32)
    tufts = 9 * _noise(rng, x, z, 0.13) + 7 * _noise(rng, x, z, 0.6) + 5 * _noise(rng, x, z, 3.0)
    picture = grass + detail * tufts[..., None] * np.array([1, 1, 0.7], np.float32)

    slab = 0.9
    row = np.floor(z / slab)
    shifted = x / slab + 0.5 * np.mod(row, 2)
    table = rng.normal(0, 6, (61, 67)).astype(np.float32)
    stone = table[np.mod(row, 61).astype(int), np.mod(np.floor(shifted), 67).astype(int)]
    stone += 3.5 * _noise(rng, x, z, 0.08) + 4 * _noise(rng, x, z, 1.7)
    gap = np.minimum(np.mod(shifted, 1), np.mod(z / slab, 1)) < 0.06
    stone = stone - 26 * gap
    warm = rng.uniform(-5, 9)
    paving = np.array([163 + warm, 158, 150 - warm], np.float32) + detail * stone[..., None]

    front = np.abs(z - _near(x, slope)) - 1.7
    back = np.abs(z - FAR) - 1.4
    joint = np.where((z > 10) & (z < FAR), np.abs(x - _middle(z, bend)) - 1.2, 9.0)
    apron = FACADE - 3.2 - z
    outside = np.minimum(np.minimum(front, back), np.minimum(joint, apron))
    kerb = (outside > 0) & (outside < 0.16)
    picture = np.where((outside <= 0)[..., None], paving, picture)
    picture = np.where(kerb[..., None], np.float32([186, 183, 176]), picture)

    bed = np.hypot((x + tree * 1.0) / 2.2, (z - 14.6) / 1.1) < 1
    bed &= outside > 0.3
    blooms = _noise(rng, x, z, 0.16)
    colours = np.select(
        [(blooms > 0.9)[..., None], (blooms < -1.1)[..., None]],
        [np.float32([196, 70, 74]), np.float32([214, 186, 84])],
        np.float32([58, 78, 44]),
    )
    picture = np.where(bed[..., None], colours + 6 * blooms[..., None], picture)
    picture *= (0.9 + 0.1 * np.clip((20 - z) / 10, -0.5, 1))[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _rectangle(
    camera: Camera, picture: Bytes, x: tuple[float, float], y: tuple[float, float], colour: Any
) -> None:
    """Fill an upright rectangle of metres on the facade."""
    corners = camera.project(np.array([[x[0], y[1], FACADE], [x[1], y[0], FACADE]]))
    (x0, y0), (x1, y1) = np.round(corners).astype(int).tolist()
    cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), tuple(int(c) for c in colour), -1)


def _facade(rng: np.random.Generator, camera: Camera, picture: Bytes) -> None:
    wall = np.array([176, 150, 128]) + rng.normal(0, 8, 3)
    base = int(camera.project(np.array([0.0, 0.0, FACADE]))[1])
    bricks = rng.normal(0, 5, (base // 3 + 1, camera.width // 7 + 1, 1)).astype(np.float32)
    texture = cv2.resize(bricks, (camera.width, base), interpolation=cv2.INTER_NEAREST)
    light = np.linspace(1.04, 0.92, base)[:, None, None]
    picture[:base] = np.clip((wall + texture[..., None]) * light, 0, 255)
    _rectangle(camera, picture, (-20, 20), (0, 0.35), wall * 0.62)
    _rectangle(camera, picture, (-20, 20), (3.05, 3.3), wall * 1.16)
    x, bay = -15.0 + rng.uniform(0, 1), 0
    while x < 15:
        wide = rng.uniform(2.5, 3.1)
        glass = np.array([62, 74, 84]) + rng.normal(0, 6, 3)
        if bay % 3 == 1:  # a door with steps
            _rectangle(camera, picture, (x + 0.5, x + 1.8), (0.1, 2.5), wall * 1.2)
            _rectangle(camera, picture, (x + 0.65, x + 1.65), (0.1, 2.35), (70, 50, 40))
            _rectangle(camera, picture, (x + 0.8, x + 1.5), (1.2, 2.15), glass)
        else:  # a shop window under an awning
            _rectangle(camera, picture, (x, x + wide - 0.6), (0.5, 2.5), wall * 0.55)
            _rectangle(camera, picture, (x + 0.1, x + wide - 0.7), (0.6, 2.3), glass)
            _rectangle(camera, picture, (x + 0.1, x + wide - 0.7), (0.6, 0.95), glass * 1.5)
            awning = [(158, 62, 56), (64, 104, 92), (196, 168, 112)][int(rng.integers(3))]
            _rectangle(camera, picture, (x - 0.1, x + wide - 0.5), (2.3, 2.75), awning)
            for stripe in np.arange(x - 0.1, x + wide - 0.55, 0.5):
                pale = (206, 200, 190)
                _rectangle(camera, picture, (stripe, stripe + 0.25), (2.3, 2.75), pale)
        for left in (x + 0.1, x + 1.25):  # upper floor
            _rectangle(camera, picture, (left, left + 0.95), (3.8, 5.4), wall * 1.18)
            _rectangle(camera, picture, (left + 0.1, left + 0.85), (3.9, 5.3), glass)
            _rectangle(camera, picture, (left + 0.43, left + 0.52), (3.9, 5.3), wall * 1.18)
        x, bay = x + wide + 0.3, bay + 1


def _furniture(camera: Camera, picture: Bytes, lamp: float, tree: float) -> None:
    """A lamp post and a bench; nobody passes behind their thick parts closely."""

    def stroke(points: list[tuple[float, float, float]], metres: float, colour: Any) -> None:
        world = np.array(points)
        pixels = np.round(camera.project(world)).astype(np.int32)
        thick = max(1, round(metres * camera.focal / world[0, 2]))
        cv2.polylines(picture, [pixels], False, colour, thick, cv2.LINE_AA)

    stroke([(lamp, 0, 22.6), (lamp, 4.6, 22.6), (lamp - 0.9, 4.7, 22.6)], 0.12, (54, 58, 60))
    stroke([(lamp, 0, 22.6), (lamp, 0.7, 22.6)], 0.22, (46, 50, 52))
    stroke([(lamp - 1.1, 4.62, 22.6), (lamp - 0.6, 4.62, 22.6)], 0.22, (226, 222, 200))
    left, right, z = tree - 0.2, tree + 1.8, 17.1
    for height, shade in ((0.45, 1.0), (0.62, 0.8), (0.8, 0.95)):
        wood = tuple(int(c * shade) for c in (122, 84, 52))
        stroke([(left, height, z), (right, height, z)], 0.13, wood)
    for x in (left + 0.15, right - 0.15):
        stroke([(x, 0, z), (x, 0.45, z)], 0.1, (50, 50, 50))


def _still_shadows(camera: Camera, lamp: float, tree: float) -> Bytes:
    shade = np.zeros((camera.height, camera.width), np.uint8)
    world = np.array([[lamp, 0, 22.6], [lamp + 4.6 * SUN[0], 0, 22.6 + 4.6 * SUN[1]]])
    pixels = np.round(camera.project(world)).astype(np.int32)
    cv2.polylines(shade, [pixels], False, 255)
    world = np.array([(tree - 0.2, 0, 17.1), (tree + 1.8, 0, 17.1)])
    world = np.concatenate((world, world[::-1] + np.array([0.8 * SUN[0], 0, 0.8 * SUN[1]])))
    cv2.fillConvexPoly(shade, np.round(camera.project(world)).astype(np.int32), 200)
    return cv2.GaussianBlur(shade, (5, 5), 0)


def _dapple(rng: np.random.Generator, camera: Camera, side: float) -> tuple[Bytes, Floats]:
    x, z = camera.ground()
    x, z = np.nan_to_num(x), np.nan_to_num(z, nan=99.0)
    light = _noise(rng, x, z, 1.1) + 0.5 * _noise(rng, x, z, 0.5)
    crowns = [(-side * 4.5, 8.5, 3.6), (side * 2.5, 8.0, 2.6), (side * 7.0, 13.0, 4.0)]
    cover = np.maximum.reduce([1 - np.hypot(x - u, 0.9 * (z - v)) / r for u, v, r in crowns])
    shade = np.clip(1.3 * (light + 2.2 * np.clip(cover, -1, 0.35)), 0, 1)
    shade *= np.clip(4 * cover + 1, 0, 1) * (z < 24)
    metre = np.stack((camera.focal / z, -camera.focal * camera.altitude / z**2), axis=-1)
    blurred = cv2.GaussianBlur((255 * shade).astype(np.uint8), (5, 5), 1.2)
    return np.asarray(blurred), metre.astype(np.float32)


def _leaves(
    rng: np.random.Generator, height: int, width: int, inside: Floats, dark: float, leaf: float
) -> Bytes:
    """Paint leaves where `inside` (height, width) is positive, lit from the upper left."""
    sprite = np.zeros((height, width, 4), np.uint8)
    spots = np.argwhere(inside > 0)
    count = max(60, int(len(spots) / (leaf * leaf * 0.55)))
    chosen = spots[rng.integers(0, len(spots), count)]
    light = inside[chosen[:, 0], chosen[:, 1]] + rng.normal(0, 0.35, count)
    for k in np.argsort(light):  # dark leaves lie behind
        tone = dark * (0.55 + 0.55 * np.clip(light[k], 0, 1.6))
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


def _tree(rng: np.random.Generator, camera: Camera, x: float) -> Foliage:
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
    leaves = _leaves(rng, leafy, width, inside, 1.0, 0.2 * unit)
    sprite[:leafy] = np.where(leaves[..., 3:] > 0, leaves, sprite[:leafy])

    fine = Camera.over_square(camera.height * OVERSAMPLING, camera.width * OVERSAMPLING)
    left, upper = np.round(fine.project(np.array([x - half, top, TREE]))).astype(int).tolist()
    weight = 0.5 * unit * np.linspace(1, 0, height)[:, None] ** 1.3
    corners = np.array([[x - half, top], [x + half, top], [x + half, 0], [x - half, 0]])
    ground = np.stack(
        (corners[:, 0] + corners[:, 1] * SUN[0], np.zeros(4), TREE + corners[:, 1] * SUN[1]), 1
    )
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shadow = cv2.getPerspectiveTransform(source, camera.project(ground).astype(np.float32))
    weights = np.broadcast_to(weight, (height, width)).astype(np.float32)
    return Foliage(TREE, (left, upper), sprite, weights, shadow)


def _branch(rng: np.random.Generator, camera: Camera, side: float) -> Foliage:
    """Leaves of a tree beside the camera that hang into the upper corner."""
    height = round(0.42 * camera.height * OVERSAMPLING)
    width = round(0.34 * camera.width * OVERSAMPLING)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    if side > 0:
        columns = 1 - columns
    reach = 0.78 - np.hypot(rows, columns * 0.9)
    ragged = 0.16 * cv2.resize(rng.standard_normal((9, 13)), (width, height))
    inside = np.where(reach + ragged > 0, 0.55 + 0.4 * columns - 0.2 * rows, 0)
    sprite = _leaves(rng, height, width, inside, 0.62, 0.045 * camera.height * OVERSAMPLING)
    left = 0 if side < 0 else camera.width * OVERSAMPLING - width
    weight = 0.06 * camera.height * OVERSAMPLING * np.hypot(rows, columns)
    return Foliage(BRANCH, (left, 0), sprite, weight.astype(np.float32), None)


def _routes(slope: float, bend: tuple[float, float]) -> tuple[Floats, Floats]:
    near = [(x, _near(x, slope)) for x in (-7.6, -4.0, 4.0, 7.6)]
    far = [(x, FAR) for x in (-11.2, -6.0, 6.0, 11.2)]
    front = [(-5.2, 7.35), (0.0, 7.45), (5.2, 7.35)]
    lawn = [(-9.0, 14.4), (-4.0, 14.1), (0.0, 15.0), (4.0, 14.3), (9.0, 14.8)]
    across = [(float(_middle(np.array(z), bend)), z) for z in (12.2, 13.5, 15.0, 16.5, 17.6)]
    plans = [near, far]
    for start in (near[:2], near[:1:-1]):
        inner = (bend[0] + np.sign(start[0][0]) * 1.2, _near(bend[0], slope))
        for end in (far[1::-1], far[2:]):
            outer = (bend[1] + np.sign(end[0][0]) * 1.2, FAR)
            middle = [p for p in start if abs(p[0]) > abs(inner[0]) + 0.5]
            last = [p for p in end if abs(p[0]) > abs(outer[0]) + 0.5]
            plans.append([*middle, inner, *across, outer, *last])
    plans += [front, lawn]
    both = [q for plan in plans for q in (plan, plan[::-1])]
    resampled = [_resample(np.array(p, np.float64)) for p in both]
    return np.stack([r[0] for r in resampled]), np.array([r[1] for r in resampled])


def _resample(points: Floats, count: int = 256) -> tuple[Floats, float]:
    """Round the corners of a polyline and put points at equal distances along it."""
    for _ in range(4):  # Chaikin's corner cutting
        inner = np.stack(
            (0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]), 1
        ).reshape(-1, 2)
        points = np.concatenate((points[:1], inner, points[-1:]))
    way = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    even = np.linspace(0, way[-1], count)
    return np.stack([np.interp(even, way, points[:, k]) for k in range(2)], 1), float(way[-1])
