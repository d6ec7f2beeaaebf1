from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from mnad.errors import MnadError, UsageError
from mnad.video.regions import Polygon, Regions, load_regions

SQUARE: Polygon = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
TRIANGLE: Polygon = ((0.1, 0.2), (0.9, 0.15), (0.35, 0.85))
LEFT_HALF: Polygon = ((0, 0), (0.5, 0), (0.5, 1), (0, 1))
WHOLE: Polygon = ((0, 0), (1, 0), (1, 1), (0, 1))


def write(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def winding(polygon: Polygon, x: float, y: float) -> bool:
    """Slow reference for simple polygons: the angles to the corners add up to a full turn."""
    turn = 0.0
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        before, after = np.arctan2(y0 - y, x0 - x), np.arctan2(y1 - y, x1 - x)
        turn += (after - before + np.pi) % (2 * np.pi) - np.pi
    return abs(turn) > np.pi


def test_mask_of_pixels_cut_by_an_edge_is_their_share() -> None:
    mask = Regions(ignore=(SQUARE,)).mask(4, 4)
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]])
    np.testing.assert_array_equal(
        Regions(include=(SQUARE,)).mask(2, 2), np.full((2, 2), 0.25, np.float32)
    )
    np.testing.assert_allclose(
        Regions(include=(((0, 0), (1, 0), (0, 1)),)).mask(2, 2), [[1, 0.5], [0.5, 0]], atol=1 / 16
    )
    assert Regions().mask(3, 5).tolist() == [[1.0] * 5] * 3


def test_mask_agrees_with_a_slow_reference_and_the_polygons_area() -> None:
    height, width, fine = 10, 14, 8
    mask = Regions(include=(TRIANGLE,)).mask(height, width)
    expected = np.array(
        [
            [
                np.mean(
                    [
                        winding(
                            TRIANGLE,
                            (c + (i + 0.5) / fine) / width,
                            (r + (j + 0.5) / fine) / height,
                        )
                        for i in range(fine)
                        for j in range(fine)
                    ]
                )
                for c in range(width)
            ]
            for r in range(height)
        ]
    )
    np.testing.assert_allclose(mask, expected, atol=1e-6)
    (x0, y0), (x1, y1), (x2, y2) = TRIANGLE
    area = abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2
    assert Regions(include=(TRIANGLE,)).mask(64, 64).mean() == pytest.approx(area, abs=1e-3)


def test_polygons_join_and_ignore_wins() -> None:
    right = tuple((1 - x, y) for x, y in LEFT_HALF)
    np.testing.assert_array_equal(Regions(include=(LEFT_HALF, right)).mask(5, 5), 1)
    overlapping = Regions(include=(LEFT_HALF, WHOLE), ignore=(SQUARE,))
    np.testing.assert_array_equal(overlapping.mask(8, 8), Regions(ignore=(SQUARE,)).mask(8, 8))
    # The edge between two neighbours runs through a pixel and leaves no seam in it.
    seam = tuple((x + 0.5, y) for x, y in LEFT_HALF)
    np.testing.assert_array_equal(Regions(include=(LEFT_HALF, seam)).mask(3, 3), 1)


def test_mask_is_that_of_the_cropped_picture() -> None:
    whole = Regions(ignore=(TRIANGLE,)).mask(32, 32)
    crop = Regions((0.25, 0.5, 0.75, 1.0), ignore=(TRIANGLE,)).mask(16, 16)
    np.testing.assert_array_equal(crop, whole[16:, 8:24])


def test_crop_is_a_view_and_boxes_come_back_to_the_frame() -> None:
    pixels = np.arange(100 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 200, 3)
    regions = Regions((0.25, 0.5, 0.75, 0.9))
    cut = regions.crop_of(pixels)
    assert np.shares_memory(cut, pixels)
    np.testing.assert_array_equal(cut, pixels[50:90, 50:150])
    assert Regions().crop_of(pixels) is pixels
    assert Regions((0.5, 0.5, 0.501, 0.501)).crop_of(pixels).shape == (1, 1, 3)
    assert Regions((0.999, 0.999, 1, 1)).crop_of(pixels).shape == (1, 1, 3)

    box = (0.1, 0.25, 0.6, 0.75)
    back = regions.to_frame(*box)
    assert back == pytest.approx((0.3, 0.6, 0.55, 0.8))
    assert Regions().to_frame(*box) == box
    # The same pixels by both ways.
    rows, columns = slice(round(back[1] * 100), round(back[3] * 100)), slice(60, 110)
    np.testing.assert_array_equal(pixels[rows, columns], cut[10:30, 10:60])


def test_nothing_of_an_ignored_region_is_shown() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (120, 160, 3), np.uint8)
    other = frame.copy()
    regions = Regions(ignore=(TRIANGLE,))
    touched = regions.mask(120, 160) < 1
    other[touched] = rng.integers(0, 256, (touched.sum(), 3), np.uint8)
    before = frame.copy()
    shown = regions.hide(frame)
    np.testing.assert_array_equal(shown, regions.hide(other))
    np.testing.assert_array_equal(frame, before)
    assert shown.shape == frame.shape and shown.dtype == np.uint8
    assert shown[touched].min() > 100 and shown[touched].max() < 156
    near = ndimage.binary_dilation(touched, np.ones((3, 3)), iterations=2)
    np.testing.assert_array_equal(shown[~near], frame[~near])


def test_what_lies_outside_of_crop_and_include_is_hidden_too() -> None:
    frame = np.full((40, 40, 3), 255, np.uint8)
    white = (Regions((0.25, 0, 1, 1), include=(LEFT_HALF,)).hide(frame) == 255).all(2)
    assert white[:, 11:19].all() and not white[:, :10].any() and not white[:, 20:].any()
    assert Regions().hide(frame) is frame


def test_regions_survive_a_file(tmp_path: Path) -> None:
    regions = Regions((0.1, 0.2, 0.9, 1), (TRIANGLE, WHOLE), (SQUARE,))
    assert load_regions(write(tmp_path / "r.json", regions.as_dict())) == regions
    assert hash(Regions.from_dict(regions.as_dict())) == hash(regions)
    assert Regions().as_dict() == {}
    assert load_regions(write(tmp_path / "none.json", {})) == Regions()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"exclude": []}, "unknown key 'exclude'; the keys are crop, include, ignore"),
        ([[0, 0]], "regions are"),
        ({"crop": [0, 0, 1]}, "the crop must be [left, top, right, bottom], 4 numbers"),
        ({"crop": [0.5, 0, 0.5, 1]}, "the crop [0.5, 0, 0.5, 1] is empty"),
        ({"crop": [0, 0, 1, 480]}, "the crop has the coordinate 480"),
        ({"include": {"a": 1}}, "include must be a list of polygons"),
        ({"ignore": [[[0, 0], [1, 1], [0, 1]], 7]}, "ignore polygon 2 must be a list of corners"),
        ({"ignore": [[[0, 0], [1, 1]]]}, "ignore polygon 1 has 2 corner(s)"),
        ({"include": [[[0, 0], [1, 1.5], [0, 1]]]}, "include polygon 1 has the coordinate 1.5"),
        ({"include": [[[0, 0], [1, float("nan")], [0, 1]]]}, "has the coordinate nan"),
        ({"include": [[[0, 0], [1, "1"], [0, 1]]]}, "corner 2 of include polygon 1 must be [x, y]"),
        (
            {"include": [[[0, 0], [1, True], [0, 1]]]},
            "corner 2 of include polygon 1 must be [x, y]",
        ),
        ({"include": [[[0, 0], [1, 1, 1], [0, 1]]]}, "corner 2 of include polygon 1"),
    ],
)
def test_wrong_regions_are_named(tmp_path: Path, values: object, said: str) -> None:
    file = write(tmp_path / "r.json", values)
    with pytest.raises(MnadError) as caught:
        load_regions(file)
    assert said in str(caught.value) and str(caught.value).startswith(f"{file}: ")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "values",
    [
        {"ignore": [WHOLE]},
        {"include": [LEFT_HALF], "ignore": [LEFT_HALF]},
        {"crop": [0.6, 0, 1, 1], "include": [LEFT_HALF]},
        {"include": [[[0.2, 0.2], [0.4, 0.4], [0.3, 0.3]]]},
    ],
)
def test_regions_that_leave_nothing_are_refused(tmp_path: Path, values: object) -> None:
    with pytest.raises(UsageError, match="leave nothing to look at"):
        load_regions(write(tmp_path / "r.json", values))


def test_files_that_are_no_regions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file of regions"):
        load_regions(tmp_path / "none.json")
    with pytest.raises(MnadError, match="cannot be read"):
        load_regions(tmp_path)
    file = tmp_path / "r.json"
    for content in (b'{"crop": ', b"\xff\xfe\x00", b"[" * 100_000):
        file.write_bytes(content)
        with pytest.raises(MnadError) as caught:
            load_regions(file)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
