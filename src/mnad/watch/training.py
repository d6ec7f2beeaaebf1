"""A training beside the watching."""

from __future__ import annotations

import subprocess

from mnad.process import command_of
from mnad.watch.site import Site


class Training:
    """`mnad.watch.learn` in a process of its own, which ends with this one, even by a kill.

    Args:
        site: what is learnt from.

    Attributes:
        model: the folder that the model is written to.
    """

    def __init__(self, site: Site) -> None:
        self.model = site.new_model()
        self._process = subprocess.Popen(
            [*command_of("mnad.watch.learn"), str(site.path), str(self.model)],
            stdin=subprocess.PIPE,  # by whose end it hears of that
        )

    @property
    def code(self) -> int | None:
        """Its exit code; None while it goes on."""
        return self._process.poll()

    def give_up(self) -> None:
        """End it, if it has not come to its end."""
        if self.code is None:
            self._process.terminate()
            self._process.wait()
