"""What is wrong with a command line, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "Path": "a path",
    "NoneType": "null",
}


def sentence(message: str, options: Iterable[str]) -> str:
    """What jsonargparse says in several lines, or by inner names, as one sentence.

    Args:
        message: of the parser, without its usage.
        options: that there are, as written, such as ``--out``.
    """
    value = re.match(r'(?:Problem\w* \w+ config: )?Parser key "([^"]+)":', message)
    given = re.search(r"G(?:iven|ot) value: (.*)", message)
    wanted = [_kind(one) for one in re.findall(r"Expected a (.+?)(?:\. Got|$)", message, re.M)]
    if value and given and wanted:
        kinds = " or ".join(dict.fromkeys(wanted))
        return f"{_written(value[1])} is {given[1]!r}; it must be {kinds}."
    unknown = re.search(r"not accept option '([^']+)'|unrecognized arguments: (.+)", message)
    if unknown:
        said = unknown[1] or unknown[2]
        first = said.split()[0].partition("=")[0] if unknown[2] else _written(said)
        near = get_close_matches(first, list(options), 1, 0.75) if first[:2] == "--" else []
        return f"{said} is not known here{f'; perhaps {near[0]}?' if near else '.'}"
    if re.match(r'expected "\S*command" to be one of', message):
        return "A command is missing."
    one_line = " ".join(message.split())
    if value:
        one_line = f"{_written(value[1])}: {one_line[value.end() :].strip()}"
    return one_line if one_line.endswith((".", "?")) else f"{one_line}."


def _written(key: str) -> str:
    return f"--{key}"


def _kind(expected: str) -> str:
    choices = re.findall(r"'([^']*)'", expected)
    if "Literal" in expected:
        return f"one of {', '.join(choices)}"
    name = choices[0].rpartition(".")[2] if choices else expected
    return _KINDS.get(name, name)
