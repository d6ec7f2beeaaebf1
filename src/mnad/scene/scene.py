"""Draw the scene, frame by frame, with its exact ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mnad.errors import UsageError
from mnad.scene.bodies import SHIFT, bodies_at
from mnad.scene.camera import Camera
from mnad.scene.foliage import OVERSAMPLING, Bytes
from mnad.scene.place import build_place
from mnad.scene.ticker import Ticker
from mnad.scene.traffic import KINDS, Kind, Traffic
from mnad.scene.weather import Weather


@dataclass(frozen=True)
class SceneConfig:
    """One camera.

    Args:
        height: rows of a frame.
        width: columns of a frame.
        rate: frames per second.
        channels: 3 (RGB) or 1 (grey).
        place_seed: what the place looks like; clips of one place share it.
        density: factor on the number of people.
        noise: standard deviation of the sensor noise at mid grey, in grey levels.

    Raises:
        UsageError: a value outside its range.
    """

    height: int = 128
    width: int = 192
    rate: Fraction = Fraction(10)
    channels: Literal[1, 3] = 3
    place_seed: int = 0
    density: float = 1.0
    noise: float = 2.0

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            if getattr(self, name) < 48:
                raise UsageError(f"{name} is {getattr(self, name)}; a scene needs 48 or more.")
        if self.rate <= 0:
            raise UsageError(f"rate is {self.rate}; it must be above 0 frames per second.")
        if self.channels not in (1, 3):
            raise UsageError(f"channels is {self.channels}; choose 1 (grey) or 3 (RGB).")
        for name in ("place_seed", "density", "noise"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more.")


class Box(NamedTuple):
    """Where one abnormal track is seen; the corners are pixels inside it, 0-based."""

    track: int
    kind: Kind
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class SceneFrame:
    """A frame and its truth.

    Attributes:
        pixels: (H, W, C) uint8, RGB or grey.
        mask: (H, W) bool, the visible pixels of everything abnormal.
        boxes: one per abnormal track of which a pixel is visible.
    """

    pixels: Bytes
    mask: NDArray[np.bool_]
    boxes: tuple[Box, ...]

    @property
    def label(self) -> bool:
        """Whether anything abnormal is visible."""
        return bool(self.boxes)


def render(
    config: SceneConfig,
    seed: int,
    frames: int,
    anomalies: bool | Sequence[Kind] = False,
    start: int = 0,
) -> Iterator[SceneFrame]:
    """Draw frames ``start .. start + frames - 1`` of an endless clip, in constant memory.

    A frame depends on configuration, seed, anomalies and its own index alone: drawn in one go or
    in pieces, it is the same to the bit.

    Args:
        config: camera and place.
        seed: of people, weather and noise.
        frames: how many.
        anomalies: False for normal footage, True for all kinds in a seeded order, or the kinds
            to show, one in every 15 seconds, over and over.
        start: index of the first frame.

    Raises:
        UsageError: an unknown kind of anomaly, or a negative number.
    """
    for name, value in (("seed", seed), ("frames", frames), ("start", start)):
        if value < 0:
            raise UsageError(f"{name} is {value}; it must be 0 or more.")
    kinds: tuple[Kind, ...]
    if isinstance(anomalies, bool):
        order = np.random.default_rng([0x0DE6, seed]).permutation(len(KINDS))
        kinds = tuple(KINDS[k] for k in order) if anomalies else ()
    else:
        kinds = tuple(anomalies)
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is no kind of anomaly; choose from {', '.join(KINDS)}.")
    painter = _Painter(config, seed, kinds)
    return (painter.frame(index) for index in range(start, start + frames))


class _Painter:
    """Draws any frame of one clip; holds nothing that grows."""

    def __init__(self, config: SceneConfig, seed: int, kinds: tuple[Kind, ...]) -> None:
        self.config, self.seed = config, seed
        self.size = (config.width, config.height)  # the order of OpenCV
        self.canvas_size = (config.width * OVERSAMPLING, config.height * OVERSAMPLING)
        self.coarse = Camera.over_square(config.height, config.width)
        self.fine = Camera.over_square(*self.canvas_size[::-1])
        self.place = build_place(self.coarse, config.place_seed)
        self.traffic = Traffic(seed, self.place.lengths, config.density, kinds)
        self.weather = Weather(seed, self.place)
        self.ticker = Ticker(seed, self.place.board, self.canvas_size[0])
        # Photon noise: the variance grows with the light.
        levels = np.arange(256, dtype=np.float32)
        self.grain = config.noise * np.sqrt(levels / 160 + np.float32(0.2))
        normal = ndtri((levels + 0.5) / 256)
        self.normal = (normal / normal.std()).astype(np.float32)
        vignette = self.place.vignette[..., None]
        self.vignette = np.repeat(vignette, config.channels, axis=2)

    def frame(self, index: int) -> SceneFrame:
        now = index / float(self.config.rate)
        bodies = bodies_at(now, self.traffic, self.place, self.fine, self.coarse)
        leaves = self.weather.blow(now)
        canvas = self._ground(bodies.shadow, leaves, now)
        self.ticker.draw(canvas, now)
        # How much of each canvas pixel a track covers, 0..255: rounded edges as in the picture.
        cover: dict[int, Bytes] = {}

        row, colours, tracks = 0, bodies.colour.tolist(), bodies.track.tolist()
        for foliage, sprite in [*zip(self.place.foliage, leaves, strict=True), (None, None)]:
            depth = foliage.depth if foliage is not None else 0.0
            behind = int(np.searchsorted(-bodies.depth, -depth, side="right"))
            for k in range(row, behind):
                cv2.fillConvexPoly(canvas, bodies.outline[k], colours[k], cv2.LINE_AA, SHIFT)
                if tracks[k] and tracks[k] not in cover:
                    cover[tracks[k]] = np.zeros(canvas.shape[:2], np.uint8)
                for track, layer in cover.items():
                    value = 255 if track == tracks[k] else 0
                    cv2.fillConvexPoly(layer, bodies.outline[k], value, cv2.LINE_AA, SHIFT)
            row = behind
            if foliage is not None and sprite is not None:
                _hide(canvas, list(cover.values()), foliage.corner, sprite)
        pixels = self._expose(canvas, index, now)
        return self._with_truth(pixels, cover)

    def _ground(self, shadows: NDArray[np.int32], leaves: list[Bytes], now: float) -> Bytes:
        """The background with everybody's shadow, at the size of the canvas."""
        shade = cv2.max(self.place.shade, self.weather.dapple(now))
        for foliage, sprite in zip(self.place.foliage, leaves, strict=True):
            if foliage.shadow is not None:
                alpha = np.ascontiguousarray(sprite[..., 3])
                shade = cv2.max(shade, cv2.warpPerspective(alpha, foliage.shadow, self.size))
        for polygon in shadows:
            cv2.fillConvexPoly(shade, polygon, 255, cv2.LINE_8, SHIFT)
        shade = cv2.GaussianBlur(shade, (5, 5), 1.1)
        strength = self.weather.shadow(now)
        lit = cv2.convertScaleAbs(shade, alpha=-strength, beta=255)
        lit = cv2.resize(lit, self.canvas_size)
        return np.asarray(
            cv2.multiply(self.place.background, cv2.merge((lit, lit, lit)), scale=1 / 255)
        )

    def _expose(self, canvas: Bytes, index: int, now: float) -> Bytes:
        """Light, lens and sensor."""
        image = cv2.resize(canvas, self.size, interpolation=cv2.INTER_AREA)
        if self.config.channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = image.reshape(self.vignette.shape)
        light = self.weather.light(now)
        exact = cv2.multiply(image, self.vignette, scale=light, dtype=cv2.CV_32F)
        source = np.random.SFC64([0x5E4502, self.seed, index]).random_raw(-(-image.size // 8))
        uniform = source.view(np.uint8)[: image.size].reshape(image.shape)
        noise = cv2.multiply(cv2.LUT(image, self.grain), cv2.LUT(uniform, self.normal))
        return np.asarray(cv2.add(exact, noise, dtype=cv2.CV_8U)).reshape(image.shape)

    def _with_truth(self, pixels: Bytes, cover: dict[int, Bytes]) -> SceneFrame:
        mask = np.zeros(pixels.shape[:2], np.bool_)
        boxes = []
        for track, layer in sorted(cover.items()):
            seen = cv2.resize(layer, self.size, interpolation=cv2.INTER_AREA) > 127
            if seen.any():
                x, y, w, h = cv2.boundingRect(seen.view(np.uint8))
                kind = self.traffic.kind_of(track)
                boxes.append(Box(track, kind, x, y, x + w - 1, y + h - 1))
                mask |= seen
        return SceneFrame(pixels, mask, tuple(boxes))


def _hide(canvas: Bytes, cover: list[Bytes], corner: tuple[int, int], sprite: Bytes) -> None:
    """Blend leaves over what is behind them; the sprite may reach over the edge."""
    (x, y), (height, width) = corner, canvas.shape[:2]
    top, left = max(-y, 0), max(-x, 0)
    part = sprite[top : height - y, left : width - x]
    inside = np.s_[y + top : y + top + part.shape[0], x + left : x + left + part.shape[1]]
    opacity = part[..., 3].astype(np.float32) / 255
    canvas[inside] = cv2.blendLinear(
        np.ascontiguousarray(part[..., :3]),
        np.ascontiguousarray(canvas[inside]),
        opacity,
        1 - opacity,
    )
    for layer in cover:
        layer[inside] = layer[inside] * (1 - opacity)
