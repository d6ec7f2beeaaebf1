"""One typed function per command: its signature is the command line, the YAML file and the help.

Nothing heavy is imported before a function runs, so that asking for help is quick. For the same
reason annotations are not postponed here: to resolve them the command line would import it all.
"""

import json as json_lib
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mnad.config import (
    Device,
    MethodConfig,
    ModelConfig,
    NetworkConfig,
    Policy,
    Precision,
    Preset,
    Task,
    TrainConfig,
    preset_of,
)
from mnad.errors import MnadError, UsageError

if TYPE_CHECKING:
    from mnad.detection import Detection
    from mnad.models.folder import Model


@dataclass(frozen=True)
class MethodOptions:
    """What to change about a preset's reading of the equations; null keeps the preset's.

    Args:
        reconstruction_loss: eq. 9 as mean squared error or as the sum of norms.
        memory_loss: eq. 10, 12, 14 as in the public code or as printed.
        detach_read: stop the gradient at the matching probabilities (eq. 1-2).
        update_scope: eq. 5: maximum over the batch or over the queries assigned to the item.
        psnr_peak: eq. 15: 1, or the maximum of the prediction.
        regular_error: eq. 6-7: squared per element, or norms per pixel.
        gamma: largest regular score that lets a frame update the memory.
        margin: alpha of eq. 12.
        lambda_compact: weight of eq. 10.
        lambda_separate: weight of eq. 12.
        lambda_score: weight of the PSNR in eq. 16.
    """

    reconstruction_loss: Literal["mse", "norm"] | None = None
    memory_loss: Literal["official", "paper"] | None = None
    detach_read: bool | None = None
    update_scope: Literal["batch", "assigned"] | None = None
    psnr_peak: Literal["one", "prediction"] | None = None
    regular_error: Literal["squared", "norm"] | None = None
    gamma: float | None = None
    margin: float | None = None
    lambda_compact: float | None = None
    lambda_separate: float | None = None
    lambda_score: float | None = None

    def applied_to(self, method: MethodConfig) -> MethodConfig:
        """`method` with these changes."""
        changes: dict[str, Any] = {k: v for k, v in asdict(self).items() if v is not None}
        return replace(method, **changes)


def train(
    data: str,
    *,
    out: Path,
    preset: Preset = "official",
    task: Task = "prediction",
    frames_in: int | None = None,
    channels: Literal[1, 3] = 3,
    width: float = 1.0,
    memory: bool = True,
    items: int = 10,
    height: int = 256,
    image_width: int = 256,
    epochs: int = 60,
    batch_size: int = 4,
    learning_rate: float | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    device: Device = "auto",
    method: MethodOptions = MethodOptions(),
    cache_dir: Path | None = None,
    resume: bool = False,
    tensorboard: bool = False,
) -> "Model":
    """Train a model on normal footage; no label is read.

    Args:
        data: ped2:PATH, avenue:PATH or shanghaitech:PATH, or a video or folder of one's own.
        out: the model folder to write.
        preset: reading of the equations: the public code's (official) or as printed (paper).
        task: prediction of the next frame, or reconstruction.
        frames_in: frames in the input window; null: 4 for prediction, 1 for reconstruction
            (16 there gives reconstruction with motion cues).
        channels: 1 (grey) or 3 (RGB).
        width: factor on the channels of the paper's network.
        memory: with the memory, or without ("w/o Mem.").
        items: number of memory items.
        height: rows of the frames as the network sees them, a multiple of 8.
        image_width: columns of those frames, a multiple of 8.
        epochs: passes over the training windows.
        batch_size: windows per step.
        learning_rate: at the start; null: the preset's.
        seed: of weights, items and order.
        precision: fp32, bf16, or auto: bf16 on CUDA, fp32 on a CPU.
        device: auto, cpu or cuda.
        method: changes to the preset's reading of the equations.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
        resume: go on with an unfinished training.
        tensorboard: write TensorBoard event files into the model folder.
    """
    from mnad.datasets import open_dataset, require_training
    from mnad.detector import pick_device
    from mnad.training.loop import Footage, main
    from mnad.video.cache import load_clips

    reading, rate = preset_of(preset, task)
    if frames_in is None:
        frames_in = 4 if task == "prediction" else 1
    network = NetworkConfig(task, frames_in, channels, width, memory, items, height, image_width)
    config = ModelConfig(network, method.applied_to(reading), preset)
    recipe = TrainConfig(epochs, batch_size, learning_rate or rate, seed, precision)
    where = pick_device(device)
    dataset = open_dataset(data, labels=False)
    require_training(dataset)
    clips = load_clips(
        [clip.path for clip in dataset.train],
        height,
        image_width,
        channels,
        cache_dir=cache_dir,
    )
    footage = Footage(dataset.name, tuple(clip.name for clip in dataset.train), clips)
    return main(footage, Path(out), config, recipe, where, resume=resume, tensorboard=tensorboard)


def evaluate(
    model: str | Path,
    data: str,
    *,
    json: Path | None = None,
    plot: Path | None = None,
    policy: Policy = "carried",
    streams: int = 1,
    lambda_score: float | None = None,
    device: Device = "auto",
) -> dict[str, Any]:
    """Measure a model on labelled test clips, in every protocol of the field.

    Args:
        model: a model folder.
        data: ped2:PATH, avenue:PATH or shanghaitech:PATH, or a folder of one's own with labels
            (NAME.csv with the header first,last, or NAME.npy, beside each clip).
        json: file for all numbers, frame by frame too.
        plot: PNG or SVG file for the score curves with the ground truth shaded.
        policy: memory at test time: carried across clips in order (public code), reset per clip,
            or frozen.
        streams: clips scored side by side; not with a carried memory.
        lambda_score: weight of the PSNR in the combined score; null: the model's.
        device: auto, cpu or cuda.
    """
    from mnad.datasets import open_dataset
    from mnad.detector import pick_device
    from mnad.evaluation.run import evaluate_model
    from mnad.models.folder import load_model
    from mnad.reports.plots import evaluation_plot

    if streams < 1:
        raise UsageError(f"streams is {streams}; it must be 1 or more.")
    loaded = load_model(model, pick_device(device))
    dataset = open_dataset(data)
    result = evaluate_model(
        loaded, dataset, policy=policy, lockstep=streams, lambda_score=lambda_score
    )
    if json is not None:
        beside = Path(f"{json}.part")
        try:
            beside.write_text(json_lib.dumps(result, indent=1) + "\n")
            os.replace(beside, json)
        except OSError as error:
            raise MnadError(
                f"{json} cannot be written ({error.strerror}); check its folder."
            ) from None
    if plot is not None:
        detail = result["frames_detail"]
        auc = result["auc"]["causal_micro"]
        evaluation_plot(
            plot,
            {n: (d["index"], d["score"] or d["distance"], d["label"]) for n, d in detail.items()},
            title=f"{Path(model).name} on {result['dataset']}",
            auc="causal AUC undefined" if auc is None else f"causal AUC {auc:.3f}",
        )
    return result


def detect(
    model: str | Path,
    sources: list[str],
    *,
    out: Path,
    overlay: bool = True,
    policy: Policy = "frozen",
    device: Device = "auto",
) -> "list[Detection]":
    """Score videos: a table, an overlay video with heat map and score, and a plot for each.

    Args:
        model: a model folder.
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4'.
        out: folder for the results, a folder in it per source.
        overlay: write the overlay video.
        policy: memory at test time; frozen, or reset: updated by regular frames, anew per source.
        device: auto, cpu or cuda.
    """
    from mnad.detection import Detection, detect_source
    from mnad.detector import Detector
    from mnad.video.find import find_sources, name_of

    detector = Detector.load(model, device, "reset" if policy == "carried" else policy)
    found: list[Detection] = []
    used: set[str] = set()
    for source in sources:
        try:
            paths = find_sources([source])
        except MnadError as error:
            nan = float("nan")
            found.append(Detection(Path(source), Path(out), 0, nan, nan, str(error)))
            continue
        for path in paths:
            name, number = name_of(path), 1
            while (folder := name if number == 1 else f"{name}-{number}") in used:
                number += 1
            used.add(folder)
            found.append(detect_source(detector, path, Path(out) / folder, overlay=overlay))
    return found


def info(model: str | Path) -> dict[str, Any]:
    """Say what a model folder holds: task, sizes, training record, fingerprint of the data.

    Args:
        model: a model folder.
    """
    from mnad.models.folder import load_model

    loaded = load_model(model)
    reference = loaded.reference
    return {
        "preset": loaded.config.preset,
        "network": asdict(loaded.config.network),
        "method": asdict(loaded.config.method),
        "parameters": sum(p.numel() for p in loaded.network.parameters()),
        "reference_frames": 0 if reference is None else len(reference.psnr),
        "training": loaded.training,
    }


def import_checkpoint(checkpoint: Path, items: Path, *, out: Path) -> "Model":
    """Turn a checkpoint of the authors' public code into a model folder; no code in it is run.

    Args:
        checkpoint: the .pth file: a whole pickled model, or a state_dict.
        items: the .pt file with the memory items.
        out: the model folder to write.
    """
    from mnad.models.folder import save_model
    from mnad.models.importer import import_checkpoint as read

    if (Path(out) / "config.json").exists():
        raise UsageError(f"{out} already holds a model; give another --out.")
    model = read(Path(checkpoint), Path(items))
    save_model(Path(out), model)
    return model
