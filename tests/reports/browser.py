"""A page in a headless browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")


def opened(file: Path | str, profile: Path, *flags: str) -> tuple[str, dict[str, Any]]:
    """The page as it is after its scripts ran, and what they told; from disk, or by its address."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}", "--virtual-time-budget=4000", *flags, "--dump-dom",
            file if isinstance(file, str) else file.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    told = done.stdout.split('data-told="')[1].split('"')[0]
    return done.stdout, json.loads(unescape(told))
