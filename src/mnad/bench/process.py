"""A process that is asked over pipes: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mnad.bench.machine import peak_mib
from mnad.closing import Closing
from mnad.errors import MnadError

Json = dict[str, Any]
Answer = Callable[[Json], Json]


class Worker(Closing):
    """The asking side; use it in a ``with`` block.

    Args:
        command: starts a process that calls `serve`.
        name: for messages.
        spec: its first line.
        threads: of its engines; None for their own choice.

    Raises:
        MnadError: it could not do what `spec` says.
    """

    def __init__(
        self, command: Sequence[str], name: str, spec: Json, threads: int | None = None
    ) -> None:
        self.name = name
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        more = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, **more},
        )
        try:
            self.ask(spec)
        except BaseException:
            self.close()
            raise

    def ask(self, request: Json) -> Json:
        """Send a request and wait for the answer.

        Raises:
            MnadError: it failed, or the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise MnadError(f"{self.name} ended before its time{self._reason()}.")
        answer: Json = json.loads(line)
        if "error" in answer:
            raise MnadError(f"{self.name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _reason(self) -> str:
        code = self._process.wait()
        if code == -9:
            return " (killed; the machine may be out of memory: measure fewer rows)"
        self._said.seek(0)
        last = ([line for line in self._said.read().splitlines() if line.strip()] or [""])[-1]
        return f" (exit code {code}{': ' * bool(last)}{last})"


def serve(make: Callable[[Json], Answer]) -> None:
    """The answering side; ends when the pipe does.

    Args:
        make: given the first line; what it returns answers the others. Every answer also has
            ``peak_mib``, the memory that the process took up to then.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print must not look like an answer
    answer: Answer | None = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if answer is None:
                answer, said = make(request), {}
            else:
                said = answer(request)
            said["peak_mib"] = peak_mib()
        except MnadError as error:
            said = {"error": str(error)}
        except Exception as error:  # a row that fails must not end the others
            traceback.print_exc()
            said = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(said) + "\n")
        answers.flush()
