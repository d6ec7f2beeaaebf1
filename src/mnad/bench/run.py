"""A whole measurement: prepare, start the processes, ask them in turn, sum up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm.auto import tqdm

from mnad.bench.footage import write_scene
from mnad.bench.machine import available_mib, machine, versions
from mnad.bench.plan import Row, groups, precision_of
from mnad.bench.process import Worker
from mnad.bench.rounds import Rounds, in_rounds
from mnad.bench.summary import peak_numbers, scoring_numbers, training_numbers
from mnad.config import NetworkConfig, RuntimeName
from mnad.errors import MnadError
from mnad.process import command_of
from mnad.progress import hidden

ROW_MIB = 700.0
"""What a row is reckoned to take: so many live together as the memory allows."""
UNTRAINED = "The networks are untrained: their speed means something, their scores do not."
EVENTS = 0.5
"""Threshold where the model has none, which about one frame in ten of its own footage reaches."""
Start = Callable[[Row], Worker]


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Args:
        networks: to build untrained, or the one of `model`.
        runtimes: those that are installed.
        streams: numbers of streams.
        repeats: rounds.
        device: of torch, cpu or cuda.
        model: a model folder, or None.
        threshold: of the model, None without.
        video: what is scored; None for a rendered scene.
        threads: of each engine; None for its own choice.
        training: precisions to train in.
        progress: show a bar.
    """

    networks: Sequence[NetworkConfig]
    runtimes: Sequence[RuntimeName]
    streams: Sequence[int]
    repeats: int
    device: str = "cpu"
    model: Path | None = None
    threshold: float | None = None
    video: Path | None = None
    threads: int | None = None
    training: Sequence[str] = ()
    progress: bool = True


def run_bench(
    plan: Plan,
    start: Start | None = None,
    more: Callable[[Row], Sequence[Row]] = lambda row: (),
) -> dict[str, Any]:
    """Measure and sum up.

    Args:
        plan: what.
        start: makes the process of a row; `start_row` without it.
        more: rows to measure right after each one.

    Returns:
        JSON; its ``failed`` is a list of sentences about what could not be measured.

    Raises:
        MnadError: no video, or nothing could be measured.
    """
    failed: list[str] = []
    notes = [] if plan.model is not None else [UNTRAINED]
    with TemporaryDirectory(prefix="mnad-bench-") as work:
        video = plan.video or write_scene(Path(work) / "scene.mp4")
        rows: list[Row] = []
        for number, network in enumerate(plan.networks):
            made, said, problems = _prepared(plan, network, Path(work) / str(number), video)
            rows += made
            notes += said
            failed += problems
        rows = [one for row in rows for one in (row, *more(row))]
        parts = side_by_side(rows)
        if len(parts) > 1:
            notes.append(
                f"The memory does not hold all rows side by side: they were measured in "
                f"{len(parts)} parts, one after the other."
            )
        found, peaks, problems = measure(
            parts, plan.repeats, start or start_row, progress=plan.progress
        )
    failed += problems
    if not found:
        raise MnadError(" ".join(failed))
    return {
        "machine": machine(),
        "versions": versions(),
        "threads": peaks[next(iter(peaks))]["threads"],
        "repeats": plan.repeats,
        "video": str(plan.video) if plan.video else "rendered scene, 640x360, 25 frames/s, 4 s",
        "model": None if plan.model is None else str(plan.model),
        "peak": peaks,
        "notes": notes,
        "missing": [],
        "failed": failed,
    } | summed(found, peaks)


def side_by_side(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in parts whose processes the memory holds."""
    free = available_mib()
    return groups(rows, len(rows) if free is None else int(0.8 * free / ROW_MIB))


def measure(
    parts: Sequence[Sequence[Row]], repeats: int, start: Start, *, progress: bool = True
) -> tuple[list[tuple[Row, Rounds]], dict[str, Any], list[str]]:
    """Measure rows in rounds.

    Args:
        parts: rows of scoring and training that are measured in turn, part after part.
        repeats: rounds.
        start: makes the process of a row.
        progress: show a bar.

    Returns:
        The answers of the rows that went well, the peak of each device, and a sentence for each
        row that failed.
    """
    found: list[tuple[Row, Rounds]] = []
    peaks: dict[str, Rounds] = {}
    failed: list[str] = []
    total = repeats * sum(len(row.asks) for part in parts for row in part)
    total += repeats * sum(len({row.device for row in part}) for part in parts)
    with tqdm(total=total, unit="step", disable=hidden(progress)) as bar:
        for group in parts:
            devices = {row.device: row.threads for row in group}
            peak_rows = [Row("peak", device=d, threads=n) for d, n in devices.items()]
            answers, problems = _measure_group([*peak_rows, *group], repeats, start, bar.update)
            failed += problems
            for row, rounds in answers:
                if row.kind == "peak":
                    before = peaks.setdefault(row.device, {}).setdefault("peak", [])
                    before += rounds["peak"]
                else:
                    found.append((row, rounds))
    found = [one for one in found if one[0].device in peaks]
    return found, {name: peak_numbers(one) for name, one in peaks.items()}, failed


def summed(found: Sequence[tuple[Row, Rounds]], peaks: dict[str, Any]) -> dict[str, Any]:
    """The ``rows`` and the ``training`` of a result, each with its rounds."""
    rows, training = [], []
    for row, rounds in found:
        if row.kind == "training":
            training.append(training_numbers(row, rounds) | {"rounds": rounds})
        else:
            in_bf16 = row.precision == "bf16" and "bf16_gflops" in peaks[row.device]
            peak = peaks[row.device]["bf16_gflops" if in_bf16 else "gflops"]
            rows.append(scoring_numbers(row, rounds, peak) | {"rounds": rounds})
    return {"rows": rows, "training": training}


def _measure_group(
    rows: Sequence[Row], repeats: int, start: Start, told: Callable[[], object]
) -> tuple[list[tuple[Row, Rounds]], list[str]]:
    failed: list[str] = []
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for row in rows:
            try:
                workers[row.name] = stack.enter_context(start(row))
            except MnadError as error:
                failed.append(str(error))
        asks = {row.name: row.asks for row in rows if row.name in workers}
        found, problems = in_rounds(workers, asks, repeats, told)
    return [(row, found[row.name]) for row in rows if row.name in found], [
        *failed,
        *problems.values(),
    ]


def start_row(row: Row) -> Worker:
    """The process that measures a row."""
    command = command_of("mnad.bench.row")
    return Worker(command, row.name, row.as_json(), row.threads)


def _prepared(
    plan: Plan, network: NetworkConfig, folder: Path, video: Path
) -> tuple[list[Row], list[str], list[str]]:
    """The rows of a network, notes, and what failed; the model and its exports lie in `folder`."""
    spec = {
        "folder": str(folder),
        "model": None if plan.model is None else str(plan.model),
        "network": asdict(network),
        "video": str(video),
        "threads": plan.threads,
    }
    shared = Row(
        "scoring",
        network=network,
        device=plan.device,
        model=str(folder),
        video=str(video),
        threads=plan.threads,
        threshold=EVENTS if plan.threshold is None else plan.threshold,
    )
    rows, notes, failed = [], [], []
    command = command_of("mnad.bench.prepare")
    with Worker(command, f"width {network.width:g}", spec, plan.threads) as maker:
        for runtime in plan.runtimes:
            try:
                made = maker.ask({"do": "export", "runtime": runtime})["made"]
            except MnadError as error:
                failed.append(f"{runtime}, {error}")
                continue
            if made and plan.model is not None:
                notes.append(
                    f"{plan.model} has no export for {runtime} that may be used; one was made for "
                    "this measurement alone, int8 of the video's first frames."
                )
            device = plan.device if runtime.startswith("torch") else "cpu"
            one = replace(shared, runtime=runtime, device=device, precision=precision_of(runtime))
            rows += [replace(one, streams=streams) for streams in plan.streams]
    rows += [replace(shared, kind="training", precision=p) for p in plan.training]
    return rows, notes, failed
