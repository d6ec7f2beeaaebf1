from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, from MNAD_DATA; tests that ask for it skip without it."""
    where = os.environ.get("MNAD_DATA")
    if not where:
        pytest.skip("real data: MNAD_DATA is not set")
    path = Path(where)
    assert path.is_dir(), f"MNAD_DATA={where} is not a folder"
    return path
