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
        MnadError: no mapping, no clip, or one whose scores are not (T,) finite numbers with T > 0.
    """
    check_by_clip(scores, "scores")
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


def check_by_clip(values: object, what: str) -> None:
    """Refuse the bare values of one clip, which is what one has at hand first.

    Raises:
        MnadError: no mapping.
    """
    if not isinstance(values, Mapping):
        raise MnadError(
            f"The {what} are {type(values).__name__}; give them by clip, as {{'clip': {what}}}."
        )


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
