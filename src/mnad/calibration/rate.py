"""A threshold for a stated number of false alarms per hour, from normal footage alone.

Frames are no independent draws: one bad second is one alarm. So the footage is cut into blocks as
long as the pause that ends an event, of each the highest score counts that lasted as long as an
event must, and alarms per hour are blocks per hour that exceed the threshold. Where enough blocks
were seen the threshold is their conformal quantile; where not, a generalised Pareto tail of the
block maxima (peaks over threshold) says how high it has to be, the higher the fewer they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.events.event import Observed
from mnad.events.machine import EventConfig, EventMachine
from mnad.scoring.smooth import Sustained
from mnad.scoring.tail import Tail, fit_tail

BLOCK_SECONDS = 5.0
USUAL = EventConfig(0.5)
"""What makes an event where nobody has said otherwise."""
BRIEFEST = 0.001
"""Seconds that are less than any frame."""
DRAWS = 500
FEWEST = 20
"""Block maxima that a tail is fitted to, where there are as many."""
LIGHTEST = -0.2
"""Least shape of it. One that may end sooner lets through more than was asked for, as few values do
not tell where scores end; one that may not end misses more than it has to."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Smoothed scores of one stretch of normal footage.

    Attributes:
        seconds: (n,) times, rising, without gaps.
        score: (n,) 0..1.
    """

    seconds: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def duration(self) -> float:
        """Length in seconds; the last frame lasts as long as the others do on average."""
        count = len(self.seconds)
        return float(self.seconds[-1] - self.seconds[0]) * count / max(count - 1, 1)


@dataclass(frozen=True)
class Threshold:
    """A threshold and what may be expected of it.

    Attributes:
        score: 0..1; a frame at or above it is abnormal.
        per_hour: false alarms per hour that were asked for.
        expected: false alarms per hour at this threshold.
        interval: of that, 95 %, by a bootstrap over blocks in their order; if extrapolated, by how
            well their tail is known too. What is expected lies in it.
        counted: false alarms in the footage itself, by the event machine.
        hours: of normal footage.
        extrapolated: whether the footage is too short to have seen such scores.
        ahead: false alarms in as many hours again, 95 %, if those are like these hours; None if
            extrapolated. Narrow only for what was asked for many times over.
    """

    score: float
    per_hour: float
    expected: float
    interval: tuple[float, float]
    counted: int
    hours: float
    extrapolated: bool
    ahead: tuple[int, int] | None


def threshold_for(
    stretches: Sequence[Scored], per_hour: float, events: EventConfig = USUAL
) -> Threshold:
    """The threshold that normal footage exceeds `per_hour` times an hour.

    Args:
        stretches: smoothed scores of normal footage, at least two blocks in all.
        per_hour: false alarms per hour, above 0.
        events: what makes an event, at any threshold.

    Raises:
        MnadError: no stretch is as long as an event has to be.
    """
    (found,) = thresholds_for(stretches, (per_hour,), events)
    return found


def thresholds_for(
    stretches: Sequence[Scored], rates: Sequence[float], events: EventConfig = USUAL
) -> tuple[Threshold, ...]:
    """`threshold_for` of each of several rates; the footage is cut into blocks once."""
    blocks = [blocks_of(one, events.min_seconds) for one in stretches]
    maxima = np.concatenate([found.highest for found in blocks])
    if not len(maxima):
        raise MnadError(
            f"no stretch of this normal footage lasts for the {events.min_seconds:g} s that an "
            "event has to last: give longer ones."
        )
    seconds = sum(found.seconds for found in blocks)
    return tuple(_threshold(stretches, maxima, seconds, rate, events) for rate in rates)


def _threshold(
    stretches: Sequence[Scored],
    maxima: NDArray[np.float64],
    seconds: float,
    per_hour: float,
    events: EventConfig,
) -> Threshold:
    """By the block maxima of the stretches, which are so many seconds in all."""
    count = len(maxima)
    # The last block of a clip may be shorter: of short clips there are more in an hour.
    blocks_per_hour = 3600 * count / seconds
    share = min(per_hour / blocks_per_hour, 0.5)
    # Conformal: that a further block exceeds the k-th highest of n has a chance of k / (n + 1).
    # What is added keeps a rounding from making 1 of 2.
    above = int(share * (count + 1) + 1e-9)
    level = float(np.sort(maxima)[-max(above, 1)])
    if above < 1:  # never below what the footage itself reached
        tail, known = _tail(maxima)
        foretold = tail.foretold(known)
        level = max(level, float(foretold.quantile(min(share, foretold.share))))
        expected = _beyond(foretold, level)
    else:
        # Of equal ones, as in footage that repeats itself, none is let through: they are one.
        above = 1 + int((maxima > level).sum())
        expected = above / (count + 1)
    weight = (maxima > level) + (maxima == level) / max(int((maxima == level).sum()), 1)
    rng = np.random.default_rng(0)
    samples = [_resampled(count, rng) for _ in range(DRAWS)]
    shares = [
        float(weight[sample].mean()) if above else _drawn_share(maxima[sample], level, rng)
        for sample in samples
    ]
    low, high = np.quantile(shares, [0.025, 0.975]) * blocks_per_hour
    # Of seconds of footage a few heavy tails carry the mean, which lies above all the others then.
    high = max(high, expected * blocks_per_hour)
    # A frame at the threshold is abnormal: it lies just above the highest one allowed, by more
    # than the roundings between score and surprise.
    score = min(level / (1 + level) + 1e-12, 1.0)
    return Threshold(
        score=score,
        per_hour=per_hour,
        expected=expected * blocks_per_hour,
        interval=(float(low), float(high)),
        counted=sum(alarms_at(one, score, events) for one in stretches),
        hours=sum(one.duration for one in stretches) / 3600,
        extrapolated=above < 1,
        ahead=_ahead(above, count),
    )


def _ahead(above: int, count: int) -> tuple[int, int] | None:
    """Of as many blocks again, how many exceed the `above`-th highest of `count`, 95 %.

    The chance of one is Beta(above, count + 1 - above) distributed, whatever the scores are, so
    their number is beta-binomial; the blocks are taken to be independent.
    """
    if above < 1:
        return None
    from scipy.stats import betabinom  # a second to import, and only calibration asks

    low, high = betabinom(count, above, count + 1 - above).ppf([0.025, 0.975])
    return int(low), int(high)


class Blocks(NamedTuple):
    """What a stretch is cut into.

    Attributes:
        highest: (n,) of each block of `BLOCK_SECONDS` the highest sustained surprise (x of the
            score x/(1+x)).
        seconds: all of them together; the last may be shorter.
    """

    highest: NDArray[np.float64]
    seconds: float


def blocks_of(stretch: Scored, min_seconds: float = USUAL.min_seconds) -> Blocks:
    """The blocks in which something may have lasted for `min_seconds`."""
    held = Sustained(max(min_seconds, BRIEFEST))
    lasting = np.array([held.push(t, s) for t, s in zip(stretch.seconds, stretch.score)])  # noqa: B905
    number = ((stretch.seconds - stretch.seconds[0]) // BLOCK_SECONDS).astype(int)
    maxima = np.full(number[-1] + 1, -np.inf)
    np.maximum.at(maxima, number, lasting)
    lengths = np.full(len(maxima), BLOCK_SECONDS)
    lengths[-1] = stretch.duration - number[-1] * BLOCK_SECONDS
    # A block before anything can have lasted so long says nothing, and a last one that is less
    # than half full too little.
    told = np.isfinite(maxima)
    told[-1] &= lengths[-1] >= BLOCK_SECONDS / 2 or not told[:-1].any()
    return Blocks(_surprise(maxima[told]), float(lengths[told].sum()))


def _surprise(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(score / np.maximum(1 - score, 1e-12))


def alarms_at(stretch: Scored, threshold: float, events: EventConfig = USUAL) -> int:
    """Events that the event machine starts in a stretch."""
    machine = EventMachine(replace(events, threshold=threshold), "", None)
    # Frames that can neither begin an event nor go on with one are left out, but for the two before
    # and the one after one that can: the machine needs their times. Of a week a hundredth is left.
    high = np.flatnonzero(stretch.score >= machine.config.lower_threshold)
    near = np.unique(np.clip(high[:, None] + np.arange(-2, 2), 0, len(stretch.score) - 1))
    return sum(
        message.phase == "start"
        for i in near.tolist()
        for message in machine.push(Observed(i, float(stretch.seconds[i]), float(stretch.score[i])))
    )


def _tail(maxima: NDArray[np.float64]) -> tuple[Tail, int]:
    """The tail, and how many values it is known by."""
    share = min(1.0 - 1 / len(maxima), max(0.1, FEWEST / len(maxima)))
    tail = fit_tail(maxima, share, lightest=LIGHTEST)
    return tail, max(1, int((maxima > tail.cut).sum()))


def _drawn_share(maxima: NDArray[np.float64], level: float, rng: np.random.Generator) -> float:
    """Of blocks beyond a level, by one of the tails that may lie behind a sample."""
    tail, known = _tail(maxima)
    return _beyond(tail.drawn(known, rng), level)


def _beyond(tail: Tail, level: float) -> float:
    return float(10 ** tail.log10_survival(level))


def _resampled(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A moving-block bootstrap of so many values, by their places.

    Runs of neighbours stay together, as busy minutes do.
    """
    run = max(1, min(12, count // 8))
    starts = rng.integers(0, count - run + 1, -(-count // run))
    return (starts[:, None] + np.arange(run)).ravel()[:count]
