"""Readers of frame labels: MATLAB cells, CSV intervals, NumPy arrays; each checked."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError

Labels = NDArray[np.uint8]


def read_mat(file: Path, names: list[str], lengths: list[int]) -> list[Labels]:
    """Labels of the re-packaged layout: key ``gt``, a cell array of 2xK intervals, one a clip.

    Args:
        file: MATLAB file; the intervals in it are 1-based and inclusive, [starts; ends].
        names: of the test clips, for errors.
        lengths: of the test clips, in frames.

    Returns:
        For each clip uint8 (length,).

    Raises:
        MnadError: unreadable, another number of clips, or an interval beyond the end of its clip.
    """
    from scipy.io import loadmat

    try:
        cells = loadmat(file)["gt"]
        intervals = [np.asarray(cell, np.int64).reshape(2, -1).T - 1 for cell in cells.reshape(-1)]
    except Exception as error:  # the reader lets through whatever a broken file provokes
        raise MnadError(
            f"{file} cannot be read as labels: it must be a MATLAB file (version 5) with the key "
            "gt, a cell of 2xK intervals for each test clip."
        ) from error
    if len(intervals) != len(names):
        raise MnadError(
            f"{file} has labels for {len(intervals)} clips but there are {len(names)} test clips: "
            "restore the missing clips or take the label file that belongs to them."
        )
    return [
        _fill(pairs.tolist(), length, f"{file}, clip {name}", base=1)
        for pairs, name, length in zip(intervals, names, lengths, strict=True)
    ]


def read_csv(file: Path, length: int) -> Labels:
    """Labels from a CSV file with the header ``first,last``: 0-based inclusive intervals.

    Returns:
        uint8 (length,); all 0 if there is only the header.

    Raises:
        MnadError: no such header, a line that is not two integers, or an interval beyond the end.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MnadError(f"{file} cannot be read as CSV: save it as plain UTF-8 text.") from error
    if not rows or [cell.lower() for cell in rows[0]] != ["first", "last"]:
        raise MnadError(f"{file} does not begin with the header first,last: add it as line 1.")
    pairs = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        try:
            first, last = map(int, row)
        except ValueError:
            raise MnadError(
                f"{file}, line {number}, is {','.join(row)!r}: write two frame numbers, first,last."
            ) from None
        pairs.append((first, last))
    return _fill(pairs, length, str(file), base=0)


def read_npy(file: Path, length: int) -> Labels:
    """Labels from a 1-D array of 0 and 1, one for each frame.

    Returns:
        uint8 (length,).

    Raises:
        MnadError: unreadable (pickled arrays are never read), another shape or other values.
    """
    try:
        labels = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MnadError(
            f"{file} cannot be read as labels: save a 1-D array of 0 and 1 with numpy.save."
        ) from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or len(labels) != length:
        shape = getattr(labels, "shape", "an archive")
        raise MnadError(
            f"{file} has shape {shape} but its clip has {length} frames: it must hold one label "
            "for each frame."
        )
    if not np.isin(labels, (0, 1)).all():
        raise MnadError(f"{file} holds values other than 0 and 1: write 1 for abnormal, else 0.")
    return labels.astype(np.uint8)


def _fill(pairs: Iterable[Iterable[int]], length: int, where: str, base: int) -> Labels:
    """Mark 0-based inclusive intervals; errors speak of `base`-based ones."""
    labels = np.zeros(length, np.uint8)
    for first, last in pairs:
        if not 0 <= first <= last < length:
            raise MnadError(
                f"{where}: interval {first + base} to {last + base} does not lie within the clip, "
                f"frames {base} to {length - 1 + base}: correct the interval or use the clip that "
                "the labels were made for."
            )
        labels[first : last + 1] = 1
    return labels
