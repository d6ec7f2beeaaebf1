"""YAML files of options, as `--config` takes them."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

_USUAL = get_loader("yaml")


def read_strictly(texts: Collection[str] = (), several: Collection[str] = ()) -> None:
    """Have jsonargparse refuse YAML in which a key stands twice, of which it takes the last.

    Args:
        texts: options that are text as it is written, such as 0 for a camera, or 01 for a folder.
        several: those of them that take several values: one alone need not be written as a list.
    """
    set_loader("yaml", partial(_load, texts=texts, several=several), (yaml.YAMLError,))


def _load(text: str, texts: Collection[str], several: Collection[str]) -> Any:
    _require_once(text)
    read = _USUAL(text)
    if not isinstance(read, dict):
        return read
    written = yaml.load(text, yaml.BaseLoader)
    for key in texts:
        if read.get(key) is not None:
            value = written.get(key, read[key])
            read[key] = [value] if key in several and isinstance(value, str) else value
    return read


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
