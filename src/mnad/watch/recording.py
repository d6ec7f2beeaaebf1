"""What is recorded of a stream, so that it can be learnt from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from fractions import Fraction
from functools import partial

from mnad.errors import MnadError
from mnad.video.fit import fit
from mnad.video.source import Frame
from mnad.video.thin import Breaks, Thin
from mnad.watch.footage import Footage
from mnad.watch.site import Settings, Site

_LOG = logging.getLogger("mnad")


class Recording:
    """Keeps the newest footage of a site, at the size and the rate of its network.

    Args:
        site: the camera's folder.
        settings: of the site.
        rate: frames per second of the stream; None where it is unknown.
        one_in: see `Footage`.

    Raises:
        MnadError: see `Footage`; later on, that something cannot be written while it is `needed`.

    Attributes:
        needed: whether there is nothing else to watch by. What cannot be written is only told of,
            otherwise, and the watching goes on.
        lacking: why the newest footage that is missing could not be written.
    """

    def __init__(self, site: Site, settings: Settings, rate: Fraction | None, one_in: int) -> None:
        self.needed = True
        self.lacking: MnadError | None = None
        self._settings = settings
        self._footage = Footage(site.footage, settings.learn_seconds, one_in)
        self._thin, self._breaks = Thin(rate, settings.rate), Breaks()

    @property
    def seconds(self) -> float:
        """The span of what is recorded."""
        return self._footage.seconds

    @property
    def kept(self) -> float:
        """Seconds of it that there are."""
        return self._footage.kept

    @property
    def enough(self) -> bool:
        """Whether there is as much of it as is to be learnt from."""
        return self.seconds >= self._settings.learn_seconds - 1

    def push(self, frame: Frame, events: Collection[str]) -> None:
        """Take in the next frame, and the anomalies that go on in it."""
        if not self._thin.takes(frame.seconds):
            return
        if self._breaks.before(frame.seconds):
            self.interrupt()
        settings, looked = self._settings, self._settings.looked
        pixels = frame.pixels if looked is None else looked.crop_of(frame.pixels)
        small = fit(pixels, settings.height, settings.image_width, settings.channels)
        self._keep(partial(self._footage.push, small, float(frame.seconds), events))

    def interrupt(self) -> None:
        """There is a gap: what comes now does not follow on what came."""
        self._keep(self._footage.interrupt)

    def flush(self) -> None:
        """Write what is in memory."""
        self._keep(self._footage.flush)

    def _keep(self, change: Callable[[], None]) -> None:
        try:
            change()
        except MnadError as error:
            if self.needed:
                raise
            if str(error) != str(self.lacking):
                _LOG.error("%s", error)
            self.lacking = error
