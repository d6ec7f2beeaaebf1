"""Scores and labels of anyone's method, as files.

Three layouts, for scores and for labels alike (write ``label`` for ``score`` in a header):

* ``FILE.npz``: one array (T,) for each clip, saved under the clip's name; labels may be one number
  for each clip instead, 0 or 1 for the whole of it.
* a folder of ``NAME.npy``, (T,) each, or of ``NAME.csv`` with the header ``frame,score`` or
  ``score``; one file for each clip.
* ``FILE.csv`` with the header ``clip,frame,score``; for whole clips ``clip,label``.

Frames count from 0. Labels may also be what `mnad.datasets.open_dataset` opens.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.video.find import natural

Floats = NDArray[np.float64]
Frames = NDArray[np.int64]
_DIGITS = 18
"""Of a frame number, at most, which fits into 64 bits then."""


@dataclass(frozen=True, eq=False)
class Series:
    """The values of one clip.

    Attributes:
        values: (T,), or () for the whole clip.
        frames: (T,) ascending frame numbers; None where the file does not say them.
    """

    values: Floats
    frames: Frames | None = None

    @property
    def whole(self) -> bool:
        """Whether it is one number for the whole clip."""
        return self.values.ndim == 0


@dataclass(frozen=True, eq=False)
class Truth:
    """Labels of the clips, and where they are from.

    Attributes:
        clips: clip to its labels.
        source: in words.
        warnings: a sentence for all that is odd about them.
    """

    clips: Mapping[str, Series]
    source: str
    warnings: tuple[str, ...] = ()


def read_scores(path: Path) -> dict[str, Series]:
    """Scores of every clip, in natural order of their names.

    Raises:
        MnadError: no such file, another layout, or values that are no numbers.
    """
    found = _read(path, "score")
    for name, series in found.items():
        if series.whole:
            raise MnadError(f"{path}, clip {name}, is a single number; give one score per frame.")
    return found


def read_labels(spec: str) -> Truth:
    """Labels from files, or of a data set.

    Args:
        spec: a file or folder in one of the layouts above, or a data set such as ``ped2:PATH``. A
            folder counts as label files if there is nothing in it but NPY and CSV files.

    Raises:
        MnadError: as for `read_scores`; labels other than 0 and 1; a data set without labels.
    """
    path = Path(spec)
    if path.is_file() or (path.is_dir() and _only_series(path)):
        clips = _read(path, "label")
        for name, series in clips.items():
            if not np.isin(series.values, (0, 1)).all():
                raise MnadError(
                    f"{path}, clip {name}, has labels other than 0 and 1; write 1 for abnormal."
                )
        return Truth(clips, str(path))
    if not path.exists() and ":" not in spec:
        raise MnadError(f"{spec} is not there: give a file or folder of labels, or a data set.")
    from mnad.datasets import open_dataset, require_labels

    dataset = open_dataset(spec)
    require_labels(dataset)
    return Truth(
        {clip.name: Series(np.asarray(clip.labels, np.float64)) for clip in dataset.test},
        f"{dataset.name}, {dataset.label_source}",
        dataset.warnings,
    )


def _only_series(folder: Path) -> bool:
    files = _visible(folder)
    return bool(files) and all(file.suffix.lower() in (".npy", ".csv") for file in files)


def _visible(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if not file.name.startswith(".")]


def _read(path: Path, column: str) -> dict[str, Series]:
    if not path.exists():
        raise MnadError(f"{path} is not there: give a file or folder of {column}s.")
    if path.is_dir():
        found = _folder(path, column)
    elif path.suffix.lower() == ".npz":
        found = {name: Series(values) for name, values in _archive(path).items()}
    elif path.suffix.lower() == ".csv":
        found = _table(path, column)
    else:
        raise UsageError(f"{path} is no .npz, .csv or folder: save the {column}s as one of them.")
    if not found:
        raise MnadError(f"{path} has no {column}s in it; give those of one clip or more.")
    return {name: found[name] for name in sorted(found, key=lambda name: natural(Path(name)))}


def _folder(folder: Path, column: str) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for file in _visible(folder):
        if file.suffix.lower() not in (".npy", ".csv"):
            raise MnadError(
                f"{file} is neither .npy nor .csv: a folder of {column}s holds one file for each "
                "clip and nothing else."
            )
        if file.stem in found:
            raise MnadError(f"{folder} has {file.stem}.npy and {file.stem}.csv: remove one.")
        found[file.stem] = (
            Series(_array(file)) if file.suffix.lower() == ".npy" else _clip(file, column)
        )
    return found


def _archive(path: Path) -> dict[str, Floats]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise MnadError(f"{path} cannot be read: save plain arrays with numpy.savez.") from error
    return {name: _numbers(values, f"{path}, clip {name},") for name, values in arrays.items()}


def _array(file: Path) -> Floats:
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MnadError(f"{file} cannot be read: save a plain array with numpy.save.") from error
    return _numbers(values, str(file))


def _numbers(values: NDArray[np.generic], where: str) -> Floats:
    if values.dtype.kind not in "biuf" or values.ndim > 1:
        raise MnadError(
            f"{where} is {values.dtype} of the shape {values.shape}; give one number per frame, "
            "(T,)."
        )
    return values.astype(np.float64)


def _clip(file: Path, column: str) -> Series:
    """``NAME.csv``: the header says whether frames are numbered."""
    header, rows = _lines(file, [f"frame,{column}", column])
    if header == [column]:
        return Series(np.array([_number(row[0], file, line) for line, row in rows]))
    return _series({"": rows}, file, 0)[""]


def _table(path: Path, column: str) -> dict[str, Series]:
    known = [f"clip,frame,{column}", *(["clip,label"] if column == "label" else [])]
    header, rows = _lines(path, known)
    by_clip: dict[str, list[tuple[int, list[str]]]] = {}
    for line, row in rows:
        by_clip.setdefault(row[0], []).append((line, row))
    if len(header) == 3:
        return _series(by_clip, path, 1)
    for clip, own in by_clip.items():
        if len(own) > 1:
            raise MnadError(f"{path}, line {own[1][0]}: clip {clip} has two labels.")
    return {
        clip: Series(np.array(_number(own[0][1][1], path, own[0][0])))
        for clip, own in by_clip.items()
    }


def _series(
    by_clip: Mapping[str, list[tuple[int, list[str]]]], path: Path, first: int
) -> dict[str, Series]:
    """Rows with the frame in column `first` and the value in the one after it."""
    found = {}
    for clip, rows in by_clip.items():
        numbered: dict[int, float] = {}
        for line, row in rows:
            text = row[first]
            if not text.isdecimal() or len(text) > _DIGITS:
                raise MnadError(f"{path}, line {line}: {text!r} is no frame number, 0, 1, 2, …")
            if int(text) in numbered:
                raise MnadError(f"{path}, line {line}: frame {text} is there twice.")
            numbered[int(text)] = _number(row[first + 1], path, line)
        frames = np.array(sorted(numbered), np.int64)
        found[clip] = Series(np.array([numbered[int(n)] for n in frames]), frames)
    return found


def _lines(path: Path, known: Sequence[str]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header in lower case, one of `known`; rows with their line numbers, as many cells each."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MnadError(f"{path} cannot be read as CSV: save it as plain UTF-8 text.") from error
    filled = [(line, row) for line, row in enumerate(rows, start=1) if any(row)]
    if not filled:
        raise MnadError(f"{path} is empty: write a header and a line for each frame.")
    header = [cell.lower() for cell in filled[0][1]]
    if ",".join(header) not in known:
        raise MnadError(
            f"{path} begins with {','.join(header)!r}: write {' or '.join(known)} as line 1."
        )
    for line, row in filled[1:]:
        if len(row) != len(header):
            raise MnadError(f"{path}, line {line}, has {len(row)} columns, not {len(header)}.")
    return header, filled[1:]


def _number(text: str, path: Path, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise MnadError(f"{path}, line {line}: {text!r} is no number.") from None
