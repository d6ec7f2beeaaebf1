from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest


def _write(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    layout: str = "rgb24",
    codec: str = "ffv1",
    pix_fmt: str = "bgr0",
    pts: Sequence[int] | None = None,
    tick: Fraction = Fraction(1, 25),
    rate: Fraction = Fraction(25),
    matrix: Sequence[int] | None = None,
    pixel: Fraction = Fraction(1),
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A video made by PyAV alone: lossless RGB (FFV1) unless told otherwise."""
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = tick
        stream.codec_context.sample_aspect_ratio = pixel
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, layout)
            frame.pts, frame.time_base = pts[index] if pts else index, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def write_video() -> Callable[..., Path]:
    return _write


@pytest.fixture
def latin(noise: Callable[..., list[np.ndarray]], tmp_path: Path) -> Path:
    """An AVI of 8 frames whose title is Latin-1, as old cameras and editors wrote it."""
    path = _write(tmp_path / "latin.avi", noise(8), metadata={"title": "Cafe"})
    content = path.read_bytes()
    assert content.count(b"Cafe") == 1
    path.write_bytes(content.replace(b"Cafe", b"Caf\xe9"))
    return path


@pytest.fixture
def noise() -> Callable[..., list[np.ndarray]]:
    def images(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
        shape = (count, height, width, 3)
        return list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))

    return images
