"""Nested facts as lines of a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of each fact, in their order."""
    for key, inner in value.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{name}: ")
        elif isinstance(inner, str):
            yield name, inner
        else:
            yield name, json.dumps(inner)
