"""The owners' layouts: real files where they are at hand, miniatures with their faults else."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import miniatures
import numpy as np
import pytest
from miniatures import RANGES, TEST_FRAMES, TRAIN_FRAMES, abnormal_in

from mnad.datasets import Dataset, open_dataset, require_labels, require_training
from mnad.datasets.channels import ChannelMasks
from mnad.datasets.facts import KNOWN, ranges_as_labels
from mnad.datasets.labels import intervals_of
from mnad.datasets.mvtec import LOCO, MVTEC
from mnad.errors import MnadError, UsageError
from mnad.video.cache import load_clips
from mnad.video.source import open_source


def lengths(clips):
    return {clip.name: clip.length for clip in clips}


def ranges(dataset: Dataset) -> list[list[tuple[int, int]]]:
    """Abnormal frames of the test clips, from 1."""
    return [[(a + 1, b + 1) for a, b in intervals_of(clip.labels)] for clip in dataset.test]


def masks_are(dataset: Dataset, expected: np.ndarray) -> None:
    for clip in dataset.test:
        for frame in range(clip.length):
            found = clip.masks.at(frame)
            assert found.dtype == bool
            np.testing.assert_array_equal(found, expected if clip.labels[frame] else expected * 0)


# What is known


def test_what_is_known_adds_up():
    for name in ("ped1", "ped2", "avenue"):
        facts = KNOWN[name]
        assert sum(facts.test_lengths) == facts.test_frames
        assert len(facts.test_lengths) == len(facts.ranges) == facts.test_clips
        pairs = zip(facts.ranges, facts.test_lengths, strict=True)
        assert sum(int(ranges_as_labels(*pair).sum()) for pair in pairs) == facts.abnormal_frames
    assert sum(map(len, KNOWN["avenue"].ranges)) == 47
    assert [sum(column) for column in zip(*MVTEC.values(), strict=True)] == [3629, 1725]
    assert [sum(c) for c in zip(*LOCO.values(), strict=True)] == [1778, 305, 575, 561, 432]


# UCSD


@pytest.fixture(scope="module")
def ped2_official(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ped2 as its owners have it, made of the re-packaged copy and the official masks."""
    home = tmp_path_factory.mktemp("ucsd") / "UCSD_Anomaly_Dataset.v1p2" / "UCSDped2"
    masks = np.load(data / "ped2" / "pixel_masks.npz")
    for part, name in (("training", "Train"), ("testing", "Test")):
        for clip in sorted((data / "ped2" / part / "frames").iterdir()):
            folder = home / name / f"{name}0{clip.name}"
            folder.mkdir(parents=True)
            for file in clip.iterdir():
                number = int(file.stem) + 1
                pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
                small = pixels[::8, ::8]  # the sizes of files matter nothing here
                cv2.imwrite(str(folder / f"{number:03d}.tif"), small)
    for name in masks.files:
        folder = home / "Test" / f"{name}_gt"
        folder.mkdir()
        prefix = "frame" if name in ("Test006", "Test009", "Test012") else ""
        for number, mask in enumerate(masks[name], start=1):
            cv2.imwrite(str(folder / f"{prefix}{number:03d}.bmp"), mask.astype(np.uint8) * 255)
    (home / "Test/UCSDped2.m").write_bytes((data / "ped2" / "UCSDped2.m").read_bytes())
    return home


def test_ped2_of_the_owners_is_the_repackaged_one(data: Path, ped2_official: Path) -> None:
    official = open_dataset(f"ped2:{ped2_official.parent}")
    other = open_dataset(f"ped2:{data / 'ped2'}")
    assert official.warnings == other.warnings == ()
    assert official.layout != other.layout and official.rate == other.rate == 10
    assert official.label_source == "UCSDped2.m"
    assert official.mask_source == "TestNNN_gt of 12 of 12 clips"
    for part in ("train", "test"):
        pairs = list(zip(getattr(official, part), getattr(other, part), strict=True))
        assert [a.length for a, _ in pairs] == [b.length for _, b in pairs]
        assert [int(a.name[-3:]) for a, _ in pairs] == [int(b.name) for _, b in pairs]
    for a, b in zip(official.test, other.test, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
    assert sum(int(clip.labels.sum()) for clip in official.test) == 1648
    packed = np.load(data / "ped2" / "pixel_masks.npz")
    for clip in official.test:
        expected = packed[clip.name]
        for frame in range(clip.length):
            np.testing.assert_array_equal(clip.masks.at(frame), expected[frame])


def test_without_its_script_the_masks_give_the_labels(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path)
    (home / "Test/UCSDped2.m").unlink()
    dataset = open_dataset(f"ped2:{home}")
    assert ranges(dataset) == [[pair] for pair in RANGES]
    assert dataset.label_source == "pixel masks (TestNNN_gt)"
    assert "labels are those of the masks" in dataset.warnings[-1]


def test_ucsd_with_its_litter(tmp_path: Path) -> None:
    home = miniatures.write_ped2(tmp_path)
    for path in (home, home.parent, tmp_path):  # a folder that holds it will do
        dataset = open_dataset(f"ped2:{path}")
        assert dataset.root == home
    assert lengths(dataset.train) == {"Train001": TRAIN_FRAMES, "Train002": TRAIN_FRAMES}
    assert lengths(dataset.test) == dict.fromkeys(("Test001", "Test002", "Test003"), TEST_FRAMES)
    assert ranges(dataset) == [[pair] for pair in RANGES]
    masks_are(dataset, miniatures.mask() > 0)
    assert not any("numbered" in sentence for sentence in dataset.warnings)
    # Published labels are named where they differ, if the clip is as long as the official one.
    assert "ped2: test clip Test001 has 12 frames here, not 180." in dataset.warnings


def test_a_range_that_is_not_the_published_one_is_named(data: Path, tmp_path: Path) -> None:
    home = tmp_path / "UCSDped2"
    for number in (5, 6):
        folder = home / "Test" / f"Test{number:03d}"
        folder.mkdir(parents=True)
        for frame in range(1, (150 if number == 5 else 180) + 1):
            (folder / f"{frame:03d}.tif").touch()
    script = (data / "ped2" / "UCSDped2.m").read_text()
    (home / "Test/UCSDped2.m").write_text(script.replace("1:159", "1:162"))
    told = open_dataset(f"ped2:{home}").warnings
    wrong = [sentence for sentence in told if "clip Test00" in sentence]
    assert wrong == [
        "ped2: test clip Test006 is abnormal in frames 1-162 here, not in 1-159 (from 1)."
    ]


def test_ped1_has_few_masks_and_a_damaged_frame(tmp_path: Path) -> None:
    home = miniatures.write_ped1(tmp_path)
    dataset = open_dataset(f"ped1:{tmp_path}")
    assert [clip.masks is not None for clip in dataset.test] == [False, True, False]
    assert dataset.mask_source == "TestNNN_gt of 1 of 3 clips"
    assert ranges(dataset) == [[pair] for pair in RANGES]
    require_labels(dataset)
    broken = home / "Test/Test003/005.tif"
    assert dataset.damaged == {broken}
    assert (
        "Test/Test003/005.tif is damaged: the frame before it is shown in its place."
        in dataset.warnings
    )
    clip = dataset.test[2]
    with pytest.raises(MnadError, match=r"005\.tif cannot be read as an image"):
        list(open_source(clip.path, 1))
    shown = [frame.pixels for frame in open_source(clip.path, 1, None, dataset.damaged)]
    original = miniatures.frames(TEST_FRAMES, 9, abnormal_in(2))
    assert len(shown) == TEST_FRAMES
    np.testing.assert_array_equal(shown[4][..., 0], original[3])
    np.testing.assert_array_equal(shown[5][..., 0], original[5])
    (clips,) = load_clips([clip.path], *miniatures.SIZE, 1, damaged=dataset.damaged)
    np.testing.assert_array_equal(clips, np.array(shown))


@pytest.mark.parametrize("cut", [0, 4, 300, -20])
def test_damage_is_seen_without_decoding(tmp_path: Path, cut: int) -> None:
    home = miniatures.write_ped2(tmp_path)
    file = home / "Train/Train001/001.tif"
    file.write_bytes(file.read_bytes()[:cut])
    dataset = open_dataset(f"ped2:{home}", labels=False)
    assert dataset.damaged == {file}
    first, second, *_ = open_source(file.parent, 1, None, dataset.damaged)
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_the_other_one_of_the_two_is_not_taken(tmp_path: Path) -> None:
    miniatures.write_ped1(tmp_path)
    with pytest.raises(MnadError, match="has neither training nor testing, nor Train"):
        open_dataset(f"ped2:{tmp_path}")
    miniatures.write_repackaged(tmp_path, "ped2")
    assert open_dataset(f"ped2:{tmp_path}").root == tmp_path / "ped2"
    (tmp_path / "again").mkdir()
    (tmp_path / "ped2").rename(tmp_path / "again" / "ped2")
    miniatures.write_ped2(tmp_path / "again")
    # Not the two at different depths, but two side by side are too many.
    with pytest.raises(MnadError, match=r"holds ped2 2 times: give one of ped2:"):
        miniatures.write_repackaged(tmp_path / "third", "ped2")
        open_dataset(f"ped2:{tmp_path}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no gt_frame"),
        ("TestVideoFile{end+1}.gt_frame = [a:b];", "holds the range 'a:b'"),
        ("TestVideoFile{end+1}.gt_frame = [1:3];", "labels for 1 clips but not for Test002"),
        ("gt_frame = [1:13];\n" * 3, "clip Test001: interval 1 to 13 does not lie within"),
    ],
)
def test_a_script_that_does_not_fit(tmp_path: Path, text: str, sentence: str) -> None:
    home = miniatures.write_ped2(tmp_path)
    (home / "Test/UCSDped2.m").write_text(text)
    with pytest.raises(MnadError, match=sentence):
        open_dataset(f"ped2:{home}")
    assert open_dataset(f"ped2:{home}", labels=False).label_source == "not read"


def test_two_ranges_a_comment_and_none(tmp_path: Path) -> None:
    home = miniatures.write_ped1(tmp_path)
    text = "% gt_frame = [9:9]\nx.gt_frame = [1:3, 7];\nx.gt_frame = [2:2 5:6];\nx.gt_frame = [];"
    (home / "Test/UCSDped1.m").write_text(text)
    assert ranges(open_dataset(f"ped1:{home}")) == [[(1, 3), (7, 7)], [(2, 2), (5, 6)], []]


# The layout of the public code


@pytest.mark.parametrize("shape", [(1, -1), (-1,)])
def test_labels_of_the_public_code_in_one_array(tmp_path: Path, shape: tuple[int, ...]) -> None:
    home = miniatures.write_repackaged(tmp_path, "ped1")
    expected = [clip.labels for clip in open_dataset(f"ped1:{home}").test]
    assert [labels.sum() for labels in expected] == [5, 12, 2]
    (home / "ped1.mat").unlink()
    joined = home / "frame_labels_ped1.npy"
    np.save(joined, np.concatenate(expected).reshape(shape))
    dataset = open_dataset(f"ped1:{home}")
    assert dataset.label_source == "frame_labels_ped1.npy"
    for clip, labels in zip(dataset.test, expected, strict=True):
        np.testing.assert_array_equal(clip.labels, labels)
    np.save(joined, np.zeros(35))
    with pytest.raises(MnadError, match="has 35 labels but the 3 test clips have 36 frames"):
        open_dataset(f"ped1:{home}")


# Avenue


def test_avenue_sample(data: Path) -> None:
    """Four real clips; of these two the owners' masks and Hasan's ranges agree."""
    for spec in ("avenue", "avenue@hasan", "avenue@owner"):
        dataset = open_dataset(f"{spec}:{data / 'avenue-sample'}")
        assert (lengths(dataset.train), lengths(dataset.test)) == (
            {"12": 145, "16": 244},
            {"20": 273, "21": 76},
        )
        assert ranges(dataset) == [[(65, 144), (168, 241)], [(14, 66)]]
        assert not any("test clip" in told and "frames here" in told for told in dataset.warnings)
        assert dataset.name == ("avenue@owner" if spec == "avenue@owner" else "avenue")
    assert "owners' masks" in dataset.label_source
    assert "207 abnormal frames here; 3820 are reported." in dataset.warnings[-1]
    mask = dataset.test[1].masks.at(13)
    assert mask.shape == (360, 640) and mask.any()
    assert not dataset.test[1].masks.at(12).any()


def test_avenue_has_two_conventions(tmp_path: Path) -> None:
    home = miniatures.write_avenue(tmp_path)
    hasan, owner = (open_dataset(f"{name}:{tmp_path}") for name in ("avenue", "avenue@owner"))
    assert hasan.root == owner.root == home
    assert lengths(hasan.test) == {"08": 20, "20": 20, "21": 20}
    # 8: 21-30, 20: 65-144 ..., 21: 14-66, of clips that have 20 frames here.
    assert ranges(hasan) == [[], [], [(14, 20)]]
    assert ranges(owner) == [[(5, 9)], [(3, 4)], [(1, 12)]]
    assert "Hasan" in hasan.label_source and "owners' masks" in owner.label_source
    for dataset in (hasan, owner):
        assert dataset.mask_source == "testing_label_mask of 3 of 3 clips"
    masks_are(owner, miniatures.mask() > 0)
    with pytest.raises(UsageError, match=r"write avenue@hasan:.* or avenue@owner:"):
        open_dataset(f"avenue@other:{tmp_path}")


@pytest.mark.parametrize("given", ["", "Avenue_Dataset", "Avenue_Dataset/Avenue Dataset"])
def test_avenue_masks_beside_the_folder_that_an_archive_unpacked_into(
    tmp_path: Path, given: str
) -> None:
    home = miniatures.write_avenue(tmp_path)
    (tmp_path / "Avenue_Dataset").mkdir()
    home.rename(tmp_path / "Avenue_Dataset" / home.name)
    dataset = open_dataset(f"avenue@owner:{tmp_path / given}")
    assert ranges(dataset) == [[(5, 9)], [(3, 4)], [(1, 12)]]


def test_the_folder_one_is_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set goes by the name of its folder, and finds what lies beside it."""
    monkeypatch.chdir(miniatures.write_phantom(tmp_path))
    dataset = open_dataset("phantom:.")
    assert dataset.name == "phantom/pendulum"
    assert not any("is no class" in sentence for sentence in dataset.warnings)
    monkeypatch.chdir(miniatures.write_mvtec(tmp_path) / "train")
    assert open_dataset("mvtec:..").name == "mvtec/bottle"
    monkeypatch.chdir(miniatures.write_avenue(tmp_path))
    assert open_dataset("avenue:.").test[0].masks is not None
    monkeypatch.chdir(miniatures.write_repackaged(tmp_path, "ped2"))
    Path("ped2.mat").unlink()
    with pytest.raises(MnadError, match="give the folder of ped1"):
        open_dataset("ped1:.")


def test_avenue_masks_that_do_not_fit(tmp_path: Path) -> None:
    miniatures.write_avenue(tmp_path)
    folder = tmp_path / "ground_truth_demo/testing_label_mask"
    (folder / "8_label.mat").write_bytes(b"broken")
    with pytest.raises(MnadError, match=r"8_label\.mat cannot be read as masks"):
        open_dataset(f"avenue@owner:{tmp_path}")
    assert open_dataset(f"avenue:{tmp_path}").test[0].masks is not None  # not read yet
    (folder / "8_label.mat").unlink()
    with pytest.raises(MnadError, match="no owners' masks for test clip 08: put ground_truth_demo"):
        open_dataset(f"avenue@owner:{tmp_path}")


def test_avenue_repackaged_in_both_conventions(tmp_path: Path) -> None:
    home = miniatures.write_repackaged(tmp_path, "avenue")
    assert ranges(open_dataset(f"avenue:{home}")) == [[pair] for pair in RANGES]
    with pytest.raises(MnadError, match="has no owners' masks for test clip 01"):
        open_dataset(f"avenue@owner:{home}")
    (home / "avenue.mat").unlink()
    dataset = open_dataset(f"avenue:{home}")
    assert "Hasan" in dataset.label_source
    assert "avenue.mat is missing: labels are the ranges that mnad knows." in dataset.warnings[-1]


# ShanghaiTech


def test_shanghaitech(tmp_path: Path) -> None:
    home = miniatures.write_shanghaitech(tmp_path)
    dataset = open_dataset(f"shanghaitech:{tmp_path}")
    assert dataset.root == home
    assert lengths(dataset.train) == {"01_001": TRAIN_FRAMES, "01_002": TRAIN_FRAMES}
    assert list(lengths(dataset.test)) == ["01_0014", "01_0015", "12_0142"]
    assert ranges(dataset) == [[pair] for pair in RANGES]
    masks_are(dataset, miniatures.mask() > 0)
    assert dataset.label_source == "test_frame_mask"
    assert dataset.mask_source == "test_pixel_mask of 3 of 3 clips"
    # Three digits for four, in one of the places.
    (home / "testing/test_frame_mask/01_0014.npy").rename(
        home / "testing/test_frame_mask/01_014.npy"
    )
    assert ranges(open_dataset(f"shanghaitech:{home}")) == [[pair] for pair in RANGES]


@pytest.mark.parametrize("place", ["frame_labels_shanghai.npy", "data/frame_labels_shanghai.npy"])
def test_shanghaitech_with_the_labels_of_the_public_code(tmp_path: Path, place: str) -> None:
    home = miniatures.write_shanghaitech(tmp_path)
    folder = home / "testing/test_frame_mask"
    (home / place).parent.mkdir(exist_ok=True)
    np.save(home / place, np.concatenate([np.load(file) for file in sorted(folder.iterdir())]))
    shutil.rmtree(folder)
    dataset = open_dataset(f"shanghaitech:{home}")
    assert dataset.label_source == "frame_labels_shanghai.npy"
    assert ranges(dataset) == [[pair] for pair in RANGES]


def test_pixel_masks_alone_give_the_labels(tmp_path: Path) -> None:
    home = miniatures.write_shanghaitech(tmp_path)
    (home / "testing/test_frame_mask").rename(home / "testing/elsewhere")
    dataset = open_dataset(f"shanghaitech:{home}")
    assert dataset.label_source == "test_pixel_mask, any pixel"
    assert ranges(dataset) == [[pair] for pair in RANGES]
    public = miniatures.write_repackaged(tmp_path, "ped2")
    (public / "ped2.mat").unlink()
    (public / "testing/test_pixel_mask").mkdir()
    for clip, pair in enumerate(RANGES):
        made = miniatures.masks(TEST_FRAMES, range(pair[0] - 1, pair[1]))
        np.save(public / f"testing/test_pixel_mask/{clip + 1:02d}.npy", made)
    dataset = open_dataset(f"ped2:{public}")
    assert ranges(dataset) == [[pair] for pair in RANGES]
    masks_are(dataset, miniatures.mask() > 0)


@pytest.mark.parametrize("shape", [(TEST_FRAMES, -1), (TEST_FRAMES, *miniatures.SIZE, 1), ()])
def test_masks_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """They ended `mnad data check` and `mnad evaluate --pixels` in a traceback."""
    home = miniatures.write_shanghaitech(tmp_path)
    file = home / "testing/test_pixel_mask/01_0014.npy"
    np.save(file, np.load(file).reshape(shape) if shape else 1)
    with pytest.raises(MnadError, match=r"01_0014\.npy has shape .*: it must hold a mask for each"):
        open_dataset(f"shanghaitech:{home}")
    file.unlink()
    assert open_dataset(f"shanghaitech:{home}").mask_source == "test_pixel_mask of 2 of 3 clips"


def test_shanghaitech_takes_the_fullest_folder(tmp_path: Path) -> None:
    home = miniatures.write_shanghaitech(tmp_path)
    frames = home / "training/frames"
    frames.mkdir()
    assert all(c.path.suffix == ".avi" for c in open_dataset(f"shanghaitech:{home}").train)
    for number in (1, 2):
        miniatures.write_images(frames / f"01_{number:03d}", miniatures.frames(4, 1), "{:03d}.jpg")
        dataset = open_dataset(f"shanghaitech:{home}")
        assert all(clip.path.is_dir() == (number == 2) for clip in dataset.train)
        told = [sentence for sentence in dataset.warnings if "are taken" in sentence]
        assert len(told) == (number == 1)


# Images


def test_mvtec(tmp_path: Path) -> None:
    home = miniatures.write_mvtec(tmp_path)
    dataset = open_dataset(f"mvtec:{home}")
    assert (dataset.name, dataset.kind, dataset.rate) == ("mvtec/bottle", "images", 1)
    assert lengths(dataset.train) == {"good": TRAIN_FRAMES}
    assert lengths(dataset.test) == {"good": 4, "broken_large": 3, "contamination": 3}
    assert [clip.labels.tolist() for clip in dataset.test] == [[0] * 4, [1] * 3, [1] * 3]
    assert dataset.test[0].masks is None
    np.testing.assert_array_equal(dataset.test[1].masks.at(2), miniatures.mask() > 0)
    assert dataset.warnings == (
        f"mvtec/bottle has {TRAIN_FRAMES} images of training here, the official one 209.",
        "mvtec/bottle has 10 images of test here, the official one 83.",
    )
    (home / "ground_truth/contamination/001_mask.png").unlink()
    dataset = open_dataset(f"mvtec:{tmp_path}")
    assert dataset.test[2].masks.at(1) is None
    assert dataset.warnings[-1] == "1 of the 3 images of contamination have no mask."
    other = home.with_name("cable")
    (other / "train/good").mkdir(parents=True)
    with pytest.raises(MnadError, match=r"give one of mvtec:.*bottle, mvtec:.*cable"):
        open_dataset(f"mvtec:{tmp_path}")


def test_loco(tmp_path: Path) -> None:
    home = miniatures.write_loco(tmp_path)
    dataset = open_dataset(f"loco:{home.parent}")
    assert (dataset.name, dataset.kind) == ("loco/pushpins", "images")
    assert lengths(dataset.validation) == {"good": 5}
    assert lengths(dataset.test) == {
        "good": 4,
        "logical_anomalies": 3,
        "structural_anomalies": 3,
    }
    logical, structural = (clip.masks for clip in dataset.test[1:])
    assert isinstance(logical, ChannelMasks)
    first, second = logical.channels(1)
    # 80 pixels, of which 30 are enough; 10 pixels, of which half are.
    assert (first.kind.defect, first.mask.sum()) == ("1_additional_pushpin", 80)
    assert (first.kind.threshold, first.kind.relative) == (30, False)
    assert (second.kind.defect, second.mask.sum()) == ("broken", 10)
    assert (second.kind.threshold, second.kind.relative) == (0.5, True)
    np.testing.assert_array_equal(logical.at(1), first.mask | second.mask)
    (only,) = structural.channels(0)
    assert only.kind == second.kind and only.mask.sum() == 80
    with pytest.raises(MnadError, match="has neither train/good nor test/good of an object"):
        open_dataset(f"mvtec:{home}")
    (home / "ground_truth/structural_anomalies/001/000.png").unlink()  # as of half an archive
    again = open_dataset(f"loco:{home}")
    assert again.test[2].masks is not None and again.test[2].masks.at(1) is None
    assert "1 of the 3 images of structural_anomalies have no mask." in again.warnings
    cv2.imwrite(str(home / "ground_truth/structural_anomalies/000/000.png"), miniatures.mask() * 7)
    with pytest.raises(MnadError, match=r"000\.png must hold 0 and the pixel value of one defect"):
        structural.channels(0)
    (home / "defects_config.json").write_text("{}")
    with pytest.raises(MnadError, match=r"defects_config\.json cannot be read"):
        open_dataset(f"loco:{home}")


# Whole clips


def test_phantom_magnets(data: Path) -> None:
    dataset = open_dataset(f"phantom:{data / 'phantom' / 'magnets'}")
    assert (dataset.name, dataset.kind, dataset.warnings) == ("phantom/magnets", "clips", ())
    assert (len(dataset.train), len(dataset.test)) == (16, 64)
    abnormal = [clip.name.split("/")[0] for clip in dataset.test if clip.labels.all()]
    assert {name: abnormal.count(name) for name in set(abnormal)} == {
        "knocks": 10,
        "start_still": 12,
        "wind": 12,
    }
    assert sum(not clip.labels.any() for clip in dataset.test) == 30
    assert open_dataset(f"phantom:{data}").root == data / "phantom" / "magnets"


def test_phantom(tmp_path: Path) -> None:
    home = miniatures.write_phantom(tmp_path)
    dataset = open_dataset(f"phantom:{home}")
    assert [clip.name for clip in dataset.test] == [
        "normal/20210800",
        "normal/20210801",
        "motion/20210802",
        "object/20210803",
    ]
    assert [clip.labels.mean() for clip in dataset.test] == [0, 0, 1, 1]
    assert "phantom/pendulum has 2 clips in train/normal here, the official one 32." in (
        dataset.warnings
    )
    home.rename(home.with_name("own"))
    assert "own is no class of phantom" in open_dataset(f"phantom:{tmp_path}").warnings[0]


def test_something_by_the_rule_of_its_authors(tmp_path: Path) -> None:
    home = miniatures.write_ssv2(tmp_path)
    dataset = open_dataset(f"ssv2@closing:{home}")
    assert (dataset.name, dataset.kind) == ("ssv2@closing", "clips")
    assert lengths(dataset.train) == {"1": TEST_FRAMES, "2": TEST_FRAMES}
    # "pen" is in "pencil"; neither a door nor a box that is held is one of the ten.
    assert [(clip.name, clip.labels.mean()) for clip in dataset.test] == [("20", 1), ("101", 0)]
    assert dataset.warnings == ("1 of the 3 training clips of closing are missing here.",)
    rolling = open_dataset(f"ssv2@rolling:{home}")
    assert [clip.name for clip in rolling.train] == ["3"]
    assert [clip.labels.mean() for clip in rolling.test] == [0, 1]
    with pytest.raises(UsageError, match=r"write ssv2@falling-off:.* or ssv2@plugging:"):
        open_dataset(f"ssv2:{home}")
    (home / "something-something-v2-train.json").write_text('[{"id": "1"}]')
    with pytest.raises(MnadError, match="cannot be read as records"):
        open_dataset(f"ssv2@closing:{home}")


# All of them

WRITERS = {
    "ped1": miniatures.write_ped1,
    "ped2": miniatures.write_ped2,
    "avenue": miniatures.write_avenue,
    "avenue@owner": miniatures.write_avenue,
    "shanghaitech": miniatures.write_shanghaitech,
    "mvtec": miniatures.write_mvtec,
    "loco": miniatures.write_loco,
    "phantom": miniatures.write_phantom,
    "ssv2@closing": miniatures.write_ssv2,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_set_opens_and_asks_for_itself_when_it_is_missing(name: str, tmp_path: Path) -> None:
    home = WRITERS[name](tmp_path)
    dataset = open_dataset(f"{name}:{home}")
    require_training(dataset)
    require_labels(dataset)
    assert not dataset.own and dataset.layout and dataset.rate
    for clip in dataset.test:
        assert clip.labels.dtype == np.uint8 and clip.labels.shape == (clip.length,)
    unread = open_dataset(f"{name}:{home}", labels=False)
    assert unread.label_source == "not read"
    assert all(clip.labels is None and clip.masks is None for clip in unread.test)
    with pytest.raises(MnadError, match=r"gone is not a folder: check .* get \w+ from http"):
        open_dataset(f"{name}:{tmp_path / 'gone'}")
