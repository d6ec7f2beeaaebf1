"""What the PSNR alone tells in evaluations that were made before, of which every frame is kept.

    python benchmarks/psnr_of_results.py RESULT … [--json FILE]

RESULT is what ``mnad evaluate --json`` writes, or ``MODEL/tests/carried.json`` of ``mnad ablate``.
Of each: the mean PSNR of normal and of abnormal frames in dB, the AUC of the PSNR by per-clip
min-max over all clips and over those alone that have frames of both kinds, its causal AUC (the PSNR
of all clips pooled as it is), and the mean of the clips' own; and of the score for cameras, where
there is one, the causal AUC. Nothing is scored again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from script import run

from mnad.metrics.frame import causal_micro, macro, per_clip_minmax_micro
from mnad.writing import require_folder

Values = dict[str, NDArray[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.json:
        require_folder(given.json)
    found = {str(file): numbers(json.loads(file.read_text())) for file in given.results}
    for name, row in found.items():
        told = (f"{key} {value:.4g}" for key, value in row.items() if value is not None)
        print(name, *told)
    if given.json is not None:
        rows = list(found.values())  # by their order, as paths are this machine's
        given.json.write_text(json.dumps({"protocol": __doc__, "rows": rows}, indent=1) + "\n")


def numbers(result: dict[str, Any]) -> dict[str, float | None]:
    """The row of a result."""
    detail = result["frames_detail"]

    def of(key: str) -> Values:
        return {clip: np.asarray(frames[key]) for clip, frames in detail.items()}

    labels, psnr = of("label"), of("psnr")
    # A model that knows no normal footage, as an imported one, has no score for cameras.
    camera = of("camera") if all(frames.get("camera") for frames in detail.values()) else None
    error = {clip: -values for clip, values in psnr.items()}
    both = [clip for clip, own in labels.items() if 0 < own.sum() < len(own)]
    every, all_psnr = (np.concatenate(list(values.values())) for values in (labels, psnr))

    def some(values: Values) -> Values:
        return {clip: values[clip] for clip in both}

    return {
        "psnr_normal": float(all_psnr[every == 0].mean()),
        "psnr_abnormal": float(all_psnr[every == 1].mean()),
        "per_clip": per_clip_minmax_micro(labels, error).auc,
        "per_clip_both_kinds": per_clip_minmax_micro(some(labels), some(error)).auc,
        "causal": causal_micro(labels, error).auc,
        "macro": macro(labels, error).auc,
        "camera_causal": None if camera is None else causal_micro(labels, camera).auc,
    }


if __name__ == "__main__":
    run(main)
