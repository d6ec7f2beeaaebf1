"""Which parts of the picture are looked at: include and ignore polygons, and a crop.

A file of regions is JSON with coordinates in shares of the original frame, x to the right and y
down, so that it fits the camera at any resolution; every key may be left out:

    {"crop": [left, top, right, bottom],
     "include": [[[x, y], [x, y], [x, y]]],
     "ignore": [[[x, y], [x, y], [x, y]]]}

Looked at is what lies in the crop, in any of the include polygons where there are some, and in
none of the ignore polygons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError

Kind = TypeVar("Kind", bound=np.generic)
Polygon = tuple[tuple[float, float], ...]

SAMPLES = 8
"""Points per pixel and axis by which its share is counted."""

_KEYS = ("crop", "include", "ignore")


@dataclass(frozen=True)
class Regions:
    """What to look at; all coordinates are shares 0..1 of the original frame.

    A polygon that crosses itself holds the points that an odd number of its edges surrounds.

    Args:
        crop: left, top, right, bottom; the network sees only this part. The whole frame without.
        include: polygons of at least three corners (x, y); the whole crop without any.
        ignore: likewise; wins over `include`.

    Raises:
        MnadError: a coordinate outside 0..1, a polygon of fewer than three corners, an empty crop.
        UsageError: nothing is left to look at.
    """

    crop: tuple[float, float, float, float] | None = None
    include: tuple[Polygon, ...] = ()
    ignore: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        if self.crop is not None:
            _check_range(self.crop, "the crop")
            left, top, right, bottom = self.crop
            if left >= right or top >= bottom:
                raise MnadError(
                    f"the crop {list(self.crop)} is empty; give left, top, right, bottom with left "
                    "below right and top below bottom."
                )
        for key, polygons in (("include", self.include), ("ignore", self.ignore)):
            for number, polygon in enumerate(polygons, 1):
                name = f"{key} polygon {number}"
                if len(polygon) < 3:
                    raise MnadError(f"{name} has {len(polygon)} corner(s); give at least three.")
                _check_range([value for corner in polygon for value in corner], name)
        self.mask(64, 64)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, as in a file of regions; what is not set is left out."""
        values: dict[str, Any] = {} if self.crop is None else {"crop": list(self.crop)}
        for key, polygons in (("include", self.include), ("ignore", self.ignore)):
            if polygons:
                values[key] = [[list(corner) for corner in polygon] for polygon in polygons]
        return values

    @classmethod
    def from_dict(cls, values: object) -> Regions:
        """The inverse of `as_dict`, for anything that JSON may hold.

        Raises:
            MnadError: not of the form described above, or as for `Regions`.
            UsageError: nothing is left to look at.
        """
        if not isinstance(values, Mapping):
            raise MnadError('regions are {"crop": …, "include": …, "ignore": …}, all optional.')
        if unknown := [str(key) for key in values if key not in _KEYS]:
            raise MnadError(f"unknown key {unknown[0]!r}; the keys are {', '.join(_KEYS)}.")
        crop = values.get("crop")
        if crop is not None:
            crop = _numbers(crop, 4, "the crop must be [left, top, right, bottom]")
        polygons = {key: _polygons(values.get(key), key) for key in ("include", "ignore")}
        return cls(crop, **polygons)

    def mask(self, height: int, width: int) -> NDArray[np.float32]:
        """Share of each pixel that is looked at.

        Args:
            height: rows of the cropped picture, such as the network sees it.
            width: columns likewise.

        Returns:
            (height, width) float32 in 0..1, read-only, counted on `SAMPLES` x `SAMPLES` points
            of each pixel.

        Raises:
            UsageError: nothing is left to look at.
        """
        return _mask(self, height, width)

    def crop_of(self, pixels: NDArray[Kind]) -> NDArray[Kind]:
        """The part of a frame or of its mask (H, W, …) within the crop: a view, no copy.

        It has at least one pixel.
        """
        if self.crop is None:
            return pixels
        left, top, right, bottom = self.crop
        rows = _span(top, bottom, pixels.shape[0])
        columns = _span(left, right, pixels.shape[1])
        return pixels[rows, columns]

    def hide(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame for the eye: grey hatching over everything that is not looked at.

        What people were promised is ignored must not be seen either, so a pixel that an edge
        crosses is covered too.

        Args:
            rgb: (H, W, 3) uint8, the original frame. It is not changed.

        Returns:
            (H, W, 3) uint8; `rgb` itself where everything is looked at.
        """
        if self == Regions():
            return rgb
        hidden, hatching = _cover(self, *rgb.shape[:2])
        return np.asarray(cv2.copyTo(hatching, hidden, rgb.copy()), np.uint8)

    def to_frame(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        """The sides of a box in shares of the cropped picture, in shares of the original frame."""
        if self.crop is None:
            return left, top, right, bottom
        first, upper, last, lower = self.crop
        wide, high = last - first, lower - upper
        return first + wide * left, upper + high * top, first + wide * right, upper + high * bottom


def load_regions(path: str | Path) -> Regions:
    """Read a file of regions.

    Raises:
        UsageError: no such file, or nothing is left to look at.
        MnadError: the file cannot be read or breaks the form; the sentence names the polygon.
    """
    try:
        return Regions.from_dict(json.loads(Path(path).read_text("utf-8")))
    except FileNotFoundError:
        raise UsageError(f"there is no file of regions {path}; check the path.") from None
    except OSError as error:
        raise MnadError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except ValueError as error:  # of JSON, or of UTF-8
        raise MnadError(f"{path} is no JSON file ({error}); correct it.") from None
    except RecursionError:
        raise MnadError(f"{path} is no file of regions: its lists are nested too deep.") from None
    except MnadError as error:
        raise type(error)(f"{path}: {error}") from None


def _numbers(values: object, count: int, rule: str) -> tuple[Any, ...]:
    if (
        not isinstance(values, list | tuple)
        or len(values) != count
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    ):
        raise MnadError(f"{rule}, {count} numbers of 0..1.")
    return tuple(values)


def _polygons(values: object, key: str) -> tuple[Polygon, ...]:
    if values is None:
        return ()
    if not isinstance(values, list | tuple):
        raise MnadError(f"{key} must be a list of polygons.")
    polygons = []
    for number, polygon in enumerate(values, 1):
        name = f"{key} polygon {number}"
        if not isinstance(polygon, list | tuple):
            raise MnadError(f"{name} must be a list of corners [x, y].")
        polygons.append(
            tuple(
                _numbers(corner, 2, f"corner {at} of {name} must be [x, y]")
                for at, corner in enumerate(polygon, 1)
            )
        )
    return tuple(polygons)


def _check_range(values: list[float] | tuple[float, ...], name: str) -> None:
    for value in values:
        if not 0 <= value <= 1:
            raise MnadError(
                f"{name} has the coordinate {value}; coordinates are shares of the frame, 0..1."
            )


def _span(start: float, stop: float, length: int) -> slice:
    first = min(round(start * length), length - 1)
    return slice(first, max(round(stop * length), first + 1))


@lru_cache(maxsize=8)
def _mask(regions: Regions, height: int, width: int) -> NDArray[np.float32]:
    left, top, right, bottom = regions.crop or (0.0, 0.0, 1.0, 1.0)
    x = left + (right - left) * _centres(width * SAMPLES)
    y = top + (bottom - top) * _centres(height * SAMPLES)
    points = _looked(regions, x, y).reshape(height, SAMPLES, width, SAMPLES)
    mask = np.asarray(points.mean((1, 3), dtype=np.float32))
    if not mask.any():
        raise UsageError(
            "the regions leave nothing to look at; make the ignore polygons smaller, or the crop "
            "and the include polygons larger."
        )
    mask.setflags(write=False)
    return mask


@lru_cache(maxsize=4)
def _cover(regions: Regions, height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where to hide a frame, (H, W) uint8 of 0 and 255, and by what, (H, W, 3) uint8."""
    x, y = _centres(width), _centres(height)
    looked = _looked(regions, x, y)
    if regions.crop is not None:
        left, top, right, bottom = regions.crop
        looked &= ((left <= x) & (x < right)) & ((top <= y) & (y < bottom))[:, None]
    # Cut at the edges of the regions only: nothing is hidden beyond the edge of the frame.
    shown = cv2.erode(looked.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    stripes = np.add.outer(np.arange(height), np.arange(width)) // 8 % 2
    hatching = np.where(stripes, 136, 120).astype(np.uint8)
    return (1 - shown) * 255, np.repeat(hatching[..., None], 3, axis=2)


def _centres(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


def _looked(regions: Regions, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the polygons let the points of a grid be looked at, (len(y), len(x))."""
    looked = np.full((len(y), len(x)), not regions.include)
    for polygon in regions.include:
        looked |= _inside(polygon, x, y)
    for polygon in regions.ignore:
        looked &= ~_inside(polygon, x, y)
    return looked


def _inside(polygon: Polygon, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Even-odd rule: a point is inside if its ray to the right meets an odd number of edges."""
    inside = np.zeros((len(y), len(x)), bool)
    for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        rows = np.flatnonzero((y0 > y) != (y1 > y))
        if rows.size:
            meets = x0 + (y[rows] - y0) / (y1 - y0) * (x1 - x0)
            inside[rows] ^= x < meets[:, None]
    return inside
