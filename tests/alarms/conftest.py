from __future__ import annotations

import time
from collections.abc import Callable

import pytest

Eventually = Callable[..., None]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a condition holds, and fails when it does not in time."""

    def wait(condition: Callable[[], bool], seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.01)

    return wait
