"""A folder that holds all of one camera: footage, models, what was told and what was marked."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mnad.config import make_plain
from mnad.errors import MnadError, UsageError
from mnad.events.event import Event
from mnad.events.log import latest, read_events
from mnad.events.store import files_below
from mnad.video.regions import Regions
from mnad.watch.options import EventTimes
from mnad.writing import write, write_json

_LOG = logging.getLogger("mnad")
SETTINGS, CURRENT, MARKS, WISH = "site.json", "current", "marks.jsonl", "relearn"
SHORTEST_LEARNING = 120.0
"""Seconds of footage, a fifth of which can just bear a threshold."""


@dataclass(frozen=True)
class Settings:
    """What a site was begun with and keeps, but for what `Site.change` sets anew.

    Args:
        height: rows of the frames as the network sees them.
        image_width: columns of those frames.
        channels: 1 (grey) or 3 (RGB).
        rate: frames per second that are looked at, about.
        false_alarms_per_hour: what the threshold is set to.
        training_minutes: how long a training may take, about.
        seed: of weights, items and order.
        regions: what is looked at, as in a file of regions; None for all.
        by_place: whether errors are measured against what is usual at their place.
        learn_seconds: normal footage to learn from.
        events: what made an event when it was watched last (`EventTimes`); None for the usual.
    """

    height: int = 160
    image_width: int = 256
    channels: int = 1
    rate: float = 10.0
    false_alarms_per_hour: float = 1.0
    training_minutes: float = 8.0
    seed: int = 0
    regions: dict[str, Any] | None = None
    by_place: bool = True
    learn_seconds: float = 900.0
    events: dict[str, float] | None = None

    def __post_init__(self) -> None:
        make_plain(self)

    @property
    def looked(self) -> Regions | None:
        """The regions themselves."""
        return None if self.regions is None else Regions.from_dict(self.regions)

    @property
    def times(self) -> EventTimes:
        """What makes an event, by which `mnad review` counts."""
        return EventTimes(**(self.events or {}))

    def instead_of(self, given: Settings) -> list[str]:
        """Names of the options given, of those off their defaults, that differ from these."""
        usual = Settings()
        asked = [f.name for f in fields(self) if getattr(given, f.name) != getattr(usual, f.name)]
        return [name for name in asked if getattr(given, name) != getattr(self, name)]

    def kept_one_in(self, most_gigabytes: float) -> int:
        """Of how many minutes of footage one is kept, so that results have room: 1 keeps all.

        Raises:
            UsageError: there is no room for what is needed at least.
        """
        frame = self.height * self.image_width * self.channels
        # What is learnt from lies there twice, and the rate is only about what was asked for.
        needed = 2 * 1.25 * self.learn_seconds * self.rate * frame / 1e9
        if needed <= most_gigabytes:
            return 1
        one_in = math.ceil(2 * needed / most_gigabytes)
        kept = self.learn_seconds / one_in
        if kept < SHORTEST_LEARNING:
            raise UsageError(
                f"the footage to learn from takes up to {needed:.1f} GB, and all may take "
                f"{most_gigabytes:g} GB: give more --most_gigabytes."
            )
        _LOG.info(
            "of %.0f minutes of footage there is room for %.0f (--most_gigabytes): one in %d is "
            "kept",
            self.learn_seconds / 60,
            kept / 60,
            one_in,
        )
        return one_in


class Site:
    """One camera's folder.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.footage = self.path / "footage"

    @property
    def model(self) -> Path | None:
        """The model that is in use; None before the first was learnt."""
        try:
            name, *_ = (self.path / CURRENT).read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return self.path / "models" / name

    @property
    def in_use_since(self) -> datetime:
        """When the model was taken into use; it is there. No score before is of it."""
        file = self.path / CURRENT
        _, *when = file.read_text().split()
        if when:
            return datetime.fromisoformat(when[0])
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)

    def settings(self, given: Settings) -> Settings:
        """The settings that the site was begun with; those given, where it is new (`begin`).

        What somebody gave and does not hold is said.

        Raises:
            MnadError: its settings are damaged.
        """
        file = self.path / SETTINGS
        if file.exists():
            known = self.known_settings()
            if other := known.instead_of(given):
                _LOG.warning(
                    "%s keeps the %s that it was begun with; begin another --out for those given "
                    "now%s.",
                    self.path,
                    ", ".join(other),
                    ", or see mnad review" if "false_alarms_per_hour" in other else "",
                )
            return known
        return given

    def begin(self, settings: Settings) -> None:
        """Keep the settings of a site that is new.

        Raises:
            MnadError: the folder cannot be written.
        """
        file = self.path / SETTINGS
        if file.exists():
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(file, asdict(settings), indent=2)
        except OSError as error:
            raise MnadError(
                f"{self.path} cannot be written ({error.strerror}): give another --out."
            ) from error

    @property
    def wants_another_model(self) -> bool:
        """Whether somebody has asked for learning anew, and it has not come to it yet."""
        return (self.path / WISH).exists()

    def want_another_model(self, wanted: bool) -> None:
        """Remember that learning anew was asked for, over restarts; or that it has been done.

        Raises:
            MnadError: the folder cannot be written.
        """
        if wanted:
            write(self.path / WISH, "")
        else:
            (self.path / WISH).unlink(missing_ok=True)

    def known_settings(self) -> Settings:
        """The settings that the site was begun with.

        Raises:
            MnadError: there are none, or they are damaged.
        """
        file = self.path / SETTINGS
        try:
            return Settings(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            raise MnadError(
                f"{self.path} has no {SETTINGS}: give the folder (--out) of a mnad watch."
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise MnadError(
                f"{file} cannot be read ({error}): give the folder (--out) of a mnad watch."
            ) from None

    def stamp(self) -> tuple[Path | None, tuple[int, ...]]:
        """Differs when another model is in use, or when its threshold was set anew.

        It lies with what is known of normal footage, of the model or of an export.
        """
        model, times = self.model, []
        for file in () if model is None else sorted(files_below(model)):
            if file.suffix == ".safetensors":
                with suppress(OSError):  # it is being replaced
                    times.append(file.stat().st_mtime_ns)
        return model, tuple(times)

    def new_model(self) -> Path:
        """A folder for the next model; what was learnt and not taken into use goes.

        A watch that is killed in a training, or when it takes in what came of it, begins anew.
        """
        models, current = self.path / "models", self.model
        for other in models.glob("*"):
            unused = current is None or other.name > current.name  # they are named by their time
            if unused or (other / "training").exists():
                shutil.rmtree(other, ignore_errors=True)
        return models / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"

    def use(self, model: Path) -> None:
        """Take a model into use, from now on; of the others only the one before is kept.

        Raises:
            MnadError: the folder cannot be written; the one before stays in use.
        """
        before = self.model
        write(self.path / CURRENT, f"{model.name}\n{datetime.now(UTC).isoformat()}\n")
        for other in (self.path / "models").iterdir():
            if other != model and other != before:
                shutil.rmtree(other, ignore_errors=True)

    def change(self, **settings: Any) -> Settings:
        """Keep other settings for the models that are learnt from now on.

        Raises:
            MnadError: they cannot be read or written.
        """
        changed = replace(self.known_settings(), **settings)
        write_json(self.path / SETTINGS, asdict(changed), indent=2)
        return changed

    def normal_events(self) -> set[str]:
        """Ids of the events that a person marked as normal."""
        return {event for event, label in self.marks().items() if label == "normal"}

    def marks(self) -> dict[str, str]:
        """What a person last said of an event, ``normal`` or ``anomaly``, by its id."""
        file = self.path / MARKS
        marks: dict[str, str] = {}
        if file.exists():
            for line in file.read_text().splitlines():
                try:
                    mark = json.loads(line)
                    marks[mark["event"]] = mark["as"]
                except (ValueError, KeyError, TypeError):
                    continue  # empty, or torn by a crash
        return marks

    def mark(self, events: Sequence[str], label: str) -> list[Event]:
        """Remember what a person says of events.

        Args:
            events: the id of each, or the beginning of it that only this one has; the beginning of
                several with a ``*`` after it, such as ``20261123T2*``.
            label: ``normal`` or ``anomaly``.

        Raises:
            UsageError: no such event, or several; then none is marked.
            MnadError: nothing was told at this site yet, or the mark cannot be written.
        """
        log = self.path / "events.jsonl"
        if not log.exists():
            raise MnadError(f"{self.path} has no events yet: give the --out of a mnad watch.")
        told, found = latest(read_events(log)), []
        for event in events:
            several = event.endswith("*")
            own = [one for one in told if one.id.startswith(event.rstrip("*"))]
            if not own or (len(own) > 1 and not several):
                raise UsageError(
                    f"{event} is the beginning of {len(own)} event ids in {log}: give the whole "
                    "id of one, or the beginning of several with a * after it."
                )
            found += [one for one in own if one not in found]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lines = [json.dumps({"event": one.id, "as": label, "at": now}) for one in found]
        try:
            with (self.path / MARKS).open("a") as file:
                # On lines of their own, even after one that is torn.
                file.write("\n" + "".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MnadError(
                f"{self.path / MARKS} cannot be written ({error.strerror}): nothing is marked."
            ) from None
        return found
