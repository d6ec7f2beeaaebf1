"""Frames and their truth: seeded, independent of chunking, exact, occluded by what is in front."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.errors import UsageError
from mnad.scene.camera import Camera
from mnad.scene.layout import FAR
from mnad.scene.place import build_place
from mnad.scene.scene import SceneConfig, SceneFrame, render
from mnad.scene.traffic import KINDS, Kind, Traffic

Image = NDArray[np.float64]

SMALL = SceneConfig(height=64, width=96)
EMPTY = SceneConfig(density=0.0, noise=0.0)
TRAFFIC = build_place(Camera.over_square(64, 96), 0)


def same(a: SceneFrame, b: SceneFrame) -> bool:
    return np.array_equal(a.pixels, b.pixels) and np.array_equal(a.mask, b.mask)


def grey(frame: SceneFrame) -> Image:
    return np.asarray(frame.pixels.astype(float).mean(axis=2))


def test_a_frame_depends_on_its_index_alone() -> None:
    whole = list(render(SMALL, 3, 40, True))
    again = list(render(SMALL, 3, 40, True))
    assert all(same(a, b) and a.boxes == b.boxes for a, b in zip(whole, again, strict=True))
    for start, count in ((0, 7), (7, 20), (27, 13)):
        part = render(SMALL, 3, count, True, start=start)
        for offset, frame in enumerate(part):
            assert same(frame, whole[start + offset])
            assert frame.boxes == whole[start + offset].boxes


def test_late_frames_need_no_earlier_ones() -> None:
    day = 24 * 3600 * 10
    late = list(render(SMALL, 3, 3, True, start=day))
    assert same(late[2], next(render(SMALL, 3, 1, True, start=day + 2)))


def test_clip_seed_and_place_seed_are_separate() -> None:
    one, other = (next(render(EMPTY, seed, 1)) for seed in (1, 2))
    moved = next(render(SceneConfig(density=0.0, noise=0.0, place_seed=1), 1, 1))
    assert not same(one, other)

    def likeness(a: SceneFrame, b: SceneFrame) -> float:  # below the ticker and the tree
        return float(np.corrcoef(grey(a)[44:].ravel(), grey(b)[44:].ravel())[0, 1])

    assert likeness(one, other) > 0.9 > likeness(one, moved)


def test_normal_footage_is_never_labelled() -> None:
    for frame in render(SMALL, 5, 60):
        assert not frame.label and not frame.boxes and not frame.mask.any()


@pytest.mark.parametrize("kind", KINDS)
def test_label_mask_and_boxes_agree(kind: Kind) -> None:
    seen = 0
    for frame in islice(render(SMALL, 7, 150, [kind]), 0, None, 3):
        assert frame.label == frame.mask.any() == bool(frame.boxes)
        cover = np.zeros_like(frame.mask)
        for box in frame.boxes:
            assert box.kind == kind
            assert 0 <= box.x0 <= box.x1 < SMALL.width and 0 <= box.y0 <= box.y1 < SMALL.height
            cover[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1] = True
        assert not (frame.mask & ~cover).any()
        if len(frame.boxes) == 1:  # the box is tight
            (box,) = frame.boxes
            rows, columns = np.nonzero(frame.mask)
            assert (box.x0, box.x1) == (columns.min(), columns.max())
            assert (box.y0, box.y1) == (rows.min(), rows.max())
        seen += frame.label
    assert seen >= 8


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "thrown"])
def test_mask_is_where_the_picture_changes(kind: Kind) -> None:
    """Against the same moment without the anomaly: beside the mask there is only shadow."""
    checked = 0
    for start in range(10, 150, 20):
        (with_it,) = render(EMPTY, 2, 1, [kind], start=start)
        (without,) = render(EMPTY, 2, 1, start=start)
        change = grey(with_it) - grey(without)
        if not with_it.label:
            assert (change > 6).sum() < 12  # shadows, and pixels covered by less than half
            continue
        inside = np.abs(change)[with_it.mask]
        assert (inside > 2).mean() > 0.75
        near = with_it.mask.copy()
        for axis in (0, 1):
            near |= np.roll(near, 1, axis) | np.roll(near, -1, axis)
        assert change[~near].max() < 6  # rounded edges
        checked += 1
    assert checked >= 2


def test_people_in_front_hide_the_anomaly() -> None:
    hidden = 0
    crowded = SceneConfig(height=64, width=96, density=6.0)
    lonely = SceneConfig(height=64, width=96, density=0.0)
    for start in range(20, 140, 8):
        (dense,) = render(crowded, 4, 1, ["bicycle"], start=start)
        (alone,) = render(lonely, 4, 1, ["bicycle"], start=start)
        assert not (dense.mask & ~alone.mask).any()
        hidden += int((alone.mask & ~dense.mask).sum())
    assert hidden > 20


def test_numbers_of_people_vary_more_than_by_chance() -> None:
    traffic = Traffic(11, TRAFFIC.lengths, 1.0, ())
    counts = np.array([len(traffic.people(t)) for t in np.arange(0, 3600, 30.0)])
    assert counts.min() <= 2 and counts.max() >= 12
    assert counts.var() > 1.5 * counts.mean()
    assert len(traffic._blocks) < 12  # of 450 in this hour: nothing piles up


def test_nobody_normal_leaves_the_paths() -> None:
    traffic = Traffic(12, TRAFFIC.lengths, 3.0, ())
    used = {int(r) for t in np.arange(0, 1200, 20.0) for r in traffic.people(t)["route"]}
    assert used == set(range(12))
    front, back = TRAFFIC.routes[12:, :, 1], TRAFFIC.routes[:12, :, 1]
    assert front.max() < 7.5 < back.min() and back.max() < FAR + 0.1


def test_light_drifts_slowly_and_the_tree_sways() -> None:
    minutes = (next(render(EMPTY, 1, 1, start=300 * k)) for k in range(20))
    frames = np.stack([grey(f) for f in minutes])
    wall = frames[:, 20:40, 80:110]  # the building between door and windows
    bright = wall.mean(axis=(1, 2))
    assert bright.max() / bright.min() > 1.04
    second = np.stack([grey(f) for f in render(EMPTY, 1, 60, start=300)])
    assert abs(np.diff(second[:, 20:40, 80:110].mean(axis=(1, 2)))).max() < 0.5
    tree = build_place(Camera.over_square(EMPTY.height, EMPTY.width), 0).foliage[0]
    x, y = (max(v, 0) // 2 for v in tree.corner)
    assert second[:, y + 4 : y + 24, x + 10 : x + 40].std(axis=0).mean() > 3
    assert second[:, 44:47, 80:110].std(axis=0).mean() < 1


def test_people_are_smaller_far_away() -> None:
    camera = Camera.over_square(128, 192)
    heights = []
    for depth in (7.2, 9.7, FAR):
        foot, head = camera.project(np.array([[0.0, 0.0, depth], [0.0, 1.72, depth]]))
        assert foot[1] < 128 and foot[0] == head[0] == 96
        heights.append(foot[1] - head[1])
    assert heights == pytest.approx([1.72 * 204.8 / z for z in (7.2, 9.7, FAR)])


def test_grey_and_colour_have_the_same_truth() -> None:
    colour = list(render(SMALL, 9, 40, ["cart"], start=60))
    plain = list(render(SceneConfig(height=64, width=96, channels=1), 9, 40, ["cart"], start=60))
    assert colour[0].pixels.shape == (64, 96, 3) and plain[0].pixels.shape == (64, 96, 1)
    assert all(a.boxes == b.boxes for a, b in zip(colour, plain, strict=True))


def test_noise_is_as_strong_as_asked() -> None:
    clean, noisy = (SceneConfig(density=0.0, noise=n) for n in (0.0, 4.0))
    difference = np.stack(
        [
            a.pixels.astype(float) - b.pixels
            for a, b in zip(render(noisy, 1, 5), render(clean, 1, 5), strict=True)
        ]
    )
    level = np.stack([f.pixels for f in render(clean, 1, 5)])
    middle = (level > 118) & (level < 138)
    assert difference[middle].std() == pytest.approx(4.0, rel=0.05)
    assert abs(difference[middle].mean()) < 0.1


@pytest.mark.parametrize(
    "make",
    [
        lambda: SceneConfig(height=32),
        lambda: SceneConfig(rate=Fraction(0)),
        lambda: SceneConfig(channels=2),  # type: ignore[arg-type]
        lambda: SceneConfig(noise=-1),
        lambda: render(SMALL, 0, 1, ["dragon"]),  # type: ignore[list-item]
        lambda: render(SMALL, -1, 1),
        lambda: render(SMALL, 0, 1, start=-1),
    ],
)
def test_bad_arguments_are_named(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match=r"^(height|rate|channels|noise|'dragon'|seed|start) "):
        make()
