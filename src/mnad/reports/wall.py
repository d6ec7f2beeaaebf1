"""What the clock on the wall showed at the seconds of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from mnad.events.event import Event

_QUARTER, _DAY = 900, 86_400


class Wall:
    """Wall-clock time of the seconds of a run, with the date where it spans several.

    A run of months may see daylight saving begin or end. What began by the clock of this machine is
    shown by it; of another time zone only the offset at the start is known.

    Args:
        start: second 0, with its time zone; None where it is not known.
        total: seconds of the run.

    Attributes:
        since: seconds of the day at the start; 0 if it is not known.
        milliseconds: the start as the clock shows it, since 1970; None if it is not known.
        shifts: seconds at which the clock is put forward or back, and the milliseconds by which it
            then differs from the start.
    """

    def __init__(self, start: datetime | None, total: float) -> None:
        self.start = start
        self.dated = False
        self.since = 0.0
        self.milliseconds: int | None = None
        self.shifts: list[tuple[int, int]] = []
        if self.start is not None:
            self._own = self.start.utcoffset() == self.start.astimezone().utcoffset()
            self.dated = self._moment(total).date() != self.start.date()
            local = self.start.replace(tzinfo=UTC)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            self.since = (local - midnight).total_seconds()
            self.milliseconds = round(local.timestamp() * 1000)
            self.shifts = list(self._shifts(total)) if self._own else []

    def _shifts(self, total: float) -> Iterator[tuple[int, int]]:
        # It is put forward and back at a full quarter of an hour of the clock.
        assert self.start is not None
        first = int(-self.start.timestamp() % _QUARTER)
        usual = before = self._offset(0)
        for day in range(first, int(total) + 1, _DAY):
            if self._offset(day + _DAY) == before:
                continue
            for seconds in range(day, min(day + _DAY, int(total)) + 1, _QUARTER):
                if (offset := self._offset(seconds)) != before:
                    yield seconds, round((offset - usual).total_seconds() * 1000)
                    before = offset

    def _offset(self, seconds: float) -> timedelta:
        return self._moment(seconds).utcoffset() or timedelta(0)

    def _moment(self, seconds: float) -> datetime:
        assert self.start is not None
        return self._zoned(self.start.astimezone(UTC) + timedelta(seconds=seconds))

    def _zoned(self, when: datetime) -> datetime:
        assert self.start is not None
        return when.astimezone(None if self._own else self.start.tzinfo)

    def _text(self, when: datetime) -> str:
        return when.strftime("%Y-%m-%d %H:%M:%S" if self.dated else "%H:%M:%S")

    def at(self, seconds: float) -> str:
        """Empty where it is not known."""
        return "" if self.start is None else self._text(self._moment(seconds))

    def of(self, event: Event) -> str:
        """When the event began: as it says itself, as a stream's own clock may drift."""
        if event.at is None or self.start is None:
            return self.at(event.start)
        when = datetime.fromisoformat(event.at)
        return self._text(self._zoned(when) if when.tzinfo else when)
