"""One training at a time into a model folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from mnad.watch.lock import locked


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other trainings out of a folder; on trust on Windows, which lacks such locks.

    Nothing of it is left in the folder: a model is copied and packed, and a folder with a lock is
    one where a camera is watched.

    Raises:
        UsageError: another process trains into it.
        MnadError: it cannot be written.
    """
    if find_spec("fcntl") is None:
        yield
        return
    with locked(out, "trains into"):
        try:
            yield
        finally:
            (out / ".lock").unlink(missing_ok=True)
