"""The PSNR of results that were made before, of a model with a score for cameras or without."""

from __future__ import annotations

import pytest
from psnr_of_results import numbers


@pytest.mark.parametrize(("camera", "auc"), [([0.1, 0.2, 0.3], 1.0), (None, None)])
def test_the_row_of_a_result_by_hand(camera: list[float] | None, auc: float | None) -> None:
    detail = {"a": {"label": [0, 1, 1], "psnr": [30.0, 20.0, 40.0], "camera": camera}}
    assert numbers({"frames_detail": detail}) == {
        "psnr_normal": 30.0,
        "psnr_abnormal": 30.0,
        "per_clip": 0.5,
        "per_clip_both_kinds": 0.5,
        "causal": 0.5,
        "macro": 0.5,
        "camera_causal": auc,
    }
