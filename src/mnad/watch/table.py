"""The table of scores: one file for a file, one file a day for a camera."""

from __future__ import annotations

import csv
import logging
import os
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from mnad.errors import MnadError
from mnad.stream import FrameScore
from mnad.writing import CsvSink

_LOG = logging.getLogger("mnad")
COLUMNS = ("frame", "seconds", "psnr", "distance", "peak", "score")
DAILY = ("time", *COLUMNS, "camera")
_LONGEST_TORN = 1 << 20
"""Bytes that are looked at: a power cut may leave more than a line of zeros."""


def row_of(index: int, seconds: float, scored: FrameScore) -> dict[str, str]:
    """A row of the table of a file, by column."""
    return {
        "frame": str(index),
        "seconds": f"{seconds:.6f}",
        "psnr": f"{scored.psnr:.4f}",
        "distance": f"{scored.distance:.6g}",
        "peak": f"{scored.peak:.6g}",
        "score": f"{scored.score:.6f}",
    }


class DailyTable:
    """``scores-YYYYMMDD.csv`` files by the day in UTC, each appended to and flushed.

    A failure (a full disk) is logged once and tried again with the next row. A last line that a
    crash left torn is cut off before the next row; a file that was removed is begun anew.

    Args:
        folder: where.
        started_at: wall-clock time of second 0; it may be set anew.

    Attributes:
        whole: whether all of it could be written so far.
    """

    def __init__(self, folder: Path, started_at: datetime) -> None:
        self._folder, self.started_at = folder, started_at
        self._file: TextIO | None = None
        self._day, self._failed, self.whole = "", False, True

    def write(self, row: dict[str, str], blinded: Sequence[str] = ()) -> None:
        """Append a row; its time goes in front, and behind what blinds the camera (``covered``)."""
        now = (self.started_at + timedelta(seconds=float(row["seconds"]))).astimezone(UTC)
        try:
            day, file = f"{now:%Y%m%d}", self._file
            if file is None or self._day != day or not os.fstat(file.fileno()).st_nlink:
                self._open(day)
            assert self._file is not None
            values = [now.isoformat(timespec="milliseconds"), *row.values(), " ".join(blinded)]
            csv.writer(self._file, lineterminator="\n").writerow(values)
            self._file.flush()
            self._failed = False
        except OSError as error:
            if not self._failed:
                _LOG.error("scores cannot be written to %s (%s)", self._folder, error.strerror)
            self._failed, self.whole = True, False

    def close(self) -> None:
        """Close the file of the day."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                _LOG.error("scores cannot be written to %s (%s)", self._folder, error.strerror)
                self.whole = False
            self._file = None

    def _open(self, day: str) -> None:
        self.close()
        path = self._folder / f"scores-{day}.csv"
        if path.exists():
            _cut_torn(path)
        self._file, self._day = path.open("a", newline="", encoding="utf-8"), day
        if not self._file.tell():  # new, or left empty by a power cut
            csv.writer(self._file, lineterminator="\n").writerow(DAILY)


def _cut_torn(path: Path) -> None:
    """Cut off a last line without its end: the next row would be written behind it."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        first = file.seek(max(0, end - _LONGEST_TORN))
        whole = first + file.read().rfind(b"\n") + 1
        if whole < end:
            file.truncate(whole)


def open_table(folder: Path, started_at: datetime | None) -> CsvSink | DailyTable:
    """The table of a file (no `started_at`), or of a camera."""
    if started_at is None:
        return CsvSink(folder / "scores.csv", COLUMNS)
    return DailyTable(folder, started_at)


class Table(NamedTuple):
    """Scores of a camera, in the order in which they were written.

    Attributes:
        time: (n,) POSIX seconds, to the millisecond.
        seconds: (n,) since the start of the run, to the microsecond.
        score: (n,) 0..1, NaN where there is none, or where the camera was blinded.
    """

    time: NDArray[np.float64]
    seconds: NDArray[np.float64]
    score: NDArray[np.float64]


def read_days(folder: Path, since: datetime) -> Table:
    """What `DailyTable` has written since then; lines that a crash left torn are left out.

    Raises:
        MnadError: a file cannot be read.
    """
    first, oldest = f"scores-{since.astimezone(UTC):%Y%m%d}.csv", since.timestamp()
    values = array("d")  # of a day a million rows, which as lists take twice the memory
    for file in sorted(folder.glob("scores-????????.csv")):
        if file.name < first:
            continue
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    row = _parsed(line.rstrip("\n"))
                    if row is not None and row[0] >= oldest:
                        values.extend(row)
        except OSError as error:
            raise MnadError(f"{file} cannot be read ({error.strerror}).") from None
    return Table(*np.array(values).reshape(-1, 3).T)


def _parsed(line: str) -> tuple[float, float, float] | None:
    try:
        time, _, seconds, _, _, _, score, camera = line.split(",")
        told = float("nan") if camera else float(score)
        return datetime.fromisoformat(time).timestamp(), float(seconds), told
    except ValueError:
        return None
