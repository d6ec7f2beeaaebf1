"""Pseudo-anomalies that go where everybody goes, made from normal footage of UCSD Ped2: no label.

Walkers are followed through the normal clips (blobs against the median picture, linked from frame
to frame). Then, into copies of clips that were kept back, along the ways of those walkers:

* ``fast2``, ``fast3``: the walker itself, two or three times as fast, as a cyclist or skater would;
* ``strange``, ``strange2``: a person or car of another clip, at 1.2 and 2 times the walker's speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from cut_outs import CutOut, scaled
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

FAMILIES = {"fast2": 2.0, "fast3": 3.0, "strange": 1.2, "strange2": 2.0}
"""How many times as fast as the walker."""
COPIES = 3
LONGEST = 30
"""Frames that one thing is seen for."""
PAUSE = (12, 25)
"""Frames, from one thing to the next."""


class Step(NamedTuple):
    """A walker in one frame: number of the frame, centre (x, y), height, and where it is."""

    frame: int
    centre: NDArray[np.float64]
    height: int
    where: NDArray[np.bool_]


class Copy(NamedTuple):
    """A clip with things in it: frames (T, H, W, 1) and whether one is seen (T,)."""

    family: str
    frames: Frames
    label: NDArray[np.bool_]


def walkers_of(clip: Frames) -> list[list[Step]]:
    """The ways of single people through a clip (T, H, W, 1) of 256 x 160."""
    empty = np.median(clip[np.linspace(0, len(clip) - 1, 50).astype(int)], axis=0)
    open_ways: list[list[Step]] = []
    found: list[list[Step]] = []
    for number, frame in enumerate(clip):
        left = _people(number, frame, empty)
        still: list[list[Step]] = []
        for way in open_ways:
            last = way[-1]
            pace = (last.centre - way[-4].centre)[0] / 3 if len(way) > 4 else 0.0
            near = [
                (float(np.hypot(*(one.centre - last.centre - [pace, 0]))), i)
                for i, one in enumerate(left)
                if 0.6 < one.where.sum() / last.where.sum() < 1.7
            ]
            if near and min(near)[0] < 3:
                way.append(left.pop(min(near)[1]))
                still.append(way)
            else:
                found.append(way)
        open_ways = still + [[one] for one in left]
    found += open_ways
    return [w for w in found if len(w) >= 36 and np.hypot(*(w[-1].centre - w[0].centre)) > 25]


def _people(number: int, frame: Frames, empty: NDArray[np.float64]) -> list[Step]:
    apart = cv2.GaussianBlur(np.abs(frame - empty).max(-1), (0, 0), 1) > 12
    closed = cv2.morphologyEx(apart.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))
    count, label, facts, centre = cv2.connectedComponentsWithStats(closed)
    return [
        Step(number, centre[i], int(facts[i][3]), label == i)
        for i in range(1, count)
        if 60 < facts[i][4] < 900 and facts[i][3] > 1.2 * facts[i][2]
    ]


def copies_of(
    clips: Sequence[Frames],
    held: Sequence[Frames],
    donors: Sequence[CutOut],
    rng: np.random.Generator,
) -> list[Copy]:
    """Copies of the clips that were kept back, with things in them.

    Args:
        clips: normal clips (T, 160, 256, 1) whose walkers are followed.
        held: those that are copied.
        donors: what ``strange`` things look like.
        rng: of all draws.
    """
    ways = [(clip, way) for clip in clips for way in walkers_of(clip)]
    made = []
    for _ in range(COPIES):
        for family, speed in FAMILIES.items():
            for clip in held:
                frames, label = clip.astype(np.float32), np.zeros(len(clip), bool)
                first = PAUSE[0]
                while first < len(clip) - 20:
                    source, way = ways[int(rng.integers(len(ways)))]
                    steps = [way[int(i * speed)] for i in range(int(len(way) / speed))][:LONGEST]
                    donor = donors[int(rng.integers(len(donors)))]
                    height = float(np.median([s.height for s in way])) * rng.uniform(0.8, 1.2)
                    wide = donor.alpha.shape[1] > donor.alpha.shape[0]
                    thing = scaled(donor, height * (0.8 if wide else 1))
                    for step, t in zip(steps, range(first, len(clip)), strict=False):
                        fast = family.startswith("fast")
                        pixels, share = walker(source, step) if fast else placed(thing, step, clip)
                        frames[t] += share[..., None] * (pixels - frames[t])
                        label[t] = True
                    first += len(steps) + int(rng.integers(*PAUSE))
                whole = np.clip(np.rint(frames), 0, 255).astype(np.uint8)
                made.append(Copy(family, whole, label))
    return made


def walker(source: Frames, step: Step) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The pixels (H, W, 1) of the frame in which the walker is, and its share of them (H, W)."""
    share = cv2.dilate(step.where.astype(np.float32), np.ones((3, 3)))
    return source[step.frame].astype(np.float32), np.asarray(cv2.GaussianBlur(share, (0, 0), 0.7))


def placed(
    thing: CutOut, step: Step, clip: Frames
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A thing with its centre where the walker has its own."""
    height, width = clip.shape[1:3]
    x, y = step.centre - np.array(thing.alpha.shape)[::-1] / 2
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    share = cv2.warpAffine(thing.alpha, shift, (width, height))
    grey = thing.pixels.mean(-1)
    moved = cv2.warpAffine(grey, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved)[..., None], np.asarray(share)
