"""What is held back of other libraries comes back, whatever threads do at the same time."""

from __future__ import annotations

import logging
import sys
import threading
import warnings

from mnad.runtime.quiet import quiet


def test_two_threads_leave_the_output_as_it_was() -> None:
    """A program that loads two models at once was left without its standard output, for good."""
    before = sys.stdout, list(warnings.filters), logging.getLogger("loud").level
    inside, first_ended = threading.Event(), threading.Event()

    def second() -> None:
        with quiet("loud"):
            inside.set()
            first_ended.wait(30)

    thread = threading.Thread(target=second)
    with quiet("loud"):
        thread.start()
        inside.wait(0.5)  # it must not come in before this one has gone
    first_ended.set()
    thread.join(30)
    assert inside.is_set() and not thread.is_alive()
    assert (sys.stdout, list(warnings.filters), logging.getLogger("loud").level) == before


def test_it_may_be_asked_for_within_itself() -> None:
    out = sys.stdout
    with quiet("loud"), quiet("loud"):
        assert sys.stdout is not out
    assert sys.stdout is out
