"""The numbers as a table, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Numbers = dict[str, Any]
Column = tuple[str, str, Callable[[Any], str]]


def _speed(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


SCORING: tuple[Column, ...] = (
    ("runtime", "runtime", str),
    ("device", "on", str),
    ("width", "width", "{:g}".format),
    ("size", "size", str),
    ("streams", "streams", str),
    ("gflop_per_frame", "GFLOP", "{:.3g}".format),
    ("frames_per_second", "frames/s", _speed),
    ("ms_per_frame_median", "ms", _speed),
    ("ms_per_frame_p95", "p95 ms", _speed),
    ("share_of_peak", "of peak", _percent),
    ("update_share_of_frame", "update", _percent),
    ("end_to_end_frames_per_second", "file", _speed),
    ("end_to_end_everything_frames_per_second", "file, all", _speed),
    ("peak_mib", "MiB", "{:.0f}".format),
)
TRAINING: tuple[Column, ...] = (
    ("precision", "training", str),
    ("device", "on", str),
    ("width", "width", "{:g}".format),
    ("size", "size", str),
    ("windows_per_second", "windows/s", _speed),
    ("peak_mib", "MiB", "{:.0f}".format),
)
LEGEND = (
    "frames/s, ms, p95: the network alone, of all streams together and of one frame; of peak: "
    "share of what a matrix product by torch reached in the same rounds, in bf16 for bf16 on CUDA, "
    "else in fp32, for int8 too; "
    "update: what the memory update takes of a frame that updates; file: frames scored per "
    "second from a video file to scores and events, all: with overlay and clips too; MiB: the "
    "most memory that the process took."
)


def text_of(result: Numbers, *, markdown: bool = False) -> str:
    """All of a result that a person reads, its notes last."""
    form = markdown_table if markdown else text_table
    parts = [_about(result)]
    for name, columns in (("rows", SCORING), ("training", TRAINING)):
        if result[name]:
            parts.append(form(*cells(result[name], columns)))
    notes = [LEGEND, *result["notes"]]
    if markdown:
        notes += [*result["missing"], *result["failed"]]
    return "\n\n".join([*parts, "\n".join(f"- {note}" if markdown else note for note in notes)])


def cells(rows: Sequence[Numbers], columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """The head of a table and its rows; empty where a row has no such number."""
    used = [column for column in columns if any(column[0] in row for row in rows)]
    head = [title for _, title, _ in used]
    return head, [[form(row[key]) if key in row else "" for key, _, form in used] for row in rows]


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as Markdown."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def _about(result: Numbers) -> str:
    """The machine in one line."""
    told, peaks = result["machine"], result["peak"]
    reached = ", ".join(f"{one['gflops']:.0f} GFLOP/s on {name}" for name, one in peaks.items())
    memory = "" if told["memory_gib"] is None else f", {told['memory_gib']:g} GiB"
    return (
        f"{told['cpu']}, {told['cores']} cores{memory}, {' '.join(told['flags']) or 'no flags'}; "
        f"threads {result['threads']}, rounds {result['repeats']}; fp32 peak {reached}"
    )
