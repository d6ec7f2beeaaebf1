"""What never changes in a scene, painted once.

The picture is painted at twice the size of the canvas, which is `OVERSAMPLING` times the size of
the frames, and then reduced.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from mnad.scene.camera import Camera, Floats
from mnad.scene.foliage import OVERSAMPLING, Bytes, Foliage, dapple, hanging_branch, lawn_tree
from mnad.scene.layout import BENCH, FACADE, FAR, LAMP, SUN, Layout, ground_noise


@dataclass(frozen=True)
class Place:
    """One fixed camera's view without people.

    Attributes:
        background: (S*H, S*W, 3) RGB with S = `OVERSAMPLING`.
        board: x, y, width and height of the news ticker's board on the background.
        shade: (H, W) shadows of things that stand still, 0..255.
        vignette: (H, W) fall-off of the lens, around 1.
        foliage: what sways, from the farthest to the nearest.
        dapple: (H, W) shade on the ground of tall trees outside the picture, 0..255.
        metre: (H, W, 2) pixels that a metre to the right and a metre away are on the ground.
        routes: (R, L, 2) X and Z of points at equal distances along each route; a route and its
            reverse are neighbours: 0, 1 the front path, 2, 3 the back path, 4 to 11 change over,
            12, 13 cross the lawn in front.
        lengths: (R,) metres.
    """

    background: Bytes
    board: tuple[int, int, int, int]
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
        camera: of the frame size.
        seed: same seed, same place.
    """
    rng = np.random.default_rng([0x91ACE, seed])
    layout = Layout.draw(rng)
    size = (camera.width * OVERSAMPLING, camera.height * OVERSAMPLING)
    fine = Camera.over_square(2 * size[1], 2 * size[0])
    picture = _ground(rng, fine, layout)
    _facade(rng, fine, picture)
    _furniture(fine, picture, layout)
    background = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    board = _board(Camera.over_square(size[1], size[0]), background, layout.side)
    shade, metre = dapple(rng, camera, layout.side)
    routes, lengths = layout.routes(camera)
    y, x = np.mgrid[-1 : 1 : camera.height * 1j, -1 : 1 : camera.width * 1j]
    return Place(
        background=background,
        board=board,
        shade=_still_shadows(camera, layout),
        vignette=(1.03 - 0.14 * (x**2 + y**2) / 2).astype(np.float32),
        foliage=(lawn_tree(rng, camera, layout.tree), hanging_branch(rng, camera, layout.side)),
        dapple=shade,
        metre=metre,
        routes=routes,
        lengths=lengths,
    )


def _ground(rng: np.random.Generator, camera: Camera, layout: Layout) -> Bytes:
    x, z = camera.ground()
    x, z = np.nan_to_num(x), np.nan_to_num(z, nan=99.0)
    detail = np.clip(14 / z, 0, 1)[..., None]  # far texture would alias

    grass = np.array([86, 110, 60], np.float32)
    tufts = (
        9 * ground_noise(rng, x, z, 0.13)
        + 7 * ground_noise(rng, x, z, 0.6)
        + 5 * ground_noise(rng, x, z, 3.0)
    )
    picture = grass + detail * tufts[..., None] * np.array([1, 1, 0.7], np.float32)

    slab = 0.9
    row = np.floor(z / slab)
    shifted = x / slab + 0.5 * np.mod(row, 2)
    table = rng.normal(0, 6, (61, 67)).astype(np.float32)
    stone = table[np.mod(row, 61).astype(int), np.mod(np.floor(shifted), 67).astype(int)]
    stone += 3.5 * ground_noise(rng, x, z, 0.08) + 4 * ground_noise(rng, x, z, 1.7)
    gap = np.minimum(np.mod(shifted, 1), np.mod(z / slab, 1)) < 0.06
    stone = stone - 26 * gap
    warm = rng.uniform(-5, 9)
    paving = np.array([163 + warm, 158, 150 - warm], np.float32) + detail * stone[..., None]

    front = np.abs(z - layout.front(x)) - 1.7
    back = np.abs(z - FAR) - 1.4
    joint = np.where((z > 10) & (z < FAR), np.abs(x - layout.joint(z)) - 1.2, 9.0)
    apron = FACADE - 3.2 - z
    outside = np.minimum(np.minimum(front, back), np.minimum(joint, apron))
    kerb = (outside > 0) & (outside < 0.16)
    picture = np.where((outside <= 0)[..., None], paving, picture)
    picture = np.where(kerb[..., None], np.array([186, 183, 176], np.float32), picture)

    bed = np.hypot((x + layout.tree) / 2.2, (z - 14.6) / 1.1) < 1
    bed &= outside > 0.3
    blooms = ground_noise(rng, x, z, 0.16)
    colours = np.select(
        [(blooms > 0.9)[..., None], (blooms < -1.1)[..., None]],
        [np.array([196, 70, 74], np.float32), np.array([214, 186, 84], np.float32)],
        np.array([58, 78, 44], np.float32),
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


def _board(camera: Camera, background: Bytes, side: float) -> tuple[int, int, int, int]:
    """Hang the frame of the news ticker on the building; gives the place of its letters."""
    middle = side * 0.6
    corners = np.array([[middle - 4.1, 4.9, FACADE], [middle + 4.1, 2.9, FACADE]])
    (x0, y0), (x1, y1) = np.rint(camera.project(corners)).astype(int).tolist()
    cv2.rectangle(background, (x0 - 3, y0 - 2), (x1 + 2, y1 + 1), (66, 68, 72), -1)
    return x0, y0, x1 - x0, y1 - y0


def _furniture(camera: Camera, picture: Bytes, layout: Layout) -> None:
    """A lamp post and a bench, which nobody ever passes behind."""

    def stroke(points: list[tuple[float, float, float]], metres: float, colour: Any) -> None:
        world = np.array(points)
        pixels = np.round(camera.project(world)).astype(np.int32)
        thick = max(1, round(metres * camera.focal / world[0, 2]))
        cv2.polylines(picture, [pixels], False, colour, thick, cv2.LINE_AA)

    lamp = layout.lamp
    stroke([(lamp, 0, LAMP), (lamp, 4.6, LAMP), (lamp - 0.9, 4.7, LAMP)], 0.12, (54, 58, 60))
    stroke([(lamp, 0, LAMP), (lamp, 0.7, LAMP)], 0.22, (46, 50, 52))
    stroke([(lamp - 1.1, 4.62, LAMP), (lamp - 0.6, 4.62, LAMP)], 0.22, (226, 222, 200))
    left, right = layout.tree - 0.2, layout.tree + 1.8
    for height, shade in ((0.45, 1.0), (0.62, 0.8), (0.8, 0.95)):
        wood = tuple(int(c * shade) for c in (122, 84, 52))
        stroke([(left, height, BENCH), (right, height, BENCH)], 0.13, wood)
    for x in (left + 0.15, right - 0.15):
        stroke([(x, 0, BENCH), (x, 0.45, BENCH)], 0.1, (50, 50, 50))


def _still_shadows(camera: Camera, layout: Layout) -> Bytes:
    lamp = layout.lamp
    shade = np.zeros((camera.height, camera.width), np.uint8)
    world = np.array([[lamp, 0, LAMP], [lamp + 4.6 * SUN[0], 0, LAMP + 4.6 * SUN[1]]])
    pixels = np.round(camera.project(world)).astype(np.int32)
    cv2.polylines(shade, [pixels], False, 255)
    world = np.array([(layout.tree - 0.2, 0, BENCH), (layout.tree + 1.8, 0, BENCH)])
    world = np.concatenate((world, world[::-1] + np.array([0.8 * SUN[0], 0, 0.8 * SUN[1]])))
    cv2.fillConvexPoly(shade, np.round(camera.project(world)).astype(np.int32), 200)
    return np.asarray(cv2.GaussianBlur(shade, (5, 5), 0))
