"""mnad train."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mnad.config import (
    Convolution,
    DecoderInput,
    Device,
    ItemLearning,
    MemoryLoss,
    MethodConfig,
    ModelConfig,
    NetworkConfig,
    Padding,
    Precision,
    Preset,
    PseudoAnomalies,
    ReconstructionLoss,
    Task,
    TrainConfig,
    Upsampling,
)
from mnad.errors import UsageError
from mnad.presets import preset_of, scale_of

if TYPE_CHECKING:
    from mnad.models.folder import Model

T = TypeVar("T")
_LOG = logging.getLogger("mnad")


@dataclass(frozen=True)
class MethodOptions:
    """What to change about a preset's reading of the equations; null keeps the preset's.

    Args:
        reconstruction_loss: eq. 9 as mean squared error or as the sum of norms; norm_mean and
            squared_sum change the square and the scale alone.
        memory_loss: eq. 10, 12, 14 as in the public code or as printed; norm_mean and squared_sum
            lie between them.
        detach_read: stop the gradient at the matching probabilities (eq. 1-2).
        read_temperature: eq. 1: what the cosines are divided by.
        item_learning: eq. 3: items by the update, or by the gradient of the losses.
        update_scope: eq. 5: maximum over the batch or over the queries assigned to the item.
        update_momentum: eq. 3: how much of the old item stays.
        psnr_peak: eq. 15: 1, or the maximum of the prediction.
        regular_error: eq. 6-7: squared per element, or norms per pixel.
        gamma: largest regular score that lets a frame update the memory.
        margin: alpha of eq. 12.
        lambda_compact: weight of eq. 10.
        lambda_separate: weight of eq. 12.
        lambda_pseudo: weight of what drives pseudo-anomalies off the items; not in the paper;
            5 by the camera preset, else 0.
        pseudo_anomalies: frames that are skipped, what moves deformed, or both.
        lambda_score: weight of the PSNR in eq. 16.
        lambda_camera: weight of the worst place in the score for cameras, the rest the distance's;
            0.6 by the camera preset, else 1.
    """

    reconstruction_loss: ReconstructionLoss | None = None
    memory_loss: MemoryLoss | None = None
    detach_read: bool | None = None
    read_temperature: float | None = None
    item_learning: ItemLearning | None = None
    update_scope: Literal["batch", "assigned"] | None = None
    update_momentum: float | None = None
    psnr_peak: Literal["one", "prediction"] | None = None
    regular_error: Literal["squared", "norm"] | None = None
    gamma: float | None = None
    margin: float | None = None
    lambda_compact: float | None = None
    lambda_separate: float | None = None
    lambda_pseudo: float | None = None
    pseudo_anomalies: PseudoAnomalies | None = None
    lambda_score: float | None = None
    lambda_camera: float | None = None

    def applied_to(self, method: MethodConfig) -> MethodConfig:
        """`method` with these changes."""
        changes: dict[str, Any] = {k: v for k, v in asdict(self).items() if v is not None}
        return replace(method, **changes)


def train(
    data: str | Path,
    *,
    out: str | Path,
    preset: Preset | None = None,
    task: Task = "prediction",
    frames_in: int | None = None,
    channels: Literal[1, 3] | None = None,
    width: float | None = None,
    memory: bool = True,
    items: int = 10,
    decoder_input: DecoderInput = "both",
    skip_maps: int = 3,
    convolution: Convolution = "full",
    upsampling: Upsampling = "transposed",
    padding: Padding = "zeros",
    height: int | None = None,
    image_width: int | None = None,
    rate: float | None = None,
    folder_rate: float | None = None,
    regions: str | Path | None = None,
    hold_out: float | None = None,
    false_alarms_per_hour: float = 1.0,
    by_place: bool | None = None,
    epochs: int | None = None,
    training_minutes: float | None = None,
    most_windows: int | None = None,
    vary_light: float | None = None,
    vary_noise: float | None = None,
    batch_size: int = 4,
    learning_rate: float | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    device: Device = "auto",
    method: MethodOptions = MethodOptions(),
    cache_dir: str | Path | None = None,
    resume: bool = False,
    tensorboard: bool = False,
) -> "Model":
    """Train a model on normal footage; no label is read.

    Args:
        data: NAME:PATH of a data set of the field (docs/datasets.md), a prepared copy, or a video
            or folder of one's own; what of that cannot be read is left out and told.
        out: the model folder to write.
        preset: official (the public code's reading of the equations), paper (as printed), or
            camera (official, but for eq. 9 of the prediction, whose norm it takes as printed, and
            for pseudo-anomalies, by which the distance earns a share in the score for cameras;
            small enough for a CPU, a fifth of the footage kept back for calibration); null:
            official for a known data set, camera for one's own footage.
        task: prediction of the next frame, or reconstruction.
        frames_in: frames in the input window; null: 4 for prediction, 1 for reconstruction
            (16 there gives reconstruction with motion cues).
        channels: 1 (grey) or 3 (RGB); null: the preset's (3, camera 1).
        width: factor on the channels of the paper's network; null: the preset's (1, camera 0.125).
        memory: with the memory, or without ("w/o Mem.").
        items: number of memory items.
        decoder_input: what the decoder gets: query and read, the read alone, the query alone, or
            none, so that there is no bottleneck (with --no_memory).
        skip_maps: how many of the three skips of the prediction there are, the coarsest first.
        convolution: full, or separable: within each channel, then across them.
        upsampling: transposed convolutions, or nearest: a 1x1 convolution, then repetition.
        padding: zeros beyond the border, or reflect: the mirror image.
        height: rows of the frames as the network sees them, a multiple of 8; null: the preset's
            (256, camera 160).
        image_width: columns of those frames, a multiple of 8; null: the preset's (256).
        rate: frames per second to look at, of sources that have more; null: the preset's (all,
            camera about 10).
        folder_rate: frames per second of one's own folders of images, which do not say it; null:
            25.
        regions: JSON file of what to look at: {"crop": [left, top, right, bottom],
            "include": [polygon, …], "ignore": [polygon, …]} in shares 0..1 of the frame.
        hold_out: share of the footage that is not trained on but calibrated on, 0 to 0.5; null:
            the preset's (0, camera 0.2).
        false_alarms_per_hour: what the threshold is set to, where footage is held out.
        by_place: of that threshold: measure errors against what is usual at their place, so that a
            thing where nothing ever moves is told of however busy the rest is; an ordinary one too.
            null: the preset's (camera true, others false).
        epochs: passes over the training windows; null: the preset's (60, camera 12).
        training_minutes: how long it may take, about, however much footage there is: fewer windows
            in each epoch, and fewer epochs. null: 30 by the camera preset on one's own footage,
            unless epochs or most_windows are given; else no limit.
        most_windows: of each epoch at most, evenly spread, others in each; null: all.
        vary_light: each window up to this share brighter or darker, so that the light of one hour
            is not all that is learnt; not in the paper. null: the preset's (0, camera 0.2).
        vary_noise: the input of each with up to this much noise, in grey levels of 0..255; null:
            the preset's (0, camera 5).
        batch_size: windows per step.
        learning_rate: at the start; null: the preset's.
        seed: of weights, items and order.
        precision: fp32, bf16, or auto: bf16 on CUDA (from Ampere on), else fp32.
        device: auto, cpu or cuda.
        method: changes to the preset's reading of the equations.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
        resume: go on with an unfinished training.
        tensorboard: write TensorBoard event files into the model folder.
    """
    from functools import partial

    from mnad.calibration.calibrate import SHORTEST_SECONDS, calibrate_model, require_per_hour
    from mnad.calibration.holdout import hold_out as split
    from mnad.datasets import Prepared, at_rate, open_dataset, require_fit, require_training
    from mnad.runtime.pick import pick_device
    from mnad.training.alone import alone
    from mnad.training.budget import within
    from mnad.training.checkpoint import unfinished
    from mnad.training.footage import training_footage
    from mnad.training.loop import Footage, main, require_free
    from mnad.video.regions import load_regions
    from mnad.writing import make_folder

    require_per_hour(false_alarms_per_hour)
    dataset = open_dataset(data, labels=False)
    require_training(dataset)
    for sentence in dataset.warnings:
        _LOG.warning("warning: %s", sentence)
    named = preset or ("camera" if dataset.own else "official")
    reading, usual_learning_rate = preset_of(named, task, memory)
    scale = scale_of(named)
    network = NetworkConfig(
        task,
        _given(frames_in, 4 if task == "prediction" else 1),
        _given(channels, scale.channels),
        _given(width, scale.width),
        memory,
        items,
        decoder_input,
        skip_maps,
        convolution,
        upsampling,
        padding,
        _given(height, scale.height),
        _given(image_width, scale.image_width),
    )
    share = _given(hold_out, scale.hold_out)
    if not 0 <= share <= 0.5:
        raise UsageError(f"hold_out is {share}; give a share from 0 to 0.5.")
    wanted = _given(rate, scale.rate)
    dataset = at_rate(dataset, folder_rate, wanted)
    config = ModelConfig(network, method.applied_to(reading), named, wanted)
    recipe = TrainConfig(
        _given(epochs, scale.epochs),
        batch_size,
        _given(learning_rate, usual_learning_rate),
        seed,
        precision,
        most_windows,
        _given(vary_light, scale.vary_light),
        _given(vary_noise, scale.vary_noise),
    )
    if training_minutes is None and dataset.own and epochs is None and most_windows is None:
        training_minutes = scale.minutes
    if training_minutes is not None and not training_minutes > 0:
        raise UsageError(f"training_minutes is {training_minutes:g}; give more than 0.")
    require_free(Path(out), resume)
    where = pick_device(device)
    looked = None if regions is None else load_regions(regions)
    size = Prepared(network.height, network.image_width, network.channels)
    require_fit(dataset, size, network.window, looked is not None and looked.crop is not None)
    make_folder(Path(out))
    with alone(Path(out)):
        faults: dict[int, str] = {}
        clips, names, clip_rate = training_footage(dataset, config, looked, cache_dir, faults)
        trained, held = split(clips, share, network.window)
        seconds = sum(map(len, held)) / clip_rate
        if share and seconds < SHORTEST_SECONDS:
            sentence = (
                f"{data}: a share of {share:g} kept back is {seconds:.1f} s, too short to set a "
                f"threshold on (it takes {SHORTEST_SECONDS:g} s)"
            )
            if hold_out is not None:
                raise UsageError(f"{sentence}; give more footage or --hold_out 0.")
            _LOG.warning(
                "%s; all of it is trained on, and the model will have no threshold.", sentence
            )
            trained, held = list(clips), []
        if held:
            names = [f"piece {number + 1}" for number in range(len(trained))]
        finish = partial(
            calibrate_model,
            clips=held,
            names=[f"held-out piece {number + 1}" for number in range(len(held))],
            rate=clip_rate,
            per_hour=false_alarms_per_hour,
            by_place=_given(by_place, scale.by_place),
            trained_on=True,  # it was kept back: equal frames are a scene that stands still
        )
        footage = Footage(dataset.name, tuple(names), trained, tuple(faults.values()))
        if training_minutes is not None:
            begun = unfinished(Path(out) / "training") if resume else None
            recipe = within(training_minutes, footage, config, recipe, where, begun)
        return main(
            footage,
            Path(out),
            config,
            recipe,
            where,
            resume=resume,
            tensorboard=tensorboard,
            regions=looked,
            finish=finish if held else None,
        )


def _given(value: T | None, usual: T) -> T:
    """What somebody gave, else what is usual."""
    return usual if value is None else value
