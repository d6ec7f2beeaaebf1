"""What `mnad score-file` found, as text for a terminal. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

from mnad.evaluation.kinds_text import number
from mnad.evaluation.text import COLUMNS, interval_lines, macro_lines

TITLES = COLUMNS | {"causal_micro": "as given"}
POOLED = {
    "mean": "mean of its scores",
    "max": "highest score",
    "top_5_percent": "mean of its highest 5 %",
}


def scores_text(result: dict[str, Any]) -> str:
    """The numbers, then what they mean; the argument is what `score_file` returns."""
    protocol = result["protocol"]
    abnormal = (
        f", {result['abnormal_frames']} of them abnormal"
        if protocol["labels_are"] == "of frames"
        else ""
    )
    lines = [
        f"{result['clips']} clips, {result['scored_frames']} of {result['frames']} frames "
        f"scored{abnormal}",
        "",
    ]
    if result["frame"] is not None:
        lines += _frame_lines(result["frame"])
    if result["video"] is not None:
        lines += _video_lines(result["video"])
    if result["constant_clips"]:
        lines.append(
            f"{len(result['constant_clips'])} clip(s) of one and the same score throughout: "
            f"{', '.join(result['constant_clips'])}"
        )
    lines += [
        f"labels {protocol['labels_are']}: {protocol['label_source']}, "
        f"sha256 {protocol['labels_sha256']}",
        "low scores taken as abnormal" if protocol["low_is_abnormal"] else "high = abnormal",
    ]
    return "\n".join(lines)


def _frame_lines(frame: dict[str, Any]) -> list[str]:
    rows = [
        ("AUC", frame["auc"]),
        ("EER, interpolated", frame["eer"]),
        ("AP, step sum", frame["ap"]),
    ]
    rows += [
        (f"control: AUC of the {name.replace('_', ' ')}", values)
        for name, values in frame["controls"].items()
    ]
    lines = [f"{'frames':<36}" + "".join(f"{title:>11}" for title in TITLES.values())]
    lines += [
        f"{name:<36}" + "".join(f"{number(values[c]):>11}" for c in TITLES) for name, values in rows
    ]
    lines.append("")
    lines += interval_lines(frame["auc_interval_95"], TITLES)
    lines += [
        "F1 per clip = min-max scaled within each finished clip (looks ahead); F2 whole set = over "
        "all",
        "clips (looks ahead); F3 as given; F4 macro = mean of the clips' AUC.",
    ]
    return lines + macro_lines(frame["macro"])


def _video_lines(video: dict[str, Any]) -> list[str]:
    lines = [
        f"whole clips: {video['clips']}, {video['abnormal']} of them abnormal; AUC of a clip's"
    ]
    lines += [f"  {POOLED[name]:<34}{number(value):>11}" for name, value in video["auc"].items()]
    lines.append(
        f"  {'control: number of scored frames':<34}{number(video['length_auc']):>11}   (0.5: the "
        "length tells nothing)"
    )
    return lines
