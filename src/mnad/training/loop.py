"""Training: setup -> main -> fit -> validate, resumable to the bit on a CPU."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from mnad.calibration.holdout import fingerprints
from mnad.calibration.measure import reference_of
from mnad.calibration.things import block_size
from mnad.config import ModelConfig, TrainConfig
from mnad.errors import MnadError, UsageError
from mnad.evaluation.memory_use import item_similarity, query_facts, usage
from mnad.models.folder import Model, build_network, save_model
from mnad.network.losses import pseudo_anomalous, training_losses
from mnad.network.memory import update
from mnad.network.mnad import MNAD, Output
from mnad.network.window import moving, split_window
from mnad.progress import hidden
from mnad.runtime.usual import usual_torch
from mnad.scoring.windows import Windows
from mnad.training.checkpoint import State, load_state, save_state
from mnad.training.log import Log
from mnad.training.order import epoch_order
from mnad.training.precision import computes_bf16, takes_bf16
from mnad.training.pseudo import Pseudo
from mnad.training.vary import Vary
from mnad.video.regions import Regions

_LOG = logging.getLogger("mnad")
CHECKPOINT_SECONDS = 120.0
LOSSES = ("loss", "reconstruction", "compactness", "separateness")


@dataclass(frozen=True)
class Footage:
    """Decoded normal clips: names and arrays (T, H, W, c) uint8; what of them was not readable."""

    name: str
    names: tuple[str, ...]
    clips: Sequence[NDArray[np.uint8]]
    faults: tuple[str, ...] = ()

    def fingerprint(self) -> dict[str, Any]:
        """What was trained on: counts, and a hash of names, shapes and three frames a clip."""
        digest = hashlib.sha256()
        for name, clip in zip(self.names, self.clips, strict=True):
            digest.update(f"{name} {clip.shape}".encode())
            for index in (0, len(clip) // 2, len(clip) - 1):
                digest.update(np.ascontiguousarray(clip[index]).tobytes())
        return {
            "name": self.name,
            "clips": len(self.clips),
            "frames": sum(map(len, self.clips)),
            "sha256": digest.hexdigest(),
        }


@usual_torch()
def main(
    footage: Footage,
    out: Path,
    config: ModelConfig,
    train: TrainConfig,
    device: torch.device,
    *,
    resume: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
    regions: Regions | None = None,
    finish: Callable[[Model], Model] | None = None,
) -> Model:
    """Train a model on normal footage and write its folder.

    Args:
        footage: decoded clips at the network's size.
        out: the model folder; `out`/training holds the state until the end.
        config: what to train.
        train: how.
        device: where.
        resume: go on with what `out` holds; without it a folder in use is refused.
        tensorboard: write event files to `out`/tensorboard (extra ``mnad[tensorboard]``).
        progress: show a progress bar.
        regions: what of the picture is looked at; the clips are cropped already.
        finish: what is done to the trained model before it is saved, such as to calibrate it.

    Raises:
        UsageError: `out` is in use, or holds another training.
        MnadError: a clip is shorter than a window, or the losses stop being numbers.
    """
    require_free(out, resume)
    windows = Windows(footage.clips, footage.names, config.network.window)
    data = footage.fingerprint()
    record: dict[str, Any] = {**asdict(train), "data": data, "device": device.type}
    recipe = json.dumps({"model": asdict(config), "training": record}, sort_keys=True)
    state = load_state(out / "training", recipe)

    with torch.random.fork_rng(devices=[]):  # what a program draws after it is its own
        torch.default_generator.manual_seed(train.seed)
        network = build_network(config).to(device)
    fitter = Fitter(windows, config, train, network)
    if state is not None:
        network.load_state_dict(state.network)
        fitter.optimizer.load_state_dict(state.optimizer)
    if train.precision == "bf16" and not computes_bf16(device):
        _LOG.warning(
            "precision is bf16, which this %s does not compute in itself: training will be some "
            "ten times slower than by --precision fp32.",
            "GPU" if device.type == "cuda" else "CPU",
        )
    with Log(out, tensorboard) as log:
        seconds = fitter.fit(out / "training", recipe, state, log, progress)
    network.eval().requires_grad_(False)
    record |= {
        "windows": len(windows),
        "steps": fitter.steps,
        "seconds": round(seconds, 1),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "machine": _machine(device),
        "last_epoch": log.last,
    }
    if footage.faults:
        record["faults"] = footage.faults
    model = Model(
        config, network, training=record, known=fingerprints(footage.clips), regions=regions
    )
    block = block_size(footage.clips)
    model = replace(model, reference=reference_of(model.torch_runtime, windows, block, model.mask))
    try:
        finished = model if finish is None else finish(model)
    except Exception:  # whatever becomes of that, the training is not lost
        _end(out, model)
        raise
    # Who stops it before this goes on with the state of the training.
    _end(out, finished)
    return finished


def _end(out: Path, model: Model) -> None:
    save_model(out, model)
    shutil.rmtree(out / "training")


def require_free(out: Path, resume: bool) -> None:
    """See that a folder may be trained into; cheap, so that it can be asked before footage is read.

    Raises:
        UsageError: it is in use, or there is nothing in it to resume.
    """
    used = (out / "config.json").exists() or (out / "training").exists()
    if used and not resume:
        raise UsageError(
            f"{out} already holds a model or an unfinished training; go on with it by --resume, "
            "or give another --out."
        )
    if (out / "config.json").exists():
        raise UsageError(f"{out} holds a finished model; there is nothing to resume.")


def _machine(device: torch.device) -> str:
    """The GPU, or the CPU's kind and the instructions that torch takes: by them sums round."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


class Fitter:
    """The loop over epochs and steps, and the state that it saves.

    Args:
        windows: of the footage.
        config: what is trained.
        train: how.
        network: in training mode where steps are taken without `fit`.
    """

    def __init__(
        self, windows: Windows, config: ModelConfig, train: TrainConfig, network: MNAD
    ) -> None:
        self.windows, self.config, self.train, self.network = windows, config, train, network
        self.optimizer = torch.optim.Adam(network.parameters(), lr=train.learning_rate, fused=True)
        self.device = next(network.parameters()).device
        bf16 = takes_bf16(train.precision, self.device)
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)
        self.count = min(len(windows), train.most_windows or len(windows))
        self.per_epoch = self.count // min(train.batch_size, self.count)
        self.steps = self.per_epoch * train.epochs
        self.vary = Vary(train.vary_light, train.vary_noise, train.seed, self.device)
        self.pseudo: Pseudo | None = None
        self.losses: tuple[str, ...] = LOSSES
        if config.method.lambda_pseudo:
            self.losses = (*LOSSES, "pseudo_anomalies")
            size = min(train.batch_size, self.count)
            self.pseudo = Pseudo(windows, config.method.pseudo_anomalies, size, train.seed)

    def fit(
        self, folder: Path, recipe: str, state: State | None, log: Log, progress: bool
    ) -> float:
        """Run all remaining steps.

        Args:
            folder: takes the state, now and then.
            recipe: of the state.
            state: to go on from; None for a new training.
            log: told of each epoch.
            progress: show a progress bar.

        Returns:
            The seconds spent, earlier runs included.
        """
        train, done = self.train, state.step if state else 0
        sums = torch.zeros(len(self.losses), device=self.device)
        if state is not None:
            sums.copy_(state.sums)
        saved = time.monotonic()
        began = saved - (state.seconds if state else 0.0)  # as if it had been done in one run
        bar = tqdm(total=self.steps, initial=done, unit="step", disable=hidden(progress))
        self.network.train()
        with bar:
            for epoch in range(done // self.per_epoch, train.epochs):
                self._set_learning_rate(epoch)
                order = epoch_order(
                    len(self.windows), train.batch_size, train.seed, epoch, train.most_windows
                )[done % self.per_epoch :]
                batches = self.windows.batches(order, self.device)
                abnormal = self.pseudo_batches(epoch, self.per_epoch, len(order))
                for batch, along in zip(batches, abnormal, strict=True):
                    out, losses = self.step(batch, along, done)
                    sums += losses
                    done += 1
                    bar.update()
                    if done % 20 == 0:
                        self._show(bar, epoch, done, sums)
                    now = time.monotonic()
                    if now - saved > CHECKPOINT_SECONDS and done % self.per_epoch:
                        save_state(folder, self._state(recipe, done, now - began, sums))
                        saved = time.monotonic()
                row = self._row(epoch, sums, out, time.monotonic() - began)
                log.epoch(row, _sample(batch, out, self.config.network.target))
                sums.zero_()
                save_state(folder, self._state(recipe, done, time.monotonic() - began, sums))
                saved = time.monotonic()
        return time.monotonic() - began

    def pseudo_batches(self, epoch: int, steps: int, last: int) -> Iterator[Tensor | None]:
        """The pseudo-anomalies of the last so many steps of an epoch, or None for each."""
        if self.pseudo is None:
            return iter([None] * last)
        return self.pseudo.batches(epoch, steps, last, self.device)

    def step(
        self, batch: Tensor, abnormal: Tensor | None = None, number: int = 0
    ) -> tuple[Output, Tensor]:
        """One update of the weights, then of the items.

        Args:
            batch: (B, T, H, W, c) uint8.
            abnormal: likewise, pseudo-anomalies.
            number: of the step, by which light and noise are drawn.

        Returns:
            The output for `batch`, and the losses detached, as many as `losses` names; nothing here
            waits for the device.
        """
        both = batch if abnormal is None else torch.cat([batch, abnormal])
        inputs, target = split_window(both, self.config.network)
        memory, method = self.network.memory, self.config.method
        moves = None if abnormal is None else moving(inputs, target)  # noise moves nothing
        inputs, target = self.vary(inputs, target, number)
        with self.autocast:
            every: Output = self.network(inputs)
        out = Output(*(part[: len(batch)] for part in every))
        known = None if memory is None else memory.items
        losses = training_losses(out, target[: len(batch)], known, method)
        total, told = losses.total, [*losses[1:]]
        if moves is not None:
            more = pseudo_anomalous(every.similarity, moves, len(batch))
            total = total + method.lambda_pseudo * more
            told.append(more)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if memory is not None and method.item_learning == "gradient":
            memory.to_unit()
        elif memory is not None:
            moved = update(
                out.query.unsqueeze(0),
                memory.items.unsqueeze(0),
                method.update_scope,
                method.update_momentum,
            )
            memory.items.copy_(moved[0])
        return out, torch.stack([total, *told]).detach()

    def _set_learning_rate(self, epoch: int) -> None:
        # Cosine annealing to zero, stepped per epoch, as a function of the epoch alone.
        factor = 0.5 * (1 + math.cos(math.pi * epoch / self.train.epochs))
        for group in self.optimizer.param_groups:
            group["lr"] = self.train.learning_rate * factor

    def _state(self, recipe: str, step: int, seconds: float, sums: Tensor) -> State:
        network, optimizer = self.network.state_dict(), self.optimizer.state_dict()
        return State(recipe, step, seconds, network, optimizer, sums.cpu())

    def _show(self, bar: Any, epoch: int, done: int, sums: Tensor) -> None:
        mean = (sums / (done % self.per_epoch or self.per_epoch)).tolist()
        speed = bar.format_dict["rate"] or 0.0
        bar.set_description(f"epoch {epoch + 1}/{self.train.epochs}", refresh=False)
        bar.set_postfix_str(
            " ".join(f"{n[:7]} {v:.4g}" for n, v in zip(self.losses, mean, strict=True))
            + f" {speed * min(self.train.batch_size, self.count):.1f} frames/s"
        )

    def _row(self, epoch: int, sums: Tensor, out: Output, seconds: float) -> dict[str, Any]:
        mean = (sums / self.per_epoch).tolist()
        if not all(map(math.isfinite, mean)):
            raise MnadError(
                f"the losses of epoch {epoch + 1} are no numbers any more ({mean}); train with a "
                "lower --learning_rate or with --precision fp32, into another --out."
            )
        row = {"epoch": epoch + 1, "seconds": round(seconds, 1)}
        row |= {name: float(f"{v:.6g}") for name, v in zip(self.losses, mean, strict=True)}
        return row | memory_facts(out, self.network, self.config.method.read_temperature)


def memory_facts(out: Output, network: MNAD, temperature: float = 1.0) -> dict[str, Any]:
    """Mean cosine between items, share of queries per item, mean largest read weight."""
    if network.memory is None:
        return {}
    items = network.memory.items.detach()
    facts = query_facts(out.similarity.detach(), temperature)
    return {
        "item_similarity": round(item_similarity(items), 4),
        "item_usage": [round(share, 4) for share in usage(facts.nearest, len(items)).tolist()],
        "read_sharpness": round(float(facts.largest.mean()), 4),
    }


def _sample(batch: Tensor, out: Output, target: int) -> Tensor:
    """The first window's target beside what came out: (H, 2W, c) in 0..1."""
    shown = batch[0, target].float() / 255
    made = (out.frame[0].detach().permute(1, 2, 0) + 1) / 2
    return torch.cat([shown, made], dim=1).clamp(0, 1).cpu()
