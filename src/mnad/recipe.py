"""YAML recipes, as `mnad train --config` takes them."""

from __future__ import annotations

from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

_USUAL = get_loader("yaml")


def refuse_repeated_keys() -> None:
    """Have jsonargparse refuse YAML in which a key stands twice; it takes the last of them."""
    set_loader("yaml", _load, (yaml.YAMLError,))


def _load(text: str) -> Any:
    _require_once(text)
    return _USUAL(text)


def _require_once(text: str) -> None:
    """See that no key stands twice in a mapping.

    Raises:
        YAMLError: one does, or this is no YAML.
    """
    nodes, seen = [yaml.compose(text, yaml.SafeLoader)], set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # by aliases a node can be in many places, and even in itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            first: dict[Any, int] = {}
            for key, value in node.value:
                nodes.append(value)
                line = key.start_mark.line + 1
                if isinstance(key, yaml.ScalarNode) and key.value in first:
                    raise yaml.YAMLError(
                        f"{key.value} stands on line {first[key.value]} and again on line {line}: "
                        "give it once."
                    )
                first[str(key.value)] = line
