"""Everybody in the scene at one moment, as polygons on the image."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.scene.actors import Faces, Limbs, People, cart, cyclist, walkers
from mnad.scene.camera import Camera, Floats
from mnad.scene.layout import SUN
from mnad.scene.place import Place
from mnad.scene.traffic import Anomaly, Traffic

SHIFT = 4  # fractional bits of polygon coordinates
_ANGLES = np.radians([90, 30, -30, -90])
_HALF_CIRCLE = np.stack((np.cos(_ANGLES), np.sin(_ANGLES)), 1)


class Bodies(NamedTuple):
    """Polygons of bodies; all arrays have a row per polygon.

    Attributes:
        outline: (n, 8, 2) in pixels of the fine camera, fixed point with `SHIFT` bits.
        shadow: (n, 8, 2) likewise, on the ground and in pixels of the coarse camera.
        colour: (n, 3) RGB.
        distance: (n,) metres of the polygon from the camera.
        depth: (n,) metres of its body.
        track: (n,) number of the abnormal track, 0 for what is normal.
    """

    outline: NDArray[np.int32]
    shadow: NDArray[np.int32]
    colour: Floats
    distance: Floats
    depth: Floats
    track: NDArray[np.int64]


def bodies_at(now: float, traffic: Traffic, place: Place, fine: Camera, coarse: Camera) -> Bodies:
    """Pose and project all that moves, in drawing order.

    Args:
        now: seconds.
        traffic: who is there.
        place: its routes.
        fine: camera of the canvas.
        coarse: camera of the shadow map.
    """
    abnormal = traffic.anomalies(now)
    crowd = traffic.people(now)
    walking = [a.person for a in abnormal if a.kind in ("runner", "off_path", "thrown")]
    if walking:
        crowd = np.concatenate((crowd, np.array(walking)))
    throwers = [a.person["track"] for a in abnormal if a.kind == "thrown"]
    spot, heading, way = _where(place, crowd, now)
    limbs = walkers(crowd, spot, heading, way)
    each = limbs.start.shape[1]
    track = np.where(np.isin(crowd["track"], throwers), 0, crowd["track"])
    limbs = Limbs(*(part.reshape(-1, *part.shape[2:]) for part in limbs))
    parts = [_project(fine, coarse, limbs, np.repeat(spot[:, 1], each), np.repeat(track, each))]
    for anomaly in abnormal:
        if anomaly.kind not in ("runner", "off_path"):
            parts.append(_thing(anomaly, place, now, fine, coarse))
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    every = Bodies(*columns)
    order = np.lexsort((-every.distance, -every.depth))
    return Bodies(*(column[order] for column in columns))


def _where(place: Place, crowd: People, now: float) -> tuple[Floats, Floats, Floats]:
    """Places (N, 2), headings (N, 2) and metres walked (N,)."""
    way = (now - crowd["start"]) * crowd["speed"]
    exact = way / place.lengths[crowd["route"]] * (place.routes.shape[1] - 1)
    cell = np.clip(exact.astype(int), 0, place.routes.shape[1] - 3)
    a, b, c = (place.routes[crowd["route"], cell + k] for k in range(3))
    part = (exact - cell)[:, None]
    heading = (1 - part) * (b - a) + part * (c - b)
    heading /= np.hypot(heading[:, :1], heading[:, 1:])
    wander = crowd["offset"] + 0.12 * np.sin(0.9 * way + 50 * crowd["height"])
    left = np.stack((-heading[:, 1], heading[:, 0]), 1)
    return a + part * (b - a) + wander[:, None] * left, heading, way


def _thing(anomaly: Anomaly, place: Place, now: float, fine: Camera, coarse: Camera) -> Bodies:
    """What an abnormal track adds to the people on foot."""
    person = anomaly.person
    spot, heading, way = (part[0] for part in _where(place, np.array([person]), now))
    faces = None
    if anomaly.kind == "cart":
        limbs, faces = cart(person, spot, heading, float(way), anomaly.paint)
    elif anomaly.kind == "thrown":
        seconds = now - float(person["start"])
        flight = (seconds % 1.5) / 1.5
        spot = spot + 0.42 * heading
        centre = np.array([spot[0], 1.2 + 7.6 * flight * (1 - flight), spot[1]])
        half = 0.22 * np.array([heading[0] * np.cos(5 * seconds), np.sin(5 * seconds), 0.01])
        radius = np.array([0.22])
        ends = (centre - half)[None], (centre + half)[None]
        limbs = Limbs(*ends, radius, radius, anomaly.paint[None])
        spot = spot - [0, 0.5]  # always in front of the one who throws
    else:
        limbs = cyclist(person, spot, heading, float(way), anomaly.paint)
    return _project(fine, coarse, limbs, spot[1], person["track"], faces)


def _project(
    fine: Camera,
    coarse: Camera,
    limbs: Limbs,
    depth: Floats,
    track: NDArray[np.integer],
    faces: Faces | None = None,
) -> Bodies:
    fallen = limbs._replace(start=_fallen(limbs.start), end=_fallen(limbs.end))
    outline, shadow = _capsules(fine, limbs), _capsules(coarse, fallen)
    colour, distance = limbs.colour, 0.5 * (limbs.start[:, 2] + limbs.end[:, 2])
    if faces is not None:  # corners twice, to have as many as capsules
        flat = np.repeat(fine.project(faces.corners), 2, axis=1)
        outline = np.concatenate((outline, flat))
        flat = np.repeat(coarse.project(_fallen(faces.corners)), 2, axis=1)
        shadow = np.concatenate((shadow, flat))
        colour = np.concatenate((colour, faces.colour))
        distance = np.concatenate((distance, faces.corners[..., 2].mean(axis=1)))
    count = len(distance)
    return Bodies(
        _fixed(outline),
        _fixed(shadow),
        colour,
        distance,
        np.broadcast_to(depth, count),
        np.broadcast_to(track, count).astype(np.int64),
    )


def _fixed(pixels: Floats) -> NDArray[np.int32]:
    """Fixed-point coordinates; OpenCV's integers are pixel centres."""
    return np.asarray(np.rint((np.clip(pixels, -999, 9999) - 0.5) * (1 << SHIFT)), np.int32)


def _fallen(points: Floats) -> Floats:
    """The shadows on the ground of world points (..., 3)."""
    fallen = points.copy()
    fallen[..., 0] += points[..., 1] * SUN[0]
    fallen[..., 2] += points[..., 1] * SUN[1]
    fallen[..., 1] = 0
    return fallen


def _capsules(camera: Camera, limbs: Limbs) -> Floats:
    """Outlines (K, 8, 2) in pixels of capsules on the image."""
    a, b = camera.project(limbs.start), camera.project(limbs.end)
    ra = (limbs.start_radius * camera.focal / limbs.start[:, 2])[:, None, None]
    rb = (limbs.end_radius * camera.focal / limbs.end[:, 2])[:, None, None]
    along = b - a
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-6)
    normal = np.stack((-along[:, 1], along[:, 0]), axis=1)
    arc = along[:, None] * _HALF_CIRCLE[:, :1] + normal[:, None] * _HALF_CIRCLE[:, 1:]
    return np.concatenate((b[:, None] + rb * arc, a[:, None] - ra * arc), axis=1)
