"""One process at a time watches into a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mnad.errors import MnadError, UsageError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from watching into `folder`, which is made if missing.

    Raises:
        UsageError: one does already.
        MnadError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise MnadError(
            f"{folder} cannot be written ({error.strerror}): give another --out."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another mnad watches into {folder}: stop it, or give another --out."
            ) from None
        yield
