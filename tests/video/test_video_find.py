from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from mnad.errors import MnadError, UsageError
from mnad.video.find import find_sources, images_in, name_of
from mnad.video.source import open_source


@pytest.fixture
def tree(tmp_path):
    """Files are never opened to find them, so they may be empty."""
    for name in (
        *("videos/10.mp4", "videos/2.AVI", "videos/1.mkv", "videos/poster.jpg", "videos/notes.txt"),
        *("videos/._1.mkv", "videos/clip3/1.png"),
        *("frames/2.jpg", "frames/10.JPEG", "frames/1.tif", "frames/Thumbs.db", "frames/._1.jpg"),
        *("sets/b2/1.png", "sets/b10/1.png", "sets/empty/notes.txt", "sets/.hidden/1.png"),
        "other/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(tree, *paths):
    return [
        p.relative_to(tree).as_posix() for p in find_sources([str(tree / path) for path in paths])
    ]


def test_images_in_natural_order(tree):
    assert [p.name for p in images_in(tree / "frames")] == ["1.tif", "2.jpg", "10.JPEG"]


def test_each_kind_of_path(tree):
    assert found(tree, "videos/10.mp4") == ["videos/10.mp4"]
    assert found(tree, "frames") == ["frames"]
    assert found(tree, "sets") == ["sets/b2", "sets/b10"]
    assert found(tree, "videos") == [
        *("videos/1.mkv", "videos/2.AVI", "videos/10.mp4", "videos/clip3"),
    ]
    assert found(tree, "videos/*") == found(tree, "videos")
    assert found(tree, "videos/1*") == ["videos/1.mkv", "videos/10.mp4"]
    assert found(tree, "**/*.mp4") == ["videos/10.mp4"]


def test_several_paths_are_sorted_and_not_repeated(tree):
    assert found(tree, "videos/10.mp4", "frames", "videos/*.mp4", "videos/2.AVI") == [
        *("frames", "videos/2.AVI", "videos/10.mp4"),
    ]


def test_a_name_with_brackets_is_found_as_it_stands(tmp_path):
    (tmp_path / "a[1].mp4").touch()
    assert find_sources([tmp_path / "a[1].mp4"]) == [tmp_path / "a[1].mp4"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("gone.mp4", r"gone\.mp4 does not exist: check the path"),
        ("other", "other holds no videos, no images and no folders of images"),
        ("videos/*.mov", r"\*\.mov matches no video and no folder of images"),
        ("frames/*.jpg", r"\*\.jpg matches no video .* give their folder"),
    ],
)
def test_nothing_there(tree, path, sentence):
    with pytest.raises(MnadError, match=sentence):
        find_sources([tree / "videos", tree / path])


@pytest.fixture
def disk():
    """A folder with a video, and one that this process may not look into."""
    with tempfile.TemporaryDirectory() as name:  # not within pytest's own, which is root's alone
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "a.mp4").touch()
        (folder / "lost+found").mkdir(0o700)
        (folder / "lost+found" / "b.mp4").touch()
        if root := os.geteuid() == 0:  # whom nothing keeps out
            os.seteuid(65534)
        else:
            (folder / "lost+found").chmod(0)
        yield folder
        if root:
            os.seteuid(0)
        (folder / "lost+found").chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="as a POSIX system has it")
def test_what_may_not_be_looked_into_is_told_and_keeps_nobody_from_the_rest(disk):
    """As of the folder that each Linux file system has at its top."""
    closed = disk / "lost+found"
    assert find_sources([disk]) == [disk / "a.mp4", closed]
    for path in (closed, closed / "b.mp4"):
        with pytest.raises(MnadError, match=r"cannot be read \(Permission denied\): let this user"):
            find_sources([path])
    with pytest.raises(MnadError, match=r"found cannot be read \(Permission denied\)"):
        open_source(closed)


def test_an_empty_path_is_not_the_folder_one_is_in(tree, monkeypatch):
    """As of a variable that is not set; `Path("")` is that folder, which holds videos here."""
    monkeypatch.chdir(tree / "videos")
    for sources in ([""], ["1.mkv", ""]):
        with pytest.raises(UsageError, match="a path is empty"):
            find_sources(sources)
    assert len(find_sources(["."])) == 4


def test_names(tmp_path, monkeypatch):
    (tmp_path / "clip.1").mkdir()
    assert name_of(tmp_path / "clip.1") == "clip.1"
    assert name_of(tmp_path / "a.b.mp4") == "a.b"
    monkeypatch.chdir(tmp_path / "clip.1")
    assert name_of(Path(".")) == "clip.1"


def test_a_name_never_leads_out_of_the_folder_of_the_results(tmp_path):
    """Without its suffix, the name of the first would be that of the folder above."""
    for name in ("...mp4", "..mp4"):
        assert name_of(tmp_path / name) == name
