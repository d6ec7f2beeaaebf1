"""Put a trained model into the package, without the picture of its place.

    mnad train ped2:PED2 --out MODEL --config recipes/ped2-compact.yaml
    python benchmarks/ship.py MODEL ped2-compact

Then measure it and write its card: camera_score.py, robustness.py, model_card.py.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from script import run

from mnad.models.builtin import BUILT_IN, TERMS
from mnad.models.folder import load_model, save_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("name")
    given = parser.parse_args()
    model = load_model(given.model)
    if model.calibration is None:
        raise SystemExit(f"{given.model} has no threshold: train it with --hold_out 0.2")
    folder = BUILT_IN / given.name
    if not (folder / TERMS).is_file():
        raise SystemExit(f"{folder / TERMS} is missing: first say on what terms it is given")
    save_model(folder, replace(model, calibration=replace(model.calibration, view=None)))
    print(f"{folder}: {sum(f.stat().st_size for f in folder.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
