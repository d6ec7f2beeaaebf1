"""Train and test what is not there yet; killed and started again, it goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mnad.ablation.jobs import in_processes
from mnad.ablation.plan import Common, Training, claim, name_of, trainings
from mnad.ablation.rows import Row
from mnad.ablation.summary import (
    WITHOUT_MEMORY,
    Numbers,
    difference,
    numbers,
    row_numbers,
)
from mnad.datasets.clip import (
    Dataset,
    Prepared,
    require_fit,
    require_labels,
    require_training,
)
from mnad.errors import MnadError, UsageError
from mnad.evaluation.memory_use import WINDOWS, measure_memory
from mnad.evaluation.protocol import PUBLISHED, normalisation
from mnad.evaluation.run import evaluate_model
from mnad.evaluation.stored import stored
from mnad.models.folder import CONFIG, Model, load_model
from mnad.models.normal import NORMAL, load_normal
from mnad.training.loop import Footage, main
from mnad.video.cache import Stretches, load_clips
from mnad.video.source import without_rate
from mnad.writing import write_json

_LOG = logging.getLogger("mnad")
MEMORY = "memory.json"
TESTS = "tests"


@dataclass(frozen=True)
class Ablation:
    """An ablation in its folder.

    Args:
        dataset: normal clips to train on, labelled clips to test on.
        out: the folder.
        common: what all rows have in common.
        rows: of the table.
        seeds: each row is trained with each of them.
        device: where.
        cache_dir: for decoded frames that memory does not hold.
        progress: show progress bars.
        jobs: models that are made at the same time, each in a process of its own.
    """

    dataset: Dataset
    out: Path
    common: Common
    rows: Sequence[Row]
    seeds: Sequence[int]
    device: torch.device
    cache_dir: str | Path | None = None
    progress: bool = True
    jobs: int = 1
    _read: dict[tuple[str, int], tuple[Numbers, Any]] = field(default_factory=dict, repr=False)

    @cached_property
    def _decoded(self) -> tuple[list[NDArray[np.uint8]], Stretches | None]:
        """The training clips, decoded when the first training asks for them; their holes."""
        paths = [clip.path for clip in self.dataset.train]
        stretches = None if all(map(without_rate, paths)) else Stretches()
        clips = load_clips(
            paths,
            self.common.height,
            self.common.image_width,
            self.common.channels,
            cache_dir=self.cache_dir,
            folder_rate=None if self.dataset.rate is None else Fraction(self.dataset.rate),
            damaged=self.dataset.damaged,
            filters=stretches,
        )
        return clips, stretches

    def footage(self, window: int) -> Footage:
        """What `mnad train` would train a network on whose window spans so many frames."""
        clips, stretches = self._decoded
        names = [clip.name for clip in self.dataset.train]
        if stretches is not None:
            clips, names = stretches.cut(clips, names, window)
        return Footage(self.dataset.name, tuple(names), clips)

    def run(self, told: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Do what is missing.

        Args:
            told: given the result so far after each model, and at the start what was there.

        Returns:
            The result; its ``failed`` is a list of sentences about models that could not be had.

        Raises:
            UsageError: the folder holds an ablation with other settings, labels are not of
                frames, or a prepared copy is for another network.
            MnadError: no training clips or no labels.
        """
        require_training(self.dataset)
        require_labels(self.dataset)
        if self.dataset.kind != "frames":
            raise UsageError(
                f"{self.dataset.name} has labels of {self.dataset.kind}; an ablation compares "
                "frame AUC and takes a data set with labels of frames."
            )
        planned = trainings(self.rows, self.common)
        taken = Prepared(self.common.height, self.common.image_width, self.common.channels)
        for training in planned:
            require_fit(self.dataset, taken, training.config.network.window, cropped=False)
        claim(self.out, self.dataset, self.common, planned)
        told(self.result(planned, []))
        failed: list[str] = []
        # Seeds outermost: the whole table is there early, then its spread.
        work = [
            (training, seed)
            for seed in self.seeds
            for training in planned
            if self._missing(training, seed)
        ]
        for number, (name, error) in enumerate(self._completed(work), 1):
            if error is None:
                _LOG.info("%s: done, model %d of %d", name, number, len(work))
            else:
                failed.append(f"{name}: {error}")
                _LOG.warning("%s: %s", name, error)
            told(self.result(planned, failed))
        return self.result(planned, failed)

    def _completed(
        self, work: Sequence[tuple[Training, int]]
    ) -> Iterator[tuple[str, MnadError | None]]:
        """Name and error of each model, as they are made."""
        if self.jobs == 1:
            yield from map(self.complete, work)
            return
        own = replace(self, progress=False)
        for (training, seed), found in in_processes(own.complete, work, self.jobs):
            name = training.folder(self.out, seed).name
            yield (name, found) if isinstance(found, MnadError) else found

    def result(self, planned: Sequence[Training], failed: Sequence[str]) -> dict[str, Any]:
        """What is known so far, as JSON holds it."""
        by_name = {training.name: training for training in planned}
        each = ((one, seed, test) for one in planned for seed in self.seeds for test in one.tests)
        tested = filter(None, (self._stored(*one) for one in each))
        found: dict[str, dict[int, Numbers]] = {row.name: {} for row in self.rows}
        usage: dict[str, dict[str, Any]] = {row.name: {} for row in self.rows}
        for row in self.rows:
            for seed in self.seeds:
                one = self._seed(row, by_name[name_of(row, self.common)], seed)
                if one is not None:
                    found[row.name][seed], usage[row.name][str(seed)] = one
        return {
            "data": self.dataset.name,
            "seeds": list(self.seeds),
            "rows": [
                self._row(row, by_name[name_of(row, self.common)], found, usage[row.name])
                for row in self.rows
            ],
            "protocol": self._protocol(next((one["protocol"] for one in tested), {})),
            "failed": list(failed),
        }

    def _seed(self, row: Row, training: Training, seed: int) -> tuple[Numbers, Any] | None:
        """Numbers and item usage of a row and a seed, read once; None before they are there."""
        if (row.name, seed) in self._read:
            return self._read[row.name, seed]
        folder = training.folder(self.out, seed)
        tested, known = self._stored(training, seed, row.test), folder / MEMORY
        if tested is not None and known.exists():
            memory, reference = json.loads(known.read_bytes()), None
            if row.lambda_score not in (None, 0, 1):  # else the test has measured it already
                reference = load_normal(folder / NORMAL).reference
            found = numbers(tested, memory, row.lambda_score, reference)
            self._read[row.name, seed] = found, None if memory is None else memory["item_usage"]
        return self._read.get((row.name, seed))

    def _row(
        self,
        row: Row,
        training: Training,
        found: Mapping[str, Mapping[int, Numbers]],
        usage: Mapping[str, Any],
    ) -> dict[str, Any]:
        config = training.config
        memory = config.network.memory
        weight = config.method.lambda_score if row.lambda_score is None else row.lambda_score
        figures = {"with": PUBLISHED, "without": WITHOUT_MEMORY}.get(row.published or "", {})
        against = row.against if row.against in found else None
        return {
            "name": row.name,
            "about": row.about,
            "training": training.name,
            "network": asdict(config.network),
            "method": {**asdict(config.method), **row.at_test},
            "policy": row.policy if memory else "none",
            "lambda": weight if memory else 1.0,
            "published": figures.get((self.dataset.name, config.network.task)),
            "numbers": row_numbers(found[row.name]),
            "against": against,
            "difference": difference(found[row.name], found[against]) if against else None,
            "item_usage": dict(usage),
            "missing_seeds": [seed for seed in self.seeds if seed not in found[row.name]],
        }

    def _protocol(self, tested: Mapping[str, Any]) -> dict[str, Any]:
        taken = (
            *("label_source", "labels_sha256", "warnings", "first_frames", "macro_rule"),
            *("versions", "device"),
        )
        return {
            "common": asdict(self.common),
            "selection": "last epoch; no row, seed, epoch or weight was chosen by test labels",
            "lambda": "the paper's, 0.6 in prediction and 0.7 in reconstruction, but where the row "
            "says otherwise; 1 without memory",
            "smoothing": "none",
            "normalisation": normalisation("frames", "trained on"),
            "auc": "frame AUC, each part min-max scaled within its clip, all clips pooled",
            "sd": "sample standard deviation over the seeds",
            "difference": "of auc, seed by seed, to the row named in against",
            "memory_facts": f"of the trained memory, over about {WINDOWS} windows evenly spread "
            "over the test clips; no label is read for them",
            **{name: tested[name] for name in taken if name in tested},
        }

    def _missing(self, training: Training, seed: int) -> bool:
        folder = training.folder(self.out, seed)
        if not all((folder / file).exists() for file in (CONFIG, MEMORY)):
            return True
        return any(self._stored(training, seed, test) is None for test in training.tests)

    def _stored(self, training: Training, seed: int, test: str) -> dict[str, Any] | None:
        """A test as it was written; None where there is none of the data set as it is now."""
        file = training.folder(self.out, seed) / TESTS / f"{test}.json"
        return stored(file, self.dataset)

    def complete(self, work: tuple[Training, int]) -> tuple[str, MnadError | None]:
        """Train a model of a seed if it is not there, and test it in each way that is missing."""
        training, seed = work
        folder = training.folder(self.out, seed)
        _LOG.info("%s: begun", folder.name)
        try:
            self._complete(folder, training, seed)
        except MnadError as error:
            return folder.name, error
        return folder.name, None

    def _complete(self, folder: Path, training: Training, seed: int) -> None:
        if not (folder / CONFIG).exists():
            main(
                self.footage(training.config.network.window),
                folder,
                training.config,
                training.recipe(seed),
                self.device,
                resume=True,
                progress=self.progress,
            )
        model = load_model(folder, self.device)
        if model.config != training.config or model.training.get("seed") != seed:
            raise MnadError(
                f"{folder} holds a model with other settings; remove it, or give another --out."
            )
        known = folder / MEMORY
        if not known.exists():
            write_json(known, self._memory(model), indent=None)
        (folder / TESTS).mkdir(exist_ok=True)
        for name, row in training.tests.items():
            if self._stored(training, seed, name) is None:
                write_json(folder / TESTS / f"{name}.json", self._test(model, row), indent=None)

    def _memory(self, model: Model) -> dict[str, Any] | None:
        if model.network.memory is None:
            return None
        return measure_memory(model, self.dataset)

    def _test(self, model: Model, row: Row) -> dict[str, Any]:
        config = model.config
        changed = replace(config, method=replace(config.method, **row.at_test))
        model = replace(model, config=changed)
        if changed.method.psnr_peak != config.method.psnr_peak:
            # The training frames were measured by the other reading: no ranks among them.
            model = replace(model, reference=None)
        result = evaluate_model(
            model,
            self.dataset,
            policy=row.policy,
            progress=self.progress,
        )
        if result["failed"]:
            raise MnadError(" ".join(result["failed"].values()))
        return result
