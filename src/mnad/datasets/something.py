"""Ten classes of Something-Something V2, as Kart and Cohen (arXiv 2112.07661) split them.

::

    PATH/something-something-v2-train.json         or labels/train.json
    PATH/something-something-v2-validation.json    or labels/validation.json
    PATH/20bn-something-something-v2/ID.webm       or in any one folder of PATH

``ssv2@closing:PATH``. Train on the class's ids of the train file; test on the ids of all ten
classes in the validation file, those of the other nine being abnormal, each clip as a whole. A
record is a class's if its template without square brackets is the class's and its first
placeholder contains the object, as a part of a word too ("pen" takes "pencil"): the authors' rule.
That the other nine are the anomalies is our reading; their paper's text was not to be had.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mnad.datasets.clip import Clip, Dataset, unlabelled
from mnad.datasets.layout import folders_in
from mnad.datasets.phantom import whole
from mnad.errors import MnadError
from mnad.video.find import natural

CLASSES = {
    "falling-off": ("Pushing something so that it falls off the table", "pen"),
    "feather": ("Something falling like a feather or paper", "paper"),
    "rolling": ("Rolling something on a flat surface", "pen"),
    "empty": ("Showing that something is empty", "cup"),
    "putting": ("Putting something on a surface", "pen"),
    "tearing": ("Tearing something into two pieces", "paper"),
    "unfolding": ("Unfolding something", "paper"),
    "taking": ("Taking one of many similar things on the table", "pen"),
    "closing": ("Closing something", "box"),
    "plugging": ("Plugging something into something", "cable"),
}
_RATE = 12.0


def is_something(folder: Path) -> bool:
    """Whether a folder holds the records."""
    return _records_file(folder, "train") is not None


def open_something(root: Path, labels: bool, name: str) -> Dataset:
    """Open one class.

    Args:
        root: the folder with the records.
        labels: False takes no labels.
        name: a key of `CLASSES`.

    Raises:
        MnadError: records or videos that cannot be read.
    """
    videos = _videos(root)
    told: list[str] = []
    trained, tested = (_ids_by_class(root, part) for part in ("train", "validation"))
    train = _clips(trained[name], videos, f"training clips of {name}", told)
    test: list[Clip] = []
    for other in CLASSES:
        found = _clips(tested[other], videos, f"test clips of {other}", told)
        test += [whole(clip, abnormal=other != name) for clip in found] if labels else found
    test.sort(key=lambda clip: natural(Path(clip.name)))
    return Dataset(
        f"ssv2@{name}",
        root,
        train,
        tuple(test),
        "class of each clip: the other nine are abnormal (our reading)" if labels else "not read",
        tuple(told),
        _RATE,
        kind="clips",
        layout="the owners': records in JSON, ID.webm",
    )


def _records_file(root: Path, part: str) -> Path | None:
    places = [root / f"something-something-v2-{part}.json", root / "labels" / f"{part}.json"]
    places.append(root / "labels" / f"something-something-v2-{part}.json")
    return next((place for place in places if place.exists()), None)


def _ids_by_class(root: Path, part: str) -> dict[str, list[str]]:
    file = _records_file(root, part)
    if file is None:
        raise MnadError(f"{root} has no something-something-v2-{part}.json: put it there.")
    ids: dict[str, list[str]] = {name: [] for name in CLASSES}
    try:
        records: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        for record in records:
            template = record["template"].replace("[", "").replace("]", "")
            for name, (wanted, thing) in CLASSES.items():
                if template == wanted and thing in record["placeholders"][0]:
                    ids[name].append(str(record["id"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise MnadError(
            f"{file} cannot be read as records of id, template and placeholders: restore the "
            "owners' file."
        ) from error
    return ids


def _videos(root: Path) -> Path:
    """The folder of the videos."""
    for folder in (root, *folders_in(root)):
        if next(folder.glob("[0-9]*.webm"), None) is not None:
            return folder
    raise MnadError(f"{root} holds no videos named ID.webm: put them into a folder of it.")


def _clips(ids: list[str], videos: Path, what: str, told: list[str]) -> tuple[Clip, ...]:
    paths = [videos / f"{one}.webm" for one in ids]
    there = [path for path in paths if path.exists()]
    if len(there) < len(paths):
        told.append(f"{len(paths) - len(there)} of the {len(paths)} {what} are missing here.")
    return unlabelled(sorted(there, key=natural))
