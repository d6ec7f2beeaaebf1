"""What a model knows of normal footage, in one file, so that it is never half new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mnad.calibration.rate import USUAL, Threshold
from mnad.calibration.result import Calibration
from mnad.camera.view import View
from mnad.errors import MnadError
from mnad.events.machine import EventConfig
from mnad.scoring.light import Span
from mnad.scoring.reference import Reference
from mnad.writing import write

NORMAL = "normal.safetensors"

_REFERENCE = (
    "psnr",
    "distance",
    "peak",
    "block",
    "usual",
    "by_place",
    "error_peak",
    "level",
    "floor",
)
_PAIRS = ("interval", "ahead")
_NUMBERS = {"block": int, "by_place": bool, "error_peak": float, "floor": float}


class Normal(NamedTuple):
    """What is known of normal footage.

    Attributes:
        reference: parts of normal frames, or None.
        calibration: threshold and view, or None.
        known: fingerprints (n,) uint64 of frames that were trained on.
    """

    reference: Reference | None
    calibration: Calibration | None
    known: NDArray[np.uint64]


def normal_to_bytes(normal: Normal) -> bytes:
    """The content of the file."""
    arrays: dict[str, NDArray[Any]] = {"known": normal.known}
    facts: dict[str, Any] = {}
    if normal.reference is not None:
        arrays |= {name: np.atleast_1d(getattr(normal.reference, name)) for name in _REFERENCE}
        if normal.reference.light is not None:
            arrays["light"] = np.array(normal.reference.light, np.float64)
        if normal.reference.noise is not None:
            arrays["noise"] = np.array([normal.reference.noise], np.float64)
        if normal.reference.weight != 1:
            arrays["weight"] = np.array([normal.reference.weight], np.float64)
    if normal.calibration is not None:
        calibration = normal.calibration
        arrays["score"] = calibration.score
        if calibration.view is not None:
            arrays |= {f"view.{name}": part for name, part in calibration.view.as_arrays().items()}
        facts = {
            "threshold": asdict(calibration.threshold),
            "rate": calibration.rate,
            "frames": calibration.frames,
            "sources": calibration.sources,
            "trained_on": calibration.trained_on,
            "events": asdict(calibration.events),
        }
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # In one entry: of several, safetensors writes now this one first and now that.
    return save(whole, {"calibration": json.dumps(facts | {"sha256": _digest(whole, facts)})})


def _digest(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> str:
    """SHA-256 of all that is in the file: a bit that flips leaves numbers, but other ones."""
    digest = hashlib.sha256(json.dumps(facts).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def save_normal_file(file: Path, normal: Normal) -> None:
    """Write the file, beside and renamed.

    Raises:
        MnadError: it cannot be written.
    """
    write(file, normal_to_bytes(normal))


def load_normal(file: Path) -> Normal:
    """Read the file.

    Raises:
        MnadError: it is damaged.
    """
    try:
        with safe_open(file, "numpy") as opened:
            # Named one by one, as a safetensors file is no dictionary.
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            facts = json.loads((opened.metadata() or {}).get("calibration", "{}"))
        # Files of before 2026-12 do not say it.
        if facts.pop("sha256", None) not in (None, _digest(arrays, facts)):
            raise ValueError("it is not what was written")
        # A calibration is of no use without the reference that scores rest on.
        reference = _reference(arrays) if facts or "psnr" in arrays else None
        return Normal(reference, _calibration(arrays, facts) if facts else None, arrays["known"])
    except (SafetensorError, OSError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise MnadError(
            f"{file} is damaged ({type(error).__name__}: {error}); copy the model folder again."
        ) from None


def _reference(arrays: Mapping[str, NDArray[Any]]) -> Reference:
    values = {name: arrays[name] for name in _REFERENCE}
    numbers = {name: kind(values[name][0]) for name, kind in _NUMBERS.items()}
    light = None
    if "light" in arrays:
        low, high = arrays["light"].tolist()
        light = Span(tuple(low), tuple(high))
    noise = float(arrays["noise"][0]) if "noise" in arrays else None
    weight = float(arrays["weight"][0]) if "weight" in arrays else 1.0
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight of the worst place is {weight}")
    if weight < 1:
        _require_numbers("distance", values["distance"], 1)
    for name, axes in (("psnr", 1), ("peak", 1), ("level", 2), ("usual", values["usual"].ndim)):
        _require_numbers(name, values[name], axes)
    for name in ("block", "floor"):
        _require_above_0(name, numbers[name])
    return Reference(**{**values, **numbers}, light=light, noise=noise, weight=weight)


def _calibration(arrays: Mapping[str, NDArray[Any]], facts: dict[str, Any]) -> Calibration:
    pairs = {n: v if v is None else tuple(v) for n, v in facts["threshold"].items() if n in _PAIRS}
    view = {name[5:]: part for name, part in arrays.items() if name.startswith("view.")}
    threshold = Threshold(**{**facts["threshold"], **pairs})
    # By a threshold that is no number nothing is ever told, and nobody would see why.
    if not 0 <= threshold.score <= 1:
        raise ValueError(f"the threshold is {threshold.score}")
    _require_above_0("hours", threshold.hours)
    _require_above_0("rate", facts["rate"])
    _require_numbers("score", arrays["score"], 1)
    return Calibration(
        threshold=threshold,
        rate=facts["rate"],
        frames=facts["frames"],
        sources=tuple(facts["sources"]),
        trained_on=facts["trained_on"],
        score=arrays["score"],
        view=View.from_arrays(view) if view else None,
        # Older files do not say it, which are of the usual but for those of some sites.
        events=EventConfig(**facts["events"]) if "events" in facts else USUAL,
    )


def _require_numbers(name: str, array: NDArray[Any], axes: int) -> None:
    if array.ndim != axes or array.size == 0 or np.isnan(array).any():
        raise ValueError(f"{name} of the shape {array.shape} lacks numbers")


def _require_above_0(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value}")
