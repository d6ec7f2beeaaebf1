"""Whole things of one clip, and how to move one through the frames of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.video.source import open_source

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

LOOKED_AT, DIFFERENT = 60, 30.0
"""Frames in which things are looked for, and grey levels by which they differ from the ground."""


class CutOut(NamedTuple):
    """A whole thing: its pixels (h, w, 3) and opacity (h, w) in 0..1."""

    pixels: Floats
    alpha: Floats


@dataclass(frozen=True)
class Object:
    """What was blended in.

    Attributes:
        size: its class, an index of `SIZES`.
        height: in shares of the frame's height.
        contrast: mean absolute difference in brightness to what it covers, grey levels.
        first: seconds.
        last: seconds.
        boxes: by the number of the frame, as text: left, top, right, bottom in shares.
    """

    size: int
    height: float
    contrast: float
    first: float
    last: float
    boxes: dict[str, list[float]]


def cut_outs(clip: Path) -> list[CutOut]:
    """The whole cars or people in a clip that begins with an empty scene."""
    with open_source(clip) as source:
        every = max(1, (source.length or LOOKED_AT) // LOOKED_AT // 2)
        frames = [frame.rgb for frame in source if frame.index % every == 0]
    height, width = frames[0].shape[:2]
    half = [cv2.resize(f, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for f in frames]
    empty = half[0].astype(np.float32)
    found = []
    for frame in half:
        difference = frame - empty
        difference -= np.median(difference, axis=(0, 1))  # the camera adapts its exposure
        apart = cv2.GaussianBlur(np.abs(difference).max(axis=-1), (0, 0), 1) > DIFFERENT
        closed = cv2.morphologyEx(apart.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5)))
        outlines = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        if not outlines:
            continue
        outline = max(outlines, key=cv2.contourArea)
        x, y, w, h = cv2.boundingRect(outline)
        area = cv2.contourArea(outline)
        inside = min(x, y, width // 2 - x - w, height // 2 - y - h) >= 2
        full = area > 0.8 * cv2.contourArea(cv2.convexHull(outline))
        if inside and full and area > 0.02 * apart.size:
            alpha = cv2.drawContours(np.zeros(apart.shape, np.float32), [outline], -1, 1.0, -1)
            box = np.s_[y : y + h, x : x + w]
            found.append(CutOut(frame[box].astype(np.float32), alpha[box]))
    return found


def scaled(thing: CutOut, height: float) -> CutOut:
    """The thing at another height, its border soft."""
    factor = height / thing.alpha.shape[0]
    size = (max(2, round(factor * thing.alpha.shape[1])), max(2, round(height)))
    pixels = cv2.resize(thing.pixels, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(thing.alpha, size, interpolation=cv2.INTER_AREA)
    pixels = cv2.copyMakeBorder(pixels, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    alpha = cv2.GaussianBlur(cv2.copyMakeBorder(alpha, 2, 2, 2, 2, 0), (0, 0), 0.6)
    return CutOut(np.asarray(pixels), np.asarray(alpha))


def blend(
    frames: list[Pixels],
    seconds: Sequence[float],
    span: tuple[float, float],
    thing: CutOut,
    size: int,
    rng: np.random.Generator,
) -> Object:
    """Move a thing over the frames of a span, in place, from one border to another."""
    height, width = frames[0].shape[:2]
    numbers = [i for i, t in enumerate(seconds) if span[0] <= t <= span[1]]
    begin, end = chord(rng, height, width, max(thing.alpha.shape) / 2)
    canvases = []
    for i in numbers:
        middle = begin + (end - begin) * (seconds[i] - span[0]) / (span[1] - span[0])
        y, x = middle - np.array(thing.alpha.shape) / 2
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        share = cv2.warpAffine(thing.alpha, shift, (width, height))
        moved = cv2.warpAffine(
            thing.pixels, shift, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        canvases.append((i, np.asarray(share), np.asarray(moved)))
    total = sum(float(share.sum()) for _, share, _ in canvases)
    apart = [(share, grey(frames[i]) - grey(moved)) for i, share, moved in canvases]
    brighter = sum(float((share * darker).sum()) for share, darker in apart) / total
    contrast = sum(float((share * abs(darker - brighter)).sum()) for share, darker in apart) / total
    boxes = {}
    for i, share, moved in canvases:
        lit = np.clip(moved + brighter, 0, 255)
        frames[i] = np.rint(frames[i] + share[..., None] * (lit - frames[i])).astype(np.uint8)
        where = np.argwhere(share > 0.5)
        if len(where):
            (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0) + 1
            corners = (left / width, top / height, right / width, bottom / height)
            boxes[str(i)] = [round(float(n), 5) for n in corners]
    first, last = (seconds[int(i)] for i in (min(boxes, key=int), max(boxes, key=int)))
    return Object(size, (thing.alpha.shape[0] - 4) / height, contrast, first, last, boxes)


def grey(rgb: NDArray[Any]) -> Floats:
    """The luma of an image."""
    return np.asarray(rgb @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def chord(
    rng: np.random.Generator, height: int, width: int, beyond: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two points (y, x) `beyond` the border, on a line through the frame of a fair length."""
    while True:
        # Two of the four borders, and a point of each.
        borders = rng.choice(4, 2, replace=False)
        ends = [
            np.array([b * height, t * width] if b < 2 else [t * height, (b - 2) * width])
            for b, t in zip(borders, rng.uniform(0.1, 0.9, 2), strict=True)
        ]
        line = ends[1] - ends[0]
        length = float(np.hypot(*line))
        if 0.35 * width <= length <= 0.8 * width:
            return ends[0] - beyond * line / length, ends[1] + beyond * line / length
