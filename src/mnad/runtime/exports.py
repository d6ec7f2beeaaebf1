"""What a model folder holds for other engines, and whether it is still of this model.

An export is a folder in the model's folder, named after its runtime: the graph, for int8 also how
normal footage scores with it, and ``export.json``, which says what it was made of.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from mnad.config import RuntimeName
from mnad.errors import MnadError
from mnad.lock import locked
from mnad.models.builtin import name_of_built_in
from mnad.models.folder import CONFIG, WEIGHTS, sha256_of
from mnad.models.normal import NORMAL

RECORD = "export.json"
FORMAT = 1
EXPORTED: tuple[RuntimeName, ...] = ("openvino-int8", "onnx-int8", "ncnn", "openvino", "onnx")
"""Runtimes that a model can be exported for, in the order in which one is taken that is there.

ncnn before OpenVINO, as nobody exports for it who has not a wide network.
"""


@dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        folder: where it lies.
        record: what ``export.json`` says: ``of`` (SHA-256 by file of the model), ``graph`` (the
            same of the export's own), ``versions``, and for int8 ``calibration``, with the
            ``faults`` of that footage if any.
        changed: files of the model that are not those it was made of; it must not be used then.
    """

    folder: Path
    record: dict[str, Any]
    changed: tuple[str, ...]

    def stale(self) -> str:
        """The sentence for a person who asked for an export that must not be used."""
        model = self.folder.parent
        return (
            f"{self.folder} was exported from another {' and '.join(self.changed)} than {model} "
            f"holds now; export again by `{command(model, self.folder.name)}`."
        )


def command(model: Path, name: str) -> str:
    """The command that exports a model for a runtime; a built-in one, a copy of it."""
    form, _, int8 = name.partition("-")
    built_in = name_of_built_in(model)
    copied = "" if built_in is None else f"mnad copy {built_in} --out DIR && "
    return f"{copied}mnad export {'DIR' if copied else quote(str(model))} --format {form}" + (
        " --int8 --calibration NORMAL_FOOTAGE" if int8 else ""
    )


def sources_of(model: Path, name: str) -> dict[str, str]:
    """SHA-256 of the files of a model that an export rests on, by name.

    That of int8 rests on what the model knows of normal footage too: a model that was calibrated
    anew must not go on with the threshold before.
    """
    files = [CONFIG, WEIGHTS]
    if name.endswith("int8") and (model / NORMAL).exists():
        files.append(NORMAL)
    return {file: sha256_of(model / file) for file in files}


def graph_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of an export that an engine reads, by name.

    Of weights that changed, as on a failing disk, an engine computes other scores without a word,
    and a text that changed ends ncnn together with the whole process.
    """
    own = (RECORD, NORMAL)  # of which either says for itself whether it is damaged
    return {file.name: sha256_of(file) for file in folder.iterdir() if file.name not in own}


def before_of(place: Path) -> Path:
    """Where an export lies between the two renames by which another takes its place."""
    return place.with_name(f".{place.name}.before")


def put_back(place: Path) -> None:
    """Bring an export back to its place if what was to follow it did not, as after a kill."""
    if before_of(place).exists() and not place.exists():
        os.replace(before_of(place), place)


def find_export(model: Path, name: str) -> Export | None:
    """The export of a model for a runtime, or None.

    Raises:
        MnadError: it is damaged, or from a newer version.
    """
    file = model / name / RECORD
    if before_of(file.parent).exists():
        # Unless a process that is just now between the renames has the lock, or none may write.
        with suppress(MnadError, OSError), locked(model, "", CONFIG, needed=False):
            put_back(file.parent)
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_bytes())
        if record["format"] > FORMAT:
            raise MnadError(f"{file.parent} was written by a newer mnad; update mnad.")
        now, then = sources_of(model, name), dict(record["of"])
        graph = dict(record.get("graph", {}))  # older exports do not say it
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MnadError(
            f"{file} is damaged ({type(error).__name__}: {error}); export again by "
            f"`{command(model, name)}`."
        ) from None
    changed = tuple(f for f in sorted({*now, *then}) if now.get(f) != then.get(f))
    for own, sha256 in graph.items() if not changed else ():
        part = file.with_name(own)
        if not part.is_file() or sha256_of(part) != sha256:
            raise MnadError(
                f"{part} is damaged: it is not what was exported; export again by "
                f"`{command(model, name)}`."
            )
    return Export(file.parent, record, changed)
