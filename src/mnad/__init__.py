"""Memory-guided video anomaly detection (MNAD, CVPR 2020, arXiv 2003.13228).

Example:
    >>> import mnad
    >>> mnad.train("ped2:data/ped2", out="models/ped2", width=0.25)
    >>> detector = mnad.Detector.load("models/ped2")
    >>> scores = detector.score(frames)  # (T, H, W, 3) uint8
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mnad.errors import MnadError, UsageError

if TYPE_CHECKING:
    from mnad.api import (
        ablate,
        calibrate,
        check_data,
        copy_model,
        detect,
        evaluate,
        export,
        figures,
        import_checkpoint,
        info,
        list_models,
        mark,
        prepare_data,
        review,
        score_file,
        train,
    )
    from mnad.detector import Detector

# Before torch is imported. By default its threads wait for each other by spinning for long, and as
# soon as another process wants a core too a training step took 3.7 s instead of 0.05 s; spinning
# briefly before sleeping (this count) gave 0.11 s there and cost nothing on an idle machine.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
__all__ = [
    "Detector",
    "MnadError",
    "UsageError",
    "__version__",
    "ablate",
    "calibrate",
    "check_data",
    "copy_model",
    "detect",
    "evaluate",
    "export",
    "figures",
    "import_checkpoint",
    "info",
    "list_models",
    "mark",
    "prepare_data",
    "review",
    "score_file",
    "train",
]

if not TYPE_CHECKING:  # to which any name would be one of ours

    def __getattr__(name: str) -> object:
        # torch takes seconds to import; whoever only asks for the version or the help shall not
        # wait.
        if name == "Detector":
            from mnad.detector import Detector

            return Detector
        if name in __all__:
            from mnad import api

            return getattr(api, name)
        raise AttributeError(f"module 'mnad' has no attribute {name!r}")

    def __dir__() -> list[str]:
        # What is not imported yet would be missing where a notebook completes a name.
        return sorted({*globals(), *__all__})
