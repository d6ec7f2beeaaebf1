"""What a page shows: the picture of an event's peak, the curve of the scores, times."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mnad.events.machine import LOST_SECONDS
from mnad.reports.heat import heat_map

Picture = NDArray[np.uint8]

EMBEDDED_BYTES = 44_000
"""Most bytes of a picture inside a page."""

KEPT_PICTURES = 200
"""Pictures that are kept as a page embeds them, 12 MB at most: twice as many as it shows, as with
fewer each new one would drive out the next that the page asks for. A live run writes its page every
minute, in the thread that scores. Scaling a hundred pictures takes a second, in which frames are
lost; so each is scaled once, by the thread that writes it (`mnad.events.record`)."""

_DAY = 86400
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, _DAY)


def small_jpeg(
    frame: Picture,
    error: NDArray[np.float32] | None = None,
    scale: float = 0.02,
    width: int = 480,
) -> bytes:
    """A frame, made smaller, with a heat map on it.

    Args:
        frame: (H, W, 3) uint8 RGB, or (H, W, 1) grey.
        error: (h, w) float32 >= 0, the error of the prediction; None draws no heat map.
        scale: the error that gets the hottest colour.
        width: most columns of the picture.

    Returns:
        A JPEG file.
    """
    if frame.shape[2] == 1:
        frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)
    small = _at_most(frame, width)
    picture = small if error is None else heat_map(small, error, scale)
    return _jpeg(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def embedded(path: Path) -> str | None:
    """A picture file as a ``data:`` address of at most `EMBEDDED_BYTES` before base64.

    What was made of the last `KEPT_PICTURES` files is kept, for as long as they stay as they are.

    Returns:
        The address; None if there is no such file or it is no picture.
    """
    try:
        facts = path.stat()
        return _embedded(path, facts.st_size, facts.st_mtime_ns)
    except OSError:
        return None


@lru_cache(KEPT_PICTURES)
def _embedded(path: Path, size: int, modified: int) -> str | None:
    """See `embedded`; an OSError is raised, so that it is not kept as what the file is."""
    data = path.read_bytes()
    if not data.startswith(b"\xff\xd8") or len(data) > EMBEDDED_BYTES:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if picture is None:
            return None
        for width in (480, 320, 160):
            data = _jpeg(_at_most(picture, width))
            if len(data) <= EMBEDDED_BYTES:
                break
    return data_address(data)


def data_address(jpeg: bytes) -> str:
    """A JPEG file as a ``data:`` address, for a page that holds all it shows."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def svg_path(curve: NDArray[np.float64], lost: Sequence[float], closed: bool) -> str:
    """The curve of the scores as an SVG path over seconds and 1 - score.

    Args:
        curve: (n, 2) seconds in rising order and score 0..1; the path is broken where it is NaN.
        lost: seconds at which the picture was lost; the path is broken there too.
        closed: down to a score of 0, to be filled.
    """
    seconds, scores = curve.T
    known = np.isfinite(scores)
    breaks = np.flatnonzero(np.diff(known)) + 1
    breaks = np.union1d(breaks, np.searchsorted(seconds, np.asarray(lost, float), "right"))
    runs = []
    for run in np.split(np.arange(len(scores)), breaks.astype(int)):
        if not len(run) or not known[run[0]]:
            continue
        points = [f"{round(t, 2)} {round(1 - s, 3)}" for t, s in curve[run].tolist()]
        if closed:
            left, right = (round(float(seconds[i]), 2) for i in (run[0], run[-1]))
            points = [f"{left} 1", *points, f"{right} 1"]
        # A run of one point is a dot by its round ends.
        runs.append("M" + "L".join(points if len(points) > 1 else 2 * points))
    return "".join(runs)


def with_holes(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve, without a score where there were none for a while: no line belongs there.

    A hole is longer than `LOST_SECONDS` and than five of the steps around it, as the points of a
    long run lie far apart.

    Args:
        curve: (n, 2) seconds in rising order and score.

    Returns:
        (m, 2), each hole with a NaN beside both of its ends.
    """
    steps = np.diff(curve[:, 0])
    if not len(steps):
        return curve
    around = sliding_window_view(np.pad(steps, 4, "reflect"), 9) if len(steps) > 4 else steps[None]
    usual = np.median(around, axis=-1)
    (holes,) = np.nonzero(steps > np.maximum(LOST_SECONDS, 5 * usual))
    first, last = curve[holes, 0] + 0.01, curve[holes + 1, 0] - 0.01
    ends = np.stack((first, last), axis=1).ravel()
    unknown = np.stack((ends, np.full(len(ends), np.nan)), axis=1)
    return np.insert(curve, np.repeat(holes + 1, 2), unknown, axis=0)


def round_times(total: float, since: float = 0) -> list[float]:
    """Seconds of a run at which a clock shows a round time, few enough for the axis on a phone.

    Args:
        total: of the run.
        since: what the clock shows at second 0, in seconds.
    """
    step = next((s for s in _STEPS if total / s <= 4), _DAY * -(-total // (4 * _DAY)))
    return [float(t) for t in np.arange(-since % min(step, _DAY), 0.8 * total, step)]


def clock(seconds: float) -> str:
    """Seconds as ``hh:mm:ss``, the hours going on beyond 24."""
    minutes, second = divmod(int(max(0, seconds)), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"


def spoken(seconds: float) -> str:
    """A length of time in its two largest units, such as ``2 h 14 min``."""
    if seconds < 9.95:
        return f"{max(0, seconds):.1f} s"
    whole = round(seconds)
    for size, unit, smaller, name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            large, rest = divmod(whole, size)
            return f"{large} {unit}" + (f" {rest // smaller} {name}" if rest // smaller else "")
    return f"{whole} s"


def _at_most(picture: Picture, width: int) -> Picture:
    height, columns = picture.shape[:2]
    # A tall picture is bounded by its rows, or a strip of one column could be any size.
    share = min(1.0, width / max(columns, height))
    size = max(1, round(columns * share)), max(1, round(height * share))
    small: Picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small


def _jpeg(bgr: Picture) -> bytes:
    coded: NDArray[np.uint8] = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    return coded.tobytes()
