"""Whether progress is shown."""

from __future__ import annotations

import sys


def hidden(progress: bool = True) -> bool | None:
    """What a bar of tqdm takes as `disable`: None for none where there is no terminal.

    Where there is no standard error at all, as in a program without a console, tqdm fails at the
    first line, holding a lock for which the end of Python then waits for ever.

    Args:
        progress: whether it is wanted.
    """
    return None if progress and sys.stderr is not None else True
