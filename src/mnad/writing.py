"""Results on disk: whole or not at all."""

from __future__ import annotations

import csv
import errno
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mnad.errors import MnadError, UsageError


def require_folder(path: Path) -> None:
    """Refuse a file that could not be written, before minutes of work.

    Raises:
        UsageError: its folder is missing or may not be written to, or it is a folder itself.
    """
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(
            f"{path} cannot be written; give a file in a folder that is there and may be written "
            "to."
        )


def make_folder(path: Path) -> None:
    """Make a folder for results, before minutes of work.

    Raises:
        UsageError: it cannot be made, such as where there is a file, or may not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be a folder for results ({error.strerror}); give another place."
        ) from None


def write(path: Path, content: str | bytes, *, lasting: bool = True) -> None:
    """Write beside and rename; text in UTF-8.

    Args:
        path: the file.
        content: all of it.
        lasting: wait until it would survive a power cut, too; not for what is written each second
            and of no use a second later.

    Raises:
        MnadError: it cannot be written.
    """
    try:
        with beside(path, lasting=lasting) as part:
            part.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise MnadError(
            f"{path} cannot be written ({error.strerror}); make room, or give a "
            "folder that may be written to."
        ) from None


def write_json(path: Path, value: object, *, indent: int | None = 1, lasting: bool = True) -> None:
    """`write` a value as JSON, with a line break at its end."""
    write(path, json.dumps(value, indent=indent) + "\n", lasting=lasting)


@contextmanager
def beside(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """A file beside `path` to be written in the ``with`` block: it takes that place, or it goes.

    Args:
        path: the place.
        lasting: as of `write`.

    Raises:
        OSError: it cannot be renamed, or what the block raises.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        (_into_place if lasting else os.replace)(part, path)
    except BaseException:
        discard(part)
        raise


def _into_place(part: Path, path: Path) -> None:
    """Rename a file, such that a power cut leaves it whole, too.

    Many file systems write down the new name before the content: without waiting for the content,
    an empty file may be found in the place of the one before.
    """
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    with suppress(OSError):  # where a folder cannot be opened, as on Windows
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def discard(file: Path) -> None:
    """Remove a file that is of no use, such as half of one, where that can be; no error if not.

    A disk that has gone read-only refuses it as it refused the writing, which is what is told.
    """
    with suppress(OSError):
        file.unlink(missing_ok=True)


class WholeFile(ABC):
    """A file written under a temporary name beside its own and renamed when it is whole."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._broken = self._ended = False
        self._part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        try:
            self._part.touch()
        except OSError as error:
            raise MnadError(unwritable(self.path, error.strerror)) from error

    def close(self) -> None:
        """End the file, which is whole unless a write has failed: then it goes. Once is enough.

        Raises:
            MnadError: the file cannot be written.
        """
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ended:
            return
        self._ended = True
        whole = kind is None and not self._broken
        try:
            self._finish(whole)
            if whole:
                self._rename()
        finally:
            discard(self._part)

    def _rename(self) -> None:
        try:
            os.replace(self._part, self.path)
        except OSError as error:
            raise MnadError(unwritable(self.path, error.strerror)) from error

    @abstractmethod
    def _finish(self, whole: bool) -> None:
        """Close the file; `whole` is False when the block or a write has failed."""


class CsvSink(WholeFile):
    """A CSV table whose rows are flushed as they come.

    Use it in a ``with`` block; if the block fails, no file is left.

    Args:
        path: the file.
        fieldnames: the columns, in order.

    Raises:
        MnadError: the file cannot be written.
    """

    def __init__(self, path: str | Path, fieldnames: Sequence[str]) -> None:
        super().__init__(path)
        self._file = self._part.open("w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, fieldnames, lineterminator="\n")
        self._rows.writeheader()

    def write(self, row: Mapping[str, object]) -> None:
        """Append a row.

        Raises:
            MnadError: the file cannot be written, such as when the disk is full.
            ValueError: a key that is no column.
        """
        try:
            self._rows.writerow(row)
            self._file.flush()
        except OSError as error:
            raise MnadError(unwritable(self.path, error.strerror)) from error

    def _finish(self, whole: bool) -> None:
        try:
            self._file.close()
        except OSError as error:
            if whole:
                raise MnadError(unwritable(self.path, error.strerror)) from error


def unwritable(path: Path, why: str | None) -> str:
    """What to say of a file that cannot be written."""
    return (
        f"{path} cannot be written ({why}): check that its folder exists, may be written to and "
        "has room."
    )
