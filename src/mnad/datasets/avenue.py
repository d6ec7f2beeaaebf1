"""CUHK Avenue as its owners distribute it, and its two label conventions.

::

    PATH/training_videos/01.avi ...
    PATH/testing_videos/01.avi ...
    PATH/ground_truth_demo/testing_label_mask/1_label.mat ...   or beside PATH

``avenue:PATH`` or ``avenue@hasan:PATH`` takes the frame labels of Hasan et al. 2016 that MNAD and
others report on: 3,867 abnormal frames. ``avenue@owner:PATH`` takes the owners' pixel masks, a
frame being abnormal where any pixel is. Where the masks are there, both have them for the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnad.datasets.clip import Clip, Dataset, of_clips
from mnad.datasets.facts import AVENUE_RANGES, KNOWN, differences, ranges_as_labels
from mnad.datasets.layout import number_of, videos_in
from mnad.datasets.masks import StoredMasks, labels_of, require_masks
from mnad.errors import MnadError

HASAN = "Hasan et al. 2016, as published with ano_pred_cvpr2018"
OWNER = "the owners' masks (testing_label_mask), any pixel"
_MASKS = "testing_label_mask"


def is_avenue(folder: Path) -> bool:
    """Whether a folder is the owners' one; the demo of their masks has test videos too."""
    if (folder / _MASKS).is_dir():
        return False
    return (folder / "training_videos").is_dir() or (folder / "testing_videos").is_dir()


def open_avenue(root: Path, labels: bool, convention: str) -> Dataset:
    """Open the owners' layout and compare it with what is known of it.

    Args:
        root: the folder with training_videos and testing_videos.
        labels: False opens no label file.
        convention: ``hasan`` or ``owner``.

    Raises:
        MnadError: masks that do not fit their clips, or none where they are asked for.
    """
    train, test = videos_in(root / "training_videos"), videos_in(root / "testing_videos")
    name = avenue_name(convention)
    label_source, mask_source = "not read", "not read"
    if labels:
        test, mask_source = with_masks(root, test)
        test = by_masks(root, test) if convention == "owner" else by_hasan(test)
        label_source = OWNER if convention == "owner" else HASAN
    return Dataset(
        name,
        root,
        train,
        test,
        label_source,
        tuple(differences(name, KNOWN[name], train, test)),
        KNOWN[name].rate,
        layout="the owners': training_videos/01.avi",
        mask_source=mask_source,
    )


def avenue_name(convention: str) -> str:
    """``avenue``, as published numbers mean it, or ``avenue@owner``."""
    return "avenue@owner" if convention == "owner" else "avenue"


def with_masks(root: Path, test: Sequence[Clip]) -> tuple[tuple[Clip, ...], str]:
    """Test clips with the owners' masks, none of which is read.

    They lie in `root` or beside it, or, as archives unpack into folders of their own and a folder
    up to two levels above may have been given, beside one of those.
    """
    demo = "ground_truth_demo"
    above = (root, *root.absolute().parents[:3])
    places = [p / q / _MASKS for p in above for q in (demo, f"{demo}/{demo}", "")]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        return tuple(test), "none"
    files = {number_of(file.name): file for file in folder.glob("[0-9]*_label.mat")}
    clips = []
    for clip in test:
        file = files.get(number_of(clip.name))
        clips.append(clip if file is None else replace(clip, masks=StoredMasks(file)))
    return tuple(clips), of_clips(_MASKS, clips)


def by_masks(root: Path, test: Sequence[Clip]) -> tuple[Clip, ...]:
    """Labels of the owners' masks; all of them are read, which takes a minute.

    Raises:
        MnadError: a clip without masks, or with another number of them than frames.
    """
    clips = []
    for clip in test:
        if not isinstance(clip.masks, StoredMasks):
            raise MnadError(
                f"{root} has no owners' masks for test clip {clip.name}: put ground_truth_demo "
                "into it or beside it, or take avenue:PATH for the labels of Hasan et al."
            )
        require_masks(clip.masks.file, len(clip.masks), clip.length)
        clips.append(replace(clip, labels=labels_of(clip.masks, clip.length)))
    return tuple(clips)


def by_hasan(test: Sequence[Clip]) -> tuple[Clip, ...]:
    """Labels of Hasan et al. by the number of the clip; clips of other numbers stay without."""
    clips = []
    for clip in test:
        number = number_of(clip.name)
        if number is not None and 1 <= number <= len(AVENUE_RANGES):
            labels = ranges_as_labels(AVENUE_RANGES[number - 1], clip.length)
            clip = replace(clip, labels=labels)
        clips.append(clip)
    return tuple(clips)
