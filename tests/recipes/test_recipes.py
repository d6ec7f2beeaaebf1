"""Every recipe is read by the command line as its first line says, and trains when made tiny."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from mnad.cli import main
from mnad.models.folder import load_model
from mnad.presets import preset_of

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


SMALL = ("ped2-compact", "ped2-official-cpu")


def test_the_built_in_model_is_of_its_recipe() -> None:
    said = yaml.safe_load((RECIPES[0].parent / "ped2-compact.yaml").read_text())
    model = load_model("ped2-compact")
    network, training = asdict(model.config.network), model.training
    assert model.config.method == preset_of(said["preset"], said["task"])[0]
    assert model.reference is not None and model.reference.by_place == said["by_place"]
    for name, value in said.items():
        if name in network or name in training:
            assert {**training, **network}[name] == value, name


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
    assert said["epochs"] == (12 if recipe.stem in SMALL else expected)
    out = tmp_path / "m"
    small = "--epochs=1 --width=0.05 --height=32 --image_width=32 --channels=1 --precision=fp32"
    small += " --hold_out=0"  # of so little nothing can be kept back
    assert (
        main(["train", f"--config={recipe}", str(own_folder), f"--out={out}", *small.split()]) == 0
    )
    config = load_model(out).config
    assert (config.preset, config.network.task) == (said["preset"], said["task"])
    assert config.network.items == 10 and config.network.width == 0.05


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("width: 0.1\nseed: 3\nwidth: 0.2\n", "width stands on line 1 and again on line 3"),
        ("method:\n  gamma: 1\n  gamma: 2\n", "gamma stands on line 2 and again on line 3"),
    ],
)
def test_a_recipe_that_gives_a_key_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    words = ["train", f"--config={recipe}", "data", f"--out={tmp_path / 'm'}", "--print_config"]
    assert main(words) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_keys_and_aliases_of_different_mappings_may_be_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("width: &w 0.1\nlearning_rate: *w\nmethod:\n  gamma: *w\n")
    with pytest.raises(SystemExit):
        main(["train", f"--config={recipe}", "data", f"--out={tmp_path / 'm'}", "--print_config"])
    assert "gamma: 0.1" in capsys.readouterr().out
