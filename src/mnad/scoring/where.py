"""Where a frame is unusual: a heat map for the eye, and boxes.

The squared error of one pixel says little: edges flicker, and a prediction is wrong along the
outline of everything that moves. So the error is smoothed, and measured against how high normal
footage drives it at the same place. It needs no look-ahead, and it does not enter the frame's
score.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]

SIGMA = 0.025
"""Standard deviation of the smoothing, as a share of the map's height."""

GROW = 0.6
"""A region that reaches the level of a box takes in what is connected above this share of it."""

GAP = 0.02
"""Regions with less than about this between them are one, as a share of the map's height."""

AREA = 0.0005
"""Least area of a region, as a share of the map's."""

MOST = 8
"""Most boxes of a frame."""

BUSY = 0.05
"""Share of the pixels, those where normal footage is hardest to predict, that are damped."""


class Region(NamedTuple):
    """Sides in shares of the map's width and height (right and bottom exclusive).

    Attributes:
        left: of the width.
        top: of the height.
        right: of the width.
        bottom: of the height.
        peak: highest heat inside.
    """

    left: float
    top: float
    right: float
    bottom: float
    peak: float


class PaperMap(NamedTuple):
    """The picture of the paper's Fig. 4.

    Attributes:
        score: (h, w) float32 in 0..1, high = abnormal.
        mark: (h, w) bool, where the score is above the frame's average.
    """

    score: Map
    mark: NDArray[np.bool_]


def paper_map(error: Map, distance: Map | None = None, lambda_score: float = 0.6) -> PaperMap:
    """The pixel scores of the paper's Fig. 4: lambda * g(e) + (1 - lambda) * g(D).

    The paper says "similar to (16)" and gives no formula. Here e is the squared error of a pixel
    and g (eq. 17) runs over the pixels of the frame: in decibels, as (16) has it, half of a still
    background would lie above the average.

    Args:
        error: (h, w), squared error of the frame in 0..1.
        distance: (H, W), distance of the query at each place to its nearest item, at the size of
            the memory's grid; the error alone counts without it.
        lambda_score: weight of the error, 0..1.
    """
    score = _min_max(error)
    if distance is not None:
        height, width = error.shape
        far = cv2.resize(distance, (width, height), interpolation=cv2.INTER_LINEAR)
        score = lambda_score * score + (1 - lambda_score) * _min_max(np.asarray(far))
    score = np.asarray(score, np.float32)
    return PaperMap(score, score > score.mean(dtype=np.float64))


def _min_max(values: Map) -> Map:
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / max(high - low, 1e-30), np.float32)


def smooth(error: Map, sigma: float) -> Map:
    """Gaussian smoothing of a map (h, w), mirrored at its edges; `sigma` in pixels, above 0."""
    return np.asarray(cv2.GaussianBlur(error, (0, 0), sigma), np.float32)


class _Smoother:
    """Smooths error maps; what the mask hides neither shows nor bleeds into what it shows."""

    def __init__(self, mask: Map | None) -> None:
        self._mask = mask
        if mask is not None:
            near = smooth(mask, SIGMA * len(mask))
            self._weight = np.asarray(mask / np.maximum(near, 1e-3), np.float32)

    def __call__(self, error: Map) -> Map:
        sigma = SIGMA * len(error)
        if self._mask is None:
            return smooth(error, sigma)
        return smooth(error * self._mask, sigma) * self._weight


class NormalLevel:
    """Learns how high the smoothed error of each pixel gets on normal footage.

    It is the exact quantile of each pixel over all frames pushed: the highest values of each
    pixel are kept, which is all that a high quantile needs. From ``keep / (1 - quantile)`` frames
    on, 32,000 as it stands, it is the lowest value kept, so the quantile creeps up; with fewer
    than ``1 / (1 - quantile)`` frames it is the highest value seen.

    Args:
        mask: (h, w) share of each pixel that is looked at; all of it without.
        quantile: share of the frames in which a pixel stays at or below its level.
        keep: values kept of each pixel.
    """

    def __init__(self, mask: Map | None = None, quantile: float = 0.999, keep: int = 32) -> None:
        self._mask = mask
        self._smooth = _Smoother(mask)
        self._quantile = quantile
        self._keep = keep
        self._highest: Map | None = None  # (keep, h * w), falling
        self._shape = (0, 0)
        self._frames = 0

    def push(self, error: Map) -> NormalLevel:
        """Take in the error map (h, w) of a normal frame."""
        values = self._smooth(error).ravel()
        if self._highest is None:
            self._shape = error.shape
            self._highest = np.full((self._keep, values.size), -np.inf, np.float32)
        for row in self._highest:  # each value sinks to its place among the highest
            lower = np.minimum(row, values)
            np.maximum(row, values, out=row)
            values = lower
        self._frames += 1
        return self

    def level(self) -> Map:
        """The level of each pixel, (h, w).

        Raises:
            ValueError: no frame was pushed.
        """
        if self._highest is None:
            raise ValueError("the level of no frames")
        above = int((1 - self._quantile) * self._frames + 1e-9)
        return np.array(self._highest[min(above, self._keep - 1)]).reshape(self._shape)

    def floor(self, busy: float = BUSY) -> float:
        """A floor for `Where`: the level that a share `busy` of the pixels looked at exceeds.

        It is above 0. Raises as `level` does.
        """
        level = self.level()
        looked = level if self._mask is None else level[self._mask > 0]
        return max(float(np.quantile(looked, 1 - busy)), 1e-6)


class Where:
    """The heat map of a camera whose normal footage is known.

    Args:
        normal: (h, w) from `NormalLevel`; None where nothing is known, so that nothing is damped.
        floor: the least level, above 0, in the unit of the smoothed squared error; it keeps
            places where nothing ever happens from glowing at the first thing that does.
        mask: (h, w) share of each pixel that is looked at; all of it without.
    """

    def __init__(self, normal: Map | None, floor: float, mask: Map | None = None) -> None:
        self._smooth = _Smoother(mask)
        level = np.float32(floor) if normal is None else np.maximum(normal, np.float32(floor))
        self._gain = np.float32(1) / level

    def map(self, error: Map) -> Map:
        """The heat of a frame.

        Args:
            error: (h, w) float32, squared error of the frame, measured as `normal` was.

        Returns:
            (h, w) float32, 0 and more; 1 is as high as normal footage hardly ever gets at that
            place. 0 where the mask is 0.
        """
        return self._smooth(error) * self._gain

    @staticmethod
    def boxes(heat: Map, at: float = 1.0) -> tuple[Region, ...]:
        """The regions of a heat map (h, w) that reach `at`, hottest first, at most `MOST`."""
        hot = heat >= at
        if not hot.any():
            return ()
        grown = (heat >= GROW * at).astype(np.uint8)
        height, width = heat.shape
        reach = round(GAP * height / 2)
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        # Widened by half of the gap each, close regions touch and get one label.
        _, labels = cv2.connectedComponents(cv2.dilate(grown, kernel), connectivity=8)
        all_rows, all_columns = np.nonzero(grown)
        owner = labels[all_rows, all_columns]
        found = []
        for label in np.unique(labels[hot]):
            rows, columns = all_rows[owner == label], all_columns[owner == label]
            if len(rows) < AREA * heat.size:
                continue
            found.append(
                Region(
                    float(columns.min() / width),
                    float(rows[0] / height),  # in the order of rows, as nonzero gives them
                    float((columns.max() + 1) / width),
                    float((rows[-1] + 1) / height),
                    float(heat[rows, columns].max()),
                )
            )
        return tuple(sorted(found, key=lambda region: -region.peak)[:MOST])
