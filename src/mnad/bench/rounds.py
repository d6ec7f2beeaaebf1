"""Round robin: what disturbs the machine for a while disturbs every row alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mnad.bench.process import Worker
from mnad.errors import MnadError

Rounds = dict[str, list[dict[str, Any]]]
"""Of one row: for each thing that was asked the answers, one a round."""


def in_rounds(
    workers: Mapping[str, Worker],
    asks: Mapping[str, Sequence[str]],
    rounds: int,
    told: Callable[[], object] = lambda: None,
) -> tuple[dict[str, Rounds], dict[str, str]]:
    """Ask every worker the same thing, then all of them the next, so many times.

    Args:
        workers: by the name of their row.
        asks: what each is asked, in order.
        rounds: how often.
        told: called after each answer.

    Returns:
        The answers by row, and a sentence for each row that failed, which is asked no more.
    """
    order = list(dict.fromkeys(ask for one in asks.values() for ask in one))
    found: dict[str, Rounds] = {row: {} for row in workers}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for ask in order:
            for row, worker in workers.items():
                if row in failed or ask not in asks[row]:
                    continue
                try:
                    found[row].setdefault(ask, []).append(worker.ask({"do": ask}))
                except MnadError as error:
                    failed[row] = str(error)
                told()
    return {row: one for row, one in found.items() if row not in failed}, failed
