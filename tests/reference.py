"""Every equation of the MNAD paper in slow float64 NumPy: loops over queries, items and pixels.

Written from the paper and from the docstring of `mnad.config.MethodConfig`, not from the package's
fast code, which tests compare against it. Names of readings are the values of `MethodConfig`'s
fields; equation numbers are those of Park, Noh, Ham, CVPR 2020 (arXiv 2003.13228).

Shapes: K queries of C channels per frame, M items, B frames, images (C, H, W) in -1..1. Only
products of vectors along C are left to NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

PSNR_CAP = 100.0
"""What a perfect prediction scores, in dB; eq. 15 divides by zero there."""


def unit(vector: Array) -> Array:
    """f, the L2 normalisation: (C,) -> (C,)."""
    return vector / math.sqrt(float(np.dot(vector, vector)))


def normalise(features: Array) -> Array:
    """Queries of a feature map, row by row: (C, H, W) -> (H * W, C) of unit norm."""
    _, height, width = features.shape
    return np.array([unit(features[:, i, j]) for i in range(height) for j in range(width)])


def softmax(values: Sequence[float]) -> list[float]:
    """exp(v) / sum of exp(v)."""
    powers = [math.exp(v) for v in values]
    return [power / sum(powers) for power in powers]


def read(queries: Array, items: Array, temperature: float = 1.0) -> tuple[Array, Array]:
    """Eq. 1-2: (K, C), (M, C) -> weights (K, M) over the items, aggregates (K, C)."""
    weights = np.zeros((len(queries), len(items)))
    aggregate = np.zeros_like(queries)
    for k, query in enumerate(queries):
        weights[k] = softmax([float(np.dot(item, query)) / temperature for item in items])
        for m, item in enumerate(items):
            aggregate[k] += weights[k, m] * item
    return weights, aggregate


def nearest(queries: Array, items: Array) -> tuple[Indices, Indices]:
    """Eq. 11, 13: indices p (K,), n (K,) of the items with the largest weights.

    Among equal weights the lower index goes first; n is -1 where there is one item only.
    """
    weights, _ = read(queries, items)
    first = np.full(len(queries), -1)
    second = np.full(len(queries), -1)
    for k in range(len(queries)):
        for m in range(len(items)):
            if first[k] < 0 or weights[k, m] > weights[k, first[k]]:
                first[k] = m
        for m in range(len(items)):
            if m != first[k] and (second[k] < 0 or weights[k, m] > weights[k, second[k]]):
                second[k] = m
    return first, second


def update(
    queries: Sequence[Array],
    items: Array,
    scope: Literal["batch", "assigned"],
    momentum: float = 0.0,
) -> Array:
    """Eq. 3-5: the frames' queries, each (K, C), and the old items -> new items (M, C).

    ``assigned`` is the equations as printed: eq. 4 normalises over the queries of one frame and
    eq. 5 by the largest v among the queries of that frame assigned to the item. ``batch`` is the
    public code: both run over all queries of all frames. In either, what all frames contribute is
    added to the old item before f is applied once. With `momentum` an item goes only part of the
    way there, and is scaled to unit norm again.
    """
    if scope == "batch":
        queries = [np.concatenate(list(queries))]
    added = np.zeros_like(items)
    for frame in queries:
        p, _ = nearest(frame, items)
        for m, item in enumerate(items):
            v = softmax([float(np.dot(item, query)) for query in frame])
            assigned = [k for k in range(len(frame)) if p[k] == m]
            compared = range(len(frame)) if scope == "batch" else assigned
            for k in assigned:
                added[m] += v[k] / max(v[c] for c in compared) * frame[k]
    moved = [unit(item + sum_) for item, sum_ in zip(items, added, strict=True)]
    return np.array(
        [unit(momentum * a + (1 - momentum) * b) for a, b in zip(items, moved, strict=True)]
    )


def norm(vector: Array) -> float:
    """L2 norm, not squared, of (C,)."""
    return math.sqrt(float(np.dot(vector, vector)))


def compactness(queries: Sequence[Array], items: Array, reading: str) -> float:
    """Eq. 10 over the queries (K, C) of each frame.

    ``paper``: the sum over frames and queries of the distance to the nearest item, ``norm_mean``:
    its mean; ``official``: the mean over frames, queries and channels of the squared difference,
    ``squared_sum``: its sum.
    """
    summed, squared, elements, count = 0.0, 0.0, 0, 0
    for frame in queries:
        p, _ = nearest(frame, items)
        for k, query in enumerate(frame):
            difference = query - items[p[k]]
            summed += norm(difference)
            squared += float(np.dot(difference, difference))
            elements += len(difference)
            count += 1
    return {
        "paper": summed,
        "norm_mean": summed / count,
        "squared_sum": squared,
        "official": squared / elements,
    }[reading]


def pseudo_anomalous(
    queries: Sequence[Array], moves: Sequence[Array], items: Array, normal: int
) -> float:
    """That loss: queries (K, C) and where something moves (K,), frame by frame."""
    near, near_moving, far_moving = [], [], []
    for number, frame in enumerate(queries):
        for k, query in enumerate(frame):
            away = 1 - max(float(np.dot(query, item)) for item in items)
            if number >= normal:
                if moves[number][k]:
                    far_moving.append(max(0.0, 1 - away))
                continue
            near.append(away)
            if moves[number][k]:
                near_moving.append(away)
    return sum(sum(part) / max(1, len(part)) for part in (near, near_moving, far_moving))


def separateness(queries: Sequence[Array], items: Array, margin: float, reading: str) -> float:
    """Eq. 12 over the queries (K, C) of each frame.

    ``paper`` and ``squared_sum``: the sum over frames and queries, as printed; ``norm_mean``: their
    mean; ``official``: their mean, with 1e-6 added to every element of the differences, as torch's
    triplet margin loss does.
    """
    epsilon = 1e-6 if reading == "official" else 0.0
    total, count = 0.0, 0
    for frame in queries:
        p, n = nearest(frame, items)
        for k, query in enumerate(frame):
            near = norm(query - items[p[k]] + epsilon)
            far = norm(query - items[n[k]] + epsilon)
            total += max(0.0, near - far + margin)
            count += 1
    return total if reading in ("paper", "squared_sum") else total / count


def reconstruction_loss(outputs: Array, targets: Array, reading: str) -> float:
    """Eq. 9 for images (B, C, H, W) in -1..1.

    ``norm``: the sum over frames of the L2 norm of the whole error image; ``mse``: the mean
    squared error over all elements; ``norm_mean``: the mean over frames of the root mean squared
    error; ``squared_sum``: the sum of all squared errors.
    """
    summed, squared, rooted = 0.0, 0.0, 0.0
    for output, target in zip(outputs, targets, strict=True):
        frame = 0.0
        for index in np.ndindex(output.shape):
            frame += float(output[index] - target[index]) ** 2
        summed += math.sqrt(frame)
        squared += frame
        rooted += math.sqrt(frame / output.size) / len(outputs)
    return {
        "norm": summed,
        "mse": squared / outputs.size,
        "norm_mean": rooted,
        "squared_sum": squared,
    }[reading]


def total_loss(
    reconstruction: float,
    compact: float,
    separate: float,
    lambda_compact: float,
    lambda_separate: float,
) -> float:
    """Eq. 8."""
    return reconstruction + lambda_compact * compact + lambda_separate * separate


def regular_score(output: Array, target: Array, reading: Literal["squared", "norm"]) -> float:
    """Eq. 6-7 for one frame, images (C, H, W) in -1..1, errors between them on the 0..1 scale.

    ``norm``: the error of a pixel is the L2 norm over its channels, as printed; ``squared``: every
    element is on its own, its error squared. Without any error the weights are 0/0 and the score
    is 0.
    """
    channels, height, width = output.shape
    errors: list[float] = []
    for i in range(height):
        for j in range(width):
            squares = [
                float((output[c, i, j] + 1) / 2 - (target[c, i, j] + 1) / 2) ** 2
                for c in range(channels)
            ]
            errors += squares if reading == "squared" else [math.sqrt(sum(squares))]
    weights = [1 - math.exp(-error) for error in errors]
    if sum(weights) == 0:
        return 0.0
    return sum(w / sum(weights) * e for w, e in zip(weights, errors, strict=True))


def distance(queries: Array, items: Array, reading: Literal["official", "paper"]) -> float:
    """Eq. 14 for one frame, (K, C): how far its queries lie from their nearest items.

    ``paper``: the mean distance; ``official``: the compactness loss of the frame.
    """
    summed = compactness([queries], items, reading)
    return summed / len(queries) if reading == "paper" else summed


def psnr(output: Array, target: Array, peak: Literal["one", "prediction"]) -> float:
    """Eq. 15 for one frame in dB, images (C, H, W) in -1..1 taken to 0..1, at most `PSNR_CAP`.

    The mean squared error runs over pixels and channels. The numerator is 1 (``one``) or the
    largest value of the output, not squared (``prediction``).
    """
    squared, largest = 0.0, 0.0
    for index in np.ndindex(output.shape):
        a, b = float(output[index] + 1) / 2, float(target[index] + 1) / 2
        squared += (a - b) ** 2
        largest = max(largest, a)
    numerator = 1.0 if peak == "one" else largest
    if squared == 0:
        return PSNR_CAP
    return min(PSNR_CAP, 10 * math.log10(numerator / (squared / output.size)))


def minmax(values: Sequence[float]) -> list[float]:
    """Eq. 17, g: (T,) -> (T,) in 0..1; zeros where all values are equal."""
    low, high = min(values), max(values)
    if low == high:
        return [0.0 for _ in values]
    return [(v - low) / (high - low) for v in values]


def abnormality(
    psnrs: Sequence[float], distances: Sequence[float], lambda_score: float
) -> list[float]:
    """Eq. 16 over the frames of a clip: (T,) and (T,) -> (T,), high = abnormal.

    Where all PSNR values of the clip are equal, g is 0/0 and the PSNR term adds nothing.
    """
    moves = min(psnrs) != max(psnrs)
    scores = []
    for p, d in zip(minmax(psnrs), minmax(distances), strict=True):
        scores.append(lambda_score * ((1 - p) if moves else 0.0) + (1 - lambda_score) * d)
    return scores


def normality(
    psnrs: Sequence[float], distances: Sequence[float], lambda_score: float
) -> list[float]:
    """The public code's form of eq. 16, high = normal; with eq. 16 it adds up to 1."""
    return [1 - s for s in abnormality(psnrs, distances, lambda_score)]
