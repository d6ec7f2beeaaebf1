"""What happens to the pictures of a camera, as pure functions of a clip and a random generator.

A clip is (T, H, W, c) uint8 as the camera gives it, before it is fitted to a network; so is what
comes back. Grey levels are taken as proportional to light: a camera's gamma is not undone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mnad.video.pixels import EXACT
from mnad.video.source import open_source

Clip = NDArray[np.uint8]
Perturb = Callable[[Clip, np.random.Generator], Clip]

ELECTRONS, READ_NOISE = 10.0, 10.0
"""Of a small sensor: electrons in a grey level, and their deviation where there is no light."""
SHAKE = 2
"""Pixels."""


def conditions(rate: float) -> dict[str, tuple[str, Perturb]]:
    """By name, what each is in words, and the function.

    Args:
        rate: frames per second, on which the bits per frame of a video depend.
    """
    return {
        "none": ("as it is", lambda clip, rng: clip),
        "brightness +20 %": ("grey levels x 1.2, clipped at 255", partial(gain, factor=1.2)),
        "brightness -20 %": ("grey levels x 0.8", partial(gain, factor=0.8)),
        "gain x1.5": ("grey levels x 1.5, clipped at 255", partial(gain, factor=1.5)),
        "low light": (
            f"a quarter of the light, not brightened again: shot noise at {ELECTRONS:g} electrons "
            f"a grey level, read noise of {READ_NOISE:g} electrons",
            low_light,
        ),
        "noise 5": ("Gaussian noise of each pixel, sigma 5 of 255", partial(noise, sigma=5.0)),
        "noise 10": ("Gaussian noise of each pixel, sigma 10 of 255", partial(noise, sigma=10.0)),
        "H.264 60 kbit/s": (
            "x264 veryfast, zerolatency, 60 kbit/s held over each second, at the frames' rate",
            partial(h264, rate=rate, kilobits=60),
        ),
        "H.264 20 kbit/s": ("the same at 20 kbit/s", partial(h264, rate=rate, kilobits=20)),
        "shake": (
            f"each frame moved by whole pixels, uniformly up to {SHAKE} each way, edges repeated",
            partial(shake, most=SHAKE),
        ),
    }


def gain(clip: Clip, rng: np.random.Generator, *, factor: float) -> Clip:
    """Grey levels times a factor, rounded, clipped at 255."""
    levels = np.rint(np.minimum(np.arange(256) * factor, 255)).astype(np.uint8)
    return np.asarray(levels[clip])


def noise(clip: Clip, rng: np.random.Generator, *, sigma: float) -> Clip:
    """Gaussian noise, independent for each pixel, frame and channel; rounded and clipped.

    Args:
        clip: the clip.
        rng: of the noise.
        sigma: its standard deviation in grey levels.
    """
    return _each(clip, lambda frame: frame + rng.normal(0, sigma, frame.shape))


def low_light(
    clip: Clip,
    rng: np.random.Generator,
    *,
    exposure: float = 0.25,
    electrons: float = ELECTRONS,
    read: float = READ_NOISE,
) -> Clip:
    """A shorter exposure: less light, with the noise of so little, and not brightened again.

    A pixel x becomes (Poisson(x exposure electrons) + Normal(0, read)) / electrons: mean
    x exposure, variance x exposure / electrons + (read / electrons)^2. The noise that `clip` has
    already goes down with its light and is not counted.

    Args:
        clip: the clip.
        rng: of the noise.
        exposure: share of the light, 0..1.
        electrons: in a grey level.
        read: standard deviation of the read noise, in electrons.
    """

    def darker(frame: Clip) -> NDArray[np.float64]:
        caught = rng.poisson(frame * (exposure * electrons))
        return (caught + rng.normal(0, read, frame.shape)) / electrons

    return _each(clip, darker)


def shake(clip: Clip, rng: np.random.Generator, *, most: int) -> Clip:
    """Each frame moved on its own by whole pixels, uniformly up to `most` in each direction."""
    height, width = clip.shape[1:3]
    moves = rng.integers(0, 2 * most + 1, (len(clip), 2))
    padded = np.pad(clip, ((0, 0), (most, most), (most, most), (0, 0)), "edge")
    return np.stack(
        [
            frame[down : down + height, right : right + width]
            for frame, (down, right) in zip(padded, moves, strict=True)
        ]
    )


def h264(clip: Clip, rng: np.random.Generator, *, rate: float, kilobits: float) -> Clip:
    """Encoded as a camera would, and decoded as a source of a detector is.

    Args:
        clip: the clip, rows and columns even.
        rng: not used.
        rate: frames per second.
        kilobits: per second; held over each second, so that no frame is given more for long.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "clip.mp4"
        encode(file, clip, rate, kilobits)
        with open_source(file, clip.shape[-1]) as source:
            decoded = np.stack([frame.pixels for frame in source])
    if decoded.shape != clip.shape:
        raise RuntimeError(f"{clip.shape} went into the encoder, {decoded.shape} came out")
    return decoded


def encode(
    file: Path,
    clip: Clip,
    rate: float,
    kilobits: float,
    numbers: NDArray[np.int64] | None = None,
) -> None:
    """Write H.264 as a camera does: no look-ahead, no B-frames, a key frame every two seconds.

    Args:
        file: to write.
        clip: the clip, rows and columns even.
        rate: frames per second.
        kilobits: per second.
        numbers: of its frames (T,), which say when each is shown; None: none is missing.
    """
    bits = str(round(1000 * kilobits))
    options = {"preset": "veryfast", "tune": "zerolatency", "g": str(round(2 * rate))}
    options |= {"b": bits, "maxrate": bits, "bufsize": bits, "threads": "1"}
    with av.open(os.path.abspath(file), "w") as container:
        exact = Fraction(rate).limit_denominator(1001)
        stream: VideoStream = container.add_stream("libx264", rate=exact, options=options)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for index, pixels in enumerate(np.broadcast_to(clip, (*clip.shape[:3], 3))):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24").reformat(
                format="yuv420p",
                interpolation=EXACT,
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts = index if numbers is None else int(numbers[index])
            frame.time_base = 1 / exact
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _each(clip: Clip, change: Callable[[Clip], NDArray[np.float64]]) -> Clip:
    """Frame by frame, as a clip of float64 is large."""
    return np.stack([np.rint(change(frame)).clip(0, 255).astype(np.uint8) for frame in clip])
