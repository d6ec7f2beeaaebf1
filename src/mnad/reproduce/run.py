"""One model for each class, trained and evaluated where it is not yet; killed, it goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mnad.datasets.clip import Dataset
from mnad.errors import MnadError, UsageError
from mnad.evaluation.stored import stored
from mnad.reproduce.published import (
    Name,
    Publication,
    Setting,
    overridden,
    paper_learning_rate,
)
from mnad.reproduce.summary import average, key_numbers, protocol_of
from mnad.writing import make_folder, write_json

_LOG = logging.getLogger("mnad")
SETTING = "setting.json"
TRAINING = "training.json"
RESULT = "reproduce.json"
EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Reproduction:
    """What is to be reproduced, and where.

    Args:
        name: of the data set.
        path: of it.
        out: folder for the models and their evaluations.
        setting: how models are trained and tested.
        usual: the published setting.
        seed: of the training.
        pixels: whether pixels are measured.
        publication: what was published.
    """

    name: Name
    path: Path
    out: Path
    setting: Setting
    usual: Setting
    seed: int
    pixels: bool
    publication: Publication

    def run(
        self,
        classes: Mapping[str, str],
        opened: Callable[[str], Dataset],
        train: Callable[[str, Path], object],
        evaluate: Callable[[Path, str, Path], object],
    ) -> dict[str, Any]:
        """Do what is missing and put the numbers beside the published ones.

        Args:
            classes: name to spec of each.
            opened: given a spec, its data set, which has all that a reproduction takes.
            train: given a spec and the folder of a model that is not finished.
            evaluate: given a model, a spec and the folder for the evaluation, in which it writes
                `EVALUATION`.

        Returns:
            What ``reproduce.json`` holds; ``failed`` names the classes and clips that failed.

        Raises:
            UsageError: the folder holds a reproduction in another setting or of other data.
            MnadError: no class could be trained and evaluated.
        """
        self._claim()
        found: dict[str, dict[str, Any]] = {}
        failed: dict[str, str] = {}
        for count, (name, spec) in enumerate(classes.items(), 1):
            folder = self.out / name
            if len(classes) > 1:
                _LOG.info("%s: class %d of %d", name, count, len(classes))
            try:
                dataset = opened(spec)
                _claim_training(folder, dataset)
                if not (folder / "model" / "config.json").exists():
                    train(spec, folder / "model")
                before = stored(folder / EVALUATION, dataset)
                # Clips that failed are tried again.
                if before is None or before["failed"]:
                    evaluate(folder / "model", spec, folder)
                    before = json.loads((folder / EVALUATION).read_bytes())
                found[name] = before
            except MnadError as error:
                if len(classes) == 1:
                    raise
                failed[name] = str(error)
                _LOG.warning("%s: %s", name, error)
        if not found:
            raise MnadError(f"no class of {self.path} came through: {next(iter(failed.values()))}")
        result = self._result(found, failed)
        write_json(self.out / RESULT, result)
        return result

    def _claim(self) -> None:
        """Note the setting in the folder, or see that what is there was made in it."""
        now: dict[str, Any] = {
            "name": self.name,
            "path": str(self.path.resolve()),
            "seed": self.seed,
            "pixels": self.pixels,
            **asdict(self.setting),
        }
        make_folder(self.out)
        file = self.out / SETTING
        try:
            before = json.loads(file.read_bytes()) if file.exists() else now
        except (OSError, ValueError) as error:
            raise MnadError(f"{file} cannot be read ({error}); give another --out.") from None
        differ = [
            f"{name} {before.get(name)}, not {value}"
            for name, value in now.items()
            if before.get(name) != value
        ]
        if differ:
            raise UsageError(
                f"{self.out} holds a reproduction in another setting ({'; '.join(differ)}); go on "
                "with it by the command that began it, or give another --out."
            )
        write_json(file, now)

    def _result(
        self, found: Mapping[str, dict[str, Any]], failed: Mapping[str, str]
    ) -> dict[str, Any]:
        classes = {
            name: {
                "numbers": key_numbers(one),
                "warnings": one["protocol"]["warnings"],
                "failed": one["failed"],
                "labels_sha256": one["protocol"]["labels_sha256"],
                "weights_sha256": one["protocol"]["weights_sha256"],
            }
            for name, one in found.items()
        }
        first = next(iter(found.values()))
        differs = list(self._differs(found))
        return {
            "name": self.name,
            "seed": self.seed,
            "setting": asdict(self.setting),
            "overrides": overridden(asdict(self.usual), asdict(self.setting)),
            "ours": average([one["numbers"] for one in classes.values()]),
            "published": {
                "figures": {key: asdict(one) for key, one in self.publication.figures.items()},
                "source": self.publication.source,
                "protocol": self.publication.protocol,
            },
            "like_with_like": bool(self.publication.figures) and not differs,
            "differs": differs,
            "protocol": protocol_of(first),
            "classes_published": self.publication.classes,
            "classes": classes,
            "failed": {
                **failed,
                **{f"{n}, {c}": s for n, one in found.items() for c, s in one["failed"].items()},
            },
            "versions": first["protocol"]["versions"],
            "device": first["protocol"]["device"],
        }

    def _differs(self, found: Mapping[str, dict[str, Any]]) -> list[str]:
        """All that stands between ours and the published number."""
        published = asdict(self.usual)
        published["learning_rate"] = paper_learning_rate(self.setting.task)
        setting = overridden(published, asdict(self.setting))
        unpublished = bool(self.publication.unknown)
        whose = "the paper's for its own data sets is" if unpublished else "the published one is"
        told = [
            f"{name.replace('_', ' ')} is {ours:g}, {whose} {theirs:g}."
            if isinstance(ours, int | float)
            else f"{name.replace('_', ' ')} is {ours}, {whose} {theirs}."
            for name, (theirs, ours) in setting.items()
        ]
        if "learning_rate" in setting and self.setting.learning_rate == self.usual.learning_rate:
            told.append("That learning rate is the one that the public code trains at.")
        told += self.publication.unknown
        if len(found) < self.publication.classes:
            which = "that were published" if self.publication.figures else "of the data set"
            told.append(
                f"Ours is over {len(found)} of the {self.publication.classes} classes {which}."
            )
        for name, one in found.items():
            warnings = one["protocol"]["warnings"]
            if warnings:
                told.append(
                    f"The data of {name} differ from the official ones in {len(warnings)} way(s): "
                    f"{warnings[0]}"
                )
            if one["failed"]:
                told.append(f"{len(one['failed'])} clip(s) of {name} could not be scored.")
        return told


def _claim_training(folder: Path, dataset: Dataset) -> None:
    """Note which clips the model of a class is trained on, or see that they are still the same."""
    now = {clip.name: clip.length for clip in dataset.train}
    file = folder / TRAINING
    if (folder / "model").exists() and file.exists() and json.loads(file.read_bytes()) != now:
        raise UsageError(
            f"{folder / 'model'} was trained on other clips than {dataset.root} has now: remove "
            f"{folder} to train anew, or give another --out."
        )
    make_folder(folder)
    write_json(file, now, indent=None)
