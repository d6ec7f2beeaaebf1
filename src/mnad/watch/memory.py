"""Resident memory that stays flat over days, on the GNU C library; elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of mallopt
LARGE = 256 * 1024
"""Bytes from which on a block is mapped by itself, and given back as soon as it is freed."""


def keep_flat() -> None:
    """Say how memory is to be had, before a long run.

    The C library raises by itself what it calls large, up to 32 MiB; then frames lie among what
    lives longer, and the holes that they leave add up. And every thread that an encoder starts may
    get an arena of its own, which keeps what was freed in it.
    """
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, LARGE)
        library.mallopt(_ARENA_MAX, 2)


def give_back() -> None:
    """Give back what is free.

    What is left of a video that was read or written lies in cycles of references, tens of MiB
    each, and the C library keeps for its thread what is freed: over days both add up.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
