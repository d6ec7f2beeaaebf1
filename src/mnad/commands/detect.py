"""mnad detect."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import TYPE_CHECKING

from mnad.alarms.alarms import AlarmConfig
from mnad.config import Device, Policy, RuntimeName
from mnad.errors import MnadError, UsageError
from mnad.watch.options import EventTimes, Kind, WatchOptions

if TYPE_CHECKING:
    from mnad.watch.files import Detection


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
    picture: Kind = "heat",
    live: bool = False,
    fail_on_event: bool = False,
    policy: Policy = "frozen",
    device: Device = "auto",
    runtime: RuntimeName = "auto",
) -> "list[Detection]":
    """Find when and where something is wrong: events, clips, scores, overlay video and report.

    Args:
        model: a model folder, or the name of a built-in one (mnad models).
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4';
            or one stream (rtsp://, http://) or camera (0, /dev/video0), watched until stopped.
        out: folder for the results, a folder in it per source.
        overlay: write the overlay video, for a live source in segments of ten minutes.
        clips: write a picture and a short video of every event.
        threshold: score from which on a frame is abnormal, 0..1; null: the calibrated one.
        events: what makes an event of abnormal frames.
        alarms: where alarms go.
        most_gigabytes: cap on the disk that live results take; the oldest clips go first.
        picture: heat: where the error is higher than normal footage hardly ever gets; paper: every
            pixel whose score is above the frame's average, as in the paper's figures.
        live: play a file at its own speed, as if it came from a camera; streams and cameras are
            live without it.
        fail_on_event: end with exit code 3 when there were events.
        policy: memory at test time; frozen, or reset: updated by regular frames, anew per source.
        device: auto, cpu or cuda.
        runtime: torch, openvino, openvino-int8, onnx or onnx-int8; auto: torch on CUDA; on the CPU
            what the model was exported for, int8 first, else torch.
    """
    from mnad.detector import Detector
    from mnad.video.address import is_live, live_name, redacted
    from mnad.video.find import find_sources, name_of
    from mnad.watch.files import Detection, detect_source, failed
    from mnad.watch.live import watch_live

    watch = WatchOptions(overlay, clips, threshold, events, most_gigabytes, alarms, picture)
    kept = "reset" if policy == "carried" else policy
    detector = Detector.load(model, device, kept, runtime)
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
