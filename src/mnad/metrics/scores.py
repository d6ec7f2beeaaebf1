"""Putting scores of different clips and of different parts on a common scale.

A score is higher for a more abnormal frame. Scores come per clip, as mappings from a clip's name
to one value per scored frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnad.errors import MnadError, UsageError

ClipValues = Mapping[str, ArrayLike]
Array = NDArray[np.float64]


def minmax(values: ArrayLike) -> Array:
    """Scale to 0..1 by the smallest and largest value (MNAD eq. 17).

    Args:
        values: any shape, finite.

    Returns:
        The same shape; all zeros where all values are equal, for which the equation has none.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0 or x.max() == x.min():
        return np.zeros_like(x)
    return np.asarray((x - x.min()) / (x.max() - x.min()), dtype=np.float64)


def combine_parts(psnr: ArrayLike, distance: ArrayLike, lambda_score: float) -> Array:
    """Abnormality score of the frames of one clip (MNAD eq. 16).

    The first term is written as minmax(-psnr), equal to 1 - minmax(psnr) but for a constant PSNR:
    a part that never moves says nothing and adds 0.

    Args:
        psnr: (T,) in dB, low = abnormal.
        distance: (T,) of the queries to their nearest items, high = abnormal.
        lambda_score: weight of the PSNR term, 0..1.

    Returns:
        (T,), 0..1, high = abnormal.

    Raises:
        MnadError: the parts differ in length.
    """
    first, second = minmax(-np.asarray(psnr, dtype=np.float64)), minmax(distance)
    if first.shape != second.shape:
        raise MnadError(
            f"psnr has the shape {first.shape} but distance {second.shape}; "
            "give both parts of the same frames."
        )
    return lambda_score * first + (1 - lambda_score) * second


def rank_against(calibration: ArrayLike, values: ArrayLike) -> Array:
    """Share of the calibration values that are smaller than or equal to each value.

    Monotone and needs nothing of the clip that is judged, so it is fit for live use. For a
    quantity that is low when abnormal, such as the PSNR, negate both arguments.

    Args:
        calibration: values on normal footage that was not trained on, any shape.
        values: any shape.

    Returns:
        The shape of `values`, 0..1; near 1 = abnormal.

    Raises:
        MnadError: no calibration value, or one that is not a finite number, in either.
    """
    known = np.sort(np.asarray(calibration, dtype=np.float64), axis=None)
    x = np.asarray(values, dtype=np.float64)
    if known.size == 0:
        raise MnadError("There is no calibration value to rank against; score normal footage.")
    if not (np.isfinite(known).all() and np.isfinite(x).all()):
        raise MnadError("A value to rank or to rank against is NaN or infinite; correct it first.")
    return np.asarray(np.searchsorted(known, x, side="right") / known.size, dtype=np.float64)


def per_clip_minmax(*parts: ClipValues, weights: Sequence[float] = (1.0,)) -> dict[str, Array]:
    """Weighted sum of parts, each min-max scaled within its clip (looks ahead).

    Args:
        parts: each a mapping from clip to (T,) scores; all of the same clips and frames.
        weights: one per part.

    Returns:
        Clip to (T,) score.

    Raises:
        MnadError: parts that differ in clips or lengths, or hold NaN or infinite values.
        UsageError: not one weight per part.
    """
    checked = _checked_parts(parts, weights)
    return {
        clip: _weighted([minmax(part[clip]) for part in checked], weights) for clip in checked[0]
    }


def whole_set_minmax(*parts: ClipValues, weights: Sequence[float] = (1.0,)) -> dict[str, Array]:
    """Weighted sum of parts, each min-max scaled over all clips together (looks ahead).

    Arguments, result and errors are those of `per_clip_minmax`.
    """
    checked = _checked_parts(parts, weights)
    pooled = _weighted([minmax(np.concatenate(list(p.values()))) for p in checked], weights)
    ends = np.cumsum([len(x) for x in checked[0].values()])[:-1]
    return dict(zip(checked[0], np.split(pooled, ends), strict=True))


def _weighted(parts: Sequence[Array], weights: Sequence[float]) -> Array:
    total = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        total += weight * part
    return total


def checked_scores(scores: ClipValues) -> dict[str, Array]:
    """The scores as float64 arrays.

    Raises:
        MnadError: no clip, or one whose scores are not (T,) finite numbers with T > 0.
    """
    if not scores:
        raise MnadError("There is no clip to measure; give at least one.")
    arrays = {clip: np.asarray(s, dtype=np.float64) for clip, s in scores.items()}
    for clip, s in arrays.items():
        if s.ndim != 1 or s.size == 0:
            raise MnadError(
                f"Clip {clip!r} has scores of the shape {s.shape}; give one number per frame, "
                "for one frame or more."
            )
        bad = np.flatnonzero(~np.isfinite(s))
        if bad.size:
            raise MnadError(
                f"Clip {clip!r} has {bad.size} scores that are NaN or infinite, the first at "
                f"position {bad[0]}; leave such frames out or correct them."
            )
    return arrays


def _checked_parts(parts: Sequence[ClipValues], weights: Sequence[float]) -> list[dict[str, Array]]:
    if len(parts) != len(weights) or not parts:
        raise UsageError(f"There are {len(parts)} parts and {len(weights)} weights; pair them.")
    checked = [checked_scores(part) for part in parts]
    for part in checked[1:]:
        check_same_frames(checked[0], part, "values of the first part", "values of another part")
    return [{clip: part[clip] for clip in checked[0]} for part in checked]


def check_same_frames(
    first: Mapping[str, NDArray[np.generic]],
    second: Mapping[str, NDArray[np.generic]],
    one: str,
    other: str,
) -> None:
    """Raise an `MnadError` that names the first clip in which two mappings differ in shape."""
    for clip in [*first, *second]:
        if clip not in first or clip not in second:
            has, lacks = (one, other) if clip in first else (other, one)
            raise MnadError(f"Clip {clip!r} has {has} but no {lacks}; give the same clips to both.")
        if first[clip].shape != second[clip].shape:
            raise MnadError(
                f"Clip {clip!r} has {one} of the shape {first[clip].shape} but {other} of "
                f"{second[clip].shape}; give one of each per frame."
            )
