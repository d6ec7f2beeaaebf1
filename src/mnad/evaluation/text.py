"""An evaluation as text for a terminal. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnad.evaluation.kinds_text import SCORES, kind_text, number, pixel_lines

COLUMNS = {
    "per_clip_minmax_micro": "per clip",
    "whole_set_minmax_micro": "whole set",
    "causal_micro": "causal",
    "macro": "macro",
}


def rows_of(result: Mapping[str, Any]) -> list[tuple[str, dict[str, float | None]]]:
    """Every number with its name and its value in each protocol, in the order to be read."""
    rows = [(f"combined, lambda {result['protocol']['lambda']:g}", result["auc"])]
    rows += [(SCORES[name], values) for name, values in result["parts"].items()]
    rows += [("  EER, combined", result["eer"]), ("  AP, combined", result["ap"])]
    rows += [
        (f"control: {name.replace('_', ' ')}", values)
        for name, values in result["controls"].items()
    ]
    return rows


def interval_lines(
    intervals: Mapping[str, Sequence[float] | None], titles: Mapping[str, str]
) -> list[str]:
    """The bootstrap intervals that there are, by the title of their protocol."""
    return [
        f"95 % interval by clip, {titles[name]}: {found[0]:.4f} to {found[1]:.4f}"
        for name, found in intervals.items()
        if found
    ]


def macro_lines(macro: Mapping[str, Any]) -> list[str]:
    """The clips that a macro figure leaves out, if any, and each clip's own AUC and frames."""
    left_out = macro["one_class_clips"]
    lines = []
    if left_out:
        lines.append(
            f"macro leaves out {len(left_out)} clip(s) of one class: {', '.join(left_out)}; "
            f"padded macro {number(macro['padded_auc'])}"
        )
    of_clips = (
        f"{name} {number(c['auc'])} ({c['normal']}+{c['abnormal']})"
        for name, c in macro["clips"].items()
    )
    return [*lines, "clips: " + "  ".join(of_clips)]


def report_text(result: dict[str, Any]) -> str:
    """The numbers, then what they mean; the argument is what `evaluate` returns."""
    if result["kind"] != "frames":
        return kind_text(result)
    protocol, memory = result["protocol"], result["protocol"]["memory"]
    lines = [
        f"{result['dataset']}: {result['clips']} clips, {result['scored_frames']} of "
        f"{result['frames']} frames scored, {result['abnormal_frames']} of them abnormal",
        "",
        f"{'frame AUC':<36}" + "".join(f"{title:>11}" for title in COLUMNS.values()),
    ]
    for name, values in rows_of(result):
        lines.append(f"{name:<36}" + "".join(f"{number(values[c]):>11}" for c in COLUMNS))
    lines.append("")
    lines += interval_lines(result["auc_interval_95"], COLUMNS)
    lines += [
        "per clip = parts min-max scaled within each finished clip (the paper's protocol); "
        "whole set =",
        "over all clips; causal = no look-ahead, two parts by ranks among normal frames, one alone",
        "as it is; macro = mean of the clips' AUC. EER is interpolated. Only the camera score is",
        "smoothed: a causal mean over a quarter second of the rank of the highest error of a",
        "block, against the contrast around it or what is usual at its place, and of the distance",
        "where the model leaves it a share (lambda_camera below 1).",
        f"memory: {memory['policy']}, {100 * memory['share_of_frames_that_updated']:.1f} % of the "
        f"frames passed the gate (regular score < {memory['gamma']:g})",
    ]
    lines += macro_lines(result["macro"])
    if "pixels" in result:
        lines += ["", *pixel_lines(result), ""]
    published = protocol["published"]["auc"]
    if published is not None:
        lines.append(f"published, per clip: {published:.3f} (paper, Table 1)")
    return "\n".join(lines)
