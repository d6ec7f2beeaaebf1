"""How fast the public MNAD code scores a frame, measured in turn with the rows of `mnad bench`.

::

    python benchmarks/bench_public.py CLONE [--widths 1,0.25] [--runtimes auto] [--json FILE]

CLONE is a clone of the authors' repository; how it is run says `public_clone.py`. Its rows are as
it ships, building an autograd graph for every frame, and under ``torch.no_grad()``; its weights
are those of our untrained network, on the CPU. A frame is what Evaluate.py does to one: the
forward pass, PSNR, distance and E_t, with the memory frozen. It is normalised within the time that
is measured, as ours are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from public_clone import PublicCode, require_clone
from script import run

from mnad.bench.footage import first_frames
from mnad.bench.measure import repeated
from mnad.bench.plan import Row, counts, networks, runtimes
from mnad.bench.process import Answer, Json, Worker, serve
from mnad.bench.run import Plan, run_bench, start_row
from mnad.bench.table import text_of
from mnad.models.folder import load_model
from mnad.writing import require_folder, write_json

AS_SHIPPED, NO_GRAD = "public code", "public no_grad"


class PublicRow(Row):
    """The public code, which has nothing but the network that could be set beside ours."""

    @property
    def asks(self) -> tuple[str, ...]:
        """What is measured of it."""
        return ("network",)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clone", type=Path)
    arguments.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    for name, default in (("widths", "1,0.25"), ("sizes", "256x256"), ("runtimes", "auto")):
        arguments.add_argument(f"--{name}", default=default)
    arguments.add_argument("--repeats", default="3")
    arguments.add_argument("--threads", type=int)
    arguments.add_argument("--video", type=Path)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    if given.row:
        serve(lambda spec: answerer(given.clone, Row.of_json(spec)))
        return 0
    if given.json is not None:
        require_folder(given.json)
    require_clone(given.clone)
    found, missing = runtimes(given.runtimes)
    plan = Plan(
        networks=networks(given.widths, given.sizes),
        runtimes=found,
        streams=[1],
        repeats=counts("repeats", given.repeats)[0],
        video=given.video,
        threads=given.threads,
    )

    def start(row: Row) -> Worker:
        if not isinstance(row, PublicRow):
            return start_row(row)
        command = [sys.executable, __file__, str(given.clone), "--row"]
        return Worker(command, row.name, row.as_json(), row.threads)

    result = run_bench(plan, start, public_rows) | {"missing": missing}
    print(text_of(result))
    if given.json is not None:
        write_json(given.json, result)
    for sentence in (*missing, *result["failed"]):
        print(f"bench_public: {sentence}", file=sys.stderr)
    return int(bool(result["failed"]))


def public_rows(row: Row) -> Sequence[Row]:
    """The rows that stand beside ours by torch."""
    if row.runtime != "torch" or row.kind != "scoring":
        return ()
    values = vars(row)
    return [PublicRow(**{**values, "runtime": name}) for name in (AS_SHIPPED, NO_GRAD)]


def answerer(clone: Path, row: Row) -> Answer:
    """Load the public code with the weights of our model; what comes back measures it."""
    if row.threads is not None:
        torch.set_num_threads(row.threads)
    public, model = PublicCode(clone), load_model(row.model)
    method = replace(model.config.method, gamma=-1.0)  # no frame is as regular as that
    model = replace(model, config=replace(model.config, method=method))
    assert model.network.memory is not None
    network, items = public.build_like(model).eval(), model.network.memory.items
    frames = torch.from_numpy(first_frames(Path(row.video), row.network))
    window = frames[: row.network.window].permute(0, 3, 1, 2).flatten(0, 1).unsqueeze(0)

    def score() -> None:
        with torch.no_grad() if row.runtime == NO_GRAD else nullcontext():
            public.score(network, window.float() / 127.5 - 1, items, model)

    def answer(asked: Json) -> Json:
        return {"seconds": repeated(score, torch.device("cpu"))}

    return answer


if __name__ == "__main__":
    run(main)
