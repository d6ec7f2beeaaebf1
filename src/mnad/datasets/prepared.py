"""A prepared copy: the frames of a data set decoded once, at the size of a network.

::

    DIR/prepared.json                     what it is a copy of, and for which network
    DIR/training/CLIP.npy, DIR/testing/CLIP.npy, DIR/validation/CLIP.npy   (T, H, W, c) uint8

The arrays are to the bit what a network of that size and those channels is given from the data set
itself, so that training and evaluating on the copy give the same numbers. Labels, masks and what
is known of the data set stay with it and are read there: the copy is opened by its path and needs
the data set where it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from mnad.datasets.clip import Clip, Dataset, Prepared
from mnad.errors import MnadError, UsageError
from mnad.progress import hidden
from mnad.video.fit import resize
from mnad.video.source import Frame, Source, open_source

_RECORD = "prepared.json"
_PARTS = {"train": "training", "validation": "validation", "test": "testing"}


class Copy(NamedTuple):
    """What was prepared.

    Attributes:
        out: the folder.
        clips: how many.
        frames: of all of them.
        size: bytes of the arrays.
    """

    out: Path
    clips: int
    frames: int
    size: int


def is_prepared(path: Path) -> bool:
    """Whether a path is a prepared copy."""
    return (path / _RECORD).is_file()


def open_prepared(folder: Path, original: Callable[[str], Dataset]) -> Dataset:
    """The data set that a folder is a copy of, with the frames of the copy.

    Args:
        folder: the copy.
        original: opens the data set.

    Raises:
        MnadError: a broken record, or the data set is gone or is another now.
    """
    file = folder / _RECORD
    try:
        record = json.loads(file.read_bytes())
        spec, files = str(record["spec"]), dict(record["clips"])
        made_for = Prepared(**record["made_for"])
        rate = record["rate"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MnadError(f"{file} cannot be read: prepare the copy again.") from error
    try:
        dataset = original(spec)
    except MnadError as error:
        raise MnadError(
            f"{folder} is a copy of {spec}, where labels and masks are read: {error}"
        ) from error
    changed: dict[str, Any] = {}
    for part in _PARTS:
        clips: tuple[Clip, ...] = getattr(dataset, part)
        made = files[part]
        lengths = {name: length for name, (_, length) in made.items()}
        if {clip.name: clip.length for clip in clips} != lengths:
            raise MnadError(f"{spec} has other clips than when {folder} was made: prepare it anew.")
        changed[part] = tuple(replace(clip, path=folder / made[clip.name][0]) for clip in clips)
    return replace(
        dataset, root=folder, prepared=made_for, rate=rate, damaged=frozenset(), **changed
    )


def prepare_copy(spec: str, dataset: Dataset, out: Path, made_for: Prepared) -> Copy:
    """Decode a data set into a folder; it is there when it is whole.

    Args:
        spec: of the data set.
        dataset: what it opens as.
        out: the folder to make.
        made_for: size and channels of the network.

    Raises:
        UsageError: `out` is there already, or the data set is a copy itself.
        MnadError: a clip cannot be decoded, has no constant rate where times are its own, or there
            is no room.
    """
    if dataset.prepared is not None:
        raise UsageError(f"{spec} is a prepared copy itself: name the data set that it is of.")
    if out.exists():
        raise UsageError(f"{out} is there already: give another --out, or remove it.")
    part_folder = out.with_name(f".{out.name}.part")
    shutil.rmtree(part_folder, ignore_errors=True)
    known = None if dataset.rate is None else Fraction(dataset.rate)
    rates: set[Fraction] = set()
    made: dict[Path, str] = {}
    frames = size = 0
    clips: dict[str, dict[str, tuple[str, int]]] = {}
    total = sum(clip.length for part in _PARTS for clip in getattr(dataset, part))
    bar = tqdm(total=total, unit="frame", disable=hidden())
    try:
        for part, folder in _PARTS.items():
            clips[part] = {}
            for clip in getattr(dataset, part):
                bar.update(clip.length)
                if clip.path not in made:
                    made[clip.path] = f"{folder}/{clip.name}.npy"
                    file = part_folder / made[clip.path]
                    with open_source(
                        clip.path, made_for.channels, known, dataset.damaged
                    ) as source:
                        frames += _write(source, file, made_for, known is None)
                        rates.add(known or source.rate or Fraction(0))
                    size += file.stat().st_size
                clips[part][clip.name] = (made[clip.path], clip.length)
        if len(rates) > 1:
            told = ", ".join(f"{float(rate):g}" for rate in sorted(rates))
            raise MnadError(
                f"{spec} has clips of {told} frames per second, which a copy cannot keep: use it "
                "as it is, or convert the clips to one rate."
            )
        record = {
            "spec": _absolute(spec),
            "made_for": asdict(made_for),
            "rate": float(next(iter(rates))) if rates else dataset.rate,
            "clips": clips,
        }
        (part_folder / _RECORD).write_text(json.dumps(record, indent=1) + "\n")
        os.replace(part_folder, out)
    except OSError as error:
        raise MnadError(
            f"{out} cannot be written ({error.strerror}): give another --out."
        ) from None
    finally:
        bar.close()
        shutil.rmtree(part_folder, ignore_errors=True)
    return Copy(out, len(made), frames, size)


def _absolute(spec: str) -> str:
    prefix, colon, rest = spec.partition(":")
    if colon and not Path(spec).exists():
        return f"{prefix}:{os.path.abspath(rest)}"
    return os.path.abspath(spec)


def _write(source: Source, file: Path, made_for: Prepared, timed: bool) -> int:
    """Write the frames of a source as one array; `timed`: its own times must be even."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shape: Sequence[int] = (made_for.height, made_for.width, made_for.channels)
    count = 0
    with file.open("wb") as stream:
        _header(stream, 0, shape)
        for frame in source:
            if timed and not _in_time(frame, source.rate):
                raise MnadError(
                    f"{source.path} has no constant frame rate, which a copy cannot keep: use it "
                    "as it is, or convert it."
                )
            stream.write(resize(frame.pixels, made_for.height, made_for.width).tobytes())
            count += 1
        stream.seek(0)
        _header(stream, count, shape)
    return count


def _in_time(frame: Frame, rate: Fraction | None) -> bool:
    """Whether a frame comes within half a frame of where a constant rate has it."""
    return rate is not None and abs(frame.seconds * rate - frame.index) <= 1 / 2


def _header(stream: Any, count: int, shape: Sequence[int]) -> None:
    """The head of a .npy file, whose length does not depend on the count."""
    head = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(stream, head)
