"""Who is in the scene at what time: a pure function of seed and time, so any moment can be drawn.

Time is cut into blocks with a random generator of their own; what happens in a block depends on
the seed and the block's number alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from mnad.scene.actors import WALKER, People
from mnad.scene.camera import Floats
from mnad.scene.weather import Drift

Kind = Literal["bicycle", "fast_bicycle", "cart", "runner", "thrown", "off_path"]
KINDS: tuple[Kind, ...] = get_args(Kind)

BLOCK = 8.0  # seconds of arrivals
SLOT = 15.0  # seconds with one anomaly each
SLOWEST = 0.9  # metres per second
# Share of the normal people on each route of a place: most of them walk far away.
_ROUTES = np.repeat([0.09, 0.63, 0.07, 0.07, 0.07, 0.07], 2) / 2
_PAST = 1000  # blocks before time 0 that people may come from, so that block numbers stay positive

SPEEDS: dict[Kind, tuple[float, float]] = {
    "bicycle": (1.2, 1.5),
    "fast_bicycle": (2.8, 3.4),
    "cart": (1.2, 1.5),
    "runner": (2.7, 3.2),
    "thrown": (1.2, 1.5),
    "off_path": (1.4, 1.6),
}
_SECOND: dict[Kind, float] = {"off_path": 0.55, "fast_bicycle": 1.8}  # who comes in pairs, how late
_JERSEYS = np.array([(226, 230, 110), (226, 226, 222), (250, 150, 60)])
_WHERE: dict[Kind, tuple[int, ...]] = {
    "bicycle": (0, 1),
    "fast_bicycle": (0, 1),
    "cart": (0, 1),
    "runner": (0, 1),
    "thrown": (0, 1),
    "off_path": (12, 13),
}


class Anomaly(NamedTuple):
    """One abnormal track: who (a record of `WALKER`) does what, and a colour."""

    kind: Kind
    person: np.void
    paint: Floats


class Traffic:
    """Everybody who comes and goes.

    Args:
        seed: of the clip.
        lengths: (R,) metres of the place's routes.
        density: factor on the number of normal people.
        kinds: the anomalies, one in every `SLOT` in this order, over and over; may be empty.
    """

    def __init__(self, seed: int, lengths: Floats, density: float, kinds: tuple[Kind, ...]) -> None:
        self.seed, self.lengths, self.density, self.kinds = seed, lengths, density, kinds
        self.rate = Drift(self._rng(0, 0), (37.0, 83.0, 190.0), (0.5, 0.6, 0.4))
        self.longest = float(lengths.max()) / SLOWEST
        self._blocks: dict[int, People] = {}

    def _rng(self, purpose: int, block: int) -> np.random.Generator:
        return np.random.default_rng([0x7AFF1C, self.seed, purpose, block + _PAST])

    def people(self, seconds: float) -> People:
        """Records (`WALKER`) of the normal people on their way at a time."""
        first = int((seconds - self.longest) // BLOCK)
        last = int(seconds // BLOCK)
        for block in [b for b in self._blocks if not first <= b <= last]:
            del self._blocks[block]
        for block in range(first, last + 1):
            if block not in self._blocks:
                self._blocks[block] = self._arrivals(block)
        crowd = np.concatenate([self._blocks[b] for b in range(first, last + 1)])
        return crowd[(crowd["start"] <= seconds) & (seconds < crowd["end"])]

    def _arrivals(self, block: int) -> People:
        rng = self._rng(1, block)
        rate = 0.34 * self.density * np.exp(self.rate((block + 0.5) * BLOCK))
        people: list[People] = []
        for _ in range(int(rng.poisson(rate * BLOCK / 1.5))):
            size = int(rng.choice([1, 2, 3], p=[0.62, 0.28, 0.10]))
            group = people_of(rng, size)
            group["start"] = (block + rng.uniform()) * BLOCK + rng.uniform(0, 0.5, size)
            group["route"] = rng.choice(len(_ROUTES), p=_ROUTES)
            group["speed"] = np.clip(rng.normal(1.25, 0.12), SLOWEST, 1.6)
            apart = 0.75 * (np.arange(size) - 0.5 * (size - 1))
            group["offset"] = rng.uniform(-1.0, 1.0) * (1.15 - 0.3 * size) + apart
            people.append(group)
        everyone = np.concatenate(people) if people else np.zeros(0, WALKER)
        everyone["end"] = everyone["start"] + self.lengths[everyone["route"]] / everyone["speed"]
        return everyone

    def anomalies(self, seconds: float) -> list[Anomaly]:
        """The abnormal tracks at a time."""
        if not self.kinds:
            return []
        slot = int(seconds // SLOT)
        drawn = [a for s in (slot - 1, slot) if s >= 0 for a in self._anomalies(s)]
        return [a for a in drawn if a.person["start"] <= seconds < a.person["end"]]

    def kind_of(self, track: int) -> Kind:
        """The kind of an abnormal track; a slot has two numbers, the first slot 1 and 2."""
        return self.kinds[(track - 1) // 2 % len(self.kinds)]

    def _anomalies(self, slot: int) -> list[Anomaly]:
        rng = self._rng(2, slot)
        kind = self.kind_of(2 * slot + 1)
        people = people_of(rng, 2 if kind in _SECOND else 1)
        people["route"] = rng.choice(_WHERE[kind])
        people["speed"] = rng.uniform(*SPEEDS[kind])
        people["offset"] = 0.0 if kind == "off_path" else rng.uniform(-0.4, 0.4)
        people["offset"] += 0.15 * np.array([-1, 1])[: len(people)]
        if kind == "runner":
            people["swing"], people["elbow"], people["lean"] = 0.75, 1.7, 0.2
        if kind in ("runner", "bicycle", "fast_bicycle"):  # sportswear
            people["shirt"] = _JERSEYS[rng.integers(len(_JERSEYS))]
            people["trousers"] = 28
        stay = self.lengths[people["route"][0]] / people["speed"][0]
        people["start"] = slot * SLOT + rng.uniform(0.5, max(0.5, SLOT - stay - 0.5))
        people["start"] += _SECOND.get(kind, 0.0) * np.arange(len(people))
        people["end"] = people["start"] + stay
        people["track"] = 2 * slot + 1 + np.arange(len(people))
        paint = np.full(3, 216.0) if kind in ("cart", "thrown") else rng.uniform(20, 200, 3)
        return [Anomaly(kind, person, paint) for person in people]


def people_of(rng: np.random.Generator, count: int) -> People:
    """Draw `count` people (records of `WALKER`) with size, gait and clothes."""
    crowd = np.zeros(count, WALKER)
    crowd["height"] = rng.normal(1.72, 0.09, count)
    crowd["swing"] = rng.uniform(0.38, 0.48, count)
    crowd["elbow"] = rng.uniform(0.15, 0.4, count)
    crowd["lean"] = rng.uniform(0.02, 0.08, count)
    crowd["bag"] = np.where(rng.uniform(size=count) < 0.3, 0.11, 0.0)
    grey = rng.uniform(75, 175, (count, 1))
    crowd["shirt"] = np.clip(grey + rng.normal(0, 18, (count, 3)), 20, 225)
    crowd["trousers"] = np.clip(rng.uniform(50, 120, (count, 1)) + np.array([-6, 0, 10]), 15, 200)
    tone = rng.uniform(0.45, 1.0, (count, 1))
    crowd["skin"] = tone * np.array([226, 180, 150])
    crowd["hair"] = rng.uniform(0.2, 1.0, (count, 1)) * np.array([110, 84, 60])
    return crowd
