"""mnad watch, and mnad mark and mnad review for what it told."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mnad.alarms.alarms import AlarmConfig
from mnad.config import LiveRuntimeName, NetworkConfig, require_seed
from mnad.errors import UsageError
from mnad.watch.options import EventTimes, WatchOptions

if TYPE_CHECKING:
    from mnad.events.event import Event
    from mnad.watch.review import Review


@dataclass(frozen=True)
class Watched:
    """What came of watching.

    Attributes:
        out: the camera's folder.
        frames: how many were scored.
        events: anomalies that were told, of this run as `frames` are.
    """

    out: Path
    frames: int
    events: int


def seconds_of(text: str) -> float:
    """Seconds of a length of time such as 90s, 15m, 2h or 7d.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(text).strip())
    if not found or not float(found[1]) > 0:
        raise UsageError(f"{text!r} is no length of time; write it as 90s, 15m, 2h or 7d.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


def watch(
    source: str,
    *,
    out: str | Path,
    learn: str | None = None,
    relearn: bool = False,
    false_alarms_per_hour: float = 1.0,
    by_place: bool = True,
    training_minutes: float = 8.0,
    regions: str | Path | None = None,
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
    runtime: LiveRuntimeName = "auto",
) -> "Watched":
    """From a camera to alarms: learn what is normal there, calibrate, then watch until stopped.

    Started again with the same folder it goes on from what the folder holds.

    Args:
        source: stream (rtsp://, http://), camera (0, /dev/video0), or a file, played at its speed.
        out: folder of this camera: footage, models, events, clips, scores, report.
        learn: normal footage to learn from, such as 15m or 24h, two minutes or more; a fifth of
            it is kept back to set the threshold on. null: as much as the folder learnt from last,
            15m for a new one.
        relearn: learn anew from the newest footage, without the anomalies in it but with those
            that were marked as normal, while the model before goes on watching.
        false_alarms_per_hour: what the threshold is set to.
        by_place: measure errors against what is usual at their place, so that a thing where nothing
            ever moves is told of however busy the rest is; an ordinary one too.
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
        most_gigabytes: cap on the disk that the folder takes; scores that are older than a week go
            first, then the oldest clips.
        runtime: torch or openvino, which every model that is learnt can run by; auto: as detect.
    """
    from mnad.runtime.pick import require
    from mnad.video.regions import load_regions
    from mnad.watch.camera import watch_camera
    from mnad.watch.site import Settings, Site

    require(runtime)
    NetworkConfig(height=height, image_width=image_width, channels=channels)
    require_seed(seed)
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
        by_place,
    )
    options = WatchOptions(overlay, clips, threshold, events, most_gigabytes, alarms)
    seen = watch_camera(
        Site(out),
        source,
        given,
        options,
        learn_seconds=None if learn is None else seconds_of(learn),
        relearn=relearn,
        runtime=runtime,
    )
    if seen is None:
        return Watched(Path(out), 0, 0)
    return Watched(Path(out), seen.frames, seen.told)


def mark(site: str | Path, events: list[str], label: Literal["normal", "anomaly"]) -> "list[Event]":
    """Say what events really were; what is normal is learnt by the next mnad watch --relearn.

    Args:
        site: the folder of a mnad watch.
        events: ids of events, or their beginnings; the beginning of several with a * after it.
        label: normal or anomaly.
    """
    from mnad.watch.site import Site

    return Site(site).mark(events, label)


def review(
    site: str | Path,
    *,
    last: str = "24h",
    false_alarms_per_hour: float | None = None,
    apply: bool = False,
) -> "Review":
    """Say how many alarms the threshold gave, and which threshold would give what is asked for.

    Events that were marked as anomalies are left out, all others count as false alarms.

    Args:
        site: the folder of a mnad watch, which may go on meanwhile.
        last: how far back to look, such as 24h or 7d, at most to where the model in use begins.
        false_alarms_per_hour: how many to allow; null: as many as its models are set to.
        apply: take the threshold for that into use. A mnad watch that runs goes on with it, and
            the next models that it learns are set to that rate too.
    """
    from mnad.watch.review import review as review_site
    from mnad.watch.site import Site

    if false_alarms_per_hour is not None and not 0 < false_alarms_per_hour < float("inf"):
        raise UsageError(
            f"false_alarms_per_hour is {false_alarms_per_hour}; give a number above 0."
        )
    return review_site(Site(site), seconds_of(last), false_alarms_per_hour, apply=apply)
