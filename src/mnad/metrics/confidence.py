"""What a confidence may be, wherever an interval is asked for."""

from __future__ import annotations

from mnad.errors import UsageError


def check_confidence(confidence: float) -> None:
    """Refuse what is no share.

    Raises:
        UsageError: not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}; it must lie between 0 and 1, as 0.95 does.")
