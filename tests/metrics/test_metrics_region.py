"""RBDC and TBDC: the worked examples, a slow second implementation, tracks and sweeps of maps."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.metrics.region import RegionMetrics, box_iou, region_metrics
from mnad.metrics.region_maps import components, detections_of, smoothed, track_boxes, track_maps
from mnad.metrics.region_sweep import RegionSweep, frame_thresholds

Array = NDArray[Any]

TRACKS = {
    "a": [[0, 0, 0, 0, 9, 9], [0, 1, 0, 0, 9, 9], [1, 2, 50, 50, 69, 69], [1, 3, 50, 50, 69, 69]]
}
DETECTIONS = {
    "a": [
        [0, 0, 0, 9, 9, 0.9],
        [4, 0, 0, 9, 9, 0.8],
        [1, 0, 0, 9, 9, 0.7],
        [2, 80, 80, 89, 89, 0.6],
        [2, 50, 50, 59, 59, 0.5],
        [5, 1, 1, 5, 5, 0.4],
    ]
}


@pytest.mark.parametrize(
    ("frames", "rbdc", "tbdc", "reached"), [(4, 0.5625, 0.75, 0.75), (6, 0.625, 0.833333, 0.5)]
)
def test_worked_example(frames: int, rbdc: float, tbdc: float, reached: float) -> None:
    found = region_metrics(TRACKS, DETECTIONS, frames)
    assert found.rbdc == pytest.approx(rbdc, abs=5e-7)
    assert found.tbdc == pytest.approx(tbdc, abs=5e-7)
    assert found == RegionMetrics(found.rbdc, found.tbdc, 4, 2, 6, frames, reached, 0)


def test_perfect_detections_have_one() -> None:
    own = {"a": [[*row[1:], 1 - 0.01 * i] for i, row in enumerate(TRACKS["a"])]}
    found = region_metrics(TRACKS, own, 10)
    assert (found.rbdc, found.tbdc) == (1.0, 1.0)


def test_iou_of_boxes_that_include_their_last_pixel() -> None:
    pixels = np.zeros((2, 12, 12), bool)
    boxes = [(1, 2, 5, 8), (4, 0, 9, 4)]
    for one, (left, top, right, bottom) in zip(pixels, boxes, strict=True):
        one[top : bottom + 1, left : right + 1] = True
    expected = (pixels[0] & pixels[1]).sum() / (pixels[0] | pixels[1]).sum()
    assert box_iou(boxes[0], boxes[1])[0, 0] == pytest.approx(expected)
    assert box_iou([0, 0, 4, 4], [[5, 0, 9, 4], [0, 0, 4, 4]]).tolist() == [[0, 1]]
    assert box_iou([[50, 50, 59, 59]], [[50, 50, 69, 69]])[0, 0] == 0.25


def by_thresholds(
    tracks: Array, detections: Array, frames: int, alpha: float, beta: float
) -> tuple[float, float]:
    """Both areas, everything counted anew at each threshold; scores must differ."""
    points = [(0.0, 0.0, 0.0)]
    for t in sorted(detections[:, 5], reverse=True):
        fired = detections[detections[:, 5] >= t]
        false = 0
        found = np.zeros(len(tracks), bool)
        for row in fired:
            own = [
                i
                for i, truth in enumerate(tracks)
                if truth[1] == row[0] and box_iou(row[1:5], truth[2:])[0, 0] >= beta
            ]
            false += not own
            found[own] = True
        names = sorted(set(tracks[:, 0]))
        reached = [found[tracks[:, 0] == n].mean() >= alpha for n in names]
        points.append((false / frames, float(found.mean()), float(np.mean(reached))))
    kept = [p for p in points if p[0] <= 1]
    kept.append((1.0, *kept[-1][1:]))
    area = np.zeros(2)
    for a, b in itertools.pairwise(kept):
        area += (b[0] - a[0]) * (np.array(a[1:]) + np.array(b[1:])) / 2
    return float(area[0]), float(area[1])


@pytest.mark.parametrize("seed", range(8))
def test_against_counting_at_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def boxes(n: int) -> Array:
        corner = rng.integers(0, 30, (n, 2))
        return np.hstack([corner, corner + rng.integers(3, 20, (n, 2))])

    tracks = np.hstack([[[n // 7, n % 7] for n in range(28)], boxes(28)])
    found = np.hstack([rng.integers(0, 9, (60, 1)), boxes(60), rng.permutation(60)[:, None]])
    alpha, beta = rng.uniform(0.05, 0.6, 2)
    frames = int(rng.integers(8, 60))
    got = region_metrics({"a": tracks}, {"a": found}, frames, alpha=alpha, beta=beta)
    assert (got.rbdc, got.tbdc) == pytest.approx(
        by_thresholds(tracks, found, frames, alpha, beta), abs=1e-12
    )


def test_clips_do_not_mix_and_ties_are_told() -> None:
    twice = {"a": TRACKS["a"], "b": TRACKS["a"]}
    alone = region_metrics(twice, {"b": [[0, 0, 0, 9, 9, 0.9], [7, 0, 0, 1, 1, 0.9]]}, 10)
    assert (alone.regions, alone.tracks, alone.tied) == (8, 4, 2)
    assert alone.rbdc == pytest.approx(1 / 8)
    assert region_metrics({}, DETECTIONS, 5).rbdc is None
    assert region_metrics(TRACKS, {}, 5).rbdc == 0


@pytest.mark.parametrize(
    ("tracks", "detections", "says"),
    [
        ([[0, 0, 0, 0, 9]], [], "shape"),
        ([[0, 0, 5, 0, 4, 9]], [], "ends before it starts"),
        ([[0, 0, 0, 0, 9, 9], [0, 0, 1, 1, 9, 9]], [], "two boxes of track 0 in frame 0"),
        ([[0, 0.5, 0, 0, 9, 9]], [], "no whole number"),
        ([], [[0, 0, 0, 9, 9, np.nan]], "NaN"),
        ([], [[0, 0, 9, 9, 1]], "shape"),
    ],
)
def test_rows_that_are_refused(tracks: Any, detections: Any, says: str) -> None:
    with pytest.raises(MnadError, match=says):
        region_metrics({"a": tracks}, {"a": detections}, 4)


def test_rates_out_of_range() -> None:
    for bad in (
        {"frames": 0},
        {"frames": np.nan},
        {"frames": 4, "alpha": 0},
        {"frames": 4, "beta": 1.1},
    ):
        with pytest.raises(UsageError):
            region_metrics(TRACKS, DETECTIONS, **bad)  # type: ignore[arg-type]


def test_components_and_their_boxes() -> None:
    fired = np.zeros((6, 7), bool)
    fired[0, 0] = fired[1, 1] = True  # diagonal: one
    fired[3:6, 3:5] = True
    fired[0, 6] = True
    labels, boxes = components(fired)
    assert sorted(map(tuple, boxes)) == [(0, 0, 1, 1), (3, 3, 4, 5), (6, 0, 6, 0)]
    assert ((labels > 0) == fired).all()
    labels, boxes = components(fired, min_area=2)
    assert len(boxes) == 2 and not labels[0, 6] and set(labels.ravel()) == {0, 1, 2}
    assert components(fired, min_area=9)[1].shape == (0, 4)
    assert components(fired, min_area=9)[0].max() == 0


@pytest.mark.parametrize("min_area", [1, 3])
def test_components_are_those_of_another_library(min_area: int) -> None:
    from scipy.ndimage import label

    rng = np.random.default_rng(min_area)
    for _ in range(200):
        fired = np.zeros(rng.integers(1, 14, 2), bool)
        top, left = rng.integers(0, fired.shape)  # all of it in a corner, at any place
        fired[top:, left:] = rng.random(fired[top:, left:].shape) < rng.random()
        expected, count = label(fired, np.ones((3, 3)))
        whole = [expected == n for n in range(1, count + 1)]
        whole = [one for one in whole if one.sum() >= min_area]
        labels, boxes = components(fired, min_area)
        assert labels.shape == fired.shape and len(boxes) == len(whole) == labels.max()
        for number, box in enumerate(boxes, 1):
            own = labels == number
            assert any((own == one).all() for one in whole)
            rows, columns = np.nonzero(own)
            assert box.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_detections_of_a_map() -> None:
    one = np.zeros((5, 6))
    one[0, :2] = 0.4, 0.9
    one[3:, 4:] = 0.6
    rows = detections_of(one, 7, 0.4)
    assert rows.tolist() == [
        [7, 0, 0, 1, 0, pytest.approx(0.9)],
        [7, 4, 3, 5, 4, pytest.approx(0.6)],
    ]
    assert len(detections_of(one, 7, 0.4, min_area=3)) == 1
    assert detections_of(one, 7, 2.0).shape == (0, 6)
    flat = smoothed(one, 1.0)
    assert flat.sum() == pytest.approx(one.sum(), rel=1e-5) and flat.max() < 0.9


def test_a_threshold_fires_at_the_very_value_of_a_map() -> None:
    # As float32, 0.57 is a little less than as float64.
    one = np.full((2, 2), 0.57)
    assert len(detections_of(one, 0, 0.57)) == 1
    sweep = RegionSweep([0.57])
    sweep.add("a", one, np.ones((2, 2), np.int32))
    assert sweep.value().rbdc == 1


def test_tracks_from_masks_by_hand() -> None:
    masks = np.zeros((4, 5, 12), bool)
    masks[0, 1:3, 0:3] = True  # track 0
    masks[1, 1:3, 1:4] = True  # overlaps it
    masks[1, 0, 8:10] = True  # track 1
    masks[2, 1:3, 2:6] = True  # track 0
    masks[2, 0, 7:12] = True  # track 1
    masks[3, 2, 5:12] = True  # touches track 0 alone
    masks[3, 0, 11] = True  # track 1
    maps = list(track_maps(masks))
    assert [sorted(set(m.ravel()) - {0}) for m in maps] == [[1], [1, 2], [1, 2], [1, 2]]
    assert track_boxes(maps).tolist() == [
        [0, 0, 0, 1, 2, 2],
        [0, 1, 1, 1, 3, 2],
        [0, 2, 2, 1, 5, 2],
        [0, 3, 5, 2, 11, 2],
        [1, 1, 8, 0, 9, 0],
        [1, 2, 7, 0, 11, 0],
        [1, 3, 11, 0, 11, 0],
    ]


def test_what_splits_or_pauses_begins_a_new_track() -> None:
    masks = np.zeros((4, 3, 9), bool)
    masks[0, :, :] = True
    masks[1, :, :3] = masks[1, :, 5:] = True  # the larger half goes on
    masks[3, :, :3] = True  # after an empty frame
    maps = list(track_maps(masks))
    assert maps[1][0, 0] == 2 and maps[1][0, 8] == 1
    assert maps[3].max() == 3
    with pytest.raises(MnadError, match="shape"):
        list(track_maps([masks[0], masks[0, :2]]))


def blobs(seed: int) -> tuple[Array, Array]:
    """Maps with flat separate blobs, each of its own value; masks with two tracks."""
    rng = np.random.default_rng(seed)
    maps, masks = np.zeros((6, 20, 30)), np.zeros((6, 20, 30), bool)
    values = iter(rng.permutation(60) + 1.0)
    for t in range(6):
        masks[t, 1:6, 1 + t : 6 + t] = True
        masks[t, 12:18, 20:25] = t > 1
        for top in (1, 12):
            for left in (1, 8, 15, 22):
                if rng.random() < 0.6:
                    maps[t, top : top + rng.integers(2, 7), left : left + 5] = next(values)
    return maps, masks


@pytest.mark.parametrize("seed", range(5))
def test_both_sweeps_agree_on_separate_flat_blobs(seed: int) -> None:
    # Nothing grows or merges there, so that extracting once or at each threshold is the same.
    maps, masks = blobs(seed)
    tracks = list(track_maps(masks))
    sweep = RegionSweep(np.unique(maps[maps > 0]))
    boxed = RegionSweep(np.unique(maps[maps > 0]))
    rows = track_boxes(tracks)
    for t, (one, truth) in enumerate(zip(maps, tracks, strict=True)):
        sweep.add("a", one, truth)
        boxed.add_boxes("a", one, rows[rows[:, 1] == t][:, [0, 2, 3, 4, 5]])
    fixed = np.vstack([detections_of(one, t, 0.5) for t, one in enumerate(maps)])
    once = region_metrics({"a": rows}, {"a": fixed}, 6)
    found = sweep.value()
    assert found == boxed.value()
    assert (found.rbdc, found.tbdc) == pytest.approx((once.rbdc, once.tbdc), abs=1e-12)
    assert (found.regions, found.tracks, found.frames) == (once.regions, once.tracks, 6)
    assert found.detections == len(fixed)


def swept(maps: Array, tracks: list[Array], beta: float, mask_iou: bool) -> tuple[float, float]:
    """Every threshold, regions as sets of pixels; the curve as the sweep defines it."""
    from scipy.ndimage import label

    points = []
    for t in sorted(set(maps.ravel().tolist()), reverse=True):
        false = 0
        found: dict[int, list[bool]] = {}
        for one, truth in zip(maps, tracks, strict=True):
            parts, count = label(one >= t, np.ones((3, 3)))
            regions = [parts == n for n in range(1, count + 1)]
            own = {int(n): truth == n for n in set(truth.ravel()) - {0}}
            pairs = np.array([[iou(a, b, mask_iou) >= beta for b in own.values()] for a in regions])
            pairs = pairs.reshape(len(regions), len(own))
            false += int((~pairs.any(axis=1)).sum())
            for n, hit in zip(own, pairs.any(axis=0), strict=True):
                found.setdefault(n, []).append(bool(hit))
        fpr = false / len(maps)
        if fpr > 1:
            break
        every = [h for hits in found.values() for h in hits]
        reached = [np.mean(hits) >= 0.1 for hits in found.values()]
        points.append((fpr, float(np.mean(every)), float(np.mean(reached))))
    steps = sorted({0.0, 1.0, *(p[0] for p in points)})
    areas = []
    for which in (1, 2):
        # Along equal abscissae the curve goes up to the best rate there.
        low = 0.0
        area = 0.0
        for x, until in zip(steps, [*steps[1:], 1.0], strict=True):
            low = max([low, *(p[which] for p in points if p[0] <= x)])
            after = min((p[which] for p in points if p[0] == until), default=low)
            area += (until - x) * (low + max(low, after)) / 2
        areas.append(area)
    return areas[0], areas[1]


def iou(a: Array, b: Array, of_masks: bool) -> float:
    if of_masks:
        return float((a & b).sum() / (a | b).sum())
    boxes = []
    for region in (a, b):
        rows, columns = np.nonzero(region)
        boxes.append((columns.min(), rows.min(), columns.max(), rows.max()))
    return float(box_iou(*boxes)[0, 0])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("overlap", ["box", "mask"])
def test_sweep_against_sets_of_pixels(seed: int, overlap: str) -> None:
    rng = np.random.default_rng(seed)
    _, masks = blobs(seed)
    maps = np.stack([smoothed(one, 2.0) for one in rng.random(masks.shape)]) + masks * 0.04
    maps = maps.round(2)
    tracks = list(track_maps(masks))
    sweep = RegionSweep(np.unique(maps), overlap=overlap, beta=0.2)  # type: ignore[arg-type]
    for one, truth in zip(maps, tracks, strict=True):
        sweep.add("a", one, truth)
    got = sweep.value()
    assert (got.rbdc, got.tbdc) == pytest.approx(
        swept(maps.astype(np.float32), tracks, 0.2, overlap == "mask"), abs=1e-12
    )


def test_frame_thresholds_are_values_of_frames() -> None:
    highest = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert frame_thresholds(highest, 3).tolist() == [1, 3, 5]
    assert frame_thresholds(highest).tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(UsageError):
        frame_thresholds([])
    with pytest.raises(MnadError, match="1 highest values that are NaN"):
        frame_thresholds([np.nan, 1])


def test_what_a_sweep_refuses() -> None:
    truth = np.zeros((4, 5), np.int32)
    sweep = RegionSweep([0.5])
    with pytest.raises(MnadError, match="resize the map"):
        sweep.add("a", np.zeros((8, 10)), truth)
    with pytest.raises(MnadError, match="NaN"):
        sweep.add("a", np.full((4, 5), np.nan), truth)
    with pytest.raises(UsageError, match="no mask"):
        RegionSweep([0.5], overlap="mask").add_boxes("a", np.zeros((4, 5)), [])
    for bad in ([], [np.nan]):
        with pytest.raises(UsageError, match="finite"):
            RegionSweep(bad)
    sweep.add("a", np.zeros((4, 5)), truth)
    assert sweep.value().rbdc is None and sweep.value().frames == 1


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([[1, 9, 9, 5, 5]], "ends before it starts"),
        ([[1, 0, 0, 5, 5], [2, 0, 0, 5, 5], [1, 1, 1, 4, 4]], "two boxes of track 1 in a frame"),
    ],
)
def test_boxes_that_a_sweep_refuses(boxes: Any, says: str) -> None:
    sweep = RegionSweep([0.5])
    with pytest.raises(MnadError, match=f"Clip 'a' has .*{says}"):
        sweep.add_boxes("a", np.zeros((10, 10)), boxes)
    assert sweep.value().frames == sweep.value().regions == 0


@pytest.mark.parametrize("overlap", ["box", "mask"])
def test_a_bool_mask_is_one_track(overlap: Any) -> None:
    one, mask = np.zeros((6, 8)), np.zeros((6, 8), bool)
    one[1:3, 1:4], mask[1:3, 1:5] = 1, True
    found = []
    for truth in (mask, mask.astype(np.uint8), mask.astype(np.int32)):
        sweep = RegionSweep([0.5], overlap=overlap)
        sweep.add("a", one, truth)
        found.append(sweep.value())
    assert found[0] == found[1] == found[2]
    assert (found[0].rbdc, found[0].regions, found[0].tracks) == (1, 1, 1)
    assert track_boxes([mask]).tolist() == [[0, 0, 1, 1, 4, 2]]


@pytest.mark.parametrize(
    "masks",
    [
        [np.ones((4, 5, 1), bool)],  # as of an image with a channel
        [np.ones((4, 5, 3), bool)],
        [np.ones((4, 5), bool), np.ones((2, 5), bool)],
    ],
)
def test_masks_that_make_no_tracks_are_refused(masks: list[Array]) -> None:
    with pytest.raises(MnadError, match=r"Mask \d of a clip has the shape .*all of one size"):
        list(track_maps(masks))


@pytest.mark.parametrize("tracks", [np.full((4, 5), 0.5), np.full((4, 5), -1), np.zeros(20, int)])
def test_what_are_no_tracks_is_refused(tracks: Array) -> None:
    with pytest.raises(MnadError, match="give whole numbers"):
        RegionSweep([0.5]).add("a", np.zeros((4, 5)), tracks)


def test_nan_is_no_threshold_and_no_gaussian() -> None:
    with pytest.raises(UsageError, match="threshold is NaN"):
        detections_of(np.zeros((4, 5)), 0, np.nan)
    with pytest.raises(UsageError, match="sigma is nan"):
        smoothed(np.zeros((4, 5)), np.nan)


def test_tracks_of_ped2(data: Path) -> None:
    """Clip 2 has one biker; a track is in one piece and covers the labelled frames."""
    with np.load(data / "ped2" / "pixel_masks.npz") as clips:
        masks = clips["Test002"]
    maps = list(track_maps(masks))
    assert ((np.stack(maps) > 0) == masks).all()
    rows = track_boxes(maps)
    assert sorted(set(rows[:, 1])) == list(range(94, 180))
    assert set(rows[:, 0]) == set(range(int(rows[:, 0].max()) + 1))
