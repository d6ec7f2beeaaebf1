"""Detection in several files or folders of frames, some of them at the same time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from threading import Event

from mnad.detector import Detector
from mnad.watch.files import Detection, detect_source, failed
from mnad.watch.options import WatchOptions

_LOG = logging.getLogger("mnad")


def detect_sources(
    detector: Detector,
    sources: Sequence[tuple[Path, Path]],
    options: WatchOptions = WatchOptions(),
    at_once: int = 1,
    *,
    folder_rate: Fraction | None = None,
    progress: bool = True,
) -> list[Detection]:
    """Score sources, `at_once` at a time, each by a thread; their frames share batches.

    An error that is not of one source ends all of them, and so does Ctrl-C: their files are whole,
    up to where they were, and what came of each is told, as nobody is given it.

    Args:
        detector: the model; each source has its own window and memory.
        sources: pairs of a source and the folder for its results.
        options: what to write and whom to tell.
        at_once: sources at the same time, at least 1.
        folder_rate: frames per second of folders of images, which do not say it; None: 25.
        progress: show a progress bar for each source under way.

    Returns:
        What came of the sources, in their order.
    """
    stop = Event()
    # One at a time takes no batches, and is computed without a detour.
    shared = detector.together() if at_once > 1 < len(sources) else nullcontext(detector)
    with shared as scoring, ThreadPoolExecutor(at_once, "mnad-source") as threads:

        def detect(source: Path, out: Path) -> Detection:
            if stop.is_set():  # an error ended all before this one began
                return failed(str(source), out, f"{source} was not begun.")
            try:
                return detect_source(
                    scoring,
                    source,
                    out,
                    options,
                    folder_rate=folder_rate,
                    progress=progress,
                    stop=stop,
                )
            except BaseException:
                stop.set()  # before this thread takes the next source
                raise

        found = [threads.submit(detect, source, out) for source, out in sources]
        pending = set(found)
        try:
            while pending:
                # On Windows a wait without a limit does not hear Ctrl-C.
                done, pending = wait(pending, timeout=1.0, return_when=FIRST_EXCEPTION)
                for one in done:
                    one.result()
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            _tell_what_came(found)
            raise
    return [one.result() for one in found]


def _tell_what_came(found: Sequence[Future[Detection]]) -> None:
    for future in found:
        if not future.cancelled() and future.exception() is None:
            one = future.result()
            whole = f"{one.source}: all of its {one.frames} frames -> {one.out}"
            _LOG.warning("%s", one.error or whole)
