"""Other people's libraries kept from talking, to the terminal and over the network."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, cast

# What is put aside belongs to the whole process: of two threads that overlap, the second would put
# back what it found, which is the first one's.
_ONE_AT_A_TIME = threading.RLock()


def without_telemetry() -> None:
    """Keep OpenVINO and NNCF from reporting their use to their makers; before they are imported.

    They would by default, and what looks through a camera has nobody to report to.
    """
    cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)


@contextlib.contextmanager
def quiet(name: str) -> Iterator[None]:
    """Hold back what a library prints for its developers.

    Args:
        name: of its logger; errors are still logged.
    """
    logger = logging.getLogger(name)
    with _ONE_AT_A_TIME:
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
        finally:
            logger.setLevel(level)
