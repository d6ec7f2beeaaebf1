"""Plans from words, numbers from rounds, tables from numbers; nothing is measured here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mnad.bench import plan as plan_module
from mnad.bench.machine import cpu_facts, machine, peak_mib, versions
from mnad.bench.plan import Row, counts, groups, networks, runtimes
from mnad.bench.run import summed
from mnad.bench.table import markdown_table, text_of, text_table
from mnad.config import NetworkConfig
from mnad.errors import UsageError

NETWORK = NetworkConfig(channels=1, width=0.25)
ROUNDS: dict[str, list[dict[str, Any]]] = {
    "network": [
        {"seconds": [0.1, 0.1, 0.2], "peak_mib": 300.0},
        {"seconds": [0.2, 0.2, 0.2], "peak_mib": 310.0},
        {"seconds": [0.4, 0.4, 0.4], "peak_mib": 310.0},
    ],
    "update": [{"scored": [0.09], "updated": [0.01], "peak_mib": 310.0}] * 3,
    "plain": [{"frames": 10, "seconds": 2.0, "besides": 1.0, "events": 1, "peak_mib": 390.0}],
    "everything": [{"frames": 10, "seconds": 4.0, "besides": 1.5, "events": 1, "peak_mib": 400.0}],
}


def result(**changes: Any) -> dict[str, Any]:
    rows = [(Row("scoring", network=NETWORK), ROUNDS)]
    rows.append((Row("scoring", network=NETWORK, streams=4), {"network": ROUNDS["network"]}))
    steps = [{"windows": 4, "seconds": [0.5, 0.5], "peak_mib": 500.0}]
    rows.append((Row("training", network=NETWORK, precision="bf16"), {"training": steps}))
    found = {
        "machine": {"cpu": "A CPU", "cores": 2, "flags": ["avx2"], "memory_gib": 24.0},
        "threads": 2,
        "repeats": 3,
        "peak": {"cpu": {"gflops": 100.0, "threads": 2}},
        "notes": ["A note."],
        "missing": ["onnx takes packages"],
        "failed": [],
    }
    return {**found, **summed(rows, found["peak"]), **changes}


def test_numbers_are_medians_over_the_rounds() -> None:
    row, four = result()["rows"]
    assert row["frames_per_second"] == pytest.approx(5.0)
    assert row["ms_per_frame_median"] == pytest.approx(200.0)
    assert row["ms_per_frame_p95"] == pytest.approx(400.0)
    assert row["gflop_per_frame"] == pytest.approx(5.8, abs=0.1)
    assert row["share_of_peak"] == pytest.approx(5 * row["gflop_per_frame"] / 100)
    assert row["update_share_of_frame"] == pytest.approx(0.1)
    assert row["update_ms_per_frame"] == pytest.approx(10.0)
    assert row["end_to_end_frames_per_second"] == pytest.approx(5.0)
    assert row["end_to_end_everything_frames_per_second"] == pytest.approx(2.5)
    assert (row["peak_mib"], row["peak_mib_network_alone"]) == (400.0, 300.0)
    assert four["frames_per_second"] == pytest.approx(20.0)
    assert four["ms_per_frame_median"] == pytest.approx(50.0)
    assert "end_to_end_frames_per_second" not in four
    (training,) = result()["training"]
    assert training["windows_per_second"] == pytest.approx(8.0)
    assert json.loads(json.dumps(result()))["rows"][0]["rounds"] == ROUNDS


def test_the_table_is_aligned_and_empty_where_nothing_was_measured() -> None:
    text = text_of(result())
    about, scoring, training, notes = text.split("\n\n")
    assert about.startswith("A CPU, 2 cores, 24 GiB, avx2; threads 2, rounds 3")
    head, one, four = scoring.splitlines()
    assert head.split()[:3] == ["runtime", "on", "width"]
    assert one.split()[:8] == ["torch", "cpu", "0.25", "256x256", "1", "5.84", "5", "200"]
    assert four.split()[4] == "4" and four.split()[-1] == "310"
    ends = [len(line) for line in scoring.splitlines()]
    assert ends[0] == ends[1] == ends[2]
    assert training.split()[-6:] == ["bf16", "cpu", "0.25", "256x256", "8", "500"]
    assert "A note." in notes and "onnx" not in notes


def test_markdown_has_the_same_cells_and_names_what_is_missing() -> None:
    text = text_of(result(), markdown=True)
    lines = [line for line in text.splitlines() if line.startswith("| torch")]
    assert len(lines) == 2 and all(line.count("|") == lines[0].count("|") for line in lines)
    assert "- onnx takes packages" in text
    assert text_of(result(training=[])).count("training") == 0
    head, rows = ["a", "bb"], [["x", "1"], ["yy", "22"]]
    assert text_table(head, rows) == "a   bb\nx    1\nyy  22"
    assert markdown_table(head, rows) == "| a | bb |\n| --- | ---: |\n| x | 1 |\n| yy | 22 |"


def test_words_become_networks_and_counts() -> None:
    found = networks("1, 0.5", "256x160,64x32")
    sizes = [(one.width, one.image_width, one.height, one.channels) for one in found]
    assert sizes == [(1, 256, 160, 1), (1, 64, 32, 1), (0.5, 256, 160, 1), (0.5, 64, 32, 1)]
    assert counts("streams", "1,4") == [1, 4]
    rows = [Row("scoring", streams=n) for n in range(1, 6)]
    assert [len(part) for part in groups(rows, 2)] == [1, 2, 2]
    assert [len(part) for part in groups(rows, 9)] == [5]
    assert [row for part in groups(rows, 0) for row in part] == rows


def test_a_row_travels_as_json_and_says_what_is_measured_of_it() -> None:
    row = Row("scoring", "onnx", NETWORK, 4, threads=2)
    assert Row.of_json(json.loads(json.dumps(row.as_json()))) == row
    assert row.asks == ("network", "update")
    assert Row("scoring").asks == ("network", "update", "plain", "everything")
    assert Row("training").asks == ("training",)


def test_a_runtime_that_is_not_installed_is_named_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mnad.runtime import pick

    monkeypatch.setattr(pick, "find_spec", lambda name: None)
    found, missing = runtimes("torch,onnx-int8")
    assert found == ["torch"] and "pip install 'mnad[onnx]'" in missing[0]
    assert runtimes("auto") == (["torch"], [])
    with pytest.raises(UsageError, match="pip install"):
        runtimes("openvino")
    assert plan_module.RUNTIMES[0] == "torch"


def test_the_machine_is_told() -> None:
    text = "processor : 0\nmodel name : A CPU\nflags : sse avx2 amx_int8\n\nmodel name : other\n"
    assert cpu_facts(text) == {"cpu": "A CPU", "flags": ["avx2", "amx_int8"]}
    assert machine()["cores"] >= 1 and peak_mib() > 1
    assert {"python", "torch", "numpy"} <= set(versions())
