"""Modules of this package as processes of their own."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import mnad


def command_of(module: str) -> list[str]:
    """The command that runs a module of this package.

    ``python -m`` looks into the current folder first, so that a ``statistics.py`` which somebody
    keeps there would be run in the place of Python's own. It does not here, unless the package
    itself lies there.

    Args:
        module: its full name.
    """
    inside = False
    with suppress(OSError):  # the current folder may have been removed
        inside = Path(mnad.__file__).parents[1].samefile(".")
    return [sys.executable, *([] if inside else ["-P"]), "-m", module]
