"""Score the clips of a test set, alone or in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.config import NetworkConfig
from mnad.errors import MnadError
from mnad.scoring.stream import FrameParts, Scorer, Stream
from mnad.video.cache import resize
from mnad.video.source import open_source


@dataclass
class ClipScores:
    """The scored frames of one clip, n of them.

    Attributes:
        name: of the clip.
        index: frame numbers in the clip, from 0.
        psnr: dB.
        distance: NaN without memory.
        regular: scores that gate the update.
        updated: 1 where the frame moved the memory.
    """

    name: str
    index: list[int] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    regular: list[float] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)

    def add(self, parts: FrameParts) -> None:
        """Append one frame."""
        self.index.append(parts.index)
        self.psnr.append(parts.psnr)
        self.distance.append(parts.distance)
        self.regular.append(parts.regular)
        self.updated.append(int(parts.updated))


def frames_of(path: Path, network: NetworkConfig) -> Iterator[NDArray[np.uint8]]:
    """Frames (H, W, c) of a source at the size of the network, decoded as they are asked for."""
    with open_source(path, network.channels) as source:
        for frame in source:
            yield resize(frame.pixels, network.height, network.image_width)


def score_clips(
    scorer: Scorer,
    paths: Sequence[tuple[str, Path]],
    lockstep: int,
    advance: Callable[[int], object],
) -> tuple[list[ClipScores], dict[str, str]]:
    """Score clips, `lockstep` at a time.

    Args:
        scorer: its policy ``carried`` hands the memory from clip to clip, in order.
        paths: name and source of each clip.
        lockstep: clips scored side by side, at least 1; 1 under ``carried``.
        advance: told the number of frames done since the last call.

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
            running.append(_Run(name, path, scorer, scorer.open(last)))
        for run in running:
            run.read()
        for run in [r for r in running if r.pixels is None]:
            running.remove(run)
            last = run.stream
            try:
                scored[run.name] = run.finish()
            except MnadError as error:
                failed[run.name] = str(error)
        if running:
            parts = scorer.push([r.stream for r in running], [r.current for r in running])
            for run, part in zip(running, parts, strict=True):
                if part is not None:
                    run.scores.add(part)
            advance(len(running))
    return [scored[name] for name, _ in paths if name in scored], failed


class _Run:
    """A clip under way: its frames, its stream, what came of it so far."""

    def __init__(self, name: str, path: Path, scorer: Scorer, stream: Stream) -> None:
        self.name, self.stream = name, stream
        self.scores = ClipScores(name)
        self.pixels: NDArray[np.uint8] | None = None
        self._network = scorer.network.config
        self._frames = frames_of(path, self._network)
        self._error: MnadError | None = None

    @property
    def current(self) -> NDArray[np.uint8]:
        assert self.pixels is not None
        return self.pixels

    def read(self) -> None:
        """Take the next frame; `pixels` is None at the end and at an error."""
        try:
            self.pixels = next(self._frames, None)
        except MnadError as error:
            self._error, self.pixels = error, None

    def finish(self) -> ClipScores:
        if self._error is not None:
            raise self._error
        if not self.scores.index:
            raise MnadError(
                f"clip {self.name} has {self.stream.pushed} frame(s), fewer than the "
                f"{self._network.window} that the model's window spans; leave it out."
            )
        return self.scores
