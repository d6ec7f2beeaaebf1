"""One typed function per command: its signature is the command line, the YAML file and the help.

Nothing heavy is imported before a function runs, so that asking for help is quick. For the same
reason annotations are not postponed here: to resolve them the command line would import it all.
"""

import json as json_lib
import logging
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mnad.alarms.alarms import AlarmConfig
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
    scale_of,
)
from mnad.errors import MnadError, UsageError
from mnad.watch.options import EventTimes, WatchOptions

if TYPE_CHECKING:
    from mnad.calibration.result import Calibration
    from mnad.events.event import Event
    from mnad.models.folder import Model
    from mnad.watch.files import Detection


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


@dataclass(frozen=True)
class Watched:
    """What came of watching.

    Attributes:
        out: the camera's folder.
        frames: how many were scored.
        events: anomalies in the folder, those of earlier runs included.
    """

    out: Path
    frames: int
    events: int


def seconds_of(text: str) -> float:
    """Seconds of a length of time such as 90s, 15m or 2h.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found or not float(found[1]) > 0:
        raise UsageError(f"{text!r} is no length of time; write it as 90s, 15m or 2h.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def train(
    data: str,
    *,
    out: Path,
    preset: Preset | None = None,
    task: Task = "prediction",
    frames_in: int | None = None,
    channels: Literal[1, 3] | None = None,
    width: float | None = None,
    memory: bool = True,
    items: int = 10,
    height: int | None = None,
    image_width: int | None = None,
    rate: float | None = None,
    regions: Path | None = None,
    hold_out: float | None = None,
    false_alarms_per_hour: float = 1.0,
    epochs: int | None = None,
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
        preset: official (the public code's reading of the equations), paper (as printed), or
            camera (official, small enough for a CPU, a fifth of the footage kept back for
            calibration); null: official for a known data set, camera for one's own footage.
        task: prediction of the next frame, or reconstruction.
        frames_in: frames in the input window; null: 4 for prediction, 1 for reconstruction
            (16 there gives reconstruction with motion cues).
        channels: 1 (grey) or 3 (RGB); null: the preset's (3, camera 1).
        width: factor on the channels of the paper's network; null: the preset's (1, camera 0.25).
        memory: with the memory, or without ("w/o Mem.").
        items: number of memory items.
        height: rows of the frames as the network sees them, a multiple of 8; null: the preset's
            (256, camera 160).
        image_width: columns of those frames, a multiple of 8; null: the preset's (256).
        rate: frames per second to look at, of sources that have more; null: the preset's (all,
            camera about 10).
        regions: JSON file of what to look at: {"crop": [left, top, right, bottom],
            "include": [polygon, …], "ignore": [polygon, …]} in shares 0..1 of the frame.
        hold_out: share of the footage that is not trained on but calibrated on, 0 to 0.5; null:
            the preset's (0, camera 0.2).
        false_alarms_per_hour: what the threshold is set to, where footage is held out.
        epochs: passes over the training windows; null: the preset's (60, camera 12).
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
    from functools import partial

    from mnad.calibration.calibrate import SHORTEST_SECONDS, calibrate_model
    from mnad.calibration.holdout import hold_out as split
    from mnad.datasets import open_dataset, require_training
    from mnad.detector import pick_device
    from mnad.training.loop import Footage, main
    from mnad.video.cache import load_clips
    from mnad.video.regions import load_regions
    from mnad.video.thin import taken_rate

    dataset = open_dataset(data, labels=False)
    require_training(dataset)
    named = preset or ("camera" if dataset.rate is None else "official")
    reading, learning = preset_of(named, task)
    scale = scale_of(named)
    if frames_in is None:
        frames_in = 4 if task == "prediction" else 1
    network = NetworkConfig(
        task,
        frames_in,
        scale.channels if channels is None else channels,
        scale.width if width is None else width,
        memory,
        items,
        scale.height if height is None else height,
        scale.image_width if image_width is None else image_width,
    )
    kept = scale.hold_out if hold_out is None else hold_out
    if not 0 <= kept <= 0.5:
        raise UsageError(f"hold_out is {kept}; give a share from 0 to 0.5.")
    wanted = scale.rate if rate is None else rate
    config = ModelConfig(network, method.applied_to(reading), named, wanted)
    recipe = TrainConfig(
        scale.epochs if epochs is None else epochs,
        batch_size,
        learning_rate or learning,
        seed,
        precision,
    )
    where = pick_device(device)
    looked = None if regions is None else load_regions(regions)
    paths = [clip.path for clip in dataset.train]
    size = (network.height, network.image_width, network.channels)
    clips = load_clips(paths, *size, cache_dir=cache_dir, rate=wanted, regions=looked)
    trained, held = split(clips, kept, network.window)
    clip_rate = dataset.rate or taken_rate(paths[0], wanted)
    seconds = sum(map(len, held)) / clip_rate
    if kept and seconds < SHORTEST_SECONDS:
        sentence = (
            f"{data}: a share of {kept:g} kept back is {seconds:.1f} s, too short to set a "
            f"threshold on (it takes {SHORTEST_SECONDS:g} s)"
        )
        if hold_out is not None:
            raise UsageError(f"{sentence}; give more footage or --hold_out 0.")
        logging.getLogger("mnad").warning(
            "%s; all of it is trained on, and the model will have no threshold.", sentence
        )
        trained, held = clips, []
    names = tuple(clip.name for clip in dataset.train)
    if held:
        names = tuple(f"piece {number + 1}" for number in range(len(trained)))
    finish = partial(
        calibrate_model,
        clips=held,
        names=[f"held-out piece {number + 1}" for number in range(len(held))],
        rate=clip_rate,
        per_hour=false_alarms_per_hour,
    )
    return main(
        Footage(dataset.name, names, trained),
        Path(out),
        config,
        recipe,
        where,
        resume=resume,
        tensorboard=tensorboard,
        regions=looked,
        finish=finish if held else None,
    )


def calibrate(
    model: Path,
    sources: list[str],
    *,
    false_alarms_per_hour: float = 1.0,
    rate: float | None = None,
    trained_on: bool = False,
    device: Device = "auto",
    cache_dir: Path | None = None,
) -> "Calibration":
    """Set the threshold of a model from normal footage that it was not trained on.

    Args:
        model: a model folder; the threshold is stored in it.
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4':
            normal footage of the camera, an hour or more for one false alarm per hour.
        false_alarms_per_hour: how many to allow.
        rate: frames per second of folders of images, which do not say it; null: 25.
        trained_on: accept footage that the model was trained on.
        device: auto, cpu or cuda.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
    """
    from fractions import Fraction

    from mnad.calibration.calibrate import calibrate_model
    from mnad.detector import pick_device
    from mnad.models.folder import load_model, save_normal
    from mnad.video.cache import load_clips
    from mnad.video.find import find_sources, name_of
    from mnad.video.thin import taken_rate

    loaded = load_model(model, pick_device(device))
    network, wanted = loaded.config.network, loaded.config.rate
    paths = find_sources(sources)
    known = None if rate is None else Fraction(rate).limit_denominator(1001)
    rates = [taken_rate(path, wanted, known) for path in paths]
    if max(rates) > 1.2 * min(rates):
        raise MnadError(
            f"the sources have from {min(rates):g} to {max(rates):g} frames per second; calibrate "
            "on footage of one rate, that of the camera."
        )
    size = (network.height, network.image_width, network.channels)
    clips = load_clips(paths, *size, cache_dir=cache_dir, rate=wanted, regions=loaded.regions)
    calibrated = calibrate_model(
        loaded,
        clips,
        [name_of(path) for path in paths],
        rates[0],
        false_alarms_per_hour,
        trained_on=trained_on,
    )
    save_normal(Path(model), calibrated)
    assert calibrated.calibration is not None
    return calibrated.calibration


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
    clips: bool = True,
    threshold: float | None = None,
    events: EventTimes = EventTimes(),
    alarms: AlarmConfig = AlarmConfig(),
    most_gigabytes: float = 20.0,
    live: bool = False,
    fail_on_event: bool = False,
    policy: Policy = "frozen",
    device: Device = "auto",
) -> "list[Detection]":
    """Find when and where something is wrong: events, clips, scores, overlay video and report.

    Args:
        model: a model folder.
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4';
            or one stream (rtsp://, http://) or camera (0, /dev/video0), watched until stopped.
        out: folder for the results, a folder in it per source.
        overlay: write the overlay video, for a live source in segments of ten minutes.
        clips: write a picture and a short video of every event.
        threshold: score from which on a frame is abnormal, 0..1; null: the calibrated one.
        events: what makes an event of abnormal frames.
        alarms: where alarms go.
        most_gigabytes: cap on the disk that live results take; the oldest clips go first.
        live: play a file at its own speed, as if it came from a camera; streams and cameras are
            live without it.
        fail_on_event: end with exit code 3 when there were events.
        policy: memory at test time; frozen, or reset: updated by regular frames, anew per source.
        device: auto, cpu or cuda.
    """
    from mnad.detector import Detector
    from mnad.video.address import is_live, live_name, redacted
    from mnad.video.find import find_sources, name_of
    from mnad.watch.files import Detection, detect_source, failed
    from mnad.watch.live import watch_live

    watch = WatchOptions(overlay, clips, threshold, events, most_gigabytes, alarms)
    detector = Detector.load(model, device, "reset" if policy == "carried" else policy)
    streams = [source for source in sources if live or is_live(source)]
    if streams:
        if len(sources) > 1:
            raise UsageError(
                f"{redacted(streams[0])} is live and never ends: give it alone, and other sources "
                "to another mnad detect."
            )
        short = live_name(streams[0]) if is_live(streams[0]) else name_of(Path(streams[0]))
        folder = Path(out) / short
        seen = watch_live(detector, streams[0], folder, watch)
        told = [event for event in seen.events.values() if event.kind == "anomaly"]
        count = None if seen.threshold is None else len(told)
        shown = redacted(streams[0])
        return [Detection(shown, folder, seen.frames, seen.highest, seen.highest_at, count, None)]
    found: list[Detection] = []
    used: set[str] = set()
    for source in sources:
        try:
            paths = find_sources([source])
        except MnadError as error:
            found.append(failed(source, Path(out), str(error)))
            continue
        for path in paths:
            name, number = name_of(path), 1
            while (folder_name := name if number == 1 else f"{name}-{number}") in used:
                number += 1
            used.add(folder_name)
            found.append(detect_source(detector, path, Path(out) / folder_name, watch))
    return found


def watch(
    source: str,
    *,
    out: Path,
    learn: str = "15m",
    relearn: bool = False,
    false_alarms_per_hour: float = 1.0,
    training_minutes: float = 8.0,
    regions: Path | None = None,
    rate: float = 10.0,
    height: int = 160,
    image_width: int = 256,
    channels: Literal[1, 3] = 1,
    seed: int = 0,
    overlay: bool = False,
    clips: bool = True,
    threshold: float | None = None,
    events: EventTimes = EventTimes(),
    alarms: AlarmConfig = AlarmConfig(),
    most_gigabytes: float = 20.0,
) -> "Watched":
    """From a camera to alarms: learn what is normal there, calibrate, then watch until stopped.

    Started again with the same folder it goes on from what the folder holds.

    Args:
        source: stream (rtsp://, http://), camera (0, /dev/video0), or a file, played at its speed.
        out: folder of this camera: footage, models, events, clips, scores, report.
        learn: normal footage to learn from, such as 15m, 90s or 2h; a fifth of it is kept back
            to set the threshold on.
        relearn: learn anew from the newest footage, without the anomalies in it but with those
            that were marked as normal, while the model before goes on watching.
        false_alarms_per_hour: what the threshold is set to.
        training_minutes: how long a training may take, about.
        regions: JSON file of what to look at: {"crop": [left, top, right, bottom],
            "include": [polygon, …], "ignore": [polygon, …]} in shares 0..1 of the frame.
        rate: frames per second to look at, about.
        height: rows of the frames as the network sees them, a multiple of 8.
        image_width: columns of those frames, a multiple of 8.
        channels: 1 (grey) or 3 (RGB).
        seed: of weights, items and order.
        overlay: write the overlay video, in segments of ten minutes.
        clips: write a picture and a short video of every event.
        threshold: score from which on a frame is abnormal, 0..1; null: the calibrated one.
        events: what makes an event of abnormal frames.
        alarms: where alarms go.
        most_gigabytes: cap on the disk that the folder takes; the oldest clips go first.
    """
    from mnad.video.regions import load_regions
    from mnad.watch.camera import watch_camera
    from mnad.watch.site import Settings, Site

    NetworkConfig(height=height, image_width=image_width, channels=channels)
    for name, value in (
        ("false_alarms_per_hour", false_alarms_per_hour),
        ("training_minutes", training_minutes),
        ("rate", rate),
    ):
        if not 0 < value < float("inf"):
            raise UsageError(f"{name} is {value}; give a number above 0.")
    looked = None if regions is None else load_regions(regions).as_dict()
    given = Settings(
        height,
        image_width,
        channels,
        rate,
        false_alarms_per_hour,
        training_minutes,
        seed,
        looked,
    )
    options = WatchOptions(overlay, clips, threshold, events, most_gigabytes, alarms)
    seen = watch_camera(
        Site(out), source, given, options, learn_seconds=seconds_of(learn), relearn=relearn
    )
    if seen is None:
        return Watched(Path(out), 0, 0)
    told = [event for event in seen.events.values() if event.kind == "anomaly"]
    return Watched(Path(out), seen.frames, len(told))


def mark(site: Path, event: str, label: Literal["normal", "anomaly"]) -> "Event":
    """Say what an event really was; what is normal is learnt by the next mnad watch --relearn.

    Args:
        site: the folder of a mnad watch.
        event: id of the event, or its beginning.
        label: normal or anomaly.
    """
    from mnad.watch.site import Site

    return Site(site).mark(event, label)


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
        "rate": loaded.config.rate,
        "regions": None if loaded.regions is None else loaded.regions.as_dict(),
        "reference_frames": 0 if reference is None else len(reference.psnr),
        "calibration": None if loaded.calibration is None else loaded.calibration.sentences(),
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
