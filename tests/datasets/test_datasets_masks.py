"""Masks of a folder of one's own, in every form, and CVAT's XML."""

from __future__ import annotations

from pathlib import Path

import cv2
import miniatures
import numpy as np
import pytest

from mnad.datasets import open_dataset
from mnad.datasets.masks import read_mask
from mnad.errors import MnadError

T = 6
ABNORMAL = [0, 0, 1, 1, 0, 0]
MADE = miniatures.masks(T, [2, 3])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """One clip, hall, of six frames named f1.png to f6.png."""
    miniatures.write_images(tmp_path / "hall", miniatures.frames(T, 1), "f{}.png", 1)
    return tmp_path


def as_folder(own: Path) -> None:
    miniatures.write_images(own / "hall_gt", MADE * 255, "{:03d}.bmp")


def as_named_folder(own: Path) -> None:
    miniatures.write_images(own / "hall_mask", MADE[2:4], "f{}_mask.png", 3)


def as_array(own: Path) -> None:
    np.save(own / "hall.npy", MADE)


def as_archive(own: Path) -> None:
    np.savez_compressed(own / "hall_masks.npz", masks=MADE.astype(bool))


@pytest.mark.parametrize("write", [as_folder, as_named_folder, as_array, as_archive])
def test_masks_give_labels_and_pixels(own: Path, write) -> None:
    write(own)
    (clip,) = open_dataset(own).test
    assert clip.labels.tolist() == ABNORMAL and clip.labels.dtype == np.uint8
    for frame in range(T):
        mask = clip.masks.at(frame)
        if write is as_named_folder and not ABNORMAL[frame]:
            assert mask is None
        else:
            assert mask.dtype == bool
            np.testing.assert_array_equal(mask, MADE[frame])
    # A file of labels goes before what the masks imply.
    (own / "hall.csv").write_text("first,last\n5,5\n")
    (clip,) = open_dataset(own).test
    assert clip.labels.tolist() == [0, 0, 0, 0, 0, 1] and clip.masks is not None
    assert open_dataset(own).mask_source == "files beside the clips of 1 of 1 clips"
    assert open_dataset(own, labels=False).test[0].masks is None


def test_a_folder_of_another_clip_named_like_masks_is_a_clip(tmp_path: Path) -> None:
    miniatures.write_images(tmp_path / "door_gt", miniatures.frames(3, 1), "{}.png")
    miniatures.write_images(tmp_path / "hall", miniatures.frames(3, 2), "{}.png")
    assert [clip.name for clip in open_dataset(tmp_path).test] == ["door_gt", "hall"]


def test_masks_that_do_not_fit(own: Path) -> None:
    np.save(own / "hall.npy", MADE[:5])
    with pytest.raises(MnadError, match=r"hall\.npy holds 5 masks but its clip has 6 frames"):
        open_dataset(own)
    as_archive(own)
    with pytest.raises(MnadError, match=r"hall_masks\.npz and .*hall\.npy both are masks"):
        open_dataset(own)
    (own / "hall.npy").unlink()
    np.savez(own / "hall_masks.npz", other=MADE)
    with pytest.raises(MnadError, match=r"hall_masks\.npz cannot be read as masks"):
        open_dataset(own)
    (own / "hall_masks.npz").unlink()
    miniatures.write_images(own / "hall_gt", MADE[:2], "{}.png")
    with pytest.raises(MnadError, match="hall_gt holds 2 masks but its clip has 6 frames"):
        open_dataset(own)


def test_any_channel_is_abnormal_and_transparency_is_not(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[0, 1, 0] = 1
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert read_mask(tmp_path / "a.png").tolist() == [[False, True, False], [False] * 3]
    noisy = np.array([[0, 20, 255, 235]], np.uint8).repeat(8, 0).repeat(8, 1)
    cv2.imwrite(str(tmp_path / "a.jpg"), noisy)
    assert read_mask(tmp_path / "a.jpg")[4, 4::8].tolist() == [False, False, True, True]
    (tmp_path / "b.png").write_bytes(b"nothing")
    with pytest.raises(MnadError, match=r"b\.png cannot be read as a mask"):
        read_mask(tmp_path / "b.png")


VIDEO = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><original_size><width>36</width><height>24</height></original_size></task></meta>
<track id="0" label="cart">
  <box frame="1" outside="0" keyframe="1" xtl="2.0" ytl="3.0" xbr="6.0" ybr="5.0"></box>
  <box frame="3" outside="0" keyframe="1" xtl="6.0" ytl="3.0" xbr="10.0" ybr="5.0"></box>
  <box frame="4" outside="1" keyframe="1" xtl="6.0" ytl="3.0" xbr="10.0" ybr="5.0"></box>
</track>
<track id="1" label="normal">
  <box frame="0" outside="0" keyframe="1" xtl="0" ytl="0" xbr="30" ybr="20"></box>
</track>
<track id="2" label="bike">
  <polygon frame="3" outside="0" keyframe="1" points="20.0,10.0;23.0,10.0;23.0,12.0;20.0,12.0">
  </polygon>
</track>
</annotations>
"""

IMAGES = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<image id="0" name="hall/f4.png" width="36" height="24">
  <mask label="cart" rle="1, 2, 2, 1" left="5" top="7" width="3" height="2"></mask>
  <ellipse label="bag" cx="20" cy="10" rx="3" ry="2"></ellipse>
</image>
<image id="1" name="hall/f2.png" width="36" height="24"><tag label="fight"></tag></image>
<image id="2" name="hall/f1.png" width="36" height="24"></image>
</annotations>
"""


def test_cvat_for_video(own: Path) -> None:
    (own / "hall.xml").write_text(VIDEO)
    (clip,) = open_dataset(own).test
    assert clip.labels.tolist() == [0, 1, 1, 1, 0, 0]
    expected = np.zeros((T, *miniatures.SIZE), bool)
    expected[1, 3:5, 2:6] = True
    expected[2, 3:5, 4:8] = True  # half way
    expected[3, 3:5, 6:10] = True
    expected[3, 10:13, 20:24] = True  # a polygon with its edge
    for frame in range(T):
        np.testing.assert_array_equal(clip.masks.at(frame), expected[frame])


def test_cvat_lines_around_what_is_normal_do_no_harm(own: Path) -> None:
    line = '<polyline label="normal" points="1,1;9,9"></polyline>'
    (own / "hall.xml").write_text(IMAGES.replace("</image>", f"{line}</image>"))
    assert open_dataset(own).test[0].labels.tolist() == [0, 1, 0, 1, 0, 0]


def test_cvat_for_images_goes_by_the_names_of_the_images(own: Path) -> None:
    (own / "hall.xml").write_text(IMAGES)
    (clip,) = open_dataset(own).test
    assert clip.labels.tolist() == [0, 1, 0, 1, 0, 0]
    assert clip.masks.at(1) is None  # somewhere
    assert not clip.masks.at(0).any()
    mask = clip.masks.at(3)
    assert mask[7:9, 5:8].tolist() == [[False, True, True], [False, False, True]]
    assert mask[10, 17:23].all() and not mask[10, 16] and not mask[10, 23]
    assert mask[8, 20] and not mask[7, 20]


def test_cvat_turns_boxes_and_ellipses(own: Path) -> None:
    turned = IMAGES.replace('ry="2"', 'ry="2" rotation="90"').replace(
        '<mask label="cart" rle="1, 2, 2, 1" left="5" top="7" width="3" height="2"></mask>',
        '<box label="cart" xtl="2" ytl="10" xbr="12" ybr="14" rotation="90"></box>',
    )
    (own / "hall.xml").write_text(turned)
    mask = open_dataset(own).test[0].masks.at(3)
    # A box of 10x4 about (7, 12) lies on end: columns 5 to 9, rows 7 to 17, with its edge.
    expected = np.zeros(miniatures.SIZE, bool)
    expected[7:18, 5:10] = True
    np.testing.assert_array_equal(mask[:, :13], expected[:, :13])
    assert mask[7:14, 20].all() and not mask[10, 17] and not mask[6, 20]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<annotations>", "cannot be read as an annotation: export it as CVAT for video"),
        ("<annotations></annotations>", "cannot be read as an annotation"),
        (VIDEO.replace('frame="3"', 'frame="7"'), "annotates frame 7 but its clip has 6 frames"),
        (VIDEO.replace('xtl="2.0"', ""), "cannot be read as an annotation"),
        (IMAGES.replace("2, 2, 1", "2, 2, 2"), "cannot be read as an annotation"),
        (
            VIDEO.replace("polygon", "polyline"),
            r"hall\.xml annotates with polyline, from which no pixels are known: annotate boxes",
        ),
        (IMAGES.replace("<ellipse", "<points").replace("</ellipse", "</points"), "with points"),
        (IMAGES.replace("f4.png", "g4.png"), "annotates the image g4.png, which its clip does not"),
    ],
)
def test_cvat_that_does_not_fit(own: Path, text: str, sentence: str) -> None:
    (own / "hall.xml").write_text(text)
    with pytest.raises(MnadError, match=sentence):
        open_dataset(own)


def test_the_scene_of_the_demo_has_its_masks(tmp_path: Path) -> None:
    from mnad.scene.dataset import write_dataset
    from mnad.scene.scene import SceneConfig

    write_dataset(tmp_path, SceneConfig(height=48, width=64), 1, 1, 40, seed=3)
    (clip,) = open_dataset(tmp_path).test
    truth = np.load(tmp_path / "testing" / "01_masks.npz")["masks"]
    for frame in range(40):
        np.testing.assert_array_equal(clip.masks.at(frame), truth[frame])


def test_one_archive_holds_the_masks_of_all_clips_under_the_owners_names(tmp_path: Path) -> None:
    home = miniatures.write_repackaged(tmp_path, "ped2")
    made = {clip: miniatures.masks(miniatures.TEST_FRAMES, [clip]) for clip in (1, 2)}
    np.savez(home / "pixel_masks.npz", **{f"Test{n:03d}": mask for n, mask in made.items()})
    first, second, third = open_dataset(f"ped2:{home}").test
    for clip, number in ((first, 1), (second, 2)):
        for frame in range(clip.length):
            np.testing.assert_array_equal(clip.masks.at(frame), made[number][frame])
    assert third.masks is None
    (home / "pixel_masks.npz").write_bytes(b"none")
    with pytest.raises(MnadError, match=r"saved with numpy\.savez"):
        open_dataset(f"ped2:{home}")


def test_an_archive_of_fewer_masks_than_frames_says_so(tmp_path: Path) -> None:
    home = miniatures.write_repackaged(tmp_path, "ped2")
    made = miniatures.masks(miniatures.TEST_FRAMES - 2, range(4, 9))
    np.savez(home / "pixel_masks.npz", Test001=made)
    clip = open_dataset(f"ped2:{home}").test[0]
    np.testing.assert_array_equal(clip.masks.at(9), made[9])
    with pytest.raises(MnadError, match=r"pixel_masks\.npz holds 10 masks .* has a frame 10 "):
        clip.masks.at(10)
