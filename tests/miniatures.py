"""The data sets of the field in miniature: the owners' layouts with all their known faults.

Each ``write_NAME(root)`` writes one below `root` and returns the path that `open_dataset` takes
after ``NAME:``. Frames are tiny, clips short, and what is abnormal is a black square in a masked
place, so that a network can be trained on them and evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

SIZE = (24, 36)
"""Rows and columns of every frame."""
TRAIN_FRAMES, TEST_FRAMES = 10, 12
RANGES = ((5, 9), (1, 12), (3, 4))
"""Abnormal frames of the test clips, from 1, inclusive; the second clip is wholly abnormal."""
APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
"""How the AppleDouble files begin that a Mac packs beside others."""


def frames(count: int, seed: int, abnormal: Iterable[int] = ()) -> np.ndarray:
    """Noise with a moving bright bar: uint8 (count, H, W); a black square where abnormal."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(100, 120, (count, *SIZE), dtype=np.uint8)
    for t in range(count):
        x = (5 * seed + 2 * t) % (SIZE[1] - 6)
        clip[t, 4:10, x : x + 6] = 230
    for t in abnormal:
        clip[t][mask() > 0] = 0
    return clip


def mask() -> np.ndarray:
    """What is abnormal in an abnormal frame: uint8 (H, W) of 0 and 1."""
    made = np.zeros(SIZE, np.uint8)
    made[12:20, 8:18] = 1
    return made


def masks(count: int, abnormal: Iterable[int]) -> np.ndarray:
    """Masks of a clip: uint8 (count, H, W)."""
    made = np.zeros((count, *SIZE), np.uint8)
    for t in abnormal:
        made[t] = mask()
    return made


def abnormal_in(clip: int) -> range:
    """The abnormal frames of test clip 0, 1, 2, from 0."""
    first, last = RANGES[clip]
    return range(first - 1, last)


def write_images(folder: Path, pixels: np.ndarray, name: str, first: int = 0) -> None:
    """Images of a clip; `name` formats the number, the first of which is `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(pixels, start=first):
        assert cv2.imwrite(str(folder / name.format(number)), image)


def write_video(path: Path, pixels: np.ndarray, codec: str, rate: int) -> None:
    """A video file of grey frames in a codec of the owners."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, Fraction(rate))
        stream.height, stream.width, stream.pix_fmt = *pixels.shape[1:3], "yuv420p"
        stream.bit_rate = 2_000_000
        for image in pixels:
            colour = np.ascontiguousarray(np.repeat(image[..., None], 3, axis=2))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(colour, "rgb24")))
        container.mux(stream.encode())


def _write_ucsd(root: Path, name: str, masked: Sequence[int]) -> Path:
    home = root / "UCSD_Anomaly_Dataset.v1p2" / f"UCSD{name}"
    for clip in (1, 2):
        pixels = frames(TRAIN_FRAMES, clip)
        write_images(home / "Train" / f"Train{clip:03d}", pixels, "{:03d}.tif", 1)
    for clip in range(3):
        folder = home / "Test" / f"Test{clip + 1:03d}"
        pixels = frames(TEST_FRAMES, 7 + clip, abnormal_in(clip))
        write_images(folder, pixels, "{:03d}.tif", 1)
        if clip in masked:
            made = 255 * masks(TEST_FRAMES, abnormal_in(clip))
            naming = "frame{:03d}.bmp" if clip == 1 else "{:03d}.bmp"
            write_images(folder.with_name(f"{folder.name}_gt"), made, naming, 1)
    lines = [f"TestVideoFile{{end+1}}.gt_frame = [{a}:{b}];" for a, b in RANGES]
    script = home / "Test" / f"UCSD{name}.m"
    script.write_text("\n".join(["TestVideoFile = {};", *lines]) + "\n")
    # What a Mac leaves behind.
    for folder in (home / "Train" / "Train001", home / "Test" / "Test001", home / "Test"):
        (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
        (folder / "._001.tif").write_bytes(APPLE)
    (home / "Test" / "._Test001").write_bytes(APPLE)
    (root / "__MACOSX" / "Train" / "Train001").mkdir(parents=True)
    return home


def write_ped2(root: Path) -> Path:
    """UCSD Ped2: masks for all test clips, those of one named ``frameNNN.bmp``."""
    return _write_ucsd(root, "ped2", (0, 1, 2))


def write_ped1(root: Path) -> Path:
    """UCSD Ped1: masks for one of three test clips only, and a damaged frame in the third."""
    home = _write_ucsd(root, "ped1", (1,))
    (home / "Test/Test003/005.tif").write_bytes(b"\x00" * 400)
    return home


def write_repackaged(root: Path, name: str) -> Path:
    """``ped1``, ``ped2`` or ``avenue`` in the layout of the public code, with ``NAME.mat``."""
    home = root / name
    for clip in (1, 2):
        pixels = frames(TRAIN_FRAMES, clip)
        write_images(home / "training/frames" / f"{clip:02d}", pixels, "{:03d}.jpg")
    cell = np.empty((1, 3), object)
    for clip in range(3):
        pixels = frames(TEST_FRAMES, 7 + clip, abnormal_in(clip))
        write_images(home / "testing/frames" / f"{clip + 1:02d}", pixels, "{:03d}.jpg")
        cell[0, clip] = np.array(RANGES[clip], np.uint8).reshape(2, 1)
    savemat(home / f"{name}.mat", {"gt": cell})
    return home


def write_avenue(root: Path) -> Path:
    """CUHK Avenue: AVI, masks in MATLAB cells beside it, whose names are not zero-padded.

    The test clips have the numbers 8, 21 and 20, of which Hasan's labels are other than the masks.
    """
    home = root / "Avenue Dataset"
    for clip in (1, 2):
        pixels = frames(TRAIN_FRAMES, clip)
        write_video(home / "training_videos" / f"{clip:02d}.avi", pixels, "mpeg4", 25)
    labels = root / "ground_truth_demo" / "testing_label_mask"
    labels.mkdir(parents=True)
    (root / "ground_truth_demo" / "testing_videos").mkdir()
    for clip, number in enumerate((8, 21, 20)):
        pixels = frames(TEST_FRAMES + 8, 7 + clip, abnormal_in(clip))
        write_video(home / "testing_videos" / f"{number:02d}.avi", pixels, "mpeg4", 25)
        cell = np.empty((1, len(pixels)), object)
        for t, one in enumerate(masks(len(pixels), abnormal_in(clip))):
            cell[0, t] = one
        savemat(labels / f"{number}_label.mat", {"volLabel": cell}, do_compression=True)
    for part in ("training", "testing"):
        (home / f"{part}_vol").mkdir()
        savemat(home / f"{part}_vol" / "vol01.mat", {"vol": np.zeros((4, 6, 3), np.uint8)})
    return home


def write_shanghaitech(root: Path) -> Path:
    """ShanghaiTech: AVI with three digits to train on, JPEG with four digits to test on."""
    home = root / "shanghaitech"
    for clip in (1, 2):
        pixels = frames(TRAIN_FRAMES, clip)
        write_video(home / "training/videos" / f"01_{clip:03d}.avi", pixels, "mpeg4", 24)
    for folder in ("test_frame_mask", "test_pixel_mask"):
        (home / "testing" / folder).mkdir(parents=True)
    for clip, name in enumerate(("01_0014", "01_0015", "12_0142")):
        pixels = frames(TEST_FRAMES, 7 + clip, abnormal_in(clip))
        write_images(home / "testing/frames" / name, pixels, "{:03d}.jpg")
        pixel_masks = masks(TEST_FRAMES, abnormal_in(clip))
        np.save(home / "testing/test_pixel_mask" / f"{name}.npy", pixel_masks)
        labels = pixel_masks.any(axis=(1, 2)).astype(np.uint8)
        np.save(home / "testing/test_frame_mask" / f"{name}.npy", labels)
    return home


def write_mvtec(root: Path) -> Path:
    """MVTec AD: one object with two kinds of defect."""
    home = root / "mvtec_anomaly_detection" / "bottle"
    write_images(home / "train/good", frames(TRAIN_FRAMES, 1), "{:03d}.png")
    write_images(home / "test/good", frames(4, 2), "{:03d}.png")
    for seed, defect in enumerate(("broken_large", "contamination")):
        write_images(home / "test" / defect, frames(3, 7 + seed, range(3)), "{:03d}.png")
        made = 255 * masks(3, range(3))
        write_images(home / "ground_truth" / defect, made, "{:03d}_mask.png")
    (root / "mvtec_anomaly_detection" / "license.txt").write_text("CC BY-NC-SA 4.0\n")
    return home


def write_loco(root: Path) -> Path:
    """MVTec LOCO AD: one object, saturation by pixels and by share, an image with two defects."""
    home = root / "mvtec_loco_anomaly_detection" / "pushpins"
    write_images(home / "train/good", frames(TRAIN_FRAMES, 1), "{:03d}.png")
    write_images(home / "validation/good", frames(5, 3), "{:03d}.png")
    write_images(home / "test/good", frames(4, 2), "{:03d}.png")
    for seed, kind in enumerate(("logical_anomalies", "structural_anomalies")):
        write_images(home / "test" / kind, frames(3, 7 + seed, range(3)), "{:03d}.png")
        for image in range(3):
            folder = home / "ground_truth" / kind / f"{image:03d}"
            write_images(folder, masks(1, [0]) * (255 - seed), "{:03d}.png")
    second = np.zeros(SIZE, np.uint8)
    second[2:4, 0:5] = 254
    write_images(home / "ground_truth/logical_anomalies/001", second[None], "{:03d}.png", 1)
    rules = [("1_additional_pushpin", 255, 30, False), ("broken", 254, 0.5, True)]
    keys = ("defect_name", "pixel_value", "saturation_threshold", "relative_saturation")
    text = json.dumps([dict(zip(keys, rule, strict=True)) for rule in rules])
    (home / "defects_config.json").write_text(text)
    return home


def write_phantom(root: Path) -> Path:
    """PHANTOM: one class with two folders of anomalies, one of them in another size."""
    home = root / "pendulum"
    for clip in range(2):
        video = home / "train/normal" / f"2021070{clip}.mp4"
        write_video(video, frames(TRAIN_FRAMES + clip, clip), "libx264", 30)
    for seed, folder in enumerate(("normal", "normal", "motion", "object")):
        abnormal = range(TEST_FRAMES) if folder != "normal" else ()
        pixels = frames(TEST_FRAMES, 5 + seed, abnormal)
        if folder == "motion":
            pixels = pixels[:, :20, :32]
        write_video(home / "test" / folder / f"2021080{seed}.mp4", pixels, "libx264", 30)
    return home


def write_ssv2(root: Path) -> Path:
    """Something-Something V2: records of two of the ten classes and of others, WebM."""
    home = root / "something-something-v2"
    box = ("Closing [something]", ["a lunch box"])
    pencil = ("Rolling [something] on a flat surface", ["a pencil"])
    other = ("Closing [something]", ["a door"])
    records = {
        "train": {1: box, 2: box, 3: pencil, 4: other, 10: box},
        "validation": {101: box, 20: pencil, 103: other, 104: ("Holding [something]", ["box"])},
    }
    for part, found in records.items():
        entries = [
            {
                "id": str(number),
                "label": template.replace("[something]", things[0]).lower(),
                "template": template,
                "placeholders": things,
            }
            for number, (template, things) in found.items()
        ]
        home.mkdir(parents=True, exist_ok=True)
        (home / f"something-something-v2-{part}.json").write_text(json.dumps(entries))
        for number, (template, _) in found.items():
            if number != 10:  # one video is missing
                abnormal = range(TEST_FRAMES) if template.startswith("Rolling") else ()
                pixels = frames(TEST_FRAMES, number, abnormal)
                video = home / "20bn-something-something-v2" / f"{number}.webm"
                write_video(video, pixels, "libvpx-vp9", 12)
    return home
