"""Pixel masks of clips: small objects that read a mask when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError

Mask = NDArray[np.bool_]
_Packed = tuple[tuple[int, int], NDArray[np.uint8]]


class Masks(Protocol):
    """Which pixels of the frames of one clip are abnormal."""

    def at(self, frame: int) -> Mask | None:
        """The mask of a frame.

        Args:
            frame: number in the clip, from 0.

        Returns:
            bool (H, W) at the size of the frame as distributed, True = abnormal; None where the
            frame has no mask: a normal frame is then normal everywhere, an abnormal one unknown.

        Raises:
            MnadError: the file of the mask cannot be read.
        """
        ...


@dataclass(frozen=True)
class ImageMasks:
    """An image file for each frame, or None; what is not black is abnormal.

    Args:
        files: one for each frame of the clip.
    """

    files: tuple[Path | None, ...]

    def at(self, frame: int) -> Mask | None:
        """See `Masks.at`."""
        file = self.files[frame]
        return None if file is None else read_mask(file)


@dataclass(frozen=True)
class ArrayMasks:
    """A NumPy file (T, H, W), of which only the frame asked for is read.

    Args:
        file: ``.npy``.
    """

    file: Path

    def at(self, frame: int) -> Mask | None:
        """See `Masks.at`."""
        return np.asarray(open_array(self.file)[frame] != 0)


@dataclass(frozen=True)
class StoredMasks:
    """A compressed file that can only be read as a whole; the last one read is kept, packed.

    Args:
        file: ``.npz`` with (T, H, W) under `key`, or a MATLAB file with ``volLabel``, a cell of T
            masks (H, W).
        key: of the masks of this clip in an ``.npz``.
    """

    file: Path
    key: str = "masks"

    def at(self, frame: int) -> Mask | None:
        """See `Masks.at`."""
        masks = self._all()
        if frame >= len(masks):
            raise MnadError(
                f"{self.file} holds {len(masks)} masks of a clip that has a frame {frame} (from "
                "0): take the file that belongs to the clip."
            )
        shape, bits = masks[frame]
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> list[_Packed]:
        changed = self.file.stat().st_mtime_ns if self.file.exists() else 0
        return _stored(self.file, self.key, changed)


def labels_of(masks: Masks, length: int) -> NDArray[np.uint8]:
    """Frame labels that masks imply: 1 where any pixel is abnormal; reads them all.

    Returns:
        uint8 (length,).
    """
    found = (masks.at(frame) for frame in range(length))
    return np.array([mask is not None and mask.any() for mask in found], np.uint8)


def read_mask(file: Path) -> Mask:
    """An image as a mask: bool (H, W), True where any channel is not 0 (of a JPEG: above 127).

    Raises:
        MnadError: no image.
    """
    try:
        content = np.frombuffer(file.read_bytes(), np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except (cv2.error, OSError):
        pixels = None
    if pixels is None:
        raise MnadError(f"{file} cannot be read as a mask: restore the file.")
    floor = 127 if file.suffix.lower() in (".jpg", ".jpeg") else 0
    # A fourth channel is transparency.
    return np.asarray((pixels.reshape(*pixels.shape[:2], -1)[..., :3] > floor).any(axis=2))


def open_array(file: Path) -> NDArray[np.generic]:
    """A NumPy array, mapped and not read.

    Raises:
        MnadError: no such file (pickled arrays are never read).
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MnadError(f"{file} cannot be read: save one array with numpy.save.") from error
    if not isinstance(array, np.ndarray):
        raise MnadError(f"{file} holds several arrays: save one with numpy.save.")
    return array


def array_masks(file: Path, length: int) -> ArrayMasks:
    """The masks of a clip in a NumPy file.

    Args:
        file: ``.npy``.
        length: frames of the clip.

    Raises:
        MnadError: no array (T, H, W), or of another number of masks than frames.
    """
    shape = open_array(file).shape
    if len(shape) != 3:
        raise MnadError(f"{file} has shape {shape}: it must hold a mask for each frame, (T, H, W).")
    require_masks(file, shape[0], length)
    return ArrayMasks(file)


def require_masks(file: Path, found: int, length: int) -> None:
    """Check that masks are as many as frames.

    Raises:
        MnadError: they are not.
    """
    if found != length:
        raise MnadError(
            f"{file} holds {found} masks but its clip has {length} frames: take the file that "
            "belongs to the clip."
        )


@lru_cache(maxsize=1)
def _stored(file: Path, key: str, changed: int) -> list[_Packed]:
    from scipy.io import loadmat

    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as archive:
                cells = list(archive[key])
        else:
            cells = list(loadmat(file, variable_names=["volLabel"])["volLabel"].reshape(-1))
        return [_packed(cell) for cell in cells]
    except Exception as error:  # the readers let through whatever a broken file provokes
        raise MnadError(
            f"{file} cannot be read as masks: it must hold {key} (T, H, W) (.npz), or volLabel, a "
            "cell of T masks (.mat)."
        ) from error


def _packed(cell: NDArray[np.generic]) -> _Packed:
    rows, columns = cell.shape
    return (rows, columns), np.packbits(cell != 0)
