"""The report of an evaluation as one HTML file: numbers, curves, clips, mistakes, protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnad.evaluation.detail import APART, MOST_OF_A_CLIP, Chosen, Moment
from mnad.evaluation.kinds_text import number, pixel_gaps, pixel_table
from mnad.evaluation.text import COLUMNS, rows_of
from mnad.metrics.curves import Curves
from mnad.reports.facts import flat
from mnad.reports.figures import envelope
from mnad.reports.heat import HOTTEST, ErrorScale
from mnad.reports.html import write_html
from mnad.reports.pictures import data_address, small_jpeg, svg_path
from mnad.reports.rates import rates_data, rates_plot

if TYPE_CHECKING:
    from mnad.evaluation.again import Seen

PAPER = "per_clip_minmax_micro"
"""The protocol of the paper, and of the published numbers."""


@dataclass(frozen=True, eq=False)
class Mistake:
    """A frame that was ranked wrongly, with its picture.

    Attributes:
        moment: which one.
        seen: its picture and where its prediction failed.
    """

    moment: Moment
    seen: Seen


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Everything that the page tells.

    Attributes:
        model: its name.
        result: of `mnad.evaluation.run.evaluate_model`.
        chosen: the score that is followed frame by frame.
        curves: by protocol, the chosen one first.
        false_alarms: the worst first.
        misses: the worst first.
        files: names of what lies beside the page, and what they are.
    """

    model: str
    result: Mapping[str, Any]
    chosen: Chosen
    curves: Mapping[str, Curves]
    false_alarms: Sequence[Mistake] = ()
    misses: Sequence[Mistake] = ()
    files: Mapping[str, str] | None = None


def write_evaluation_page(path: Path, report: EvaluationReport) -> None:
    """Write the page; it holds its pictures and needs no network.

    Args:
        path: the file, in the folder of the results.
        report: what it tells.

    Raises:
        MnadError: the file cannot be written.
    """
    write_html(path, "evaluation.html.j2", _content(report))


def verdict(report: EvaluationReport) -> str:
    """The evaluation in one line."""
    auc = report.result["auc"]
    shown = list(dict.fromkeys((report.chosen.protocol, PAPER)))
    if all(auc[protocol] is None for protocol in shown):
        return "Frame AUC undefined: all frames are of one class"
    return "Frame AUC " + ", ".join(f"{auc[p]:.3f} {COLUMNS[p]}" for p in shown)


def _content(report: EvaluationReport) -> dict[str, Any]:
    """The variables of the template."""
    result = report.result
    names = list(result["frames_detail"])
    clips = [_clip(report, name) for name in names]
    rates = [
        rates_plot(result, report.curves, "ROC curve", "false positive rate", "true positive rate"),
        rates_plot(result, report.curves, "Precision and recall", "recall", "precision"),
    ]
    pixels = result.get("pixels")
    protocol = {**result["protocol"], **({"pixels": pixels["protocol"]} if pixels else {})}
    return {
        "title": f"{report.model} on {result['dataset']}",
        "verdict": verdict(report),
        "facts": list(_facts(result)),
        "warnings": [*result["protocol"]["warnings"], *result["failed"].values()],
        "columns": COLUMNS,
        "rows": [(n.strip(), [number(v[c]) for c in COLUMNS]) for n, v in rows_of(result)],
        "intervals": [
            [number(end) for end in result["auc_interval_95"].get(protocol) or ()]
            for protocol in COLUMNS
        ],
        "published": _published(result),
        "pixels": None if pixels is None else _pixels(result),
        "chosen": COLUMNS[report.chosen.protocol],
        "looks_ahead": report.chosen.protocol != "causal_micro",
        "one_part": report.chosen == ("whole_set", "causal_micro"),
        "rates": rates if report.curves else [],
        "clips": clips,
        "table": _table(report, names),
        "kinds": [
            ("Worst false alarms", "of the abnormal frames score lower", report.false_alarms),
            ("Worst misses", "of the normal frames score higher", report.misses),
        ],
        "apart": APART,
        "most_of_a_clip": MOST_OF_A_CLIP,
        "mistake": lambda one: _mistake(one, names),
        "one_class": result["macro"]["one_class_clips"],
        "padded": number(result["macro"]["padded_auc"]),
        "protocol": list(flat(protocol)),
        "files": report.files or {},
        "data": {
            "clips": [_data(result["frames_detail"][name], report.chosen.key) for name in names],
            "chosen": COLUMNS[report.chosen.protocol],
            "rates": [
                [rates_data(c, kind, COLUMNS[p]) for p, c in report.curves.items()]
                for kind in (0, 1)
            ],
        },
    }


def _facts(result: Mapping[str, Any]) -> Iterator[str]:
    protocol = result["protocol"]
    yield f"{result['clips']:,} clip{'s' if result['clips'] > 1 else ''}"
    yield f"{result['scored_frames']:,} of {result['frames']:,} frames scored"
    yield f"{result['abnormal_frames']:,} of them abnormal"
    yield f"memory: {protocol['memory']['policy']}"
    yield f"{protocol['runtime']} on {protocol['device']}"


def _pixels(result: Mapping[str, Any]) -> dict[str, Any]:
    """Where in the frames: the table, what its maps are, what it leaves out."""
    table, found = pixel_table(result), result["pixels"]
    return {
        "columns": table.columns,
        "rows": [(name, [number(value) for value in values]) for name, values in table.rows],
        "maps": found["protocol"]["maps"],
        "frames": found["frames"],
        "clips": found["clips"],
        "resized": found["protocol"]["resized"],
        "gaps": pixel_gaps(result),
    }


def _published(result: Mapping[str, Any]) -> dict[str, str] | None:
    """The published number beside ours in its protocol."""
    published, ours = result["protocol"]["published"], result["auc"][PAPER]
    if published["auc"] is None:
        return None
    return {
        "where": published["protocol"].replace(PAPER, COLUMNS[PAPER]),
        "theirs": number(published["auc"]),
        "ours": number(ours),
        "apart": "-" if ours is None else f"{ours - published['auc']:+.4f}",
    }


def _clip(report: EvaluationReport, name: str) -> dict[str, Any]:
    """What is drawn of a clip: curves as SVG paths over frames, abnormal intervals as spans."""
    detail = report.result["frames_detail"][name]
    frames = np.asarray(detail["index"], float)
    label = np.asarray(detail["label"], int)
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], label, [0]))))
    # A frame lasts until the next one, also the last one of an interval.
    ends = np.append(frames, frames[-1] + step)
    of_clip = report.result["macro"]["clips"][name]

    def path(key: str) -> str:
        curve = np.stack(envelope(frames, np.asarray(detail[key], float)), axis=1)
        return svg_path(curve, [], closed=False)

    return {
        "name": name,
        "auc": number(of_clip["auc"]),
        "normal": of_clip["normal"],
        "abnormal": of_clip["abnormal"],
        "first": frames[0],
        "span": ends[-1] - frames[0],
        "spans": [(ends[a], ends[b]) for a, b in edges.reshape(-1, 2)],
        "line": path(report.chosen.key),
        "second": path("per_clip"),
        "last": int(frames[-1]),
    }


def _data(detail: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What can be read off the curve of a clip."""
    return {
        "frame": detail["index"],
        "score": [round(v, 4) for v in detail[key]],
        "paper": [round(v, 4) for v in detail["per_clip"]],
        "psnr": [None if v is None else round(v, 2) for v in detail["psnr"]],
        "distance": [None if v is None else float(f"{v:.4g}") for v in detail["distance"]],
        "label": detail["label"],
    }


def _table(report: EvaluationReport, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each clip, the one that costs most first."""
    result, protocol = report.result, report.chosen.protocol
    chosen, paper = result["damage"][protocol], result["damage"][PAPER]
    order = names if chosen is None else sorted(names, key=lambda n: -chosen[n]["damage"])
    rows = []
    for name in order:
        own = {} if chosen is None else chosen[name]
        rows.append(
            {
                "name": name,
                "number": names.index(name),
                "frames": result["macro"]["clips"][name],
                "auc": number(result["macro"]["clips"][name]["auc"]),
                **{k: number(own.get(k)) for k in ("damage", "missed", "false_alarms", "without")},
                "paper": number(None if paper is None else paper[name]["damage"]),
            }
        )
    return rows


def _mistake(mistake: Mistake, names: Sequence[str]) -> dict[str, Any]:
    moment, seen = mistake.moment, mistake.seen
    heat, scale = seen.heat, HOTTEST
    if heat is None:
        heat, scale = seen.error, ErrorScale().update(seen.error)
    return {
        "clip": moment.clip,
        "number": names.index(moment.clip),
        "frame": moment.frame,
        "position": moment.position,
        "score": f"{moment.score:.4f}",
        "wrong": "" if moment.wrong is None else f"{100 * moment.wrong:.1f} %",
        "picture": data_address(small_jpeg(seen.picture, width=360)),
        "heat": data_address(small_jpeg(seen.picture, error=heat, scale=scale, width=360)),
    }
