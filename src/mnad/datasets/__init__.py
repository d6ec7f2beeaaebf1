"""Clips and labels of benchmark data sets and of folders of one's own."""

from __future__ import annotations

import re
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset, require_labels, require_training
from mnad.datasets.folder import open_folder
from mnad.datasets.repackaged import KNOWN, open_repackaged
from mnad.errors import UsageError

__all__ = ["Clip", "Dataset", "open_dataset", "require_labels", "require_training"]


def open_dataset(spec: str | Path, labels: bool = True) -> Dataset:
    """Find the clips of a data set, and their labels, without decoding a frame.

    Args:
        spec: ``ped2:PATH``, ``avenue:PATH`` or ``shanghaitech:PATH`` in the re-packaged layout of
            the public code (`mnad.datasets.repackaged`), or the PATH of a folder of one's own
            (`mnad.datasets.folder`).
        labels: False opens no label file at all, as training does.

    Raises:
        UsageError: the prefix is no data set known here.
        MnadError: nothing there, or labels that do not fit their clips.
    """
    name, colon, rest = str(spec).partition(":")
    if colon and name in KNOWN:
        return open_repackaged(name, Path(rest), labels)
    # A single letter before the colon is a drive.
    if colon and re.fullmatch(r"\w{2,}", name) and not Path(spec).exists():
        raise UsageError(
            f"{name!r} is not a known data set: choose one of {', '.join(KNOWN)}, or give the path "
            "of a folder."
        )
    return open_folder(Path(spec), labels)
