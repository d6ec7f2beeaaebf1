"""Anomaly maps and the masks they are measured against: what is taken, and what is refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def checked_map(values: ArrayLike) -> Map:
    """An anomaly map as (H, W) float32.

    Raises:
        MnadError: not two-dimensional, empty, or with a value that is no finite float32.
    """
    found = np.asarray(values)
    if found.ndim != 2 or found.size == 0:
        raise MnadError(f"A map has the shape {found.shape}; give one number per pixel, (H, W).")
    with np.errstate(over="ignore"):
        single = found.astype(np.float32, copy=False)
    if not np.isfinite(single).all():
        raise MnadError(
            f"A map has {int((~np.isfinite(single)).sum())} values that are NaN, infinite or too "
            "large for float32; correct them first."
        )
    return single


def checked_mask(mask: ArrayLike, shape: tuple[int, ...]) -> Mask:
    """A ground-truth mask as bool of the map's shape.

    Args:
        mask: (H, W) bool, or 0 and 1, or 0 and 255.
        shape: of the map. A mask of another size is refused, not resized: how a map is brought to
            the size of the mask is a choice that moves the result, and the caller's.

    Raises:
        MnadError: another shape or other values.
    """
    found = np.asarray(mask)
    if found.shape != shape:
        raise MnadError(
            f"A map of the shape {shape} meets a mask of {found.shape}; resize the map to the "
            "mask first, and say how."
        )
    if found.dtype == np.bool_:
        return found
    top = found.max()
    if not (np.isin(top, (0, 1, 255)) and ((found == 0) | (found == top)).all()):
        raise MnadError(
            "A mask has values other than 0 and 1 (or 0 and 255); a mask that was resized or "
            "compressed has to be made binary first."
        )
    return np.asarray(found != 0)


def checked_pair(values: ArrayLike, mask: ArrayLike | None) -> tuple[Map, Mask]:
    """`checked_map` and `checked_mask`; without a mask nothing is abnormal."""
    found = checked_map(values)
    truth = np.zeros(found.shape, np.bool_) if mask is None else checked_mask(mask, found.shape)
    return found, truth
