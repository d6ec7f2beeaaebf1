"""Frames with exact time from anything that holds them: a video file or a folder of images."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.closing import Closing
from mnad.errors import MnadError, UsageError
from mnad.video.decode import declared, decode, opened, usual_rate
from mnad.video.find import images_in, name_of
from mnad.video.pixels import Colour, within

FOLDER_RATE = Fraction(25)
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Of a JPEG, but for those within its scans."""
PICTURE = 1280
"""Most rows and columns of what is shown to people: videos of events, overlays, reports."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    Args:
        pixels: uint8 (H, W, C), C = 1 grey (full range 0..255) or 3 in RGB order.
        index: 0 for the first frame of the source.
        seconds: exact time since the start of the source.
        colour: gives the RGB pixels of a frame that was asked for in grey, see `Colour`.
    """

    pixels: NDArray[np.uint8]
    index: int
    seconds: Fraction
    colour: Colour | None = None

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The frame in colour, uint8 (H, W, 3); converted when it is asked for."""
        return self.pixels if self.colour is None else self.colour(None)

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The same for the eye, scaled down to `PICTURE` rows and columns: a new array, to draw on.

        It takes a quarter of the time to ask for this, of a large frame, than to scale down `rgb`.
        """
        return shrunk(self.pixels).copy() if self.colour is None else self.colour(PICTURE)


class Source(Closing):
    """An iterable of `Frame` that decodes as it goes, so memory does not grow with length.

    Use it in a ``with`` block. Every ``for`` over it starts again at the first frame; one pass at
    a time. The errors listed at `open_source` may also come from iterating.

    Args:
        name: file name without suffix, or name of the folder.
        path: the file or folder.
        rate: mean frames per second; a description, not a clock. None where it is unknown.
        size: rows and columns of every frame, as displayed.
        length: number of frames as declared by the file (it may be wrong) or counted in the
            folder; None where nothing is declared.
        frames: starts a pass.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        rate: Fraction | None,
        size: tuple[int, int],
        length: int | None,
        frames: Callable[[], Generator[Frame, None, None]],
    ) -> None:
        self.name = name
        self.path = path
        self.rate = rate
        self.size = size
        self.length = length
        self._start = frames
        self._pass: Generator[Frame, None, None] | None = None

    def __iter__(self) -> Iterator[Frame]:
        self.close()
        self._pass = self._start()
        return self._pass

    def close(self) -> None:
        """End the pass under way and release its file."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None


def open_source(
    path: str | Path,
    channels: int = 3,
    rate: Fraction | None = None,
    damaged: Collection[Path] = (),
) -> Source:
    """Open a video file, whatever FFmpeg reads, or a folder of images in natural order.

    Grey from a video is its luma on the full range 0..255; grey from an image is what OpenCV's
    ``IMREAD_GRAYSCALE`` gives. Rotation metadata is honoured.

    Args:
        path: video file, folder of jpg, jpeg, png, bmp, tif or tiff files, or frames as a NumPy
            file: uint8 (T, H, W, channels) in ``.npy``, which are not converted.
        channels: 1 (grey) or 3 (RGB).
        rate: frames per second of a folder of images, which has no clock of its own, or of a NumPy
            file; 25 without it. A video keeps its own time.
        damaged: files of a folder that are known to be damaged; the frame before is shown in their
            place, the frame after at the beginning.

    Raises:
        UsageError: `channels` is neither 1 nor 3, or `rate` is not positive.
        MnadError: nothing there, no frames in it, not a video; and while iterating: an image that
            cannot be read, a frame of another size, a video that breaks off.
    """
    path = Path(path)
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}; use 1 (grey) or 3 (RGB).")
    if rate is not None and rate <= 0:
        raise UsageError(f"rate is {rate} frames per second; it must be above 0.")
    if path.is_dir():
        return _open_folder(path, channels, rate or FOLDER_RATE, damaged)
    if path.suffix == ".npy" and path.exists():
        return _open_array(path, channels, rate or FOLDER_RATE)
    return _open_video(path, channels)


def without_rate(path: Path) -> bool:
    """Whether a source says nothing of its frames per second: a folder of images, a NumPy file."""
    return path.is_dir() or path.suffix == ".npy"


def count_frames(path: Path) -> int:
    """Number of frames without decoding them: files of a folder, or as a video declares it.

    A video that declares none is read through (not decoded) and its packets are counted.

    Raises:
        MnadError: nothing there, or not a video.
    """
    if path.is_dir():
        return len(images_in(path))
    with opened(path) as (container, stream):
        packets = container.demux(stream)
        return declared(stream) or sum(p.size > 0 and not p.is_discard for p in packets)


def _open_folder(folder: Path, channels: int, rate: Fraction, damaged: Collection[Path]) -> Source:
    files = _without(images_in(folder), damaged)
    if not files:
        raise MnadError(
            f"{folder} holds no frames: it needs images named .jpg, .jpeg, .png, .bmp, .tif or "
            ".tiff."
        )
    height, width = _read_image(files[0], channels).shape[:2]

    def frames() -> Generator[Frame, None, None]:
        for index, file in enumerate(files):
            pixels = _read_image(file, channels)
            if pixels.shape[:2] != (height, width):
                raise MnadError(
                    f"{file} is {pixels.shape[1]}x{pixels.shape[0]} pixels but {files[0].name} is "
                    f"{width}x{height}: make all frames of the folder the same size."
                )
            colour = None if channels == 3 else partial(_read_colour, file)
            yield Frame(pixels, index, index / rate, colour)

    return Source(name_of(folder), folder, rate, (height, width), len(files), frames)


def _without(files: list[Path], damaged: Collection[Path]) -> list[Path]:
    """The files, with another in the place of each that is damaged."""
    whole = [file for file in files if file not in damaged]
    shown: list[Path] = []
    for file in files if whole else []:
        before = shown[-1] if shown else whole[0]
        shown.append(before if file in damaged else file)
    return shown


def _read_image(file: Path, channels: int) -> NDArray[np.uint8]:
    flag = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    try:
        content = file.read_bytes()
        # Not cv2.imread: it fails on non-ASCII paths on Windows.
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    except (cv2.error, OSError):
        pixels = None
    if pixels is None or (content.startswith(b"\xff\xd8") and _is_cut_off(content)):
        raise MnadError(f"{file} cannot be read as an image: replace or remove the file.")
    return np.asarray(
        pixels[..., None] if channels == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8
    )


def _is_cut_off(jpeg: bytes) -> bool:
    """Whether the end-of-image marker is missing, as OpenCV 4 fills up what is.

    It is sought from marker to marker: thumbnails before it have one too, and any bytes may follow,
    as the film that phones append to a photograph.
    """
    at = 2
    while marker := _MARKER.search(jpeg, at):
        if marker[0] == b"\xff\xd9":
            return False
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return True


def _read_colour(file: Path, longest: int | None) -> NDArray[np.uint8]:
    return shrunk(_read_image(file, 3), longest)


def shrunk(pixels: NDArray[np.uint8], longest: int | None = PICTURE) -> NDArray[np.uint8]:
    """A frame (H, W, C) of at most `longest` rows and columns; itself where it is."""
    height, width = within(pixels.shape[0], pixels.shape[1], longest)
    if (height, width) == pixels.shape[:2]:
        return pixels
    smaller = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8).reshape(height, width, pixels.shape[2])


def open_frames(path: Path, channels: int) -> NDArray[np.uint8]:
    """Frames in a NumPy file, mapped and not read: uint8 (T, H, W, channels).

    Raises:
        MnadError: no such array.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise MnadError(f"{path} cannot be read as frames: it is no whole .npy file.") from error
    fits = array.ndim == 4 and array.shape[-1] == channels and array.size
    if array.dtype != np.uint8 or not fits:
        raise MnadError(
            f"{path} holds {array.dtype} of the shape {array.shape}; frames are uint8 "
            f"(T, H, W, {channels}) here."
        )
    return array


def _open_array(path: Path, channels: int, rate: Fraction) -> Source:
    array = open_frames(path, channels)

    def frames() -> Generator[Frame, None, None]:
        for index, pixels in enumerate(array):
            yield Frame(np.asarray(pixels), index, index / rate)

    height, width = array.shape[1:3]
    return Source(name_of(path), path, rate, (height, width), len(array), frames)


def _open_video(path: Path, channels: int) -> Source:
    # Only a decoded frame tells the size as displayed, and that there is one at all.
    with closing(decode(path, channels)) as first:
        height, width = next(first).pixels.shape[:2]
    with opened(path) as (container, stream):
        rate, length = usual_rate(container, stream), declared(stream) or None

    def frames() -> Generator[Frame, None, None]:
        with closing(decode(path, channels)) as decoded:
            for index, frame in enumerate(decoded):
                yield Frame(frame.pixels, index, frame.seconds, frame.colour)

    return Source(name_of(path), path, rate, (height, width), length, frames)
