"""How the results of the commands read on a terminal, and the exit code of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import isnan
from shlex import quote
from typing import TYPE_CHECKING, Any

from mnad.ablation.table import text as ablation_text
from mnad.bench import table
from mnad.evaluation.given_text import scores_text
from mnad.evaluation.text import report_text
from mnad.inspection.text import figures_text
from mnad.reproduce.summary import reproduction_text

if TYPE_CHECKING:
    from pathlib import Path

    from mnad.calibration.result import Calibration
    from mnad.commands.watch import Watched
    from mnad.datasets.prepared import Copy
    from mnad.events.event import Event
    from mnad.models.builtin import BuiltIn
    from mnad.models.folder import Model
    from mnad.watch.files import Detection
    from mnad.watch.review import Review


def _complain(*sentences: str) -> int:
    """Say what went wrong; returns the exit code, which is 1 if anything did."""
    for sentence in sentences:
        print(f"mnad: {sentence}", file=sys.stderr)
    return 1 if sentences else 0


def _warn(*sentences: str) -> None:
    for sentence in sentences:
        print(f"mnad: warning: {sentence}", file=sys.stderr)


def _show_train(model: Model, given: dict[str, Any]) -> int:
    record = model.training
    print(
        f"{given['out']}: {record['windows']} windows, {record['steps']} steps in "
        f"{record['seconds']:.0f} s, last loss {record['last_epoch'].get('loss', '?')}"
    )
    if model.calibration is not None:
        print("\n".join(model.calibration.sentences()))
    return _complain(*record.get("faults", ()))


def _show_calibrate(calibration: Calibration, given: dict[str, Any]) -> int:
    print("\n".join(calibration.sentences()))
    return _complain(*calibration.faults)


def _show_evaluate(result: dict[str, Any], given: dict[str, Any]) -> int:
    _warn(*result["protocol"]["warnings"])
    print(report_text(result))
    return _complain(*result["failed"].values())


def _show_figures(facts: dict[str, Any], given: dict[str, Any]) -> int:
    print("\n".join(figures_text(facts)))
    failed = [one["failed"] for one in facts["models"].values()]
    return _complain(*(sentence for one in failed for sentence in one.values()))


def _show_score_file(result: dict[str, Any], given: dict[str, Any]) -> None:
    _warn(*result["protocol"]["warnings"])
    print(scores_text(result))


def _show_export(folder: Path, given: dict[str, Any]) -> int:
    from mnad.models.normal import NORMAL, load_normal
    from mnad.runtime.exports import RECORD

    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB")
    own = load_normal(folder / NORMAL).calibration if (folder / NORMAL).exists() else None
    if own is not None:  # in int8 the model's threshold was set anew
        print("\n".join(own.sentences()))
    record = json.loads((folder / RECORD).read_bytes())
    return _complain(*record.get("calibration", {}).get("faults", ()))


def _show_detect(found: list[Detection], given: dict[str, Any]) -> int:
    for one in found:
        if one.frames:
            events = "" if one.events is None else f"{one.events} event(s), "
            # A model that knows no normal footage, as an imported one, gives parts and no score.
            highest = f"highest score {one.highest:.3f} at {one.at_seconds:.2f} s"
            told = "no score" if isnan(one.highest) else highest
            print(f"{one.source}: {one.frames} frames, {events}{told} -> {one.out}")
        if one.error:
            _complain(one.error)
    if any(one.frames and one.events is None for one in found):
        _complain(
            "the model has no threshold, so that no events were told: mnad calibrate "
            f"{quote(str(given['model']))} NORMAL_FOOTAGE sets one."
        )
    if any(one.error for one in found):
        return 1
    return 3 if given["fail_on_event"] and any(one.events for one in found) else 0


def _show_watch(seen: Watched, given: dict[str, Any]) -> None:
    print(f"{seen.out}: {seen.frames} frames scored, {seen.events} event(s)")


def _show_mark(events: list[Event], given: dict[str, Any]) -> None:
    comes = {
        "normal": "learnt by the next mnad watch --relearn",
        "anomaly": "left out of what is learnt and of mnad review",
    }
    for event in events:
        print(f"{event.id}: {given['label']}; {comes[given['label']]}")


def _show_review(seen: Review, given: dict[str, Any]) -> None:
    print("\n".join(seen.lines()))


def _show_info(facts: dict[str, Any], given: dict[str, Any]) -> None:
    print(json.dumps(facts, indent=2))


def _show_models(found: list[BuiltIn], given: dict[str, Any]) -> None:
    for one in found:
        print(f"{one.name}: {one.size / 1e6:.1f} MB, {one.network}; trained on {one.trained_on}")
        if one.result is not None:
            print(f"  {one.result}")
        print(f"  terms of the weights: {one.terms}")


def _show_copy(folder: Path, given: dict[str, Any]) -> None:
    print(f"{given['model']} -> {folder}")


def _show_import(model: Model, given: dict[str, Any]) -> None:
    network = model.config.network
    print(
        f"{given['out']}: official {network.task}, width {network.width:g}, {network.items} items"
    )


def _show_demo(text: str, given: dict[str, Any]) -> None:
    print(text)


def _show_bench(result: dict[str, Any], given: dict[str, Any]) -> int:
    print(table.text_of(result))
    return _complain(*result["missing"], *result["failed"])


def _show_check(report: dict[str, Any], given: dict[str, Any]) -> None:
    from mnad.datasets.check import report_text as text_of_check

    print(text_of_check(report))
    _warn(*report["warnings"])


def _show_prepare(copy: Copy, given: dict[str, Any]) -> None:
    print(f"{copy.out}: {copy.clips} clips, {copy.frames} frames, {copy.size / 1e6:.1f} MB")


def _show_ablate(result: dict[str, Any], given: dict[str, Any]) -> int:
    _warn(*result["protocol"].get("warnings", ()))
    print(ablation_text(result))
    print(f"{given['out']}: ablation.md (all columns), ablation.json, ablation.png")
    return _complain(*result["failed"])


def _show_reproduce(result: dict[str, Any], given: dict[str, Any]) -> int:
    print(reproduction_text(result))
    return _complain(*(f"{name}: {sentence}" for name, sentence in result["failed"].items()))


SHOW: dict[str, Callable[[Any, dict[str, Any]], int | None]] = {
    "train": _show_train,
    "calibrate": _show_calibrate,
    "evaluate": _show_evaluate,
    "figures": _show_figures,
    "score-file": _show_score_file,
    "export": _show_export,
    "detect": _show_detect,
    "watch": _show_watch,
    "mark": _show_mark,
    "review": _show_review,
    "info": _show_info,
    "models": _show_models,
    "copy": _show_copy,
    "import": _show_import,
    "demo": _show_demo,
    "bench": _show_bench,
    "data check": _show_check,
    "data prepare": _show_prepare,
    "ablate": _show_ablate,
    "reproduce": _show_reproduce,
}
"""By the name of the command: takes what it returned and what it was given; the exit code, or None
where nothing of it can fail."""
