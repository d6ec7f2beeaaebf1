from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mnad.camera.health import Health
from mnad.camera.view import View
from mnad.errors import MnadError
from mnad.scene.scene import SceneConfig, render
from mnad.video.source import open_source

Pixels = NDArray[np.uint8]
Damage = Callable[[Pixels], Pixels]
RATE = 5.0
CLEAN, DAMAGED, AFTER = 2.0, 8.0, 4.0
RNG = np.random.default_rng(0)


def noisy(pixels: NDArray[np.floating] | Pixels, sigma: float) -> Pixels:
    return np.clip(pixels + RNG.normal(0, sigma, pixels.shape), 0, 255).astype(np.uint8)


def flat(level: float) -> Damage:
    return lambda pixels: noisy(np.full(pixels.shape, level), 2)


def hand(share: float) -> Damage:
    """Skin close to the lens over the left of the picture: smooth light, no edges."""

    def cover(pixels: Pixels) -> Pixels:
        height, width, channels = pixels.shape
        y, x = np.mgrid[:height, :width] / width
        light = 90 + 60 * np.sin(2.1 * x + 1.3 * y) + 15 * np.sin(9 * x - 4 * y)
        skin = noisy(light[..., None] * np.array([1, 0.75, 0.6])[:channels], 3)
        return np.where((x < share)[..., None], skin, pixels)

    return cover


def blur(share: float) -> Damage:
    """`share`: sigma over the width."""
    return lambda p: cv2.GaussianBlur(p, (0, 0), share * p.shape[1]).reshape(p.shape)


def move(across: float = 0, down: float = 0, angle: float = 0) -> Damage:
    def warp(p: Pixels) -> Pixels:
        height, width = p.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
        matrix[:, 2] += across * width, down * width
        moved = cv2.warpAffine(p, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        return moved.reshape(p.shape)

    return warp


def elsewhere(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(move(0.6, 0.2)(pixels)[::-1])


def tone(gain: float, gamma: float = 1) -> Damage:
    table = np.clip(255 * gain * (np.arange(256) / 255) ** gamma, 0, 255).astype(np.uint8)
    return lambda pixels: table[pixels]


def infrared(pixels: Pixels) -> Pixels:
    """Grey, and leaves are bright."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    red, green, blue = (pixels[..., k].astype(int) for k in range(3))
    leaves = (green >= red) & (green >= blue) & (pixels.max(2) - pixels.min(2) > 12)
    return np.repeat(np.where(leaves, 255 - grey, grey)[..., None], 3, 2)


def truck(left: float, level: int) -> Damage:
    """A third of the picture, with edges of its own."""

    def pass_by(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        seen, first, last = pixels.copy(), int(left * width), int((left + 1 / 3) * width)
        seen[:, first:last] = level
        seen[:: height // 6, first:last] = 60
        seen[height // 5 : height // 3, first + 9 : last - 9] = 30
        return seen

    return pass_by


DAMAGES = [
    ("covered", flat(0)),
    ("covered", flat(250)),
    ("covered", hand(1)),
    ("covered", hand(0.9)),
    ("out of focus", blur(0.005)),
    ("out of focus", blur(0.01)),
    ("out of focus", blur(0.03)),
    ("moved", move(0.03)),
    ("moved", move(-0.08)),
    ("moved", move(0.15)),
    ("moved", move(0, 0.05)),
    ("moved", move(0, 0, 3)),
    ("moved", elsewhere),
]
LIGHTS = [tone(1, 2), tone(0.4), tone(0.2)]


@dataclass(frozen=True)
class Place:
    view: View
    rest: list[Pixels]

    @classmethod
    def of(cls, frames: list[Pixels]) -> Place:
        half = len(frames) // 2
        return cls(View.learn(frames[:half], RATE), frames[half:])


@pytest.fixture(scope="module")
def scene() -> Place:
    """The rendered place, 5 frames a second for 40 s: drifting light and a moving tree."""
    return Place.of([frame.pixels for frame in render(SceneConfig(rate=Fraction(5)), 3, 200)])


@pytest.fixture(scope="module")
def walk(data: Path) -> Place:
    """18 s of a real walkway, grey, 5 frames a second."""
    with open_source(data / "ped2-mp4/training/04.mp4", channels=1) as source:
        return Place.of([frame.pixels for frame in islice(source, 0, None, 2)])


def run(place: Place, damage: Damage, seconds: float = DAMAGED) -> list[str]:
    """What is reported while the rest plays forth and back, damaged after `CLEAN`."""
    health = Health(place.view, RATE)
    found: list[str] = []
    for k in range(round((CLEAN + seconds + AFTER) * RATE)):
        turn, index = divmod(k, len(place.rest))
        pixels = place.rest[-1 - index if turn % 2 else index]
        hurt = CLEAN <= k / RATE < CLEAN + seconds
        changes = health.push(damage(pixels) if hurt else pixels, k / RATE)
        found += [f"{change.what} {change.phase}" for change in changes]
        assert all(change.seconds == k / RATE for change in changes)
    return found


@pytest.mark.parametrize(("what", "damage"), DAMAGES)
def test_damage_to_the_rendered_place(scene: Place, what: str, damage: Damage) -> None:
    assert run(scene, damage) == [f"{what} start", f"{what} end"]


@pytest.mark.parametrize(("what", "damage"), DAMAGES[::2])
def test_damage_to_a_real_place(walk: Place, what: str, damage: Damage) -> None:
    assert run(walk, damage) == [f"{what} start", f"{what} end"]


@pytest.mark.parametrize("damage", [*LIGHTS, infrared])
def test_another_light_on_the_rendered_place(scene: Place, damage: Damage) -> None:
    assert run(scene, damage, seconds=14) == ["lighting start"]


@pytest.mark.parametrize("damage", LIGHTS)
def test_another_light_on_a_real_place(walk: Place, damage: Damage) -> None:
    assert run(walk, damage, seconds=14) == ["lighting start"]


@pytest.mark.parametrize("damage", [truck(0.05, 200), truck(0.35, 25), truck(0.62, 120)])
def test_a_truck_that_stops_is_not_the_camera(scene: Place, damage: Damage) -> None:
    assert run(scene, damage, seconds=14) == []


def test_a_second_of_black_is_too_short(scene: Place) -> None:
    assert run(scene, flat(0), seconds=1) == []


@pytest.mark.parametrize(("reencoded", "after"), [(False, 5), (True, 15)])
def test_a_frozen_stream(scene: Place, reencoded: bool, after: float) -> None:
    health = Health(scene.view, RATE)
    found = []
    for k in range(125):
        pixels = scene.rest[min(k, 20) if k < 110 else k - 70]
        if reencoded and 20 < k < 110:
            added = RNG.integers(-1, 2, pixels.shape)
            pixels = np.clip(pixels.astype(int) + added, 0, 255).astype(np.uint8)
        found += health.push(pixels, k / RATE)
    start, end = found
    assert (start.what, start.phase) == ("frozen", "start")
    assert (end.what, end.phase) == ("frozen", "end")
    assert start.seconds == pytest.approx(20 / RATE + after, abs=0.5)
    # Sure after two seconds and a half.
    assert end.seconds == pytest.approx(110 / RATE + 2.5, abs=0.2)


@pytest.mark.parametrize(("free", "times"), [(2, 1), (5, 1), (11, 1), (15, 2)])
def test_what_freezes_again_within_two_seconds_has_been_frozen_all_the_time(
    scene: Place, free: int, times: int
) -> None:
    again = 60 + free
    shown = [min(k, 20) for k in range(60)] + [30 + min(k, free - 1) for k in range(free + 50)]
    shown += range(60, 80)
    health = Health(scene.view, RATE)
    found = [c for k, n in enumerate(shown) for c in health.push(scene.rest[n], k / RATE)]
    assert [change.phase for change in found] == ["start", "end"] * times
    assert found[-1].seconds == pytest.approx((again + 50) / RATE + 2.5, abs=0.2)


def test_a_camera_that_repeats_pictures_as_ever_is_free_again(scene: Place) -> None:
    """Two seconds of each picture, as of one that sends no other while nothing moves."""
    held = [scene.rest[k // 10] for k in range(100)]
    health = Health(View.learn(held, RATE), RATE)
    frames = [*held[:20], *[held[19]] * 60, *held[20:60]]
    found = [change for k, frame in enumerate(frames) for change in health.push(frame, k / RATE)]
    assert [change.phase for change in found] == ["start", "end"]
    assert found[-1].seconds == pytest.approx(80 / RATE + 2.5, abs=0.2)


def test_so_long_as_a_score_rests_on_what_was_frozen_it_is(scene: Place) -> None:
    health = Health(scene.view, RATE, reach=6.0)
    frames = [*scene.rest[:20], *[scene.rest[19]] * 40, *scene.rest[20:60]]
    found = [change for k, frame in enumerate(frames) for change in health.push(frame, k / RATE)]
    assert [change.phase for change in found] == ["start", "end"]
    assert found[-1].seconds == pytest.approx(60 / RATE + 6, abs=0.01)
    assert health.watches(scene.view, RATE, 6.01) and not health.watches(scene.view, RATE, 5.0)


def test_what_normally_stands_still_is_not_frozen(scene: Place) -> None:
    still = scene.rest[50]
    health = Health(View.learn(scene.rest[:50] + [still] * 50, RATE), RATE)
    assert not any(health.push(still, k / RATE) for k in range(60))


def test_a_picture_that_has_shifted_is_of_a_camera_that_moved(scene: Place) -> None:
    health, shifted = Health(scene.view, RATE), [move(0.125)(pixels) for pixels in scene.rest[:40]]
    (change,) = (c for k, pixels in enumerate(shifted) for c in health.push(pixels, k / RATE))
    assert (change.what, change.phase) == ("moved", "start")
    assert health.ill == ("moved",)


def test_a_view_survives_storing(scene: Place) -> None:
    view = scene.view
    arrays = view.as_arrays()
    again = View.from_arrays(arrays)
    assert (again.low, again.middle, again.high) == (view.low, view.middle, view.high)
    assert (again.same, again.still, again.size) == (view.same, view.still, view.size)
    for a, b in zip(again.picture, view.picture, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(MnadError, match="calibrate the model again"):
        View.from_arrays({**arrays, "grey": arrays["grey"][:40]})
    with pytest.raises(MnadError, match="calibrate the model again"):
        View.from_arrays({"grey": arrays["grey"]})


def test_no_frames_are_refused() -> None:
    with pytest.raises(MnadError, match="no frames"):
        View.learn([], 25)


CLIPS = [f"ped2-mp4/training/{k:02}.mp4" for k in range(1, 17)] + [
    "avenue-sample/training_videos/12.avi",
    "avenue-sample/training_videos/16.avi",
    "sample-videos/bottle-detection.mp4",
    "sample-videos/car-detection.mp4",
    "sample-videos/one-by-one-person-detection.mp4",
]


@pytest.mark.parametrize("clip", CLIPS)
def test_nothing_is_reported_on_normal_footage(data: Path, clip: str) -> None:
    # Twelve seconds are enough here; whole clips give the same.
    with open_source(data / clip, channels=1) as source:
        rate = float(source.rate or 25)
        frames = [frame.pixels for frame in islice(source, round(12 * rate))]
    half = len(frames) // 2
    health = Health(View.learn(frames[:half], rate), rate)
    changes = [health.push(pixels, k / rate) for k, pixels in enumerate(frames[half:])]
    assert not any(changes)


def test_nothing_is_reported_on_the_rendered_place(scene: Place) -> None:
    health = Health(scene.view, RATE)
    assert not any(health.push(pixels, k / RATE) for k, pixels in enumerate(scene.rest))
