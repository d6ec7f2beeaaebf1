"""The folder of one source's results: what lies in it, and whose it is."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from mnad.errors import MnadError, UsageError

EVENTS, REPORT = "events.jsonl", "report.html"
PLOT = "scores.png"
STATUS = "status.json"
OF_A_FILE = (
    *(EVENTS, REPORT, PLOT, "scores.csv", "overlay.mp4", "clips/*.mp4", "thumbnails/*.jpg"),
    *(".*.part.*", "clips/.*.part.*"),
)
"""What is written of a file, and what a run that was killed has left of it."""
SOURCE = "source.txt"
"""In the folder of the results: the path of what they are of."""


def last_suffered(folder: Path) -> dict[str, datetime]:
    """What the camera suffered when ``status.json`` was last written, with that time."""
    try:
        status = json.loads((folder / STATUS).read_bytes())
        return dict.fromkeys(status.get("camera", ()), datetime.fromisoformat(status["at"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_source(folder: Path, path: Path) -> None:
    """Note whose results a folder holds, so that another source of the same name takes another.

    Raises:
        MnadError: the disk is full.
    """
    try:
        (folder / SOURCE).write_bytes(os.fsencode(path.resolve()) + b"\n")
    except OSError as error:
        raise MnadError(
            f"{folder / SOURCE} cannot be written ({error.strerror}): make room there."
        ) from error


def holds_another(folder: Path, path: Path) -> bool:
    """Whether a folder holds the results of another source."""
    try:
        return (folder / SOURCE).read_bytes().strip() not in (b"", os.fsencode(path.resolve()))
    except OSError:
        return False


def remove_results(folder: Path) -> None:
    """Leave nothing in a folder of what was written there of a file.

    Raises:
        MnadError: it cannot be removed.
    """
    for old in [file for pattern in OF_A_FILE for file in folder.glob(pattern)]:
        try:
            old.unlink(missing_ok=True)
        except OSError as error:
            raise MnadError(
                f"{old} cannot be removed ({error.strerror}): give another --out."
            ) from None


def require_no_camera(folder: Path) -> None:
    """Refuse to put a file's results where a camera's are: those cannot be made again.

    Raises:
        UsageError: they are there.
    """
    if (folder / ".lock").exists() or any(folder.glob("scores-????????.csv")):
        raise UsageError(f"{folder} holds what was watched live: give another --out.")
