"""YAML files of options, as `--config` takes them."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ActionYesNo, get_loader, set_loader

from mnad.errors import UsageError
from mnad.refusal import shown

_USUAL = get_loader("yaml")


def read_strictly() -> None:
    """Have jsonargparse refuse a key that stands twice in what it reads itself, as `--events`."""

    def load(text: str) -> Any:
        _require_once(text, "")
        return _USUAL(text)

    set_loader("yaml", load, (yaml.YAMLError,))


def files_first(words: Sequence[str], after: int) -> list[str]:
    """The words of a command line, with every ``--config FILE`` brought to the front.

    jsonargparse lets whatever comes later override what came before; options of the command line
    override those of a file wherever they stand.

    Args:
        words: of the command line.
        after: how many of them are the command.
    """
    command, rest = list(words[:after]), list(words[after:])
    files: list[str] = []
    others: list[str] = []
    while rest and rest[0] != "--":
        word = rest.pop(0)
        name, _, value = word.partition("=")
        if name not in ("--config", "--confi", "--conf"):  # in short, as the parser takes it too
            others.append(word)
        elif value:
            files.append(word)
        elif name == word and rest and (rest[0][:1] != "-" or rest[0] == "-"):
            files += [word, rest.pop(0)]
        else:
            others.append(word)  # it has no file, which the parser says
    return [*command, *files, *others, *rest]


class OptionsFile(ActionConfigFile):  # type: ignore[misc]
    """The option ``--config``, which says by name and line what is wrong with a file.

    Args:
        texts: options that are text as it is written, such as 0 for a camera, or 01 for a folder.
        several: those of them that take several values: one alone need not be written as a list.

    Raises:
        UsageError: the file cannot be read, or is no mapping of options.
    """

    def __init__(self, texts: Collection[str], several: Collection[str], **usual: Any) -> None:
        self._texts, self._several = texts, several
        super().__init__(**usual)

    def __call__(self, parser: Any, namespace: Any, file: str, option: str | None = None) -> None:
        """Take the options of `file` into the namespace."""
        options, written = _read(file)
        for key, value in options.items():
            _require_known_form(file, parser, key, value)
            if key in self._texts and value is not None:
                options[key] = self._as_text(file, key, written.get(key, value))
        if options:
            # In quotes, as 1e3 is a number to jsonargparse and text to yaml.
            text = yaml.safe_dump(options, default_style='"')
            super().__call__(parser, namespace, text, option)

    def _as_text(self, file: str, key: str, value: Any) -> str | list[str]:
        several = key in self._several
        given = value if several and isinstance(value, list) else [value]
        said = "text, or a list of texts" if several else "text"
        for one in given:
            if not isinstance(one, str):
                raise UsageError(f"{file}: {key} has {shown(str(one))}; it must be {said}.")
        if not all(given) or not given:
            raise UsageError(f"{file}: {key} is empty; it must be {said}.")
        return given if several else given[0]


def _read(file: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The options in a file, and the same with all values as the text that is written."""
    path = "/dev/stdin" if file == "-" else os.path.expanduser(file)
    try:
        # Once, as it may be a pipe: it often comes from a store of secrets.
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"--config {file} is no text in UTF-8: give a YAML file.") from error
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise UsageError(f"--config {file} cannot be read ({said}): give a YAML file.") from error
    try:
        _require_once(text, f"{file}: ")
        # With a comment, as it takes a name without a value for text where that is all.
        options, written = _USUAL(f"{text}\n#"), yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError as error:
        # Without the line itself, which yaml shows in part: passwords stand there.
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1},"
        problem = getattr(error, "problem", None) or getattr(error, "reason", "it cannot be read")
        raise UsageError(
            f"{file}{where} is no YAML: {problem}; text with signs such as : # @ may need quotes."
        ) from error
    if options is None:  # all of it is commented out
        return {}, {}
    if not isinstance(options, dict):
        raise UsageError(
            f"{file} holds no options: write each as NAME: VALUE on a line of its own."
        )
    return options, written


def _require_known_form(file: str, parser: Any, key: Any, value: Any) -> None:
    """See that no option is written as for a shell, and no switch given anything but a truth."""
    if not isinstance(key, str) or key == "config":
        raise UsageError(f"{file}: {key} is no option that a file may hold; leave it out.")
    name = key.lstrip("-")
    options = (one for one in parser._actions if f"--{name}" in one.option_strings)
    switch = next(options, None)
    if isinstance(switch, ActionYesNo) and name != switch.dest:
        # jsonargparse takes it for that option itself, so that no_clips: true would be clips: true.
        raise UsageError(f"{file}: {key} is for the command line; here write {switch.dest}: false.")
    if name != key:
        raise UsageError(f"{file}: {key} is for the command line; here write {name}.")
    if not isinstance(switch, ActionYesNo) or isinstance(value, bool | None):
        return
    if str(value).lower() not in ("true", "false", "yes", "no"):
        raise UsageError(f"{file}: {key} is {shown(str(value))}; it must be true or false.")


def _require_once(text: str, where: str) -> None:
    """See that no key stands twice in a mapping, of which jsonargparse takes the last.

    Raises:
        UsageError: one does.
        YAMLError: this is no YAML.
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
                    raise UsageError(
                        f"{where}{key.value} stands on line {first[key.value]} and again on line "
                        f"{line}: give it once."
                    )
                first[str(key.value)] = line
