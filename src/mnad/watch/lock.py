"""One process at a time works in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mnad.errors import MnadError, UsageError


@contextmanager
def locked(
    folder: Path, does: str = "watches into", file: str = ".lock", needed: bool = True
) -> Iterator[None]:
    """Keep other processes out of `folder`, which is made if missing.

    Args:
        folder: what is locked.
        does: what the process does with it, for the sentence that another one is told.
        file: in it, that is locked; made if missing.
        needed: whether to refuse where this system has no such locks, or to go on without.

    Raises:
        UsageError: one does already, or this system has no such locks.
        MnadError: the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        if not needed:
            yield
            return
        raise UsageError(
            f"{folder} cannot be locked here, as Windows lacks it: use Linux, also by WSL."
        ) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / file).open("a")
    except OSError as error:
        raise MnadError(
            f"{folder} cannot be written ({error.strerror}): give another --out."
        ) from error
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"another mnad {does} {folder}: stop it, or give another --out."
            ) from None
        try:
            yield
        finally:
            # Closing would do, but for a process that was forked meanwhile and still has the file.
            fcntl.flock(opened, fcntl.LOCK_UN)
