"""What the checks of a camera report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Change:
    """One message: something about the camera began or ended.

    Attributes:
        what: ``covered``, ``frozen``, ``out of focus``, ``moved``, ``lighting``, ``drift``,
            ``slow`` or ``lost``.
        phase: ``start`` or ``end``.
        seconds: when it became certain, since the start of the source.
    """

    what: str
    phase: Literal["start", "end"]
    seconds: float
