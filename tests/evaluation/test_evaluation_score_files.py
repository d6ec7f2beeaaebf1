"""`mnad score-file`: every layout gives the same numbers, and bad files one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

import mnad
from mnad.cli import main
from mnad.evaluation.given_text import scores_text
from mnad.evaluation.summary import labels_digest

Clips = dict[str, NDArray[Any]]

LABELS: Clips = {
    "1": np.array([0, 0, 1, 1]),
    "2": np.array([0, 0, 0, 1]),
    "10": np.array([1, 1, 1, 1]),
}
SCORES: Clips = {
    "1": np.array([1.0, 2, 3, 4]),
    "2": np.array([10.0, 11, 12, 13]),
    "10": np.array([20.0, 21, 22, 23]),
}


def folder(path: Path, clips: Clips) -> Path:
    path.mkdir()
    for name, values in clips.items():
        np.save(path / f"{name}.npy", values)
    return path


def archive(path: Path, clips: Clips) -> Path:
    np.savez(path, **clips)  # type: ignore[arg-type]
    return path


def table(path: Path, clips: Clips, column: str, first: int = 0) -> Path:
    lines = [f"clip,frame,{column}"]
    for name, values in clips.items():
        # Backwards: the numbers count, not the order of the lines.
        lines += [f"{name},{n + first},{v}" for n, v in reversed(list(enumerate(values)))]
    path.write_text("\n".join(lines) + "\n")
    return path


def series(path: Path, clips: Clips, column: str, numbered: bool) -> Path:
    path.mkdir()
    for name, values in clips.items():
        rows = [f"{n},{v}" if numbered else f"{v}" for n, v in enumerate(values)]
        header = f"frame,{column}" if numbered else column
        (path / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return archive(tmp_path / "labels.npz", LABELS)


@pytest.mark.parametrize("kind", ["npz", "npy", "csv", "frame,csv", "plain,csv"])
def test_layouts_all_mean_the_same(tmp_path: Path, kind: str) -> None:
    def written(name: str, clips: Clips, column: str) -> Path:
        if kind == "npz":
            return archive(tmp_path / f"{name}.npz", clips)
        if kind == "npy":
            return folder(tmp_path / name, clips)
        if kind == "csv":
            return table(tmp_path / f"{name}.csv", clips, column)
        return series(tmp_path / name, clips, column, numbered=kind == "frame,csv")

    found = mnad.score_file(written("s", SCORES, "score"), str(written("l", LABELS, "label")))
    assert (found["clips"], found["frames"], found["scored_frames"]) == (3, 12, 12)
    assert found["abnormal_frames"] == 7
    # The worked examples of the protocols.
    auc = found["frame"]["auc"]
    assert auc["causal_micro"] == pytest.approx(0.828571, abs=5e-7)
    assert auc["per_clip_minmax_micro"] == pytest.approx(0.8)
    assert auc["macro"] == 1.0
    y, s = (np.concatenate(list(c.values())) for c in (LABELS, SCORES))
    assert auc["whole_set_minmax_micro"] == pytest.approx(roc_auc_score(y, s))
    assert found["frame"]["ap"]["causal_micro"] == pytest.approx(average_precision_score(y, s))
    assert found["frame"]["macro"]["one_class_clips"] == ["10"]
    assert found["video"] is None and found["constant_clips"] == []
    assert found["protocol"]["labels_sha256"] == labels_digest(LABELS)


def test_frames_without_a_score(tmp_path: Path, labels: Path) -> None:
    cut = {name: values[2:] for name, values in SCORES.items()}
    plain = archive(tmp_path / "cut.npz", cut)
    found = mnad.score_file(plain, str(labels), first_frame=2)
    numbered = mnad.score_file(table(tmp_path / "n.csv", cut, "score", 2), str(labels))
    assert found["frame"] == numbered["frame"]
    assert (found["frames"], found["scored_frames"], found["abnormal_frames"]) == (12, 6, 5)
    assert found["frame"]["controls"]["frame_index"]["per_clip_minmax_micro"] == pytest.approx(0.8)
    with pytest.raises(mnad.MnadError, match=r"Clip 1 has 2 scores from frame 0 .* of 4 frames"):
        mnad.score_file(plain, str(labels))
    with pytest.raises(mnad.MnadError, match="has 2 scores from frame 1"):
        mnad.score_file(plain, str(labels), first_frame=1)
    with pytest.raises(mnad.MnadError, match="score of frame 4 but no label"):
        mnad.score_file(table(tmp_path / "m.csv", SCORES, "score", 1), str(labels))


def test_low_scores_can_mean_abnormal(tmp_path: Path, labels: Path) -> None:
    turned = archive(tmp_path / "s.npz", {name: -values for name, values in SCORES.items()})
    found = mnad.score_file(turned, str(labels), low_is_abnormal=True)
    same = mnad.score_file(archive(tmp_path / "t.npz", SCORES), str(labels))
    assert found["frame"] == same["frame"]


def test_labels_of_whole_clips(tmp_path: Path) -> None:
    scores = archive(
        tmp_path / "s.npz",
        {
            "a": np.array([1.0, 9]),
            "b": np.array([4.0, 4, 4]),
            "c": np.array([5.0]),
            "d": np.ones(2),
        },
    )
    whole = tmp_path / "whole.csv"
    whole.write_text("clip,label\na,0\nb,1\nc,1\nd,0\n")
    found = mnad.score_file(scores, str(whole))
    assert found["frame"] is None
    # Means 5, 4, 5, 1; highest 9, 4, 5, 1; frames 2, 3, 1, 2; b and c are abnormal.
    assert found["video"]["auc"]["mean"] == 2.5 / 4
    assert found["video"]["auc"]["max"] == 2 / 4
    assert found["video"]["length_auc"] == 2 / 4
    assert found["constant_clips"] == ["b", "c", "d"]
    scalars = {"a": np.array(0), "b": np.array(1), "c": np.array(1), "d": np.array(0)}
    again = mnad.score_file(scores, str(archive(tmp_path / "w.npz", scalars)))
    assert again["video"] == found["video"]
    assert again["protocol"]["labels_sha256"] == found["protocol"]["labels_sha256"]
    # Labels per frame of clips that are of one class each say the same, and frames beside it.
    spread = {"a": np.zeros(2), "b": np.ones(3), "c": np.ones(1), "d": np.zeros(2)}
    both = mnad.score_file(scores, str(archive(tmp_path / "f.npz", spread)))
    assert both["video"] == found["video"]
    assert both["frame"]["auc"]["macro"] is None
    assert "control: number of scored frames" in scores_text(both)


def test_one_class_and_constant_scores_have_no_false_number(tmp_path: Path, labels: Path) -> None:
    flat = archive(tmp_path / "s.npz", {name: np.full(4, 0.5) for name in LABELS})
    found = mnad.score_file(flat, str(labels))
    assert set(found["frame"]["auc"].values()) == {0.5}
    assert set(found["frame"]["eer"].values()) == {0.5}
    assert found["constant_clips"] == ["1", "2", "10"]
    normal = archive(tmp_path / "l.npz", {name: np.zeros(4) for name in LABELS})
    found = mnad.score_file(flat, str(normal))
    assert set(found["frame"]["auc"].values()) == {None}
    assert found["video"]["auc"]["mean"] is None
    assert "macro leaves out 3 clip(s)" in scores_text(found)


def test_labels_of_a_data_set(own_folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = {name: rng.random(14) for name in ("c", "d")}
    found = mnad.score_file(archive(tmp_path / "s.npz", scores), str(own_folder))
    y = np.tile(np.arange(14) >= 8, 2)
    expected = roc_auc_score(y, np.concatenate(list(scores.values())))
    assert found["frame"]["auc"]["causal_micro"] == pytest.approx(expected)
    assert "files beside the clips" in found["protocol"]["label_source"]


def test_the_controls_of_an_evaluation_are_those_of_its_scores(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """Those of random were others, as they were drawn for the scored frames alone."""
    model, data = trained
    result = mnad.evaluate(model, str(data))
    scores = {name: np.array(one["score"]) for name, one in result["frames_detail"].items()}
    for found in (
        mnad.score_file(archive(tmp_path / "s.npz", scores), str(data), first_frame=4),
        mnad.score_file(table(tmp_path / "s.csv", scores, "score", 4), str(data)),
    ):
        assert found["frame"]["controls"] == {
            name: result["controls"][name]
            for name in ("constant", "random", "frame_index", "clip_id")
        }
        assert found["frame"]["auc"]["causal_micro"] == result["auc"]["causal_micro"]


def test_the_command_prints_and_writes(
    tmp_path: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, out = archive(tmp_path / "s.npz", SCORES), tmp_path / "out.json"
    assert main(["score-file", str(scores), str(labels), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    assert scores_text(found) == printed.rstrip("\n")
    assert "3 clips, 12 of 12 frames scored, 7 of them abnormal" in printed
    assert "macro leaves out 1 clip(s) of one class: 10; padded macro 0.9667" in printed
    assert found["protocol"]["labels_sha256"] in printed
    assert "EER, interpolated" in printed


def nan(path: Path) -> Path:
    return archive(path / "s.npz", SCORES | {"2": np.array([1, np.nan, 2, 3])})


def fewer(path: Path) -> Path:
    return archive(path / "s.npz", {name: SCORES[name] for name in ("1", "10")})


def other(path: Path) -> Path:
    return archive(path / "s.npz", {f"Test{name}": values for name, values in SCORES.items()})


def text(content: str, name: str = "s.csv") -> Any:
    def write(path: Path) -> Path:
        (path / name).write_text(content)
        return path / name

    return write


def pickled(path: Path) -> Path:
    np.savez(path / "s.npz", a=np.array([{}, None], dtype=object))
    return path / "s.npz"


def mixed(path: Path) -> Path:
    where = folder(path / "s", SCORES)
    (where / "notes.txt").write_text("x")
    return where


def twice(path: Path) -> Path:
    where = folder(path / "s", SCORES)
    (where / "1.csv").write_text("score\n1\n")
    return where


@pytest.mark.parametrize(
    ("scores", "says", "code"),
    [
        (nan, "Clip '2' has 1 scores that are NaN or infinite, the first at position 1", 1),
        (fewer, "labels but no scores for clip 2", 1),
        (other, "scores but no labels for clip Test1, Test2, Test10; the labels name 1, 2, 10", 1),
        (text("frame,score\n"), "write clip,frame,score as line 1", 1),
        (
            text("clip;frame;score\n1;0;0,5\n"),
            "begins with 'clip;frame;score': write clip,frame",
            1,
        ),
        (text("# mine\nclip,frame,score\n"), "begins with '# mine': write clip,frame,score", 1),
        (text("clip,frame,score\n"), "has no scores in it", 1),
        (text(""), "is empty", 1),
        (text("clip,frame,score\n1,x,3\n"), "line 2: 'x' is no frame number", 1),
        # Of more than 64 bits, as when a row was pasted in pieces: Python's OverflowError.
        (text(f"clip,frame,score\n1,{2**63},3\n"), "'9223372036854775808' is no frame number", 1),
        (text("clip,frame,score\n1,0,3\n1,0,4\n"), "line 3: frame 0 is there twice", 1),
        (text("clip,frame,score\n1,0,high\n"), "line 2: 'high' is no number", 1),
        (text("clip,frame,score\n1,0\n"), "line 2, has 2 columns, not 3", 1),
        (text("x", "s.mat"), "is no .npz, .csv or folder", 2),
        (text("x", "s.npz"), "save plain arrays with numpy.savez", 1),
        (pickled, "save plain arrays with numpy.savez", 1),
        (mixed, "notes.txt is neither .npy nor .csv", 1),
        (twice, "has 1.npy and 1.csv: remove one", 1),
        (lambda path: archive(path / "s.npz", {"1": np.zeros((4, 2))}), "of the shape (4, 2)", 1),
        (lambda path: archive(path / "s.npz", {"1": np.array(3.0)}), "is a single number", 1),
        (lambda path: path / "nothing.npz", "is not there", 1),
        (lambda path: path / "nothing", "is not there", 1),
    ],
)
def test_bad_scores_get_one_sentence(
    scores: Any,
    says: str,
    code: int,
    tmp_path: Path,
    labels: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.json"
    assert main(["score-file", str(scores(tmp_path)), str(labels), "--json", str(out)]) == code
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("clip,frame,label\n1,0,2\n", "labels other than 0 and 1"),
        ("clip,label\n1,0\n1,1\n", "line 3: clip 1 has two labels"),
        ("clip,first,last\n1,0,2\n", "write clip,frame,label or clip,label as line 1"),
    ],
)
def test_bad_labels_get_one_sentence(
    content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = archive(tmp_path / "s.npz", SCORES)
    (tmp_path / "l.csv").write_text(content)
    assert main(["score-file", str(scores), str(tmp_path / "l.csv")]) == 1
    assert says in capsys.readouterr().err


def test_lines_without_content_and_a_suffix_in_capitals(tmp_path: Path, labels: Path) -> None:
    rows = "".join(f"{c},{t},{s}\n" for c, of in SCORES.items() for t, s in enumerate(of))
    plain, spaced = tmp_path / "s.csv", tmp_path / "T.CSV"
    plain.write_text(f"clip,frame,score\n{rows}")
    spaced.write_text(f"\n,,\nclip,frame,score\n\n{rows}")
    first, second = (mnad.score_file(file, labels)["frame"] for file in (plain, spaced))
    assert first == second


def test_other_refusals(tmp_path: Path, labels: Path) -> None:
    scores = archive(tmp_path / "s.npz", SCORES)
    mixed_labels = archive(tmp_path / "m.npz", LABELS | {"1": np.array(1)})
    with pytest.raises(mnad.MnadError, match="Clip 1 has one label but others one per frame"):
        mnad.score_file(scores, str(mixed_labels))
    with pytest.raises(mnad.UsageError, match="first_frame is -1"):
        mnad.score_file(scores, str(labels), first_frame=-1)
    with pytest.raises(mnad.UsageError, match="cannot be written"):
        mnad.score_file(scores, str(labels), json=tmp_path / "no" / "out.json")
    with pytest.raises(mnad.MnadError, match="is not there"):
        mnad.score_file(scores, str(tmp_path / "none.npz"))


def test_ped2_frame_index_is_the_known_control(data: Path, tmp_path: Path) -> None:
    """Frames 4 onwards of every clip, 1,620 of 1,962 abnormal; the control of the evaluation."""
    lengths = [180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180]
    scores = {f"{n:02d}": np.arange(4.0, length) for n, length in enumerate(lengths, start=1)}
    found = mnad.score_file(
        archive(tmp_path / "s.npz", scores), f"ped2:{data / 'ped2'}", first_frame=4
    )
    assert (found["frames"], found["scored_frames"]) == (2010, 1962)
    assert found["abnormal_frames"] == 1620
    auc = found["frame"]["auc"]
    assert auc["causal_micro"] == pytest.approx(0.739, abs=0.001)
    assert auc["per_clip_minmax_micro"] == pytest.approx(0.746, abs=0.001)
    assert auc == found["frame"]["controls"]["frame_index"]
    assert found["frame"]["macro"]["one_class_clips"] == ["08", "09", "10", "11"]
