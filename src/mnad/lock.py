"""One process at a time works in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnad.errors import MnadError, UsageError


@contextmanager
def locked(
    folder: Path, does: str = "watches into", file: str = ".lock", needed: bool = True
) -> Iterator[None]:
    """Keep other processes out of `folder`, which is made if missing.

    If the work leaves nothing in it, as when it fails at once, it is left as it was found.

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
    path, found = folder / file, folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = path.open("a")
    except OSError as error:
        raise MnadError(
            f"{folder} cannot be written ({error.strerror}): give another --out."
        ) from error
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(opened.fileno()).st_nlink:  # removed just now by who had it
                raise BlockingIOError
        except BlockingIOError:
            raise UsageError(
                f"another mnad {does} {folder}: stop it, or give another folder."
            ) from None
        except OSError as error:  # as on some network drives
            if needed:
                raise UsageError(
                    f"{folder} cannot be locked ({error.strerror}): give an --out on another drive."
                ) from error
        try:
            yield
        finally:
            with suppress(OSError):
                if set(folder.iterdir()) <= {path} and not path.stat().st_size:
                    path.unlink()
                    if not found:
                        folder.rmdir()
            # Closing would do, but for a process that was forked meanwhile and still has the file.
            with suppress(OSError):
                fcntl.flock(opened, fcntl.LOCK_UN)
