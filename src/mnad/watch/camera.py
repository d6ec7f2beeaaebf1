"""From a camera to alarms: learn from what it shows, then watch it, for ever."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

from mnad.config import RuntimeName
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.lock import locked
from mnad.video.address import is_live, live_name
from mnad.video.live import Gap, LiveSource, open_live
from mnad.video.played import PlayedSource
from mnad.video.source import Frame
from mnad.watch.absent import awaited
from mnad.watch.folder import REPORT
from mnad.watch.live import Wall, require_main_thread, stoppable
from mnad.watch.now import Now
from mnad.watch.options import EventTimes, WatchOptions
from mnad.watch.recording import Recording
from mnad.watch.site import SHORTEST_LEARNING, Settings, Site
from mnad.watch.status import Learning, Status
from mnad.watch.training import Training
from mnad.watch.watcher import Watcher

_LOG = logging.getLogger("mnad")
DAY_SECONDS = 86_400.0
LOOK_SECONDS = 30.0
"""Between two looks whether somebody has set another threshold."""


def watch_camera(
    site: Site,
    source: str,
    given: Settings,
    options: WatchOptions,
    *,
    learn_seconds: float | None = None,
    relearn: bool = False,
    runtime: RuntimeName = "auto",
) -> Watcher | None:
    """Learn where nothing is learnt yet, and watch until told to stop (SIGINT, SIGTERM).

    The newest footage, as much as is learnt from, is always kept. A training runs in a process of
    its own while the camera goes on being read and, with an earlier model, watched.

    Args:
        site: the camera's folder.
        source: address of a stream or camera; or a file, which is played at its own speed.
        given: settings of a new site; one that exists keeps its own.
        options: what to write and whom to tell.
        learn_seconds: footage to learn from, from now on; None: as much as the site has kept so.
        relearn: learn anew from the newest footage, and from what was marked as normal.
        runtime: what computes the scores, of every model.

    Returns:
        The watcher, closed; None if it was stopped before anything was learnt.

    Raises:
        UsageError: another process watches into this folder, so little cannot be learnt from, or
            there may not be room for so much; or this is not the main thread.
        MnadError: no first frame came, a file ended too early, the first training failed, or
            something of the results could not be written.
    """
    require_main_thread()
    if learn_seconds is not None and learn_seconds < SHORTEST_LEARNING:
        raise UsageError(
            f"learn is {learn_seconds:g} s; give {SHORTEST_LEARNING:g} s or more, as a part of it "
            "is kept back to set the threshold on."
        )
    with ExitStack() as stack:
        stack.enter_context(locked(site.path))
        settings = site.settings(given)
        if learn_seconds is not None:
            settings = replace(settings, learn_seconds=learn_seconds)
        one_in = settings.kept_one_in(options.most_gigabytes)
        # While there is no first frame there is nothing to end in order, and nothing begun.
        stream = stack.enter_context(_opened(source, settings.channels, site, options))
        site.begin(settings)
        times = None if options.times == EventTimes() else asdict(options.times)
        settings = replace(settings, events=times)
        if settings != site.known_settings():
            site.change(learn_seconds=settings.learn_seconds, events=times)
        if relearn:
            site.want_another_model(True)
        recording = Recording(site, settings, stream.rate, one_in)
        stopped = stack.enter_context(stoppable())
        run = _Run(site, settings, options, stream, recording, runtime, stopped)
        stack.callback(run.close)
        run.start()
        for item in stream:
            if stopped():
                break
            run.take(item)
        else:
            run.ended()
    if recording.lacking is not None:
        raise MnadError(f"Footage is missing: {recording.lacking}")
    return run.watcher


@contextmanager
def _opened(
    source: str, channels: int, site: Site, options: WatchOptions
) -> Iterator[LiveSource | PlayedSource]:
    def connect(quiet: bool) -> LiveSource:
        return open_live(source, channels, quiet=quiet)

    opened: LiveSource | PlayedSource
    if not is_live(source):
        opened = PlayedSource(source, channels)
    elif site.model is None:  # an address with a typo is to be told at once
        opened = connect(False)
    else:
        opened = awaited(connect, site.path, live_name(source), options.alarms)
    with opened as stream:
        yield stream


class _Run:
    """What goes on between the start and the end of watching."""

    def __init__(
        self,
        site: Site,
        settings: Settings,
        options: WatchOptions,
        stream: LiveSource | PlayedSource,
        recording: Recording,
        runtime: RuntimeName,
        stopped: Callable[[], bool],
    ) -> None:
        self.watcher: Watcher | None = None
        self._site, self._settings, self._options = site, settings, options
        self._stream, self._recording = stream, recording
        self._wall = Wall(stream, datetime.now(UTC).astimezone())
        self._runtime, self._stopped = runtime, stopped
        self._wanted = site.wants_another_model or site.model is None
        """Whether to train once there is enough footage."""
        self._training: Training | None = None
        self._has_learnt = False
        pictures = options.clips or options.overlay
        report = REPORT if (site.path / REPORT).exists() else None
        self._now = Now(site.path, stream.name, "learning", report) if pictures else None
        """What the camera shows until something is learnt."""
        self._status = Status(site.path, stream)
        self._away: tuple[Gap, float] | None = None
        self._looked = 0.0
        self._reminded = time.monotonic()
        self._stamp = site.stamp()

    def start(self) -> None:
        """Watch with the model that there is, unless another one is learnt and it is of no use.

        Raises:
            MnadError: it cannot be loaded, and nothing is learnt.
        """
        model = self._site.model
        if model is None:
            return
        try:
            detector = Detector.load(model, runtime=self._runtime)
        except MnadError as error:
            if not self._wanted:
                raise MnadError(
                    f"{error} Or learn anew from what the camera shows: mnad watch … --relearn."
                ) from error
            _LOG.error("%s It is not watched with; what is learnt now takes its place.", error)
            return
        self._begin(detector)
        _LOG.info("watching %s with the model %s", self._stream.name, model.name)
        if self._wanted and not self._recording.enough:
            _LOG.info(
                "%s: %.0f s of normal footage are recorded, and %.0f s are learnt from (--learn): "
                "learning anew begins once they are there.",
                self._stream.name,
                self._recording.seconds,
                self._settings.learn_seconds,
            )

    def _begin(self, detector: Detector) -> None:
        """Watch with a first model."""
        self.watcher = Watcher(
            detector,
            self._site.path,
            self._stream.name,
            self._stream.rate,
            self._options,
            self._wall.started_at,
        )
        self._recording.needed = False
        if self._away is not None:
            self.watcher.gap(*self._away)

    def take(self, item: Frame | Gap | None) -> None:
        """One item of the stream."""
        if isinstance(item, Frame):
            # From the start: the clock may have come right while a first model is learnt.
            clock_set = self._wall.look(item)
            if self.watcher is not None:
                if clock_set:
                    self.watcher.set_clock(self._wall.started_at)
                self.watcher.push(item)
            elif self._now is not None and self._now.due:
                self._show(self._now, item)
            self._recording.push(item, () if self.watcher is None else self.watcher.going_on)
        elif isinstance(item, Gap):
            self._recording.interrupt()
            if item.ended is not None:
                self._away = None
            elif self._away is None:
                self._away = item, time.monotonic()
            if self.watcher is not None:
                self.watcher.gap(item)
            elif self._now is not None:
                self._now.none()
        elif self.watcher is not None:
            self.watcher.idle()
        self._look_after_training()
        self._look_for_change()
        self._remind()
        recorded, needed = self._recording.seconds, self._settings.learn_seconds
        learning = Learning(recorded, needed, self._training is not None, self._away is not None)
        self._status.show(self.watcher, learning)

    def ended(self) -> None:
        """A file has come to its end: what is being learnt from it is learnt.

        Raises:
            MnadError: there was too little to learn from, or to score; or the training failed.
        """
        if self._training is None and self.watcher is None:
            recorded, needed = self._recording.seconds, self._settings.learn_seconds
            raise MnadError(
                f"{self._stream.name} ended when {recorded:.0f} s of it were recorded of the "
                f"{needed:.0f} s to learn from: give a shorter --learn."
            )
        while self._training is not None and not self._stopped():
            time.sleep(0.1)
            self.take(None)
        watcher = self.watcher
        if watcher is not None and not watcher.frames and not self._has_learnt:
            raise MnadError(watcher.unscored(self._stream.name))

    def close(self) -> None:
        """End everything; a training that runs is given up."""
        if self._training is not None:
            self._training.give_up()
        with ExitStack() as stack:
            if self.watcher is not None:
                stack.callback(self.watcher.close)
            elif self._now is not None:
                stack.callback(self._now.none)
            stack.callback(self._status.end, self.watcher)
            self._recording.flush()

    def _show(self, now: Now, frame: Frame) -> None:
        looked, picture = self._settings.looked, frame.picture
        hidden = picture if looked is None else looked.hide(picture)
        now.show(hidden, frame.index, float(frame.seconds), datetime.now(UTC).astimezone())

    def _look_after_training(self) -> None:
        training = self._training
        if training is not None:
            code = training.code
            # Who stops a service stops all of its processes: that is no failure of the training.
            if code is None or self._stopped():
                return
            self._training = None
            self._learnt(training.model, code)
        elif self._wanted and self._recording.enough:
            self._wanted = False
            self._recording.flush()
            _LOG.info("learning from %.0f s of footage", self._recording.kept)
            self._training = Training(self._site)

    def _look_for_change(self) -> None:
        """A threshold that is set while this runs, as by `mnad review`, holds from then on."""
        idle = self.watcher is not None and self._training is None
        if not idle or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        stamp, self._stamp = self._stamp, self._site.stamp()
        if stamp == self._stamp or self._site.model is None:
            return
        assert self.watcher is not None
        try:
            self.watcher.swap(Detector.load(self._site.model, runtime=self._runtime))
        except MnadError as error:
            _LOG.error("%s Until then it goes on as before.", error)
            return
        _LOG.info("read anew; the threshold is %.3f", self.watcher.threshold or float("nan"))

    def _remind(self) -> None:
        if self.watcher is not None and time.monotonic() - self._reminded >= DAY_SECONDS:
            self._reminded = time.monotonic()
            _LOG.info(
                "watched for a day: `mnad review %s` says what the threshold came to, and which "
                "one would come to what is asked for.",
                quote(str(self._site.path)),
            )

    def _learnt(self, model: Path, code: int) -> None:
        if code:
            if self.watcher is None:
                raise MnadError(
                    f"the training in {self._site.path} failed (exit code {code}, see above)."
                )
            _LOG.error("the training failed (exit code %d); the model before goes on", code)
            return
        try:
            detector = Detector.load(model, runtime=self._runtime)
            # Not before: what was scored meanwhile is of the model before (`mnad review`).
            self._site.use(model)
        except MnadError as error:
            if self.watcher is None:
                raise
            _LOG.error("%s The model before goes on.", error)
            return
        self._stamp, self._has_learnt = self._site.stamp(), True
        self._site.want_another_model(False)
        if self.watcher is None:
            self._begin(detector)
            _LOG.info("watching %s", self._stream.name)
        else:
            self.watcher.swap(detector)
            _LOG.info("watching %s with the new model %s", self._stream.name, model.name)
