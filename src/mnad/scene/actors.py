"""Bodies of people, bicycles and carts as tapered capsules in world coordinates.

Every function poses one moment: metres, radians, world axes of `mnad.scene.camera`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.scene.camera import Floats

People = NDArray[np.void]  # records of WALKER

# What makes one walker differ from the next. Colours are RGB 0..255.
WALKER = np.dtype(
    [
        ("start", "f8"),  # second at which the route begins
        ("end", "f8"),
        ("route", "i4"),
        ("offset", "f8"),  # metres to the side of the route
        ("speed", "f8"),  # metres per second
        ("height", "f8"),
        ("swing", "f8"),  # amplitude of the hip angle
        ("elbow", "f8"),  # how far the elbows are bent
        ("lean", "f8"),  # of the trunk, forward
        ("bag", "f8"),  # radius of a bag on the back, 0 for none
        ("shirt", "f4", 3),
        ("trousers", "f4", 3),
        ("skin", "f4", 3),
        ("hair", "f4", 3),
        ("track", "i4"),  # 0 for normal people
    ]
)


class Limbs(NamedTuple):
    """Capsules, (..., K, 3) end points, (..., K) radii and (..., K, 3) RGB colours."""

    start: Floats
    end: Floats
    start_radius: Floats
    end_radius: Floats
    colour: Floats


class Faces(NamedTuple):
    """Flat faces, (F, 4, 3) corners in world metres and (F, 3) RGB colours."""

    corners: Floats
    colour: Floats


def walkers(crowd: People, place: Floats, heading: Floats, way: Floats) -> Limbs:
    """Pose N walking or running people (K = 18).

    Args:
        crowd: (N,) of `WALKER`.
        place: (N, 2) X, Z of the body.
        heading: (N, 2) unit vector of motion.
        way: (N,) metres walked so far; it drives the gait, so feet do not slide.
    """
    tall, swing, bag = (crowd[name][:, None] for name in ("height", "swing", "bag"))
    lean, elbow = crowd["lean"][:, None], crowd["elbow"][:, None]
    side = np.array([1.0, -1.0])  # left, right: columns of (N, 2)
    bone = 0.245 * tall  # the thigh; the shin is as long
    turn = 2 * np.pi * way[:, None] / (8 * bone * np.sin(swing)) + np.array([0.0, np.pi])

    hip = swing * np.sin(turn)
    shin = hip - 0.12 - 1.9 * swing * np.clip(np.cos(turn + 0.3), 0, None) ** 1.5
    knee_f, knee_u = bone * np.sin(hip), -bone * np.cos(hip)
    ankle_f, ankle_u = knee_f + bone * np.sin(shin), knee_u - bone * np.cos(shin)
    base = 0.035 * tall - ankle_u.min(axis=1, keepdims=True)  # of the hips: one foot stands
    knee_u, ankle_u = base + knee_u, base + ankle_u
    tip = np.clip(shin, -1, 0.3)
    toe_f = ankle_f + 0.075 * tall * np.cos(tip)
    toe_u = ankle_u + tall * (0.06 * np.sin(tip) - 0.015)
    hips = 0.045 * tall * side

    along, up = np.sin(lean) * tall, np.cos(lean) * tall
    chest_f, chest_u = 0.29 * along, base + 0.29 * up
    arm = -0.8 * swing * np.sin(turn)
    elbow_f, elbow_u = chest_f + 0.165 * tall * np.sin(arm), chest_u - 0.165 * tall * np.cos(arm)
    hand_f = elbow_f + 0.19 * tall * np.sin(arm + elbow)
    hand_u = elbow_u - 0.19 * tall * np.cos(arm + elbow)
    arms = 0.115 * tall * side
    trunk = 0.058 * tall * np.array([1.0, 0.0, -1.0])
    head_f, head_u = 0.40 * along, base + 0.40 * up
    brow, zero = head_u + 0.012 * tall, 0 * tall
    back = chest_f - np.where(bag > 0, 0.06 * tall + 0.5 * bag, 0)

    joints = (  # forward, up, left of one end, then of the other
        (ankle_f, ankle_u, hips, toe_f, toe_u, hips),
        (ankle_f, ankle_u, hips, knee_f, knee_u, hips),
        (knee_f, knee_u, hips, 0 * hips, base, hips),
        (0 * trunk, base - 0.01 * tall, trunk, chest_f, chest_u - 0.02 * tall, trunk),
        (chest_f, chest_u - 0.01 * tall, arms, elbow_f, elbow_u, 1.1 * arms),
        (elbow_f, elbow_u, 1.1 * arms, hand_f, hand_u, 1.05 * arms),
        (head_f + 0.018 * tall, head_u - 0.028 * tall, zero, head_f + 0.022 * tall, brow, zero),
        (head_f - 0.012 * tall, brow, zero, head_f - 0.008 * tall, brow + 0.012 * tall, zero),
        (back, chest_u - 0.03 * tall, zero, back, chest_u - 0.17 * tall, zero),
    )
    rows = [np.stack(np.broadcast_arrays(*joint), axis=-1) for joint in joints]
    table = np.concatenate(rows, axis=1)  # (N, 18, 6)
    radii = tall * np.array([_THICK[0], _THICK[1]])[:, None] / 1000  # (2, N, 17)
    shirt, trousers = crowd["shirt"], crowd["trousers"]
    shade = np.float32(0.86)  # of the right limbs, to tell them from the left
    colour = np.stack(
        [trousers * 0.4] * 2
        + [trousers, trousers * shade] * 2
        + [shirt * 0.94, shirt, shirt * 0.9]
        + [shirt * 0.95, shirt * shade] * 2
        + [crowd["skin"], crowd["hair"], np.where(bag > 0, trousers * 0.7, shirt)],
        axis=1,
    )
    return Limbs(
        _to_world(table[..., :3], place, heading),
        _to_world(table[..., 3:], place, heading),
        np.concatenate((radii[0], bag), axis=1),
        np.concatenate((radii[1], bag * 0.9), axis=1),
        colour,
    )


# Radii at both ends in thousandths of the height: feet, shins, thighs, trunk, arms, head, hair.
_THICK = (
    [22, 22, 24, 24, 36, 36, 56, 56, 56, 28, 28, 22, 22, 44, 50],
    [18, 18, 34, 34, 46, 46, 62, 62, 62, 24, 24, 18, 18, 46, 46],
)


def _to_world(body: Floats, place: Floats, heading: Floats) -> Floats:
    """World points of body coordinates (N, K, 3): forward, up, left."""
    forward, up, left = body[..., 0], body[..., 1], body[..., 2]
    u, v = heading[:, :1], heading[:, 1:]
    x = place[:, :1] + forward * u - left * v
    return np.stack((x, up, place[:, 1:] + forward * v + left * u), axis=-1)


def _rod(points: list[tuple[float, float, float]], radius: float, colour: Floats) -> list[Floats]:
    """Rows of start, end, radii, colour along a polyline in body coordinates."""
    return [np.array([*a, *b, radius, radius, *colour]) for a, b in pairwise(points)]


def _colour(person: np.void, part: str) -> Floats:
    return np.asarray(person[part], np.float64)


def _assemble(rows: list[Floats], place: Floats, heading: Floats) -> Limbs:
    """Turn rows of `_rod` from body coordinates (forward, up, left) into world limbs."""
    table = np.stack(rows)
    start, end = (
        _to_world(part[None], place[None], heading[None])[0]
        for part in (table[:, :3], table[:, 3:6])
    )
    return Limbs(start, end, table[:, 6], table[:, 7], table[:, 8:])


def _reach(a: Floats, b: Floats, first: float, second: float, bend: float) -> Floats:
    """The joint between two bones of given lengths from a to b; `bend` picks the side."""
    gap = b - a
    far = min(float(np.hypot(*gap)), 0.999 * (first + second))
    along = (first**2 - second**2 + far**2) / (2 * far)
    off = np.sqrt(max(first**2 - along**2, 0.0))
    unit = gap / np.hypot(*gap)
    return np.asarray(a + along * unit + bend * off * np.array([-unit[1], unit[0]]))


def cyclist(person: np.void, place: Floats, heading: Floats, way: float, paint: Floats) -> Limbs:
    """Pose one rider on a bicycle; the pedals turn once in 4.2 m, the wheels roll.

    Args:
        person: one record of `WALKER`.
        place: (2,) X, Z.
        heading: (2,) unit vector.
        way: metres ridden so far.
        paint: RGB of the frame.
    """
    rows: list[Floats] = []
    tyre, steel = np.array([28.0, 28, 30]), np.array([120.0, 120, 124])
    wheel, base = 0.34, 0.53
    for centre in (-base, base):
        rim = np.linspace(0, 2 * np.pi, 15)
        points = [(centre + wheel * np.cos(r), wheel + wheel * np.sin(r), 0.0) for r in rim]
        rows += _rod(points, 0.032, tyre)
        for spoke in way / -wheel + np.arange(2) * np.pi / 2:
            du, dv = 0.9 * wheel * np.cos(spoke), 0.9 * wheel * np.sin(spoke)
            rows += _rod([(centre - du, wheel - dv, 0), (centre + du, wheel + dv, 0)], 0.008, steel)
    crank, seat, stem = (-0.06, 0.3, 0.0), (-0.2, 0.92, 0.0), (0.36, 0.86, 0.0)
    frame = [(-base, wheel, 0.0), crank, stem, seat, (-base, wheel, 0.0)]
    rows += _rod([*frame], 0.024, paint) + _rod([crank, seat], 0.024, paint)
    rows += _rod([(base, wheel, 0.0), stem, (0.4, 1.02, 0.0)], 0.024, paint)
    rows += _rod([(0.4, 1.04, 0.24), (0.4, 1.04, -0.24)], 0.018, steel)
    rows += _rod([(-0.32, 0.95, 0), (-0.08, 0.95, 0)], 0.05, tyre)

    shirt, trousers = _colour(person, "shirt"), _colour(person, "trousers")
    hip, chest = np.array([-0.18, 1.0]), np.array([0.14, 1.47])
    turn = -2 * np.pi * way / 4.2
    for sign, shadow in ((1.0, 1.0), (-1.0, 0.86)):
        left = 0.1 * sign
        angle = turn + (0 if sign > 0 else np.pi)
        foot = np.array([crank[0], crank[1]]) + 0.17 * np.array([np.cos(angle), np.sin(angle)])
        knee = _reach(hip, foot, 0.46, 0.46, 1.0)
        hand = np.array([0.4, 1.06])
        elbow = _reach(chest, hand, 0.3, 0.32, -1.0)
        rows += _rod([(*hip, left), (*knee, left)], 0.075, trousers * shadow)
        rows += _rod([(*knee, left), (*foot, left)], 0.05, trousers * shadow)
        rows += _rod([(*foot, left), (foot[0] + 0.14, foot[1], left)], 0.035, trousers * 0.4)
        rows += _rod([(*chest, 0.19 * sign), (*elbow, 0.23 * sign)], 0.048, shirt * shadow)
        rows += _rod([(*elbow, 0.23 * sign), (*hand, 0.23 * sign)], 0.036, shirt * shadow)
    for left in (0.1, 0.0, -0.1):
        rows += _rod([(hip[0], hip[1] + 0.04, left), (chest[0], chest[1], left)], 0.105, shirt)
    skin, hair = _colour(person, "skin"), _colour(person, "hair")
    rows += _rod([(0.26, 1.66, 0), (0.27, 1.72, 0)], 0.085, skin)
    rows += _rod([(0.2, 1.73, 0), (0.22, 1.75, 0)], 0.09, hair)
    return _assemble(rows, place, heading)


def cart(
    person: np.void, place: Floats, heading: Floats, way: float, paint: Floats
) -> tuple[Limbs, Faces]:
    """Pose one driver in a small electric cart with a roof; arguments as for `cyclist`."""
    rows: list[Floats] = []
    dark = np.array([34.0, 34, 36])
    for left in (0.55, -0.55):
        for centre in (-0.72, 0.72):
            hub = (centre, 0.24, left)
            rows += _rod([hub, (centre + 0.01, 0.24, left)], 0.24, dark)
            roll = way / -0.24
            for arm in (0.0, np.pi / 2):
                du, dv = 0.13 * np.cos(roll + arm), 0.13 * np.sin(roll + arm)
                points = [(centre - du, 0.24 - dv, left), (centre + du, 0.24 + dv, left)]
                rows += _rod(points, 0.02, np.array([150.0, 150, 150]))
        rows += _rod([(0.62, 0.85, left), (0.42, 1.82, left)], 0.025, dark + 30)
        rows += _rod([(-0.8, 0.85, left), (-0.78, 1.82, left)], 0.025, dark + 30)
    shirt, trousers = _colour(person, "shirt"), _colour(person, "trousers")
    for left in (0.1, 0.26, 0.42):
        rows += _rod([(-0.25, 0.85, left), (-0.22, 1.28, left)], 0.11, shirt)
    rows += _rod([(-0.2, 0.9, 0.2), (0.2, 0.92, 0.2)], 0.09, trousers)
    rows += _rod([(-0.2, 1.25, 0.42), (0.05, 1.05, 0.45), (0.32, 1.1, 0.35)], 0.05, shirt * 0.9)
    rows += _rod([(-0.16, 1.5, 0.26), (-0.15, 1.55, 0.26)], 0.1, _colour(person, "skin"))
    rows += _rod([(-0.2, 1.58, 0.26), (-0.19, 1.6, 0.26)], 0.1, _colour(person, "hair"))

    boxes = (  # rear, front, bottom, top, half width, colour
        (-1.1, 1.1, 0.28, 0.6, 0.58, paint),
        (0.45, 1.1, 0.6, 0.95, 0.56, paint),
        (-1.1, -0.35, 0.6, 0.85, 0.56, np.array([70.0, 60, 54])),
        (-1.0, 0.62, 1.82, 1.9, 0.62, paint * 0.96),
    )
    faces: list[list[tuple[float, float, float]]] = []
    colours: list[Floats] = []
    for rear, front, bottom, top, half, colour in boxes:
        f, u, w = (rear, front), (bottom, top), (half, -half)
        for axis, tone in ((0, 0.78), (1, 1.06), (2, 0.9)):
            for end in (0, 1):
                corners = []
                for i, j in ((0, 0), (0, 1), (1, 1), (1, 0)):
                    pick = [i, j]
                    pick.insert(axis, end)
                    corners.append((f[pick[0]], u[pick[1]], w[pick[2]]))
                faces.append(corners)
                colours.append(np.clip(colour * tone, 0, 255))
    flat = np.array(faces).reshape(1, -1, 3)
    world = _to_world(flat, place[None], heading[None]).reshape(-1, 4, 3)
    return _assemble(rows, place, heading), Faces(world, np.array(colours))
