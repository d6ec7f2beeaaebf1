from __future__ import annotations

import itertools
import time
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.errors import MnadError, UsageError
from mnad.events.event import Box
from mnad.reports.heat import ErrorScale, heat_map
from mnad.reports.overlay import ALARM, BACKGROUND, NORMAL, Overlay, draw_boxes, timestamp

Picture = NDArray[np.uint8]
SIZES = [(120, 160), (121, 161), (240, 360), (360, 640), (641, 361), (1080, 1920), (2160, 3840)]


def noise(height: int, width: int) -> Picture:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def count(picture: Picture, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(-1).sum())


def test_heat_map_leaves_pixels_without_error_as_they_are() -> None:
    frame = noise(240, 360)
    error = np.zeros((64, 64), np.float32)
    assert np.array_equal(heat_map(frame, error, 0.02), frame)
    error[20:30, 30:40] = 0.02
    drawn = heat_map(frame, error, 0.02)
    touched = (drawn != frame).any(-1)
    # One pixel of the error map covers 3.75 rows and 5.625 columns; its neighbours share in it.
    near = np.zeros_like(touched)
    near[int(19 * 3.75) : int(31 * 3.75) + 1, int(29 * 5.625) : int(41 * 5.625) + 1] = True
    assert not touched[~near].any()
    assert touched[int(21 * 3.75) : int(29 * 3.75), int(31 * 5.625) : int(39 * 5.625)].all()


def test_higher_error_is_more_opaque_and_leaves_half_of_the_frame_to_be_seen() -> None:
    black, white = np.zeros((8, 64, 3), np.uint8), np.full((8, 64, 3), 255, np.uint8)
    error = np.tile(np.linspace(0, 0.04, 64, dtype=np.float32), (8, 1))
    # What still tells white from black is what the heat lets through.
    through = heat_map(white, error, 0.04)[0].astype(int) - heat_map(black, error, 0.04)[0]
    assert (np.diff(through, axis=0) <= 0).all()
    assert (through[:5] == 255).all()
    assert (abs(through[-1] - 128) <= 2).all()
    above = heat_map(white, error * 10, 0.04)[0, -1]
    assert np.array_equal(above, heat_map(white, error, 0.04)[0, -1])


def test_heat_rises_in_lightness() -> None:
    frame = np.zeros((4, 256, 3), np.uint8)
    error = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (4, 1))
    lightness = cv2.cvtColor(heat_map(frame, error, 1.0), cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= -2).all()
    assert lightness[-1] > 100


def test_heat_is_red_or_yellow_so_rgb_not_bgr() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    red, _, blue = heat_map(frame, np.full((8, 8), 0.6, np.float32), 1.0)[4, 4].astype(int)
    assert red > blue + 60


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_heat_map_refuses_a_scale_that_is_not_positive(scale: float) -> None:
    with pytest.raises(UsageError, match="scale"):
        heat_map(noise(8, 8), np.zeros((8, 8), np.float32), scale)


def test_error_scale_rises_at_once_and_halves_in_its_half_life() -> None:
    scale = ErrorScale(floor=0.01, quantile=0.9, half_life=10)
    calm, event = np.zeros((10, 10), np.float32), np.zeros((10, 10), np.float32)
    event.ravel()[:20] = 0.64
    assert scale.update(calm) == 0.01
    assert scale.update(event) == pytest.approx(0.64)
    values = [scale.update(calm) for _ in range(100)]
    assert values[9] == pytest.approx(0.32)
    assert values[19] == pytest.approx(0.16)
    assert values[-1] == 0.01


def test_error_scale_without_any_error_can_be_drawn_with() -> None:
    scale = ErrorScale(floor=0.0).update(np.zeros((8, 8), np.float32))
    frame = noise(8, 8)
    assert np.array_equal(heat_map(frame, np.zeros((8, 8), np.float32), scale), frame)


def test_error_scale_is_the_quantile_of_numpy() -> None:
    error = np.random.default_rng(1).random((50, 40)).astype(np.float32)
    expected = np.quantile(error, 0.99, method="higher")
    assert ErrorScale(floor=1e-9, quantile=0.99).update(error) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00.000"),
        (59.9996, "00:01:00.000"),
        (3723.4567, "01:02:03.457"),
        (359_999.999, "99:59:59.999"),
    ],
)
def test_timestamp(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_drawn_frames_are_even_and_hold_the_original(height: int, width: int) -> None:
    overlay = Overlay(height, width)
    frame = noise(height, width)
    drawn = overlay.draw(frame, 0, 0.0)
    assert drawn.shape == (*overlay.size, 3)
    assert drawn.dtype == np.uint8
    assert overlay.size[0] % 2 == overlay.size[1] % 2 == 0
    assert overlay.size[1] - width in (0, 1)
    assert np.array_equal(drawn[:height, :width], frame)
    strip = overlay.size[0] - height
    assert max(45, 0.15 * min(height, width)) <= strip <= max(60, 0.27 * min(height, width))
    assert count(drawn[height:], BACKGROUND) > 0.5 * strip * width


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 200), (200, 16), (48, 64)])
def test_tiny_frames_are_drawn_too(height: int, width: int) -> None:
    overlay = Overlay(height, width, threshold=0.5)
    for i in range(8):
        score = None if i < 4 else i / 10
        drawn = overlay.draw(noise(height, width), i, i / 10, score)
        assert drawn.shape == (*overlay.size, 3)


def test_grey_frames_come_out_grey() -> None:
    frame = noise(64, 96)[..., :1]
    drawn = Overlay(64, 96).draw(frame, 0, 0.0)
    assert np.array_equal(drawn[:64], np.repeat(frame, 3, axis=2))


def test_warming_up_until_the_first_score_then_the_score() -> None:
    height, width = 360, 640
    overlay = Overlay(height, width)
    frame = np.zeros((height, width, 3), np.uint8)
    value = np.s_[height : height + 30, width - 100 :]
    before = [overlay.draw(frame, i, i / 25)[value] for i in range(4)]
    assert all(np.array_equal(b, before[0]) for b in before)
    assert count(before[0], NORMAL) == 0
    assert count(overlay.draw(frame, 4, 4 / 25, 0.3)[value], NORMAL) > 20


def test_score_at_the_threshold_is_an_alarm_in_number_and_curve() -> None:
    frame = np.zeros((360, 640, 3), np.uint8)
    overlay = Overlay(360, 640, threshold=0.5)
    for i in range(20):
        below = overlay.draw(frame, i, i / 10, 0.499)
    assert count(below, NORMAL) > 100
    assert count(below, ALARM) < 10
    overlay = Overlay(360, 640, threshold=0.5)
    number = np.s_[360:390, 500:]
    assert count(overlay.draw(frame, 0, 0.0, 0.5)[number], ALARM) > 20
    for i in range(1, 20):
        above = overlay.draw(frame, i, i / 10, 0.9)
    assert count(above[number], NORMAL) == 0
    assert count(above[390:], ALARM) > 100


def curve_rows(drawn: Picture, height: int) -> NDArray[Any]:
    """For each column, the uppermost row of the plot in the colour of the curve."""
    plot = (drawn[height + 34 :] == NORMAL).all(-1)
    return np.where(plot.any(0), plot.argmax(0), -1)


def test_curve_scrolls_and_forgets() -> None:
    frame = np.zeros((360, 640, 3), np.uint8)
    overlay = Overlay(360, 640, history=10)
    overlay.draw(frame, 0, 0.0, 0.0)
    columns = []
    for i in range(1, 160):
        rows = curve_rows(overlay.draw(frame, i, i / 10, 1.0 if i == 10 else 0.0), 360)
        peak = rows == rows[rows >= 0].min()
        if 12 <= i < 108:
            columns.append(np.flatnonzero(peak).mean())
    # 10 s are the 630 columns left of the newest point.
    assert np.diff(columns).mean() == pytest.approx(-6.3, abs=0.1)
    # Left of the dot at the newest point all is flat again.
    assert len(set(rows[:600])) == 1


def test_higher_scores_are_drawn_higher() -> None:
    frame = np.zeros((360, 640, 3), np.uint8)
    rows = []
    for score in (0.0, 0.25, 0.5, 0.75, 1.0):
        overlay = Overlay(360, 640)
        for i in range(30):
            drawn = overlay.draw(frame, i, i / 10, score)
        rows.append(int(curve_rows(drawn, 360)[550]))
    steps = np.diff(rows)
    assert (steps < -5).all()
    assert steps.max() - steps.min() <= 1


def test_history_is_bounded_even_when_time_stands_still() -> None:
    overlay = Overlay(64, 96)
    for _ in range(6000):
        overlay.follow(0.0, 0.5)
    assert len(overlay._points) <= 4096
    for i in range(6000):
        overlay.follow(i / 25, 0.5)
    assert len(overlay._points) <= 10 * 25 + 2


def test_time_running_back_starts_the_curve_anew_and_gaps_are_no_harm() -> None:
    overlay = Overlay(64, 96)
    frame = noise(64, 96)
    for second in (5.0, 6.0, 1.0):
        drawn = overlay.draw(frame, 0, second, 0.5)
    assert np.array_equal(drawn, Overlay(64, 96).draw(frame, 0, 1.0, 0.5))
    for second in (1e7, 1e7 + 1, 1e9):
        overlay.draw(frame, 0, second, 0.5)
    overlay.draw(frame, 0, 1e9 + 1, None)
    overlay.draw(frame, 0, 1e9 + 2, 0.5)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(MnadError, match=r"frame 7 is 32x16 pixels .* 96x64"):
        Overlay(64, 96).draw(noise(16, 32), 7, 0.0)


def test_each_frame_is_a_new_array_and_the_input_stays() -> None:
    overlay, frame = Overlay(64, 96), noise(64, 96)
    first = overlay.draw(frame, 0, 0.0, 0.2)
    kept = first.copy()
    overlay.draw(frame, 1, 0.1, 0.9)
    assert np.array_equal(first, kept)
    assert np.array_equal(frame, noise(64, 96))


def test_text_stays_in_place_as_digits_change() -> None:
    frame = np.zeros((360, 640, 3), np.uint8)
    header = np.s_[360:390, :110]
    inks = []
    for seconds in (11.111, 48.888, 3600 * 23 + 59):
        drawn = Overlay(360, 640).draw(frame, 0, seconds)[header]
        columns = np.flatnonzero((drawn != BACKGROUND).any((0, 2)))
        inks.append((columns.min(), columns.max()))
    for a, b in itertools.combinations(inks, 2):
        assert abs(a[0] - b[0]) <= 3
        assert abs(a[1] - b[1]) <= 3


def test_fast_enough_for_video() -> None:
    overlay = Overlay(360, 640, threshold=0.5)
    frame = noise(360, 640)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        times = []
        for i in range(150):
            start = time.process_time()
            overlay.draw(frame, i, i / 30, 0.5 + 0.4 * np.sin(i / 9))
            times.append(time.process_time() - start)
    finally:
        cv2.setNumThreads(threads)
    # 2 ms on an idle core; the margin is for a busy machine.
    assert np.median(times) < 0.015


def boxed(picture: Picture, *boxes: Box) -> Picture:
    drawn = picture.copy()
    draw_boxes(drawn, boxes)
    return drawn


def test_a_box_is_an_orange_line_in_a_dark_casing_where_it_should_be() -> None:
    drawn = boxed(np.full((400, 600, 3), 255, np.uint8), Box(0.25, 0.5, 0.5, 0.75, 0.9))
    rows, columns = np.nonzero((drawn != 255).any(-1))
    # All of it lies inside of the box: rows 200 to 299, columns 150 to 299.
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (200, 300, 150, 300)
    across = drawn[250, 150:170]
    assert np.flatnonzero((across == ALARM).all(-1)).tolist() == [2, 3]
    assert np.flatnonzero((across == BACKGROUND).all(-1)).tolist() == [0, 1, 4, 5]
    assert (drawn[215:285, 165:285] == 255).all()


def test_boxes_beyond_the_frame_are_drawn_at_its_border() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    whole = boxed(frame, Box(0, 0, 1, 1, 1))
    assert np.array_equal(boxed(frame, Box(-3, -1, 2, 1.5, 1)), whole)
    assert count(whole[:4], ALARM) > 100
    assert count(whole[:, :4], ALARM) > 100


def test_a_box_of_no_extent_is_still_seen() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    assert count(boxed(frame, Box(0.5, 0.5, 0.5, 0.5, 1)), ALARM) > 0
