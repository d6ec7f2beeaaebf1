"""Score the clips of a test set, alone or in lockstep."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnad.config import NetworkConfig
from mnad.datasets.clip import Dataset
from mnad.errors import MnadError
from mnad.models.folder import Model
from mnad.scoring.stream import FrameParts, Scorer, Stream
from mnad.video.ahead import ahead
from mnad.video.fit import resize
from mnad.video.regions import Regions
from mnad.video.source import Frame, Source, open_source
from mnad.video.thin import thinned

Look = Callable[[str, int, FrameParts], object]
"""Told of each scored frame as it comes: name of its clip, its number there from 0, its parts."""


@dataclass
class ClipScores:
    """The scored frames of one clip, n of them.

    Attributes:
        name: of the clip.
        index: frame numbers in the clip, from 0.
        seconds: since the start of the clip.
        psnr: dB.
        distance: NaN without memory.
        regular: scores that gate the update.
        peak: error of the most unusual block (`mnad.scoring.peaks`); NaN without blocks.
        updated: 1 where the frame moved the memory.
    """

    name: str
    index: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    regular: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)

    def add(self, parts: FrameParts, frame: Taken) -> None:
        """Append one frame."""
        self.index.append(frame.number)
        self.seconds.append(frame.seconds)
        self.psnr.append(parts.psnr)
        self.distance.append(parts.distance)
        self.regular.append(parts.regular)
        self.peak.append(parts.peak)
        self.updated.append(int(parts.updated))


class Taken(NamedTuple):
    """A frame as the network takes it.

    Attributes:
        number: of the frame in its clip, from 0.
        seconds: since the start of the clip.
        pixels: (H, W, c) uint8 at the size of the network.
    """

    number: int
    seconds: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Intake:
    """How frames of clips become what a model takes.

    Attributes:
        network: its size and channels.
        clip_rate: frames per second of clips that do not say it, folders of images and arrays;
            None: 25. Videos go by their own time, as in training, calibration and detection, also
            where a known data set was re-packed at another rate.
        rate: frames per second to take; None for all.
        regions: whose crop is cut out.
        damaged: image files in whose place the frame before is shown.
    """

    network: NetworkConfig
    clip_rate: float | None = None
    rate: float | None = None
    regions: Regions | None = None
    damaged: Collection[Path] = ()

    @classmethod
    def of_model(cls, model: Model, dataset: Dataset) -> Intake:
        """As a model takes the clips of a data set."""
        config = model.config
        return cls(config.network, dataset.rate, config.rate, model.regions, dataset.damaged)

    def frames(self, path: Path) -> Iterator[Taken]:
        """The frames of a source, decoded as they are asked for."""
        with self._open(path) as source, ahead(taken for _, taken in self._of(source)) as frames:
            yield from frames

    def pictured(self, path: Path) -> Iterator[tuple[Frame, Taken]]:
        """The same frames, each with the decoded one that it was made of."""
        with self._open(path) as source:
            yield from self._of(source)

    def _open(self, path: Path) -> Source:
        rate = None if self.clip_rate is None else Fraction(self.clip_rate)
        return open_source(path, self.network.channels, rate, self.damaged)

    def _of(self, source: Source) -> Iterator[tuple[Frame, Taken]]:
        for frame in thinned(source, self.rate):
            pixels = frame.pixels
            if self.regions is not None:
                pixels = self.regions.crop_of(pixels)
            sized = resize(pixels, self.network.height, self.network.image_width)
            yield frame, Taken(frame.index, float(frame.seconds), sized)


def score_clips(
    scorer: Scorer,
    intake: Intake,
    paths: Sequence[tuple[str, Path]],
    lockstep: int,
    advance: Callable[[int], object],
    look: Look | None = None,
) -> tuple[list[ClipScores], dict[str, str]]:
    """Score clips, `lockstep` at a time.

    Args:
        scorer: its policy ``carried`` hands the memory from clip to clip, in order, past those that
            fail.
        intake: how their frames are taken.
        paths: name and source of each clip.
        lockstep: clips scored side by side, at least 1; 1 under ``carried``.
        advance: told the number of frames done since the last call.
        look: told of each scored frame; an `MnadError` of it fails the clip.

    Returns:
        The scores in the order of the clips, and for each clip that could not be scored the
        sentence that says why.
    """
    scored: dict[str, ClipScores] = {}
    failed: dict[str, str] = {}
    last: Stream | None = None
    waiting = list(paths)
    running: list[_Run] = []
    while waiting or running:
        while waiting and len(running) < lockstep:
            name, path = waiting.pop(0)
            running.append(_Run(name, intake.frames(path), scorer, scorer.open(last), look))
        for run in running:
            run.read()
        for run in [r for r in running if r.taken is None]:
            running.remove(run)
            try:
                scored[run.name] = run.finish()
                last = run.stream  # of a clip that failed no number tells how it moved the memory
            except MnadError as error:
                failed[run.name] = str(error)
        if running:
            parts = scorer.push([r.stream for r in running], [r.current for r in running])
            for run, part in zip(running, parts, strict=True):
                if part is not None:
                    run.add(part)
            advance(len(running))
    return [scored[name] for name, _ in paths if name in scored], failed


class _Run:
    """A clip under way: its frames, its stream, what came of it so far."""

    def __init__(
        self,
        name: str,
        frames: Iterator[Taken],
        scorer: Scorer,
        stream: Stream,
        look: Look | None,
    ) -> None:
        self.name, self.stream, self._look = name, stream, look
        self.scores = ClipScores(name)
        self.taken: Taken | None = None
        self._network = scorer.runtime.network
        self._frames = frames
        self._seen: deque[Taken] = deque(maxlen=self._network.window)
        self._error: MnadError | None = None

    @property
    def current(self) -> NDArray[np.uint8]:
        assert self.taken is not None
        return self.taken.pixels

    def read(self) -> None:
        """Take the next frame; `taken` is None at the end and at an error."""
        self.taken = None
        if self._error is not None:
            return
        try:
            self.taken = next(self._frames, None)
        except MnadError as error:
            self._error = error
        if self.taken is not None:
            self._seen.append(self.taken)

    def add(self, parts: FrameParts) -> None:
        """Keep the scores of the frame of the window that they belong to."""
        frame = self._seen[parts.index - self.stream.pushed]
        self.scores.add(parts, frame)
        if self._look is not None:
            try:
                self._look(self.name, frame.number, parts)
            except MnadError as error:
                self._error = error

    def finish(self) -> ClipScores:
        if self._error is not None:
            raise self._error
        if not self.scores.index:
            raise MnadError(
                f"clip {self.name} has {self.stream.pushed} frame(s), fewer than the "
                f"{self._network.window} that the model's window spans; leave it out."
            )
        return self.scores
