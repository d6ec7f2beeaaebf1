"""The models that come with the package, and what a name means where a model is asked for."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mnad.errors import MnadError, UsageError

BUILT_IN = Path(__file__).parents[1] / "weights"
TERMS, RESULT = "TERMS.md", "result.txt"
"""Beside the files of a model: on what terms its weights are given, and one line of what it
reached."""


@dataclass(frozen=True)
class BuiltIn:
    """A built-in model.

    Attributes:
        name: of it.
        size: bytes.
        network: in words.
        trained_on: in words.
        result: one line; None before it was measured.
        terms: file with the terms of its weights.
    """

    name: str
    size: int
    network: str
    trained_on: str
    result: str | None
    terms: Path


def names() -> list[str]:
    """Names of the built-in models."""
    return sorted(file.parent.name for file in BUILT_IN.glob("*/config.json"))


def resolve(model: str | Path) -> Path:
    """The folder that is meant where a model is asked for.

    What is on disk by that very path wins, so that a copy of a built-in model may bear its name.

    Args:
        model: a model folder, or the name of a built-in model.

    Returns:
        A folder; that there is a model in it is for its reader to find out.
    """
    path = Path(model)
    return BUILT_IN / path if not path.exists() and str(model) in names() else path


def name_of_built_in(folder: Path) -> str | None:
    """The name of a built-in model by its folder; None for any other folder."""
    inside = folder.resolve()
    return inside.name if inside.parent == BUILT_IN.resolve() else None


def to_change(model: str | Path) -> Path:
    """The folder of a model that a command writes into.

    Raises:
        UsageError: it is built in, and the installed package stays as it is; or it may not be
            written to.
    """
    folder = resolve(model)
    name = name_of_built_in(folder)
    if name is not None:
        raise UsageError(
            f"{name} comes with the package and stays as it is; copy it by "
            f"`mnad copy {name} --out DIR` and give DIR."
        )
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise UsageError(
            f"{folder} may not be written to; copy it by `mnad copy {quote(str(folder))} --out "
            "DIR` and give DIR."
        )
    return folder


def copy_folder(model: str | Path, out: Path) -> Path:
    """Copy a model folder with its exports, whole or not at all; no unfinished training.

    Args:
        model: a model folder, or the name of a built-in model.
        out: the new folder.

    Raises:
        UsageError: there is no such model, or `out` has no name or holds something already.
        MnadError: it cannot be written.
    """
    folder = resolve(model)
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{folder} is no model; give a model folder or a built-in model ({', '.join(names())})."
        )
    if not out.name:  # the folder that one is in cannot be replaced
        raise UsageError(f"--out {out} names no new folder; give one, such as models/mine.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; give another --out.")
    beside = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        ignored = shutil.ignore_patterns("training", ".*")
        shutil.copytree(folder, beside, ignore=ignored, copy_function=shutil.copyfile)
        # An installed package may be read-only, and its copy is there to be written to.
        for copied in (beside, *(path for path in beside.iterdir() if path.is_dir())):
            copied.chmod(copied.stat().st_mode | stat.S_IRWXU)
        os.replace(beside, out)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        # shutil.Error lists (from, to, why) of each file.
        why = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        raise MnadError(f"{out} cannot be written ({why}); check its folder.") from None
    return out


def built_in() -> list[BuiltIn]:
    """All built-in models, from their own records."""
    return [_described(BUILT_IN / name) for name in names()]


def _described(folder: Path) -> BuiltIn:
    config = json.loads((folder / "config.json").read_bytes())
    network, data = config["network"], config["training"]["data"]
    colours = "grey" if network["channels"] == 1 else "RGB"
    result = folder / RESULT
    return BuiltIn(
        name=folder.name,
        size=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        network=f"{network['task']}, width {network['width']:g}, "
        f"{network['image_width']}x{network['height']} {colours}",
        trained_on=f"{data['frames']:,} frames of {data['name']}",
        result=result.read_text(encoding="utf-8").strip() if result.exists() else None,
        terms=folder / TERMS,
    )
