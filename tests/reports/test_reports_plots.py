from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.reports.figures import ABNORMAL, CURVES, envelope, head, new_figure
from mnad.reports.plots import evaluation_plot, roc_plot, score_plot

Video = tuple[NDArray[Any], ...]


def read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture[..., 2::-1])


def of(picture: NDArray[np.uint8], colour: str, tolerance: int = 3) -> NDArray[np.bool_]:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.asarray((np.abs(picture.astype(int) - rgb) <= tolerance).all(-1))


def columns_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.flatnonzero(mask.sum(0) > 20)


@pytest.fixture
def video() -> Video:
    rng = np.random.default_rng(0)
    n = 400
    labels = np.zeros(n, int)
    labels[100:200] = 1
    score = np.clip(0.2 + 0.5 * labels + rng.normal(0, 0.03, n), 0, 1)
    psnr, distance = 36 - 5 * labels + rng.normal(0, 0.3, n), 0.004 + 0.002 * labels
    for column in (score, psnr, distance):
        column[:4] = np.nan
    return np.arange(n) / 10, psnr, distance, score, labels


def test_score_plot_is_a_png_of_its_size_and_leaves_nothing_else(
    tmp_path: Path, video: Video
) -> None:
    seconds, psnr, distance, score, _ = video
    score_plot(tmp_path / "score.png", seconds, psnr, distance, score, title="a.mp4")
    picture = read(tmp_path / "score.png")
    assert picture.shape == (840, 1500, 3)
    assert not of(picture, ABNORMAL).any()
    # Each of the three panels holds its curve.
    heights = [np.flatnonzero(of(picture, colour).any(1)).mean() for colour in CURVES[:3]]
    assert heights == sorted(heights)
    assert [p.name for p in tmp_path.iterdir()] == ["score.png"]


def test_a_plot_shades_where_labels_are_one(tmp_path: Path, video: Video) -> None:
    seconds, _, _, score, labels = video
    evaluation_plot(tmp_path / "e.png", {"a": (seconds, score, labels)})
    picture = read(tmp_path / "e.png")
    shaded = columns_of(of(picture, ABNORMAL))
    # The curve spans the axes from left to right, so 25 % .. 50 % of that is abnormal.
    inked = np.flatnonzero(of(picture, CURVES[0], 20).any(0))
    left = inked.max() - (inked.max() - inked.min()) * 400 / 396
    share = (shaded[[0, -1]] - left) / (inked.max() - left)
    assert share == pytest.approx([0.25, 0.5], abs=0.005)
    assert (np.diff(shaded) == 1).mean() > 0.95


def test_one_abnormal_frame_at_the_very_end_is_seen(tmp_path: Path, video: Video) -> None:
    seconds, _, _, score, labels = video
    labels[:] = 0
    labels[-1] = 1
    evaluation_plot(tmp_path / "e.png", {"a": (seconds, score, labels)})
    assert len(columns_of(of(read(tmp_path / "e.png"), ABNORMAL))) >= 1


def test_threshold_is_a_dashed_line(tmp_path: Path, video: Video) -> None:
    seconds, psnr, distance, score, _ = video
    ink = []
    for threshold in (None, 0.5):
        score_plot(tmp_path / "s.png", seconds, psnr, distance, score, threshold=threshold)
        dark = of(read(tmp_path / "s.png"), "#222222", 30)
        ink.append(dark.sum(1).max())
    assert ink[1] > 600 > ink[0]


def test_svg_and_names_that_look_like_formulas(tmp_path: Path, video: Video) -> None:
    seconds, psnr, distance, score, _ = video
    score_plot(tmp_path / "s.svg", seconds, psnr, distance, score, title=r"$\frac$ 日本_^{.mp4")
    assert ElementTree.parse(tmp_path / "s.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_short_videos_without_any_score(tmp_path: Path, n: int) -> None:
    nothing = np.full(n, np.nan)
    score_plot(tmp_path / "s.png", np.arange(n) / 25, nothing, nothing, nothing)
    evaluation_plot(tmp_path / "e.png", {"a": (np.arange(n), nothing, np.ones(n))})
    assert of(read(tmp_path / "e.png"), ABNORMAL).sum() > 10_000


def test_infinite_psnr_leaves_a_gap(tmp_path: Path, video: Video) -> None:
    seconds, psnr, distance, score, _ = video
    psnr[100:300] = np.inf
    score_plot(tmp_path / "s.png", seconds, psnr, distance, score)
    inked = np.flatnonzero(of(read(tmp_path / "s.png"), CURVES[1], 20).any(0))
    assert np.diff(inked).max() > 500


def test_a_hundred_thousand_frames_keep_their_peak(tmp_path: Path) -> None:
    n = 100_000
    score = np.full(n, 0.2)
    score[54_321] = 1.0
    score_plot(tmp_path / "s.svg", np.arange(n) / 25, score, score, score)
    assert (tmp_path / "s.svg").stat().st_size < 1_000_000
    x, y = envelope(np.arange(n, dtype=float), score)
    assert x[y == 1.0].tolist() == [54_321]


def test_envelope_against_a_loop() -> None:
    rng = np.random.default_rng(3)
    y: NDArray[np.float64] = rng.normal(size=1003)
    y[rng.random(1003) < 0.3] = np.nan
    y[200:260] = np.nan
    x = np.linspace(0, 501, 1003)
    got_x, got_y = envelope(x, y, most=100)
    assert len(got_x) <= 100
    expected = []
    for start in range(0, 1003, 21):
        part = y[start : start + 21]
        if np.isnan(part).all():
            expected += [(x[start], np.nan)] * 2
        else:
            expected += [
                (x[start + i], part[i]) for i in sorted((nanarg(part, 1), nanarg(part, -1)))
            ]
    np.testing.assert_array_equal(np.stack((got_x, got_y), 1), np.array(expected))
    assert np.isnan(got_y).any()


def nanarg(values: NDArray[Any], sign: int) -> int:
    best = -1
    for i, v in enumerate(values):
        if not np.isnan(v) and (best < 0 or sign * v < sign * values[best]):
            best = i
    return best


def test_envelope_leaves_short_curves_alone() -> None:
    x, y = np.arange(5.0), np.array([1, np.nan, 3, 2, 1])
    got_x, got_y = envelope(x, y)
    np.testing.assert_array_equal(got_x, x)
    np.testing.assert_array_equal(got_y, y)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_evaluation_plot_shades_each_clip_with_abnormal_frames(tmp_path: Path, count: int) -> None:
    n = 60
    label = np.zeros(n, int)
    label[30:] = 1
    clips = {
        f"{i:02d}": (np.arange(n), np.linspace(0, 1, n), label * (i % 2 == 0)) for i in range(count)
    }
    evaluation_plot(tmp_path / "e.png", clips, "Ped2", "AUC 0.948")
    mask = of(read(tmp_path / "e.png"), ABNORMAL).astype(np.uint8)
    # The curve and the grid cut a shaded interval into pieces; closing joins them again.
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    assert (stats[1:, cv2.CC_STAT_AREA] > 1500).sum() == (count + 1) // 2


def test_evaluation_plot_of_ped2_labels(tmp_path: Path, data: Path) -> None:
    from scipy.io import loadmat

    intervals = loadmat(data / "ped2" / "ped2.mat", squeeze_me=True)["gt"]
    clips = {}
    for number, interval in enumerate(intervals, 1):
        folder = data / "ped2" / "testing" / "frames" / f"{number:02d}"
        label = np.zeros(len(list(folder.glob("*.jpg"))), int)
        for first, last in np.reshape(interval, (2, -1), order="F").T:
            label[first - 1 : last] = 1
        clips[folder.name] = (np.arange(len(label)), label * 0.5, label)
    assert sum(int(c[2].sum()) for c in clips.values()) == 1648
    evaluation_plot(tmp_path / "e.png", clips, "Ped2")
    picture = read(tmp_path / "e.png")
    share = of(picture, ABNORMAL).sum() / (picture.shape[0] * picture.shape[1])
    assert 0.3 < share < 0.8


def test_roc_plot_passes_through_its_points(tmp_path: Path) -> None:
    fpr = np.array([0, 0.0, 0.5, 1.0])
    tpr = np.array([0, 0.5, 1.0, 1.0])
    roc_plot(tmp_path / "r.png", {"combined": (fpr, tpr, 0.875)}, "Ped2")
    picture = read(tmp_path / "r.png")
    assert picture.shape == (810, 810, 3)
    rows, columns = np.nonzero(of(picture, CURVES[0], 20))
    # The legend's sample of the line lies in the lower half; the curve is in the upper left.
    upper = rows < 380
    left, right = columns[upper].min(), columns[upper].max()
    top = rows.min()
    at_left = rows[(columns < left + 3)]
    assert at_left.max() - top > 600
    middle = columns[(rows < top + 3)].min()
    assert (middle - left) / (right - left) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("width", "note"), [(5.4, "band: 95 % by clip"), (5.2, ""), (10, "x" * 60)]
)
def test_titles_neither_leave_the_picture_nor_run_into_the_note(width: float, note: str) -> None:
    for title in ("AUC", "W" * 300, "entrance of the east wing, camera 3, $2 and $3, " * 3):
        figure = new_figure(width, 5.4)
        head(figure, title, note)
        (shown, *rest) = sorted(figure.texts, key=lambda text: text.get_position()[0])
        end = min([text.get_window_extent().x0 for text in rest], default=figure.bbox.width)
        said = shown.get_text()
        assert 0.75 * end < shown.get_window_extent().x1 < end or said == title
        assert said[:4] == title[:4][: len(said)] and said[-3:] == title[-3:]


def test_what_cannot_be_plotted_is_said_in_a_sentence(tmp_path: Path, video: Video) -> None:
    seconds, psnr, distance, score, _ = video
    with pytest.raises(UsageError, match=r"s\.gif: .*\.png or \.svg"):
        score_plot(tmp_path / "s.gif", seconds, psnr, distance, score)
    with pytest.raises(MnadError, match="400, 399, 400, 400 rows"):
        score_plot(tmp_path / "s.png", seconds, psnr, distance, score[1:])
    with pytest.raises(MnadError, match="no frames"):
        score_plot(tmp_path / "s.png", [], [], [], [])
    with pytest.raises(MnadError, match="no clips"):
        evaluation_plot(tmp_path / "e.png", {})
    with pytest.raises(MnadError, match="clip 07"):
        evaluation_plot(tmp_path / "e.png", {"07": ([0, 1], [0.5], [0, 1])})
    with pytest.raises(MnadError, match="no curves"):
        roc_plot(tmp_path / "r.png", {})
    (tmp_path / "file").touch()
    for place in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(MnadError, match="cannot be written"):
            score_plot(place / "s.png", seconds, psnr, distance, score)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_plot(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    seconds, psnr, distance, score, _ = video
    path = tmp_path / "s.png"
    path.write_bytes(b"old")

    def full(self: Figure, target: Path, **_: Any) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(MnadError, match="No space left"):
        score_plot(path, seconds, psnr, distance, score)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["s.png"]


def test_importing_the_room_draws_in_neither_matplotlib_nor_torch() -> None:
    program = (
        "import sys, mnad.reports.plots, mnad.reports.overlay;"
        "print(sorted({'matplotlib', 'PIL', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
