"""Readers of frame labels: MATLAB cells, CSV intervals, NumPy arrays; each checked."""

from __future__ import annotations

import csv
import re
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
        cells = [np.asarray(cell) for cell in loadmat(file)["gt"].reshape(-1)]
        # One interval may lie either way; of several in rows, the starts would be taken for ends.
        if any(cell.size > 2 and cell.shape[0] != 2 for cell in cells):
            raise ValueError("rows of intervals")
        intervals = [cell.astype(np.int64).reshape(2, -1).T - 1 for cell in cells]
    except Exception as error:  # the reader lets through whatever a broken file provokes
        raise MnadError(
            f"{file} cannot be read as labels: it must be a MATLAB file (version 5) with the key "
            "gt, a cell of 2xK intervals (starts above, ends below) for each test clip."
        ) from error
    if len(intervals) != len(names):
        raise MnadError(
            f"{file} has labels for {len(intervals)} clips but there are {len(names)} test clips: "
            "restore the missing clips or take the label file that belongs to them."
        )
    return [
        fill(pairs.tolist(), length, f"{file}, clip {name}", base=1)
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
    return fill(pairs, length, str(file), base=0)


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
            f"{file} has shape {shape} but its clip has {length} frames: save ({length},), one "
            "label for each frame."
        )
    _require_binary(file, labels)
    return labels.astype(np.uint8)


def _require_binary(file: Path, labels: NDArray[np.generic]) -> None:
    if not np.isin(labels, (0, 1)).all():
        raise MnadError(f"{file} holds values other than 0 and 1: write 1 for abnormal, else 0.")


def read_ranges(file: Path) -> list[list[tuple[int, int]]]:
    """Ranges of the UCSD owners' MATLAB script: ``gt_frame = [a:b, c:d];`` for each test clip.

    Returns:
        For each clip, in order, its ranges, 0-based and inclusive.

    Raises:
        MnadError: unreadable, or no such lines.
    """
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise MnadError(f"{file} cannot be read ({error.strerror}).") from error
    text = re.sub(r"%.*", "", text)
    clips = []
    for content in re.findall(r"gt_frame\s*=\s*\[?([^\];]*)", text):
        pairs = []
        for word in content.replace(",", " ").split():
            match = re.fullmatch(r"(\d+)(?::(\d+))?", word)
            if match is None:
                raise MnadError(f"{file} holds the range {word!r}: write ranges as 61:180.")
            pairs.append((int(match[1]) - 1, int(match[2] or match[1]) - 1))
        clips.append(pairs)
    if not clips:
        raise MnadError(f"{file} holds no gt_frame = [first:last]: restore the owners' file.")
    return clips


def find_joined(root: Path, *names: str) -> Path | None:
    """The file of the public code with the labels of all clips, in `root` or its folder data.

    Args:
        root: of the data set.
        names: by which the file may call it.
    """
    places = [root / part / f"frame_labels_{name}.npy" for part in ("", "data") for name in names]
    return next((place for place in places if place.exists()), None)


def read_joined(file: Path, names: list[str], lengths: list[int]) -> list[Labels]:
    """Labels of all clips in one array, as the public code has them: (T,) or (1, T).

    Args:
        file: ``.npy``.
        names: of the test clips, for errors.
        lengths: of the test clips, in frames.

    Returns:
        For each clip uint8 (length,).

    Raises:
        MnadError: unreadable, of another number of frames, or with other values than 0 and 1.
    """
    try:
        array = np.load(file, allow_pickle=False).reshape(-1)
    except (OSError, ValueError, EOFError) as error:
        raise MnadError(f"{file} cannot be read as labels: restore the file.") from error
    if len(array) != sum(lengths):
        raise MnadError(
            f"{file} has {len(array)} labels but the {len(names)} test clips have {sum(lengths)} "
            "frames: restore the missing clips or take the label file that belongs to them."
        )
    _require_binary(file, array)
    return [part.astype(np.uint8) for part in np.split(array, np.cumsum(lengths)[:-1])]


def intervals_of(labels: Labels) -> list[tuple[int, int]]:
    """The intervals of 1 in labels, 0-based and inclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels != 0, [0]])))
    return [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]


def fill(pairs: Iterable[Iterable[int]], length: int, where: str, base: int) -> Labels:
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
