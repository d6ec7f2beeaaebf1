"""torch as nobody has changed it, where weights are made and graphs are traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def usual_torch() -> Iterator[None]:
    """Gradients, no autocast, and fp32 where no type is said, whatever a program has set.

    A notebook that scores has switched off gradients for all of torch, without which no step can
    be taken; in another type or under autocast the same seed would come to another model, and the
    graph of a model to one that no engine computes.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            # Nothing cached: what an autocast within these keeps of the weights in bf16 would be
            # thrown away where the outermost one ends only, and all steps take those of the first.
            torch.autocast("cpu", enabled=False, cache_enabled=False),
            torch.autocast("cuda", enabled=False, cache_enabled=False),
        ):
            yield
    finally:
        torch.set_default_dtype(before)
