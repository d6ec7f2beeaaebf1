from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from mnad.datasets import open_dataset, require_labels, require_training
from mnad.errors import MnadError, UsageError
from mnad.video.sink import VideoSink
from mnad.video.source import open_source


def make_frames(folder, count, first=0):
    folder.mkdir(parents=True)
    for index in range(first, first + count):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((16, 24), index, np.uint8))


def make_video(path, count):
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoSink(path, Fraction(25), (16, 24)) as sink:
        for index in range(count):
            sink.write(np.full((16, 24, 3), index, np.uint8))


def ranges(*clips):
    """The key gt as MATLAB writes it: a 1xN cell of 2xK arrays."""
    cell = np.empty((1, len(clips)), object)
    for index, clip in enumerate(clips):
        cell[0, index] = np.array(clip, np.uint8).reshape(-1, 2).T
    return {"gt": cell}


@pytest.fixture
def small(tmp_path):
    """A little Ped2: 2 training clips of 5 frames, test clips of 6 and 8."""
    for name in ("training/frames/01", "training/frames/02"):
        make_frames(tmp_path / name, 5)
    make_frames(tmp_path / "testing/frames/01", 6)
    make_frames(tmp_path / "testing/frames/02", 8)
    savemat(tmp_path / "ped2.mat", ranges([(2, 4)], [(1, 1), (5, 8)]))
    return tmp_path


def lengths(clips):
    return {clip.name: clip.length for clip in clips}


# The re-packaged layout


def test_ranges_are_one_based_and_inclusive(small):
    dataset = open_dataset(f"ped2:{small}")
    assert dataset.name == "ped2"
    assert lengths(dataset.train) == {"01": 5, "02": 5}
    assert all(clip.labels is None for clip in dataset.train)
    assert dataset.test[0].labels.tolist() == [0, 1, 1, 1, 0, 0]
    assert dataset.test[1].labels.tolist() == [1, 0, 0, 0, 1, 1, 1, 1]
    assert dataset.test[1].labels.dtype == np.uint8
    assert dataset.label_source == "ped2.mat"
    require_labels(dataset)
    require_training(dataset)


def test_what_differs_from_the_official_copy_is_told(small):
    assert open_dataset(f"ped2:{small}").warnings == (
        "ped2 has 2 training clips here, the official one 16.",
        "ped2 has 10 training frames here, the official one 2550.",
        "ped2 has 2 test clips here, the official one 12.",
        "ped2 has 14 test frames here, the official one 2010.",
        "ped2 has 8 abnormal frames here, not 1648.",
        "ped2: test clip 01 has 6 frames here, not 180.",
        "ped2: test clip 02 has 8 frames here, not 180.",
    )


def test_gaps_and_bases_are_told(small):
    make_frames(small / "training/frames/03", 4, first=1)
    (small / "training/frames/01/2.png").unlink()
    told = open_dataset(f"ped2:{small}").warnings[-2:]
    assert "01 has 4 frames numbered from 0 to 4: some are missing" in told[0]
    assert "are numbered from 0, 1, not all from 0" in told[1]


def test_a_wholly_normal_clip_among_ranges(small):
    savemat(small / "ped2.mat", ranges([], [(1, 8)]))
    assert [clip.labels.sum() for clip in open_dataset(f"ped2:{small}").test] == [0, 8]


def test_a_range_beyond_the_end_names_the_clip(small):
    savemat(small / "ped2.mat", ranges([(2, 7)], [(1, 1)]))
    with pytest.raises(MnadError, match=r"ped2\.mat, clip 01: interval 2 to 7 .* frames 1 to 6"):
        open_dataset(f"ped2:{small}")


@pytest.mark.parametrize("pair", [(0, 3), (4, 3)])
def test_a_range_that_is_none(small, pair):
    savemat(small / "ped2.mat", ranges([pair], [(1, 1)]))
    with pytest.raises(MnadError, match=f"clip 01: interval {pair[0]} to {pair[1]}"):
        open_dataset(f"ped2:{small}")


def test_intervals_in_rows_are_refused(small):
    """Of [[1, 2], [4, 5], [7, 8]] the ends would be read as 4, 5, 7 of the starts 1, 2, 8."""
    rows = ranges([(1, 1)], [(1, 2), (4, 5), (7, 8)])
    rows["gt"][0, 1] = rows["gt"][0, 1].T
    savemat(small / "ped2.mat", rows)
    with pytest.raises(MnadError, match=r"a cell of 2xK intervals \(starts above, ends below\)"):
        open_dataset(f"ped2:{small}")
    rows["gt"][0, 1] = np.array([[5, 8]])  # a single one can be nothing else
    savemat(small / "ped2.mat", rows)
    assert open_dataset(f"ped2:{small}").test[1].labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("other", [-1, 255, np.nan])
def test_joined_labels_other_than_0_and_1(small, other):
    """Of the signs 1 and -1 every frame would be abnormal."""
    (small / "ped2.mat").unlink()
    labels = np.ones(14)
    labels[3] = other
    np.save(small / "frame_labels_ped2.npy", labels)
    with pytest.raises(MnadError, match=r"frame_labels_ped2\.npy holds values other than 0 and 1"):
        open_dataset(f"ped2:{small}")


def test_an_image_beside_folders_of_frames(small, tmp_path):
    """It made the folder of the clips one clip of one frame."""
    loose = tmp_path / "testing/frames/preview.png"
    cv2.imwrite(str(loose), np.zeros((16, 24), np.uint8))
    sentence = r"frames holds images \(preview\.png\) beside folders of images \(01\): move away"
    for spec in (f"ped2:{small}", str(small)):
        with pytest.raises(MnadError, match=sentence):
            open_dataset(spec)


def test_labels_of_another_number_of_clips(small):
    savemat(small / "ped2.mat", ranges([(1, 1)]))
    with pytest.raises(MnadError, match="labels for 1 clips but there are 2 test clips"):
        open_dataset(f"ped2:{small}")


@pytest.mark.parametrize("content", [b"", b"no MATLAB file", None])
def test_unreadable_mat(small, content):
    if content is None:
        savemat(small / "ped2.mat", {"other": 1})
    else:
        (small / "ped2.mat").write_bytes(content)
    with pytest.raises(MnadError, match=r"ped2\.mat cannot be read as labels: it must be a MATLAB"):
        open_dataset(f"ped2:{small}")


def test_training_opens_no_label_file(small):
    (small / "ped2.mat").write_bytes(b"broken")
    dataset = open_dataset(f"ped2:{small}", labels=False)
    assert dataset.label_source == "not read"
    assert all(clip.labels is None for clip in dataset.test)


def test_no_label_file(small):
    (small / "ped2.mat").unlink()
    dataset = open_dataset(f"ped2:{small}")
    assert dataset.label_source == "none"
    assert "ped2.mat is missing" in dataset.warnings[-1]
    with pytest.raises(MnadError, match="has no labels for test clip 01, 02: restore"):
        require_labels(dataset)


def test_shanghaitech_masks_go_by_name(tmp_path):
    make_video(tmp_path / "training/videos/01_001.mp4", 5)
    make_frames(tmp_path / "testing/frames/01_0014", 6)
    make_frames(tmp_path / "testing/frames/01_0015", 4)
    masks = tmp_path / "testing/test_frame_mask"
    masks.mkdir()
    np.save(masks / "01_0014.npy", np.array([0, 0, 1, 1, 1, 0], np.uint8))
    with pytest.raises(MnadError, match=r"01_0015\.npy is missing: restore it"):
        open_dataset(f"shanghaitech:{tmp_path}")
    np.save(masks / "01_0015.npy", np.zeros(4, np.uint8))
    dataset = open_dataset(f"shanghaitech:{tmp_path}")
    assert lengths(dataset.train) == {"01_001": 5}
    assert [clip.labels.tolist() for clip in dataset.test] == [[0, 0, 1, 1, 1, 0], [0] * 4]
    assert dataset.label_source == "test_frame_mask"


def test_not_the_layout(tmp_path):
    with pytest.raises(MnadError, match="has neither training nor testing, nor Train"):
        open_dataset(f"ped2:{tmp_path}")
    with pytest.raises(MnadError, match="gone is not a folder: check the path after ped2:"):
        open_dataset(f"ped2:{tmp_path / 'gone'}")


@pytest.mark.parametrize("spec", ["", "ped2:", "avenue@owner:"])
def test_an_empty_path_is_not_the_folder_one_is_in(spec, tmp_path, monkeypatch):
    """As of a variable that is not set: a model must not be trained on whatever lies there."""
    (tmp_path / "training").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="a path is empty, as that of a variable"):
        open_dataset(spec)


def test_unknown_prefix():
    with pytest.raises(UsageError, match=r"^rtsp://\*\*\*@gate/1 is live, .* mnad watch"):
        open_dataset("rtsp://user:secret@gate/1")
    with pytest.raises(UsageError, match=r"^0 is live, and this takes recorded footage"):
        open_dataset("0")
    with pytest.raises(UsageError, match="'ped9' is not a known data set: choose one of ped1, "):
        open_dataset("ped9:somewhere")
    # A drive letter is none.
    with pytest.raises(MnadError, match="does not exist"):
        open_dataset("C:/somewhere")


# A folder of one's own


def test_clips_directly_in_the_folder_are_both_sets(tmp_path):
    make_video(tmp_path / "10.mp4", 5)
    make_video(tmp_path / "9.mp4", 4)
    make_frames(tmp_path / "hall.2", 3)
    (tmp_path / "9.csv").write_text("first,last\n1,2\n")
    (tmp_path / "10.csv").write_text("\ufefffirst, last\n\n")
    np.save(tmp_path / "hall.2.npy", np.array([True, False, True]))
    dataset = open_dataset(tmp_path)
    assert dataset.name == tmp_path.name
    assert lengths(dataset.train) == lengths(dataset.test) == {"9": 4, "10": 5, "hall.2": 3}
    assert list(lengths(dataset.test)) == ["9", "10", "hall.2"]
    assert [clip.labels.tolist() for clip in dataset.test] == [[0, 1, 1, 0], [0] * 5, [1, 0, 1]]
    assert all(clip.labels is None for clip in dataset.train)
    require_labels(dataset)
    (told,) = dataset.warnings
    assert told.endswith("a model that was trained on it has seen all that it is measured on.")
    assert open_dataset(tmp_path, labels=False).warnings == ()


@pytest.mark.parametrize("level", ["", "frames", "videos"])
def test_training_and_testing(tmp_path, level):
    make_frames(tmp_path / "training" / level / "a", 3)
    make_video(tmp_path / "testing" / level / "b.mp4", 4)
    (tmp_path / "testing" / level / "b.csv").write_text("first,last\n0,0\n3,3\n")
    dataset = open_dataset(str(tmp_path))
    assert (lengths(dataset.train), lengths(dataset.test)) == ({"a": 3}, {"b": 4})
    assert dataset.test[0].labels.tolist() == [1, 0, 0, 1]


def test_what_moves_the_frames_of_ones_own_clips_is_told(tmp_path):
    for name in ("training/frames/n", "testing/frames/gap", "testing/frames/litter"):
        make_frames(tmp_path / name, 9, first=1)
    (tmp_path / "testing/frames/gap/4.png").unlink()
    (tmp_path / "testing/frames/litter/1.png").rename(tmp_path / "testing/frames/litter/Cover.png")
    for seconds in (58, 59, 60, 61, 62):  # times, among which nothing is missing
        folder = tmp_path / "testing/frames/times"
        folder.mkdir(exist_ok=True)
        file = folder / f"12-{seconds // 60:02}-{seconds % 60:02}.png"
        cv2.imwrite(str(file), np.zeros((16, 24), np.uint8))
    gap, litter = open_dataset(tmp_path).warnings
    assert gap.startswith("testing/frames/gap has 8 frames numbered from 1 to 9: some are missing")
    assert litter.startswith("testing/frames/litter has Cover.png among its numbered frames")
    for spec in (tmp_path / "testing/frames/gap", f"{tmp_path}/testing/frames/g*"):
        assert open_dataset(spec).warnings == (gap.replace("testing", f"{tmp_path}/testing"),)


def test_a_single_source_is_a_data_set_of_one_clip(tmp_path, monkeypatch):
    make_video(tmp_path / "a.mp4", 4)
    make_frames(tmp_path / "b", 3)
    (tmp_path / "b.csv").write_text("first,last\n2,2\n")
    assert lengths(open_dataset(tmp_path / "a.mp4").train) == {"a": 4}
    monkeypatch.chdir(tmp_path / "b")
    dataset = open_dataset(".")
    assert lengths(dataset.test) == {"b": 3}
    assert dataset.test[0].labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "does not begin with the header first,last"),
        ("1,2\n", "does not begin with the header first,last"),
        ("first,last\n1\n", "line 2, is '1': write two frame numbers"),
        ("first,last\n1,2\na,3\n", "line 3, is 'a,3': write two frame numbers"),
        ("first,last\n2,4\n", "interval 2 to 4 does not lie within the clip, frames 0 to 3"),
        ("first,last\n-1,2\n", "interval -1 to 2 does not lie within"),
        ("first,last\n3,2\n", "interval 3 to 2 does not lie within"),
    ],
)
def test_csv_that_does_not_fit(tmp_path, text, sentence):
    make_frames(tmp_path / "a", 4)
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(MnadError, match=sentence) as error:
        open_dataset(tmp_path)
    assert str(tmp_path / "a.csv") in str(error.value)
    assert open_dataset(tmp_path, labels=False).test[0].labels is None


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros(5), r"has shape \(5,\) but its clip has 4 frames"),
        (np.zeros((1, 4)), r"has shape \(1, 4\) but its clip has 4 frames: save \(4,\), one label"),
        (np.array([0, 1, 2, 0]), "holds values other than 0 and 1"),
        (np.array([0, 1, np.nan, 0]), "holds values other than 0 and 1"),
        (np.array([0, 1, None, 0]), "cannot be read as labels: save a 1-D array"),
    ],
)
def test_npy_that_does_not_fit(tmp_path, array, sentence):
    make_frames(tmp_path / "a", 4)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(MnadError, match=sentence) as error:
        open_dataset(tmp_path)
    assert str(tmp_path / "a.npy") in str(error.value)


def test_two_label_files_of_one_clip(tmp_path):
    make_frames(tmp_path / "a", 4)
    (tmp_path / "a.csv").write_text("first,last\n")
    np.save(tmp_path / "a.npy", np.zeros(4))
    with pytest.raises(MnadError, match=r"a\.csv and .*a\.npy both label one clip"):
        open_dataset(tmp_path)


def test_two_clips_of_one_name(tmp_path):
    make_frames(tmp_path / "a", 2)
    make_video(tmp_path / "a.mp4", 2)
    with pytest.raises(MnadError, match="are both named a: rename or remove one"):
        open_dataset(tmp_path)


def test_what_is_missing_is_asked_for(tmp_path):
    make_frames(tmp_path / "testing" / "a", 2)
    dataset = open_dataset(tmp_path)
    with pytest.raises(MnadError, match="has no training clips"):
        require_training(dataset)
    (tmp_path / "testing").rename(tmp_path / "training")
    dataset = open_dataset(tmp_path)
    with pytest.raises(MnadError, match="has no test clips"):
        require_labels(dataset)


def test_what_lies_too_deep_or_beside_is_told(tmp_path):
    for name in ("training/day", "training/monday/camera 1", "testing/hall", "testing/hall_gt"):
        make_frames(tmp_path / name, 3)
    make_video(tmp_path / "testing/tuesday/a.mp4", 3)
    (tmp_path / "testing/notes").mkdir()
    (tmp_path / "testing/notes/read.me").touch()
    dataset = open_dataset(tmp_path)
    assert lengths(dataset.train) == {"day": 3} and lengths(dataset.test) == {"hall": 3}
    for told, name in zip(dataset.warnings, ("training/monday", "testing/tuesday"), strict=True):
        assert told.startswith(f"{tmp_path / name} holds videos or images further down, which are")
    frames = open_dataset(tmp_path / "training/day")
    assert not frames.warnings
    make_frames(tmp_path / "training/day/old", 3)
    [told] = open_dataset(tmp_path / "training/day").warnings
    assert "day holds images (0.png) beside folders of images (old), which are not taken" in told


def test_bad_folders(tmp_path):
    with pytest.raises(MnadError, match="holds no videos, no images and no folders of images"):
        open_dataset(tmp_path)
    with pytest.raises(MnadError, match="gone does not exist"):
        open_dataset(tmp_path / "gone")
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(MnadError, match=r"a\.mp4 cannot be read as a video"):
        open_dataset(tmp_path)


# Real data

PED2 = [180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180]


@pytest.mark.parametrize("folder", ["ped2", "ped2-mp4"])
def test_ped2(data, folder):
    dataset = open_dataset(f"ped2:{data / folder}")
    assert dataset.warnings == ()
    assert (len(dataset.train), sum(clip.length for clip in dataset.train)) == (16, 2550)
    assert [clip.name for clip in dataset.test] == [f"{k:02d}" for k in range(1, 13)]
    assert [clip.length for clip in dataset.test] == PED2
    assert sum(PED2) == 2010
    assert sum(int(clip.labels.sum()) for clip in dataset.test) == 1648
    whole = [clip.name for clip in dataset.test if clip.labels.all()]
    assert whole == ["08", "09", "10", "11"]
    assert all(clip.labels.any() for clip in dataset.test)
    # 61-180, 1-based: the first abnormal frame of clip 01
    assert (dataset.test[0].labels[59], dataset.test[0].labels[60]) == (0, 1)


def test_ped2_labels_are_where_the_pixel_masks_are(data):
    masks = np.load(data / "ped2" / "pixel_masks.npz")
    for clip in open_dataset(f"ped2:{data / 'ped2'}").test:
        mask = masks[f"Test0{clip.name}"]
        np.testing.assert_array_equal(clip.labels, mask.any(axis=(1, 2)))
        for frame in (0, 100, clip.length - 1):
            np.testing.assert_array_equal(clip.masks.at(frame), mask[frame])


def test_ped2_without_its_name_has_no_labels_but_a_hint(data):
    dataset = open_dataset(data / "ped2")
    assert len(dataset.test) == 12
    assert f"write ped2:{data / 'ped2'}" in dataset.warnings[0]
    with pytest.raises(MnadError, match="has no labels for test clip 01, 02, 03, 04, 05, "):
        require_labels(dataset)


def test_avenue_as_its_owners_distribute_it_is_a_folder_of_videos(data):
    folder = data / "avenue-sample" / "testing_videos"
    assert lengths(open_dataset(folder).test) == {"20": 273, "21": 76}


def test_declared_lengths_are_those_decoded(data):
    for clip in open_dataset(f"ped2:{data / 'ped2-mp4'}").test[8:10]:
        assert sum(1 for _ in open_source(clip.path, 1)) == clip.length
