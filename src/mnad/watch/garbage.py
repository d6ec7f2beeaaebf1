"""What is free is given back over days, on the GNU C library; elsewhere garbage is collected."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def give_back() -> None:
    """Give back what is free.

    What is left of a video that was read or written lies in cycles of references, tens of MiB
    each, and the C library keeps for its thread what is freed: over days both add up.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
