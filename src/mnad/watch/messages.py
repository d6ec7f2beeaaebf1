"""What one source tells: each message to the record and to alarms, and the last of each event."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from mnad.alarms.alarms import AlarmConfig, Alarms
from mnad.closing import Closing
from mnad.events.event import Event
from mnad.events.log import EventLog, close_open, latest, read_events
from mnad.watch.folder import EVENTS, last_suffered

_LOG = logging.getLogger("mnad")
UNSEEN = {"covered", "frozen"}
"""What befalls a camera that shows nothing of the scene."""
MOST_EVENTS = 2000
"""Events of which the last message is kept, the newest ones."""


class Messages(Closing):
    """The messages of one source, those of earlier runs in its folder included.

    What a crash left open is ended at once.

    Args:
        folder: of the results; it is there.
        name: of the source, without credentials.
        alarms: whom to tell.
        live: say in the log of the program, too, what begins, and that a camera sees again.

    Raises:
        UsageError: alarms cannot be sent so.
        MnadError: the record cannot be read or written.

    Attributes:
        events: the last message of each event, of both kinds, by id.
        anomalies: that this run has told of.
        open: ids of events that go on, for as long as what they tell of is seen and is not normal
            until a person says so: anomalies, and a camera that is covered or frozen.
    """

    def __init__(self, folder: Path, name: str, alarms: AlarmConfig, live: bool) -> None:
        self._name, self._live = name, live
        record = folder / EVENTS
        earlier = read_events(record) if record.exists() else []
        self.events = {event.id: event for event in latest(earlier)[-MOST_EVENTS:]}
        self._before = frozenset(self.events)
        self.anomalies = 0
        self.open: set[str] = set()
        self._log = EventLog(record)
        self._alarms = Alarms(alarms, folder, name)
        self.tell(close_open(earlier, folder, last_suffered(folder)))

    def tell(self, events: Iterable[Event]) -> None:
        """Take in what is told now, in order."""
        for event in events:
            self.events[event.id] = event
            self.anomalies += event.kind == "anomaly" and event.phase == "start"
            if self._live:
                self._say(event)
            if event.kind == "anomaly" or event.what in UNSEEN:
                (self.open.discard if event.phase == "end" else self.open.add)(event.id)
            if len(self.events) > MOST_EVENTS:
                del self.events[next(iter(self.events))]
            # The alarm first: killed between the two, it is on disk and will be delivered.
            self._alarms.send(event)
            self._log.append(event)

    @property
    def of_this_run(self) -> list[Event]:
        """Events without those of earlier runs, whose seconds count from another start."""
        return [event for id_, event in self.events.items() if id_ not in self._before]

    @property
    def waiting(self) -> int:
        """Alarms that were not delivered yet."""
        return self._alarms.waiting

    def close(self) -> None:
        """Write and deliver what waits."""
        try:
            self._log.close()
        finally:
            self._alarms.close()

    def lost(self) -> list[str]:
        """What could not be written, for people; known when all is closed."""
        return [f"messages of {EVENTS} ({self._log.lost})"] if self._log.lost else []

    def _say(self, event: Event) -> None:
        if event.phase == "start":
            _LOG.info("%s: %s, event %s", self._name, event.what, event.id)
        elif event.phase == "end" and event.kind == "camera" and event.end != event.start:
            _LOG.info("%s: end of %s, event %s", self._name, event.what, event.id)
