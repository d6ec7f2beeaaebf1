"""Ours beside what was published, of one model or averaged over classes. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnad.evaluation.kinds_text import POOLED, SCORES, number, pixel_table

_LOGICAL, _STRUCTURAL = "logical_anomalies", "structural_anomalies"


def key_numbers(result: Mapping[str, Any]) -> dict[str, float | None]:
    """What is told of an evaluation: a name for each number, and the number."""
    if result["kind"] == "frames":
        found = {"frame AUC, per clip": result["auc"]["per_clip_minmax_micro"]}
        found["frame AUC, causal"] = result["auc"]["causal_micro"]
        found["frame AUC, macro"] = result["auc"]["macro"]
        for part in ("psnr", "distance"):
            found[f"{SCORES[part]}, per clip"] = result["parts"][part]["per_clip_minmax_micro"]
        control = result["controls"]["squared_difference"]["per_clip_minmax_micro"]
        found["control: squared difference, per clip"] = control
        return found | _of_pixels(result)
    if result["kind"] == "clips":
        rows = {SCORES[name]: auc for name, auc in result["video_auc"].items()}
        control = result["controls"]["squared_difference"]
        rows["control: squared difference"] = control
        found = {f"{n}, {POOLED[p]}": auc[p] for n, auc in rows.items() for p in POOLED}
        return {**found, "control: number of frames": result["length_auc"]}
    return _of_images(result)


def _of_pixels(result: Mapping[str, Any]) -> dict[str, float | None]:
    if "pixels" not in result:
        return {}
    table = pixel_table(result)
    names = ("pixel AUROC", "UCSD AUC", "UCSD EER", "dual AUC", "dual EER", "RBDC", "TBDC")
    return {
        f"{name}, {of_map}": value
        for of_map, values in table.rows
        for name, value in zip(names, values, strict=True)
    }


def _of_images(result: Mapping[str, Any]) -> dict[str, float | None]:
    image = result["image_auroc"]["highest_error"]
    error = result["localisation"]["maps"]["error"]
    found: dict[str, float | None]
    if "au_spro" in error:
        found = {
            "image AUROC, logical": image.get(_LOGICAL),
            "image AUROC, structural": image.get(_STRUCTURAL),
            "image AUROC, mean": image["mean"],
            "AU-sPRO 0.05": error["au_spro"]["0.05"]["mean"],
        }
    else:
        found = {"image AUROC": image["all"], "AU-PRO 0.3": error["au_pro"]["0.3"]}
        found["pixel AUROC"] = error["pixel_auroc"]
    return found | {f"image AUROC, {SCORES['psnr']}": result["image_auroc"]["psnr"]["all"]}


def protocol_of(result: Mapping[str, Any]) -> str:
    """How ours were measured, in words."""
    memory = f"memory {result['protocol']['memory']['policy']}"
    weight = f"lambda {result['protocol']['lambda']:g}"
    if result["kind"] == "frames":
        return (
            "per clip: PSNR and distance each min-max scaled within the finished clip (looks "
            f"ahead), frames of all clips pooled; {weight}, {memory}, no smoothing, last epoch; "
            f"labels: {result['protocol']['label_source']}"
        )
    if result["kind"] == "clips":
        return (
            "AUC over whole clips, raw frame scores (combined: parts by ranks among normal frames, "
            f"{weight}) pooled by mean, highest and mean of the highest 5 %; {memory}, last epoch"
        )
    return (
        "squared error of each pixel, resized "
        f"{result['localisation']['protocol']['resized']}; an image by its highest value; "
        f"{memory}, last epoch"
    )


def average(numbers: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The mean of each number over the classes; None where it is undefined for one of them."""
    found: dict[str, float | None] = {}
    for name in dict.fromkeys(name for one in numbers for name in one):
        values = [one.get(name) for one in numbers]
        known = [value for value in values if value is not None]
        found[name] = sum(known) / len(known) if len(known) == len(values) else None
    return found


def reproduction_text(result: Mapping[str, Any]) -> str:
    """Ours beside the published number, with both protocols and all that differs."""
    setting, classes = result["setting"], result["classes"]
    lines = [
        f"{result['name']}, {setting['task']}, preset {setting['preset']}, seed {result['seed']}: "
        + (
            f"average of {len(classes)} of {result['classes_published']} classes"
            if result["classes_published"] > 1
            else "one model"
        ),
        "",
        f"{'':<42}{'ours':>10}{'published':>11}",
    ]
    figures = result["published"]["figures"]
    for name, value in result["ours"].items():
        theirs = f"{figures[name]['value']:.3f}" if name in figures else ""
        lines.append(f"{name:<42}{number(value):>10}{theirs:>11}")
    if len(classes) > 1:
        first = next(iter(figures), next(iter(result["ours"]), ""))
        each = ", ".join(
            f"{name} {number(one['numbers'].get(first))}" for name, one in classes.items()
        )
        lines += ["", f"{first}, by class: {each}"]
    lines += ["", f"ours: {result['protocol']}"]
    if figures:
        lines.append(
            f"published: {result['published']['protocol']} ({result['published']['source']})"
        )
    if result["differs"]:
        lines.append("Not like with like:" if figures else "To know:")
        lines += [f"  {sentence}" for sentence in result["differs"]]
    else:
        lines.append("Like with like: the published setting and protocol, one seed of training.")
    return "\n".join(lines)
