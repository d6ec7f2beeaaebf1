"""What the report of an evaluation is made of: mistakes, curves, tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mnad
from mnad.datasets import open_dataset
from mnad.evaluation.again import see_again
from mnad.evaluation.detail import chosen_score, curves_of, worst_moments
from mnad.evaluation.tables import DAMAGE, FRAMES
from mnad.models.folder import load_model


def result_of(**clips: tuple[list[float], list[int]]) -> dict[str, Any]:
    """A result with these causal scores and labels; the first frame scored is number 4."""
    return {
        "frames_detail": {
            name: {
                "index": list(range(4, 4 + len(score))),
                "score": score,
                "per_clip": score,
                "whole_set": score,
                "label": label,
            }
            for name, (score, label) in clips.items()
        }
    }


def test_the_worst_frames_lie_apart_and_say_how_wrong_they_are() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(200), rng.random(100)
    label_a, label_b = (rng.random(200) < 0.5).astype(int), np.zeros(100, int)
    result = result_of(a=(a.tolist(), label_a.tolist()), b=(b.tolist(), label_b.tolist()))
    alarms, misses = worst_moments(result, most=5, apart=10, of_a_clip=3)
    rows = [("a", i + 4, s, y) for i, (s, y) in enumerate(zip(a, label_a, strict=True))]
    rows += [("b", i + 4, s, y) for i, (s, y) in enumerate(zip(b, label_b, strict=True))]
    for found, label in ((alarms, 0), (misses, 1)):
        expected: list[tuple[str, int]] = []
        for clip, frame, *_ in sorted(
            (r for r in rows if r[3] == label), key=lambda r: r[2] if label else -r[2]
        ):
            same = [f for c, f in expected if c == clip]
            if len(same) < 3 and all(abs(frame - f) >= 10 for f in same):
                expected.append((clip, frame))
        assert [(m.clip, m.frame) for m in found] == expected[:5]
        others = [s for *_, s, y in rows if y != label]
        for moment in found:
            assert result["frames_detail"][moment.clip]["score"][moment.position] == moment.score
            worse = [s > moment.score if label else s < moment.score for s in others]
            assert moment.wrong == pytest.approx(np.mean(worse))
    assert len(misses) == 3 and {m.clip for m in misses} == {"a"}


def test_one_class_leaves_the_other_kind_empty() -> None:
    alarms, misses = worst_moments(result_of(a=([0.1, 0.9, 0.3], [0, 0, 0])), apart=1)
    assert [m.frame for m in alarms] == [5, 6] and not misses
    assert alarms[0].wrong is None
    assert curves_of(result_of(a=([0.1, 0.9, 0.3], [0, 0, 0]))) == {}


def test_a_score_in_decibels_is_followed_on_the_scale_of_the_whole_set() -> None:
    result = result_of(a=([0.1, 0.9], [0, 1]))
    assert chosen_score(result).protocol == "causal_micro"
    result["frames_detail"]["a"]["score"] = [-31.0, -25.0]
    assert chosen_score(result) == ("whole_set", "causal_micro")
    result["frames_detail"]["a"]["score"] = None
    assert chosen_score(result) == ("whole_set", "whole_set_minmax_micro")


def test_the_tables_read_back_are_the_result(trained: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = trained
    result = mnad.evaluate(model, str(data), report=tmp_path / "report")
    with (tmp_path / "report" / "frames.csv").open(newline="") as file:
        frames = list(csv.DictReader(file))
    assert len(frames) == result["scored_frames"]
    for column, key in FRAMES.items():
        read = [float(row[column]) for row in frames]
        assert read == [v for clip in result["frames_detail"].values() for v in clip[key]]
    assert [row["clip"] for row in frames] == [
        name for name, clip in result["frames_detail"].items() for _ in clip["index"]
    ]
    with (tmp_path / "report" / "clips.csv").open(newline="") as file:
        clips = {row["clip"]: row for row in csv.DictReader(file)}
    assert list(clips) == ["c", "d", "e"]
    assert clips["e"]["auc"] == ""  # of one class
    for name, row in clips.items():
        facts = result["macro"]["clips"][name]
        assert (int(row["normal"]), int(row["abnormal"])) == (facts["normal"], facts["abnormal"])
        for protocol, of_clips in result["damage"].items():
            for part in DAMAGE:
                assert float(row[f"{part}_{protocol}"]) == of_clips[name][part]


def test_frames_seen_again_have_the_error_that_was_scored(trained: tuple[Path, Path]) -> None:
    """With a frozen memory the PSNR of the error map is the one in the result."""
    import cv2

    path, data = trained
    result = mnad.evaluate(path, str(data), policy="frozen")
    model, dataset = load_model(path), open_dataset(str(data))
    seen = see_again(model, dataset, {"c": [4, 15], "e": [9]}, model.torch_runtime)
    assert set(seen) == {("c", 4), ("c", 15), ("e", 9)}
    items = model.torch_runtime.items
    assert items is not None
    for (clip, frame), one in seen.items():
        detail = result["frames_detail"][clip]
        at = detail["index"].index(frame)
        assert -10 * np.log10(one.error.mean()) == pytest.approx(detail["psnr"][at], rel=1e-5)
        assert one.distance is not None and one.heat is not None
        # Of unit vectors with C channels: mean over the grid of squared norms over C.
        far = float((one.distance**2).mean() / items.shape[1])
        assert far == pytest.approx(detail["distance"][at], rel=1e-3)
        image = cv2.imread(str(data / "testing" / clip / f"{frame}.png"))
        np.testing.assert_array_equal(one.picture, image[..., ::-1])
