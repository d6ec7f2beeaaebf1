"""What is wrong with a command line, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from types import NoneType
from typing import Any, get_args, get_type_hints

_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "Path": "a path",
    "NoneType": "null",
}


def sentence(message: str, options: Collection[str]) -> str:
    """What jsonargparse says in several lines, or by inner names, as one sentence.

    Args:
        message: of the parser, without its usage.
        options: that there are, as written, such as ``--out``.
    """
    value = re.match(r'(?:Problem\w* \w+ config: )?Parser key "([^"]+)":', message)
    given = re.search(r"G(?:iven|ot) value: (.*)", message)
    wanted = [_kind(one) for one in re.findall(r"Expected a (.+?)(?:\. Got|$)", message, re.M)]
    if value and given and wanted:
        kinds = " or ".join(dict.fromkeys(sorted(wanted, key="null".__eq__)))  # null last
        return f"{_written(value[1], options)} is {shown(given[1])}; it must be {kinds}."
    section = re.search(r"Unable to load config '(.*?)'", message)
    if value and section:
        first = next(one for one in options if one.startswith(f"--{value[1]}."))
        return _section(value[1], shown(section[1]), first)
    unknown = re.search(r"not accept option '([^']+)'|unrecognized arguments: (.+)", message)
    if unknown:
        return _unknown(unknown[1] and f"--{unknown[1]}", unknown[2] or unknown[1], options)
    command = re.search(r"argument command: invalid choice: (.+) \(choose from (.+)\)", message)
    if command:
        there_are = re.findall(r"[\w-]+", command[2])
        near = get_close_matches(command[1].strip("'"), there_are, 1)
        rest = f"perhaps {near[0]}?" if near else f"there are {', '.join(there_are)}."
        return f"{command[1]} is no command; {rest}"
    missing = re.match(r'expected "\S*command" to be one of \{(.*?)\}', message)
    if missing:  # of many only some are named
        named = "" if "..." in missing[1] else f": {missing[1].replace(',', ' or ')}"
        return f"A command is missing{named}."
    switch = re.match(r"argument (--\S+)/(--\S+): ignored explicit argument", message)
    if switch:
        return f"{switch[1]} takes no value; say {switch[1]} or {switch[2]}."
    one_line = " ".join(message.split())
    if value:
        one_line = f"{_written(value[1], options)}: {one_line[value.end() :].strip()}"
    return one_line if one_line.endswith((".", "?")) else f"{one_line}."


def empty(words: Sequence[str]) -> str | None:
    """What to say of a word, or a value, that is empty, which to a path would be this folder.

    Returns:
        The sentence, or None where there is none.
    """
    for before, word in zip(("mnad", *words), words, strict=False):
        if not word or re.fullmatch(r"--[\w.]+=", word):
            after = word or before
            return f"What comes after {after} is empty, as of a shell variable that is not set."
    return None


def unfit(values: Mapping[str, Any], kinds: Mapping[str, Any], group: str = "") -> str | None:
    """What jsonargparse lets through: null, or no options, where the command cannot do with it.

    Args:
        values: of the options, those of a group as a mapping.
        kinds: their annotations, by name.
        group: the name of the options that all of these are below.

    Returns:
        The sentence, or None where all is well.
    """
    for name, kind in kinds.items():
        value: Any = values.get(name)
        key = f"{group}{name}"
        if is_dataclass(kind):
            below = get_type_hints(kind)
            if not hasattr(value, "get"):
                return _section(key, shown(str(value)), f"--{key}.{next(iter(below))}")
            wrong = unfit(value, below, f"{key}.")
            if wrong:
                return wrong
        elif value is None and NoneType not in get_args(kind):
            return f"--{key} is null; it must be {_kind(str(kind))}."
    return None


def shown(value: str) -> str:
    """A value as text, in quotes; what has parts is not repeated, as one may be a password."""
    if re.fullmatch(r"\{.*\}|\[.*\]", value, re.DOTALL):
        return "a list" if value[0] == "[" else "a mapping"
    return "null" if value == "None" else repr(value)


def _unknown(option: str | None, said: str, options: Collection[str]) -> str:
    """Of an option in a file, or of words on the command line."""
    first = option or said.split()[0].partition("=")[0]
    if first in ("true", "false"):
        return f"{said} is too much here: a switch takes no value; --no_… in place of --… is false."
    if first[:1] != "-":
        return f"{said} is too much here, or an option stands between it and what it belongs to."
    near = get_close_matches(first, options, 1, 0.75)
    return f"{said} is not known here{f'; perhaps {near[0]}?' if near else '.'}"


def _section(name: str, value: str, first: str) -> str:
    return f"--{name} is {value}; it takes options of its own, such as {first}."


def _written(key: str, options: Collection[str]) -> str:
    """An option, or what is given without one, as the help writes it."""
    return f"--{key}" if f"--{key}" in options else key.upper()


def _kind(expected: str) -> str:
    if "Literal[" in expected:
        choices = expected.partition("[")[2].rpartition("]")[0]
        return f"one of {choices.replace(chr(39), '')}"
    quoted = re.search(r"'([^']*)'", expected)
    name = quoted[1].rpartition(".")[2] if quoted else expected
    return _KINDS.get(name, name)
