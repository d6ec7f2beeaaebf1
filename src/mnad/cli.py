"""The command line: the functions of `mnad.api`, and how their results read on a terminal."""

from __future__ import annotations

import argparse
import inspect
import io
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import TYPE_CHECKING, Any

from docstring_parser import parse
from jsonargparse import ActionYesNo, ArgumentParser, DefaultHelpFormatter

from mnad import __version__, api
from mnad.ablation.table import text as ablation_text
from mnad.bench import table
from mnad.demo import demo
from mnad.errors import MnadError
from mnad.evaluation.given_text import scores_text
from mnad.evaluation.text import report_text
from mnad.inspection.text import figures_text
from mnad.recipe import refuse_repeated_keys
from mnad.reproduce.summary import reproduction_text

if TYPE_CHECKING:
    from mnad.calibration.result import Calibration
    from mnad.datasets.prepared import Copy
    from mnad.events.event import Event
    from mnad.models.builtin import BuiltIn
    from mnad.models.folder import Model
    from mnad.watch.files import Detection
    from mnad.watch.review import Review

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

GROUPS = {"data": "Look at a data set, or decode it once and for all."}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 fine, 1 some input failed, 2 wrong usage, 3 events where that was asked for, 130 stopped by
    Ctrl-C, 141 whoever read the output has gone, such as `head`, 143 stopped by SIGTERM.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As standard error has it: a path that is no text is shown all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            with _ends_in_order():
                return _run(arguments)
        finally:
            if sys.stdout is not None:  # as it is where there is no console
                # Now, and not at the exit of Python, which would complain.
                sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


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
    refuse_repeated_keys()
    logging.basicConfig(format="mnad: %(message)s")
    logging.getLogger("mnad").setLevel(logging.INFO)
    parser = _parser(words)
    try:
        parsed = parser.instantiate(parser.parse_args(words))
        command, chosen = parsed.command, parsed[parsed.command]
        if command in GROUPS:
            command, chosen = f"{command} {chosen.command}", chosen[chosen.command]
        values = chosen.as_dict()
        values.pop("config", None)
        result = COMMANDS[command](**values)
    except MnadError as error:
        print(f"mnad: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        print("mnad: stopped.", file=sys.stderr)
        return 143 if isinstance(error, _Terminated) else 130
    return int(_SHOW[command](result, values))


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
    for name, summary in GROUPS.items():
        group = ArgumentParser(description=summary)
        commands.add_subcommand(name, group, help=summary)
        groups[name] = group.add_subcommands(dest="command")
    for name, function in COMMANDS.items():
        path = name.split()
        command = _command_parser(function) if path == words[: len(path)] else ArgumentParser()
        level = groups[path[0]] if len(path) > 1 else commands
        level.add_subcommand(path[-1], command, help=_summary(function))
    return parser


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
    if function is api.train:
        parser.add_argument(
            "--config", action="config", help="YAML recipe; options given after it override it."
        )
    help_of = {p.arg_name: p.description for p in parse(function.__doc__ or "").params}
    parameters = inspect.signature(function).parameters
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
        elif parameter.annotation is bool:
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


def _show_train(model: Model, given: dict[str, Any]) -> int:
    record = model.training
    print(
        f"{given['out']}: {record['windows']} windows, {record['steps']} steps in "
        f"{record['seconds']:.0f} s, last loss {record['last_epoch'].get('loss', '?')}"
    )
    if model.calibration is not None:
        print("\n".join(model.calibration.sentences()))
    return 0


def _show_calibrate(calibration: Calibration, given: dict[str, Any]) -> int:
    print("\n".join(calibration.sentences()))
    return 0


def _show_evaluate(result: dict[str, Any], given: dict[str, Any]) -> int:
    for warning in result["protocol"]["warnings"]:
        print(f"mnad: warning: {warning}", file=sys.stderr)
    print(report_text(result))
    for sentence in result["failed"].values():
        print(f"mnad: {sentence}", file=sys.stderr)
    return 1 if result["failed"] else 0


def _show_figures(facts: dict[str, Any], given: dict[str, Any]) -> int:
    print("\n".join(figures_text(facts)))
    failed = [sentence for one in facts["models"].values() for sentence in one["failed"].values()]
    for sentence in failed:
        print(f"mnad: {sentence}", file=sys.stderr)
    return 1 if failed else 0


def _show_score_file(result: dict[str, Any], given: dict[str, Any]) -> int:
    for warning in result["protocol"]["warnings"]:
        print(f"mnad: warning: {warning}", file=sys.stderr)
    print(scores_text(result))
    return 0


def _show_export(folder: Path, given: dict[str, Any]) -> int:
    from mnad.models.normal import NORMAL, load_normal

    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB")
    own = load_normal(folder / NORMAL).calibration if (folder / NORMAL).exists() else None
    if own is not None:  # in int8 the model's threshold was set anew
        print("\n".join(own.sentences()))
    return 0


def _show_detect(found: list[Detection], given: dict[str, Any]) -> int:
    for one in found:
        if one.frames:
            events = "" if one.events is None else f"{one.events} event(s), "
            print(
                f"{one.source}: {one.frames} frames, {events}highest score {one.highest:.3f} at "
                f"{one.at_seconds:.2f} s -> {one.out}"
            )
        if one.error:
            print(f"mnad: {one.error}", file=sys.stderr)
    if any(one.frames and one.events is None for one in found):
        print(
            "mnad: the model has no threshold, so that no events were told: mnad calibrate "
            f"{quote(str(given['model']))} NORMAL_FOOTAGE sets one.",
            file=sys.stderr,
        )
    if any(one.error for one in found):
        return 1
    return 3 if given["fail_on_event"] and any(one.events for one in found) else 0


def _show_watch(seen: api.Watched, given: dict[str, Any]) -> int:
    print(f"{seen.out}: {seen.frames} frames scored, {seen.events} event(s)")
    return 0


def _show_mark(events: list[Event], given: dict[str, Any]) -> int:
    comes = {
        "normal": "learnt by the next mnad watch --relearn",
        "anomaly": "left out of what is learnt and of mnad review",
    }
    for event in events:
        print(f"{event.id}: {given['label']}; {comes[given['label']]}")
    return 0


def _show_review(seen: Review, given: dict[str, Any]) -> int:
    print("\n".join(seen.lines()))
    return 0


def _show_info(facts: dict[str, Any], given: dict[str, Any]) -> int:
    print(json.dumps(facts, indent=2))
    return 0


def _show_models(found: list[BuiltIn], given: dict[str, Any]) -> int:
    for one in found:
        print(f"{one.name}: {one.size / 1e6:.1f} MB, {one.network}; trained on {one.trained_on}")
        if one.result is not None:
            print(f"  {one.result}")
        print(f"  terms of the weights: {one.terms}")
    return 0


def _show_copy(folder: Path, given: dict[str, Any]) -> int:
    print(f"{given['model']} -> {folder}")
    return 0


def _show_import(model: Model, given: dict[str, Any]) -> int:
    network = model.config.network
    print(
        f"{given['out']}: official {network.task}, width {network.width:g}, {network.items} items"
    )
    return 0


def _show_demo(text: str, given: dict[str, Any]) -> int:
    print(text)
    return 0


def _show_bench(result: dict[str, Any], given: dict[str, Any]) -> int:
    print(table.text_of(result))
    wrong = [*result["missing"], *result["failed"]]
    for sentence in wrong:
        print(f"mnad: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


def _show_check(report: dict[str, Any], given: dict[str, Any]) -> int:
    from mnad.datasets.check import report_text as text_of_check

    print(text_of_check(report))
    for sentence in report["warnings"]:
        print(f"mnad: warning: {sentence}", file=sys.stderr)
    return 0


def _show_prepare(copy: Copy, given: dict[str, Any]) -> int:
    print(f"{copy.out}: {copy.clips} clips, {copy.frames} frames, {copy.size / 1e6:.1f} MB")
    return 0


def _show_ablate(result: dict[str, Any], given: dict[str, Any]) -> int:
    print(ablation_text(result))
    print(f"{given['out']}: ablation.md (all columns), ablation.json, ablation.png")
    for sentence in result["failed"]:
        print(f"mnad: {sentence}", file=sys.stderr)
    return 1 if result["failed"] else 0


def _show_reproduce(result: dict[str, Any], given: dict[str, Any]) -> int:
    print(reproduction_text(result))
    for name, sentence in result["failed"].items():
        print(f"mnad: {name}: {sentence}", file=sys.stderr)
    return 1 if result["failed"] else 0


_SHOW: dict[str, Callable[[Any, dict[str, Any]], int]] = {
    "train": _show_train,
    "calibrate": _show_calibrate,
    "evaluate": _show_evaluate,
    "figures": _show_figures,
    "score-file": _show_score_file,
    "export": _show_export,
    "detect": _show_detect,
    "watch": _show_watch,
    "mark": _show_mark,
    "review": _show_review,
    "info": _show_info,
    "models": _show_models,
    "copy": _show_copy,
    "import": _show_import,
    "demo": _show_demo,
    "bench": _show_bench,
    "data check": _show_check,
    "data prepare": _show_prepare,
    "ablate": _show_ablate,
    "reproduce": _show_reproduce,
}
