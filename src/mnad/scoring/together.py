"""Streams that are pushed from several threads, and scored together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mnad.closing import Closing
from mnad.errors import UsageError
from mnad.scoring.stream import FrameParts, Scorer, Stream


@dataclass(frozen=True)
class _Request:
    """What one call of `Together.push` was given, and the place of its answer."""

    streams: Sequence[Stream]
    frames: Sequence[NDArray[np.uint8]]
    answer: Future[list[FrameParts | None]] = field(default_factory=Future)


class Together(Closing):
    """A scorer's face, whose `push` may be called from several threads, each with its own streams.

    While a batch is computed, what comes in waits, and all that waits is the next batch. So nobody
    waits for a stream that is slow to come, and a batch is as large as the number of threads at
    most. A frame's numbers differ from those of a batch of its own by rounding, about 1e-6.

    Use it in a ``with`` block that ends after the threads.

    Args:
        scorer: what scores the batches; nothing else may, meanwhile.
    """

    def __init__(self, scorer: Scorer | Together) -> None:
        self._scorer = scorer
        self._waiting: deque[_Request] = deque()
        # Always the same thread: engines keep what they prepare for a shape for each thread anew.
        self._engine = ThreadPoolExecutor(1, "mnad-together")

    def open(self, after: Stream | None = None) -> Stream:
        """See `Scorer.open`."""
        return self._scorer.open(after)

    def push(
        self, streams: Sequence[Stream], frames: Sequence[NDArray[np.uint8]]
    ) -> list[FrameParts | None]:
        """See `Scorer.push`; the errors (H, W) lie on the CPU.

        Whatever goes wrong in a batch is raised to all whose frames are in it.
        """
        request = _Request(streams, frames)
        self._waiting.append(request)
        try:
            self._engine.submit(self._score_waiting)
        except RuntimeError:
            raise UsageError(
                "the `with` block of together() has ended, and its streams with it: push within it."
            ) from None
        return request.answer.result()

    def push_run(
        self, stream: Stream, frames: Sequence[NDArray[np.uint8]]
    ) -> list[FrameParts | None]:
        """See `Scorer.push_run`; what other threads push meanwhile shares the batches."""
        return [self.push([stream], [frame])[0] for frame in frames]

    def close(self) -> None:
        """End the thread."""
        self._engine.shutdown()

    def _score_waiting(self) -> None:
        batch: list[_Request] = []
        while self._waiting:  # only this thread takes any out
            batch.append(self._waiting.popleft())
        if not batch:  # scored with an earlier one
            return
        try:
            found = self._scorer.push(
                [stream for request in batch for stream in request.streams],
                [frame for request in batch for frame in request.frames],
            )
            # Left on a GPU, each thread would fetch its own only after the next batch.
            parts = iter(
                [p and replace(p, error=p.error.cpu(), measured=p.measured.cpu()) for p in found]
            )
        except BaseException as error:  # raised anew by whoever waits for it
            for request in batch:
                request.answer.set_exception(error)
            return
        for request in batch:
            request.answer.set_result([next(parts) for _ in request.streams])
