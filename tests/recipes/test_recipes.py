"""Every recipe is read by the command line as its first line says, and trains when made tiny."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mnad.cli import main
from mnad.models.folder import load_model

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def test_there_is_one_for_every_data_set_preset_and_task() -> None:
    names = {recipe.stem for recipe in RECIPES}
    assert {
        f"{data}-{preset}-{task}"
        for data in ("ped2", "avenue", "shanghaitech")
        for preset in ("official", "paper")
        for task in ("prediction", "reconstruction")
    } <= names


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
def test_a_recipe_trains(recipe: Path, own_folder: Path, tmp_path: Path) -> None:
    said = yaml.safe_load(recipe.read_text())
    expected = 10 if recipe.stem.startswith("shanghaitech") else 60
    assert said["epochs"] == expected or recipe.stem == "ped2-compact-cpu"
    out = tmp_path / "m"
    small = "--epochs=1 --width=0.05 --height=32 --image_width=32 --channels=1 --precision=fp32"
    assert (
        main(["train", f"--config={recipe}", str(own_folder), f"--out={out}", *small.split()]) == 0
    )
    config = load_model(out).config
    assert (config.preset, config.network.task) == (said["preset"], said["task"])
    assert config.network.items == 10 and config.network.width == 0.05
