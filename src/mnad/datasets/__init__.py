"""Clips, labels and masks of benchmark data sets and of folders of one's own."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from mnad.datasets.clip import (
    Clip,
    Dataset,
    Kind,
    Prepared,
    at_rate,
    require_fit,
    require_labels,
    require_training,
)
from mnad.datasets.folder import open_folder
from mnad.datasets.known import NAMES, open_known
from mnad.datasets.masks import Masks
from mnad.datasets.prepared import is_prepared, open_prepared
from mnad.errors import UsageError
from mnad.video.address import is_live, redacted
from mnad.video.find import EMPTY

__all__ = [
    "Clip",
    "Dataset",
    "Kind",
    "Masks",
    "Prepared",
    "at_rate",
    "open_dataset",
    "require_fit",
    "require_labels",
    "require_training",
]


def open_dataset(spec: str | Path, labels: bool = True) -> Dataset:
    """Find the clips of a data set, their labels and masks, without decoding a frame.

    Args:
        spec: ``NAME:PATH`` or ``NAME@OPTION:PATH`` for a data set of the field: ``ped1``,
            ``ped2``, ``avenue`` (``@hasan``, which is meant without it, or ``@owner``),
            ``shanghaitech``, ``mvtec`` and ``loco`` (PATH to the object), ``phantom`` (PATH to the
            class), ``ssv2@CLASS``; which of the known layouts it has is found out. Or the PATH of
            a folder of one's own, or of a prepared copy. See docs/datasets.md.
        labels: False opens no label file at all, as training does.

    Raises:
        UsageError: the prefix is no data set known here, or has no such option; a live source; no
            path.
        MnadError: nothing there, or labels that do not fit their clips.
    """
    prefix, colon, rest = str(spec).partition(":")
    name, _, option = prefix.partition("@")
    known = bool(colon) and name in NAMES
    if not (rest if known else str(spec)):
        raise UsageError(EMPTY)
    if known:
        # A shell leaves the ~ in ped2:~/data as it is.
        return open_known(name, option, Path(rest).expanduser(), labels)
    if is_live(str(spec)) and not Path(spec).exists():
        raise UsageError(
            f"{redacted(str(spec))} is live, and this takes recorded footage: mnad watch learns "
            "from a camera itself."
        )
    # A single letter before the colon is a drive.
    if colon and re.fullmatch(r"[\w@-]{2,}", prefix) and not Path(spec).exists():
        raise UsageError(
            f"{name!r} is not a known data set: choose one of {', '.join(NAMES)}, or give the path "
            "of a folder."
        )
    if is_prepared(Path(spec)):
        return open_prepared(Path(spec), partial(open_dataset, labels=labels))
    return open_folder(Path(spec), labels)
