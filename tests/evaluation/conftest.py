from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mnad


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and the folder it was trained on."""
    import cv2
    from footage import TINY, moving_square

    root = tmp_path_factory.mktemp("evaluation")
    for number, part in enumerate(("training/a", "testing/c", "testing/d", "testing/e")):
        folder = root / "data" / part
        folder.mkdir(parents=True)
        clip = moving_square(16, seed=number)
        if number in (1, 2):
            clip[9:, 20:30, 4:14] = 0
            np.save(folder.with_suffix(".npy"), (np.arange(16) >= 9).astype(np.uint8))
        elif number == 3:
            folder.with_suffix(".csv").write_text("first,last\n")
        for t, frame in enumerate(clip):
            cv2.imwrite(str(folder / f"{t}.png"), frame)
    options = {**TINY, "width": 0.1, "epochs": 20}
    mnad.train(str(root / "data"), out=root / "model", preset="official", **options)
    return root / "model", root / "data"
