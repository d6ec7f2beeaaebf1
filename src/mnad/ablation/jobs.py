"""Several pieces of work at the same time, each in a process of its own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, TypeVar

from mnad.errors import MnadError

Work = TypeVar("Work")
Result = TypeVar("Result")


def in_processes(
    do: Callable[[Work], Result], work: Sequence[Work], jobs: int
) -> Iterator[tuple[Work, Result | MnadError]]:
    """What `do` returns of each piece of work, as they are done.

    A process that dies, as one for which there is no memory left, costs its own piece alone.
    Whoever leaves the loop ends what still runs.

    Args:
        do: a function that can be pickled, of a module and not of the script that is run.
        work: its arguments.
        jobs: how many at the same time, 1 or more.

    Yields:
        Pairs of the work and its result, or the error by which its process ended.
    """
    context = multiprocessing.get_context("spawn")  # as CUDA does not live through a fork
    waiting = deque(work)
    running: dict[Connection, tuple[SpawnProcess, Work]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                one = waiting.popleft()
                receive, send = context.Pipe(duplex=False)
                process = context.Process(target=_do, args=(do, one, send), daemon=True)
                with _without_script():
                    process.start()
                send.close()  # so that the end of the process is the end of the pipe
                running[receive] = process, one
            ended: Any = wait(list(running))
            for receive in ended:
                process, one = running.pop(receive)
                yield one, _result(receive, process)
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the script that is run from a process that is started.

    It would run it again from the top, with all that it does there, before it did its own work; and
    fail where it is no file, but came from standard input.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _result(receive: Connection, process: SpawnProcess) -> Any:
    try:
        return receive.recv()
    except EOFError:
        process.join()
        return MnadError(_ended(process.exitcode))
    finally:
        receive.close()


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        names = {one.value: one.name for one in signal.Signals}  # not of those in real time
        return (
            f"its process was ended by {names.get(-code, f'signal {-code}')}, as happens where "
            "memory runs out: run the same again, with fewer --jobs."
        )
    return f"its process ended with exit code {code}, for the reason printed above."


def _do(do: Callable[[Work], Result], work: Work, send: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(format="mnad: %(message)s")
    logging.getLogger("mnad").setLevel(logging.INFO)
    send.send(do(work))


def _end_with_parent() -> None:
    """What was started by one that was killed must not run into what its successor starts."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
