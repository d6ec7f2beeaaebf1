"""mnad detect."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import logging
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from mnad.alarms.alarms import AlarmConfig
from mnad.config import Device, Policy, RuntimeName, require_count
from mnad.errors import MnadError, UsageError
from mnad.watch.options import EventTimes, Kind, WatchOptions

if TYPE_CHECKING:
    from mnad.watch.files import Detection

_LOG = logging.getLogger("mnad")


def detect(
    model: str | Path,
    sources: list[str],
    *,
    out: str | Path,
    overlay: bool = True,
    clips: bool = True,
    threshold: float | None = None,
    events: EventTimes = EventTimes(),
    alarms: AlarmConfig = AlarmConfig(),
    most_gigabytes: float = 20.0,
    picture: Kind = "heat",
    folder_rate: float | None = None,
    live: bool = False,
    fail_on_event: bool = False,
    at_once: int | None = None,
    policy: Policy = "frozen",
    device: Device = "auto",
    runtime: RuntimeName = "auto",
) -> "list[Detection]":
    """Find when and where something is wrong: events, clips, scores, overlay video and report.

    Args:
        model: a model folder, or the name of a built-in one (mnad models).
        sources: video files, folders of videos, folders of frames, or patterns such as '*.mp4';
            or one stream (rtsp://, http://) or camera (0, /dev/video0), watched until stopped. A
            folder that is called like a camera, such as 10, is given as ./10.
        out: folder for the results, a folder in it per source; what it holds of the same source is
            replaced.
        overlay: write the overlay video, for a live source in segments of ten minutes.
        clips: write a picture and a short video of every event.
        threshold: score from which on a frame is abnormal, 0..1; null: the calibrated one.
        events: what makes an event of abnormal frames.
        alarms: where alarms go.
        most_gigabytes: cap on the disk that live results take; scores that are older than a week go
            first, then the oldest clips.
        picture: heat: where the error is higher than normal footage hardly ever gets; paper: every
            pixel whose score is above the frame's average, as in the paper's figures.
        folder_rate: frames per second of folders of images, which do not say it; null: 25. It is
            refused where no source is such a folder; videos have their own.
        live: play a file at its own speed, as if it came from a camera; streams and cameras are
            live without it.
        fail_on_event: end with exit code 3 when there were events.
        at_once: files that are read at the same time and scored in one batch; each one more takes
            memory for its frames under way, about 0.5 GB in full HD. null: 8 on CUDA, 1 on a CPU,
            which gains little by it.
        policy: memory at test time; frozen, or reset: updated by regular frames, anew per source.
        device: auto, cpu or cuda.
        runtime: torch, torch-bf16, openvino, openvino-int8, ncnn, onnx or onnx-int8; auto: torch on
            CUDA; on the CPU what the model was exported for, int8 first, else torch.

    Returns:
        What came of each source, in the order given; of a folder of videos, of each of these. A
        source that cannot be found or read, or that breaks off, raises nothing, so that the others
        get their results: its `error` is the sentence that says why, and is None of the others.
        What `fail_on_event` asks for is the exit code of the command; here it changes nothing.

    Raises:
        UsageError: a wrong option, or a live source beside others.
        MnadError: the model cannot be loaded, or a live source cannot be watched.
    """
    from mnad.detector import Detector
    from mnad.video.address import is_live, live_name, or_path, redacted
    from mnad.video.find import listed, name_of
    from mnad.video.thin import given_rate, say_what_is_assumed
    from mnad.watch.files import Detection
    from mnad.watch.live import watch_live
    from mnad.watch.several import detect_sources

    sources = listed(sources)
    watch = WatchOptions(overlay, clips, threshold, events, most_gigabytes, alarms, picture)
    if at_once is not None:
        require_count("at_once", at_once)
    streams = [source for source in sources if live or is_live(source)]
    if streams and len(sources) > 1:
        raise UsageError(
            f"{redacted(streams[0])} is live and never ends: give it alone, and other sources "
            f"to another mnad detect{or_path(streams[0])}."
        )
    planned = [] if streams else _planned(sources, Path(out))
    files = [one for one in planned if not isinstance(one, Detection)]
    paths = [path for path, _ in files]
    known = None if folder_rate is None else given_rate(folder_rate, paths)
    detector = Detector.load(model, device, "reset" if policy == "carried" else policy, runtime)
    if streams:
        short = live_name(streams[0]) if is_live(streams[0]) else name_of(Path(streams[0]))
        folder = Path(out) / short
        seen = watch_live(detector, streams[0], folder, watch)
        count = None if seen.threshold is None else seen.told
        shown = redacted(streams[0])
        return [Detection(shown, folder, seen.frames, seen.highest, seen.highest_at, count, None)]
    if folder_rate is None:
        calibration = detector.model.calibration
        own = None if calibration is None else calibration.rate
        say_what_is_assumed(paths, detector.model.config.rate, own)
    if at_once is None:
        at_once = 8 if detector.runtime.device.type == "cuda" else 1
    found = iter(detect_sources(detector, files, watch, at_once, folder_rate=known))
    return [one if isinstance(one, Detection) else next(found) for one in planned]


def _planned(sources: list[str], out: Path) -> "list[Detection | tuple[Path, Path]]":
    """What there is to score, with the folder of its results; and what cannot be found."""
    from mnad.video.find import find_sources
    from mnad.watch.files import failed

    planned: list[Detection | tuple[Path, Path]] = []
    used: set[Path] = set()
    for source in sources:
        try:
            paths = find_sources([source])
        except MnadError as error:
            planned.append(failed(source, out, str(error)))
            continue
        for path in paths:
            folder = _folder_of(path, out, used)
            used.add(folder)
            planned.append((path, folder))
    return planned


def _folder_of(path: Path, out: Path, used: set[Path]) -> Path:
    """The folder of a source's results: its name, and a number if another source has that."""
    from mnad.video.find import name_of
    from mnad.watch.folder import holds_another

    first = out / name_of(path)
    for number in count(1):
        folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
        if folder not in used and not holds_another(folder, path):
            break
    if first not in used and folder != first:
        _LOG.warning("%s holds another %s: this one goes to %s.", first, first.name, folder)
    return folder
