"""Alarms as a command that is run: without a shell, with a time limit."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from mnad.alarms.channel import Message, NotNow

log = logging.getLogger("mnad")

_VARIABLES = ("phase", "kind", "what", "source", "peak_score")
_LOGGED_BYTES = 4000


class Command:
    """A channel of the outbox: run a command, delivered when it ends with exit code 0.

    The message comes as JSON on its standard input (the fields of `mnad.events.event.Event` and
    ``key``) and in short in the environment: MNAD_KEY, MNAD_EVENT (the id), MNAD_PHASE, MNAD_KIND,
    MNAD_WHAT, MNAD_SOURCE, MNAD_PEAK_SCORE, and MNAD_FOLDER, where paths in the message start.
    What it prints goes to the log at level debug.

    Args:
        arguments: the program and its arguments.
        folder: of the results.
        limit: seconds; a command that runs longer is killed together with its children.
    """

    name = "command"
    tries: int | None = 3

    def __init__(self, arguments: Sequence[str], folder: Path, limit: float = 30) -> None:
        self._arguments = list(arguments)
        self._folder = folder
        self._limit = limit
        self._running: subprocess.Popen[bytes] | None = None
        self._closing = False

    def deliver(self, message: Message) -> None:
        """Run the command for a message; see `mnad.alarms.channel.Channel`."""
        # Arguments may hold credentials; the program's name does not.
        program = Path(self._arguments[0]).name
        try:
            # A file, not a pipe: a child left in the background may hold it open for ever.
            with tempfile.TemporaryFile() if log.isEnabledFor(logging.DEBUG) else _null() as out:
                try:
                    code = self._run(message, out)
                finally:
                    _log_output(program, out)
        except OSError as error:
            raise NotNow(f"{program} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            raise NotNow(f"{program} was killed after {self._limit:g} s") from None
        if code:
            raise NotNow(f"{program} ended with exit code {code}")

    def _run(self, message: Message, out: IO[bytes]) -> int:
        payload = message.payload
        environment = {
            **os.environ,
            **{f"MNAD_{name.upper()}": str(payload.get(name, "")) for name in _VARIABLES},
            "MNAD_EVENT": str(payload.get("id", "")),
            "MNAD_KEY": message.key,
            "MNAD_FOLDER": str(self._folder.absolute()),
        }
        with subprocess.Popen(
            self._arguments,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        ) as process:
            self._running = process
            try:
                # Otherwise `close` may have come between the start and the line above.
                if not self._closing:
                    process.communicate(json.dumps(payload).encode(), timeout=self._limit)
            finally:
                self._running = None
                _kill(process)
        return process.returncode

    def close(self) -> None:
        """Kill a command that is still running."""
        self._closing = True
        if (process := self._running) is not None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that has not ended, and its children; they share its process group."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _null() -> IO[bytes]:
    return open(os.devnull, "r+b", buffering=0)


def _log_output(program: str, out: IO[bytes]) -> None:
    out.seek(0)
    if text := out.read(_LOGGED_BYTES).decode(errors="replace").strip():
        log.debug("%s says: %s", program, text)
