"""The measured part of docs/models.md, from the results of the built-in model ped2-compact.

::

    python benchmarks/camera_score.py ped2-compact PED2 --json benchmarks/results/ped2-compact.json
    python benchmarks/robustness.py ped2-compact PED2 --runtime openvino \\
        --json benchmarks/results/ped2-compact-robustness.json
    python benchmarks/model_card.py

and, trained with other seeds (`ship.py` has the command), for how far a seed matters::

    python benchmarks/camera_score.py SEED2 PED2 --json benchmarks/results/ped2-compact-seed2.json
    python benchmarks/camera_score.py SEED3 PED2 --json benchmarks/results/ped2-compact-seed3.json

It refuses the first two if they are of other weights than those in the package, and writes the page
and the line that `mnad models` shows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from robustness import table as robustness_table
from script import run
from watched_clip import digests

from mnad.bench.cost import gflop
from mnad.models.builtin import BUILT_IN, RESULT
from mnad.models.folder import load_model
from mnad.writing import write

NAME = "ped2-compact"
OTHER_SEEDS = (2, 3)
OF_PEAK = "per_clip_minmax, of the peak itself"
ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "models.md", ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- written by benchmarks/model_card.py -->", "<!-- end -->"


def main() -> None:
    # It takes nothing, but who asks for its help shall not have the page written.
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    score, robust = read("ped2-compact"), read("ped2-compact-robustness")
    seeds = [score, *others()]
    write(PAGE, with_part(PAGE.read_text(), part(score, robust, seeds)))
    write(BUILT_IN / NAME / RESULT, line(score, seeds) + "\n")


def others() -> list[dict[str, Any]]:
    """The results of the other seeds of the same training."""
    found = []
    for seed in OTHER_SEEDS:
        result = json.loads((RESULTS / f"{NAME}-seed{seed}.json").read_text())
        training, own = result["protocol"]["training"], load_model(NAME).training
        for fact in ("epochs", "learning_rate", "batch_size", "steps"):
            if training[fact] != own[fact]:
                raise SystemExit(f"{NAME}-seed{seed}: {fact} is {training[fact]}, not {own[fact]}")
        found.append(result)
    return found


def read(name: str) -> dict[str, Any]:
    """A result of the very weights that are in the package."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        raise SystemExit(f"{file} is missing; {__doc__}")
    result: dict[str, Any] = json.loads(file.read_text())
    if result["model_sha256"] != digests(Path(NAME)):
        raise SystemExit(f"{file} is of other weights than those in the package: measure again")
    return result


def with_part(page: str, text: str) -> str:
    """A page with what lies between the marks written anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


def line(score: dict[str, Any], seeds: Sequence[dict[str, Any]]) -> str:
    """One line of result."""
    low, high = score["auc"]["causal_interval_95"]
    return (
        f"UCSD Ped2, {score['frames']:,} test frames: frame AUC {score['auc']['causal']:.3f} "
        f"without look-ahead (95 % over clips: {low:.3f} to {high:.3f}); "
        f"{len(seeds)} seeds: {spread(seeds, 'causal')}"
    )


def spread(seeds: Sequence[dict[str, Any]], what: str) -> str:
    """Mean, standard deviation and values of one AUC over trainings."""
    values = [one["auc"][what] for one in seeds]
    each = ", ".join(f"{value:.3f}" for value in values)
    return f"{mean(values):.3f} ± {stdev(values):.3f} ({each})"


def part(score: dict[str, Any], robust: dict[str, Any], seeds: Sequence[dict[str, Any]]) -> str:
    """What was trained and measured, in Markdown."""
    model = load_model(NAME)
    network, training = model.config.network, model.training
    weights = sum(p.numel() for p in model.network.parameters())
    auc, alarms = score["auc"], score["false_alarms_on_held_out_clips"]
    low, high = auc["causal_interval_95"]
    most = alarms["interval_95"][1]
    facts = {
        "network": f"{network.task}, width {network.width:g}, {weights:,} weights, "
        f"{gflop(network):.1f} GFLOP a frame",
        "input": f"{network.window} frames of {network.image_width} x {network.height}, "
        + ("grey" if network.channels == 1 else "RGB")
        + ("" if model.config.rate is None else f", {model.config.rate:g} a second"),
        "trained on": f"{training['data']['frames']:,} frames of {training['data']['name']}, "
        f"{training['data']['clips']} clips; {training['epochs']} epochs, {training['steps']:,} "
        f"steps, learning rate {training['learning_rate']:g}, seed {training['seed']}, "
        f"{training['seconds'] / 60:.0f} minutes on a {training['device'].upper()}",
    }
    measured = {
        "frame AUC, causal (95 % over clips)": f"**{auc['causal']:.3f}** ({low:.3f} to {high:.3f})",
        "the same, not smoothed": f"{auc['causal, not smoothed']:.3f}",
        "the same, per-clip min-max (looks ahead)": f"{auc['per_clip_minmax']:.3f}",
        "the highest block error itself, per-clip min-max": f"{auc[OF_PEAK]:.3f}",
        "the same, macro": f"{auc['macro']:.3f}",
        f"{len(seeds)} trainings, causal": spread(seeds, "causal"),
        f"{len(seeds)} trainings, macro": spread(seeds, "macro"),
        f"{len(seeds)} trainings, block error, per-clip min-max": spread(seeds, OF_PEAK),
        "pixel AUROC of the heat map": f"{score['pixel_auroc']:.3f}",
        "test clips in which an event overlaps the anomaly": score[
            "clips_in_which_an_event_overlaps_the_anomaly"
        ],
        "false alarms on the clips kept back": f"{alarms['count']} in {alarms['seconds']:.0f} s "
        f"(95 %: up to {most * 3600 / alarms['seconds']:.0f} an hour)",
    }
    return "\n\n".join(
        (
            rows("what it is", facts),
            f"UCSD Ped2, {score['frames']:,} test frames (`results/ped2-compact.json`):",
            rows("measured", measured),
            "The same with other pictures than it was trained on, each condition on all clips "
            "(`results/ped2-compact-robustness.json`; [how](../benchmarks/ped2.md"
            "#the-built-in-model-and-when-the-picture-is-not-what-it-was-trained-on)):",
            robustness_table(robust),
        )
    )


def rows(head: str, facts: dict[str, str]) -> str:
    return "\n".join([f"| {head} | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items())])


if __name__ == "__main__":
    run(main)
