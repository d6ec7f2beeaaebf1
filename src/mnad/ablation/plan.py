"""Which models an ablation takes and how they are tested; what a folder already holds of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mnad.ablation.rows import CHANGES, Row
from mnad.config import ModelConfig, NetworkConfig, Precision, Task, TrainConfig
from mnad.datasets.clip import Dataset
from mnad.errors import MnadError, UsageError
from mnad.presets import preset_of
from mnad.writing import write_json

FILE = "plan.json"


@dataclass(frozen=True)
class Common:
    """What all rows have in common; fields as of `NetworkConfig` and `TrainConfig`.

    Attributes:
        task: of the rows that have none of their own.
        learning_rate: at the start; None for the preset's.
    """

    task: Task = "prediction"
    channels: Literal[1, 3] = 3
    width: float = 1.0
    height: int = 256
    image_width: int = 256
    epochs: int = 60
    batch_size: int = 4
    learning_rate: float | None = None
    precision: Precision = "auto"
    most_windows: int | None = None


@dataclass(frozen=True)
class Training:
    """A model to be trained, for any seed.

    Attributes:
        name: unique in the ablation; with the seed, the name of its folder.
        config: what is trained.
        train: how; its seed is replaced.
        rows: those that rest on it.
    """

    name: str
    config: ModelConfig
    train: TrainConfig
    rows: tuple[Row, ...]

    def folder(self, out: Path, seed: int) -> Path:
        """Where the model of a seed lies."""
        return out / f"{self.name}-{seed}"

    def recipe(self, seed: int) -> TrainConfig:
        """How the model of a seed is trained."""
        return replace(self.train, seed=seed)

    @property
    def tests(self) -> dict[str, Row]:
        """A row for each way in which the model is tested."""
        return {row.test: row for row in reversed(self.rows)}


def name_of(row: Row, common: Common) -> str:
    """The training that a row rests on."""
    return f"{row.task or common.task}-{row.training}"


def trainings(rows: Sequence[Row], common: Common) -> list[Training]:
    """The models that rows take, in the order of the rows."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(name_of(row, common), []).append(row)
    return [_training(name, group, common) for name, group in groups.items()]


def _training(name: str, rows: list[Row], common: Common) -> Training:
    change, task = CHANGES[rows[0].training], rows[0].task or common.task
    method, learning = preset_of(change.preset, task)
    network = NetworkConfig(
        task=task,
        frames_in=4 if task == "prediction" else 1,
        channels=common.channels,
        width=common.width,
        height=common.height,
        image_width=common.image_width,
    )
    config = ModelConfig(
        replace(network, **change.network), replace(method, **change.method), change.preset
    )
    train = TrainConfig(
        epochs=common.epochs,
        batch_size=common.batch_size,
        learning_rate=learning if common.learning_rate is None else common.learning_rate,
        precision=common.precision,
        most_windows=common.most_windows,
    )
    return Training(name, config, train, tuple(rows))


def claim(out: Path, dataset: Dataset, common: Common, planned: Sequence[Training]) -> None:
    """Note in a folder what its models are, or see that those in it are these.

    Rows and seeds may be added to a folder; what all rows have in common may not change.

    Raises:
        UsageError: the folder holds another ablation.
        MnadError: it cannot be read or written.
    """
    data = {
        "name": dataset.name,
        "training": {clip.name: clip.length for clip in dataset.train},
        "test": {clip.name: clip.length for clip in dataset.test},
    }
    models = {one.name: asdict(one.config) for one in planned}
    now: dict[str, Any] = {"data": data, "common": asdict(common), "models": models}
    file = out / FILE
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = json.loads(file.read_bytes()) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise MnadError(f"{file} cannot be read ({error}); give another --out.") from None
    differ = _differences(before.get("common", {}), now["common"])
    if before and before["data"] != data:
        differ.append("the data set")
    for name, known in before.get("models", {}).items() if not differ else ():
        if name in models and _differences(known, json.loads(json.dumps(models[name]))):
            differ.append(f"the model {name}")
    if differ:
        raise UsageError(
            f"{out} holds an ablation with other settings ({'; '.join(differ)}); go on with it by "
            "the command that began it, or give another --out."
        )
    now["models"] = {**before.get("models", {}), **models}
    write_json(file, now)


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs of the fields that there were before: one that is new had its default."""
    found: list[str] = []
    for name, value in now.items():
        if name in before and isinstance(value, dict):
            found += _differences(before[name], value)
        # Older plans say auto, and not which precision it came to.
        elif name in before and before[name] not in (value, "auto"):
            found.append(f"{name} {before[name]}, not {value}")
    return found
