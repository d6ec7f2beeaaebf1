"""Names of rows and groups, and what each row changes."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from mnad.ablation.plan import Common, trainings
from mnad.ablation.rows import CHANGES, COUNTS, GROUPS, ROWS, choose
from mnad.errors import UsageError
from mnad.presets import preset_of

SMALL = Common(width=0.05, channels=1, height=32, image_width=32, epochs=1)


def test_every_row_is_in_a_group_and_every_change_has_a_row() -> None:
    assert {name for group in GROUPS.values() for name in group} == set(ROWS)
    assert {row.training for row in ROWS.values()} == set(CHANGES)
    assert all(row.against in ROWS for row in ROWS.values() if row.against is not None)
    assert [row.name for row in choose("all")] == list(
        dict.fromkeys(name for group in GROUPS.values() for name in group)
    )


def test_the_counts_of_items_run_from_1_to_2000_with_the_papers_10_among_them() -> None:
    found = [t.config.network.items for t in trainings(choose("items"), SMALL)]
    assert found == sorted([*COUNTS, 10]) and (found[0], found[-1]) == (1, 2000)


def test_rows_are_chosen_once_in_order_and_unknown_ones_are_refused() -> None:
    names = [row.name for row in choose("paper, table1,P,official")]
    assert names == ["paper", "P-no-memory", "P", "R-no-memory", "R", "R-16", "official"]
    with pytest.raises(UsageError, match=r"'tabel1'.*table1, table2.*items-2000"):
        choose("tabel1")


def test_rows_share_a_training() -> None:
    planned = trainings(choose("table1,table2"), SMALL)
    assert [one.name for one in planned] == [
        "prediction-no-memory",
        "prediction-official",
        "reconstruction-no-memory",
        "reconstruction-official",
        "reconstruction-frames-16",
        "prediction-no-losses",
        "prediction-compactness",
        "prediction-separateness",
    ]
    assert set(planned[1].tests) == {"carried", "frozen", "reset", "no-gate"}
    # PSNR and distance alone are tested with the others, not by a pass of their own.
    assert {row.name for row in planned[1].rows} >= {"P", "official", "psnr-only", "distance-only"}


def test_each_training_is_one_named_change_of_the_preset() -> None:
    """What differs from official is what the change says, no more; some are several changes."""
    for name, change in CHANGES.items():
        of_it = [row for row in ROWS.values() if row.training == name]
        row = min(of_it, key=lambda row: row.task is not None)
        plain = trainings([replace(ROWS["official"], task=row.task)], SMALL)[0].config
        config = trainings([row], SMALL)[0].config
        network = _changed(asdict(plain.network), asdict(config.network))
        method = _changed(asdict(plain.method), asdict(config.method))
        if name == "paper":
            assert config.method == preset_of("paper", "prediction")[0] and len(method) == 6
            continue
        assert (network, method) == (dict(change.network), dict(change.method))
        several = (
            "no-losses",
            "as-memae",
            "no-bottleneck",
            "no-memory-loss-norm",
            "loss-norm-skip",
            "loss-norm-deform",
            "loss-norm-pseudo",
        )
        assert name in several or len(network) + len(method) == (0 if name == "official" else 1)


def _changed(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in after.items() if value != before[name]}


def test_a_row_of_table_1_has_its_own_task_and_learning_rate() -> None:
    planned = {t.name: t for t in trainings(choose("table1,paper"), Common(task="reconstruction"))}
    assert planned["prediction-official"].config.network.frames_in == 4
    assert planned["reconstruction-official"].config.network.frames_in == 1
    assert planned["reconstruction-official"].config.method.lambda_score == 0.7
    assert planned["reconstruction-paper"].train.learning_rate == 2e-5
    assert planned["reconstruction-official"].train.learning_rate == 2e-4
    assert planned["prediction-official"].recipe(7).seed == 7
