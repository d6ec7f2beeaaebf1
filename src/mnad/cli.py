"""The command line: the functions of `mnad.api`, whose signatures are its options."""

from __future__ import annotations

import argparse
import errno
import inspect
import io
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import Parameter
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from docstring_parser import parse
from jsonargparse import ActionYesNo, ArgumentParser, DefaultHelpFormatter

from mnad import __version__, api
from mnad.demo import demo
from mnad.errors import MnadError
from mnad.recipe import OptionsFile, files_first, read_strictly
from mnad.refusal import empty, sentence, unfit
from mnad.results import SHOW
from mnad.video.address import without_secrets

COMMANDS: dict[str, Callable[..., Any]] = {
    "train": api.train,
    "calibrate": api.calibrate,
    "evaluate": api.evaluate,
    "figures": api.figures,
    "score-file": api.score_file,
    "export": api.export,
    "detect": api.detect,
    "watch": api.watch,
    "mark": api.mark,
    "review": api.review,
    "info": api.info,
    "models": api.list_models,
    "copy": api.copy_model,
    "import": api.import_checkpoint,
    "demo": demo,
    "bench": api.bench,
    "data check": api.check_data,
    "data prepare": api.prepare_data,
    "ablate": api.ablate,
    "reproduce": api.reproduce,
}
"""By name; of two words, the first is a group."""

NAMED = {"model", "data", "labels"}
"""What may be a name as well as a path: it stays text, in which ./ped2 is not ped2."""

TEXTS = (str, str | None, str | Path, str | Path | None, Path)
SEVERAL = (list[str], list[str] | None)
"""Kinds of parameters that are text, and several texts."""

GROUPS = {"data": "Look at a data set, or decode it once and for all."}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 fine, 1 some input failed, 2 wrong usage, 3 events where that was asked for, 130 stopped by
    Ctrl-C, 141 whoever read the output has gone, such as `head`, 143 stopped by SIGTERM.
    """
    _open_what_is_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As of standard error: a path that is no valid text is shown with escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            with _ends_in_order():
                return _run(arguments)
        finally:
            # Now, and not at the exit of Python, which would complain.
            sys.stdout.flush()
    except BrokenPipeError:
        _say_no_more()
        return 141
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _say_no_more()
        told = "what the command has to say cannot be written"
        print(f"mnad: {told} ({error.strerror}): make room, or send it elsewhere.", file=sys.stderr)
        return 1


def _say_no_more() -> None:
    """At its exit Python writes what standard output still holds; now it does so to nobody."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_what_is_closed() -> None:
    """Give each standard stream that is closed, as by ``2>&-`` or without a console, to nobody.

    The next file that is opened would get its number, and whatever a library prints would end up
    in it; and a progress bar waits for ever where there is no standard error.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)  # by the processes that a command starts
            setattr(sys, name, stream)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: what is written is whole or gone."""


@contextmanager
def _ends_in_order() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to that thread, and are somebody else's
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format=_log_format(words), datefmt="%Y-%m-%dT%H:%M:%S%z")
    logging.getLogger("mnad").setLevel(logging.INFO)
    try:
        command, values = _understood(words)
        result = COMMANDS[command](**values)
    except MnadError as error:
        print(f"mnad: {without_secrets(str(error))}", file=sys.stderr)
        return error.exit_code
    except PermissionError as error:
        if error.filename is None:
            raise
        told = f"{error.filename} is not open to this user ({error.strerror})"
        print(f"mnad: {told}: run the command as its owner, or let this user in.", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        print("mnad: stopped.", file=sys.stderr)
        return 143 if isinstance(error, _Terminated) else 130
    return SHOW[command](result, values) or 0


def _understood(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command that is asked for, and the values of all its options."""
    parser = _parser(words)
    if wrong := empty(words):
        parser.error(wrong)
    try:
        read = parser.parse_args(files_first(words, 2 if GROUPS.keys() & words[:1] else 1))
    except UnicodeDecodeError:
        parser.error("A file of options is no text in UTF-8.")
    command, given = _chosen(read)
    parameters = inspect.signature(COMMANDS[command]).parameters
    kinds = {name: one.annotation for name, one in parameters.items()}
    if wrong := unfit(given, kinds):
        parser.error(wrong)
    values = dict(_chosen(parser.instantiate(read))[1].as_dict())
    values.pop("config", None)
    return command, {name: _at_home(value) for name, value in values.items()}


def _at_home(value: Any) -> Any:
    """``~/`` as a shell reads it, which sees neither into a file nor behind ``--out=``."""
    if isinstance(value, list):
        return [_at_home(one) for one in value]
    if isinstance(value, str | Path) and str(value).startswith("~/"):
        return type(value)(os.path.expanduser(value))
    return value


def _chosen(read: Any) -> tuple[str, Any]:
    """The name of the command that was given, and what was given to it."""
    if read.command not in GROUPS:
        return read.command, read[read.command]
    command, chosen = _chosen(read[read.command])
    return f"{read.command} {command}", chosen


def _log_format(words: Sequence[str]) -> str:
    """Of what runs for months a line has its time, where neither terminal nor journal show it."""
    plain = "mnad: %(message)s"
    if "watch" not in words[:1] or sys.stderr is None:
        return plain
    if sys.stderr.isatty():
        return f"\r\033[K{plain}"  # in place of the line that says how it stands
    return plain if "JOURNAL_STREAM" in os.environ else f"%(asctime)s {plain}"


def _parser(words: Sequence[str]) -> ArgumentParser:
    """The whole parser; of the commands only that of `words` with its options, which take time."""
    parser = ArgumentParser(
        prog="mnad",
        description="Memory-guided video anomaly detection: train on normal footage, score every "
        "frame, see where and when.",
        version=__version__,
        formatter_class=_Help,  # which the commands take over
    )
    commands = parser.add_subcommands(dest="command")
    groups = {}
    everything = [parser]
    for name, summary in GROUPS.items():
        group = ArgumentParser(description=summary)
        commands.add_subcommand(name, group, help=summary)
        groups[name] = group.add_subcommands(dest="command")
        everything.append(group)
    asked, options = "".join(GROUPS.keys() & words[:1]), parser
    for name, function in COMMANDS.items():
        path = name.split()
        command = ArgumentParser()
        if path == words[: len(path)]:
            command = _command_parser(function)
            asked, options = name, command
        level = groups[path[0]] if len(path) > 1 else commands
        level.add_subcommand(path[-1], command, help=_summary(function))
        everything.append(command)
    for one in everything:
        one.error = partial(_refuse, asked, options)
    return parser


def _refuse(command: str, parser: ArgumentParser, message: str, *_: Any) -> NoReturn:
    """Say in a sentence what is wrong, and what is missing as it is written on the command line."""
    found = re.fullmatch(r"the following arguments are required: (.+)", message.strip())
    if found and command in COMMANDS:
        parameters = inspect.signature(COMMANDS[command]).parameters
        names = [name.rpartition(".")[2] for name in found[1].split(", ")]
        written = [
            f"--{name}" if parameters[name].kind == Parameter.KEYWORD_ONLY else name.upper()
            for name in names
        ]
        said = f"{command} needs {', '.join(written)}."
    else:
        said = sentence(message, [word for one in parser._actions for word in one.option_strings])
    # What is not understood may be an address with its password.
    hint = " ".join(["mnad", *command.split(), "--help"])
    print(f"mnad: {without_secrets(said)} See {hint}.", file=sys.stderr)
    raise SystemExit(2)


def _summary(function: Callable[..., Any]) -> str:
    return parse(function.__doc__ or "").short_description or ""


class _Help(DefaultHelpFormatter):  # type: ignore[misc]
    """Help in which a path is a Path, and not a <class 'Path'>."""

    def _get_type_str(self, action: argparse.Action) -> str | None:
        said: str | None = super()._get_type_str(action)
        return "Path" if said == "<class 'Path'>" else said


def _command_parser(function: Callable[..., Any]) -> ArgumentParser:
    """A parser that is the signature; lists, switches and paths get a form for a shell."""
    parser = ArgumentParser(description=_summary(function))
    help_of = {p.arg_name: p.description for p in parse(function.__doc__ or "").params}
    parameters = inspect.signature(function).parameters
    read_strictly()
    if parameters:
        parser.add_argument(
            "--config",
            action=OptionsFile,
            texts={
                name for name, one in parameters.items() if one.annotation in (*TEXTS, *SEVERAL)
            },
            several={name for name, one in parameters.items() if one.annotation in SEVERAL},
            help="YAML file of options; those given besides override it.",
        )
    for name, parameter in parameters.items():
        if parameter.annotation == list[str]:
            parser.add_argument(name, nargs="+", type=str, help=help_of[name])
        elif parameter.kind == parameter.POSITIONAL_OR_KEYWORD and parameter.default is None:
            parser.add_argument(name, nargs="?", type=str, help=help_of[name])
        elif parameter.annotation == (list[str] | None):
            parser.add_argument(f"--{name}", nargs="+", type=str, help=help_of[name])
        elif parameter.annotation == str | Path:
            form = str if name in NAMED else Path
            if parameter.kind == parameter.KEYWORD_ONLY:
                parser.add_argument(f"--{name}", type=form, required=True, help=help_of[name])
            else:
                parser.add_argument(name, type=form, help=help_of[name])
        elif parameter.annotation == (str | Path | None):
            parser.add_argument(f"--{name}", type=Path | None, help=help_of[name])
        elif parameter.annotation in (bool, bool | None):
            parser.add_argument(
                f"--{name}",
                action=ActionYesNo(no_prefix="no_"),
                default=parameter.default,
                help=help_of[name],
            )
        else:
            parser.add_function_arguments(
                function, as_group=False, as_positional=True, skip=set(parameters) - {name}
            )
    return parser
