"""What is known of complete copies of the data sets, and how a copy at hand differs from it.

A copy that differs is used all the same; each difference is one sentence. Counts that are only
reported, and not confirmed on the files of the owners, are compared but said to be reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnad.datasets.clip import Clip
from mnad.datasets.labels import intervals_of
from mnad.datasets.layout import number_of
from mnad.video.find import images_in

Range = tuple[int, int]


@dataclass(frozen=True)
class Facts:
    """Counts of a complete copy; None where they are not known.

    Args:
        train_clips: training clips.
        train_frames: frames of all of them.
        test_clips: test clips.
        test_frames: frames of all of them.
        abnormal_frames: sum of the frame labels.
        rate: frames per second.
        test_lengths: frames of test clip 1, 2, ...
        ranges: abnormal frames of test clip 1, 2, ..., 1-based and inclusive.
        size: columns and rows of all frames.
        reported: which are not confirmed: words of `_COUNTS`, or ``size``.
    """

    train_clips: int | None = None
    train_frames: int | None = None
    test_clips: int | None = None
    test_frames: int | None = None
    abnormal_frames: int | None = None
    rate: float | None = None
    test_lengths: tuple[int, ...] = ()
    ranges: tuple[tuple[Range, ...], ...] = ()
    size: tuple[int, int] | None = None
    reported: frozenset[str] = frozenset()


_COUNTS = ("training clips", "training frames", "test clips", "test frames", "abnormal frames")

# fmt: off
PED1_RANGES: tuple[tuple[Range, ...], ...] = (
    ((60, 152),), ((50, 175),), ((91, 200),), ((31, 168),), ((5, 90), (140, 200)),
    ((1, 100), (110, 200)), ((1, 175),), ((1, 94),), ((1, 48),), ((1, 140),), ((70, 165),),
    ((130, 200),), ((1, 156),), ((1, 200),), ((138, 200),), ((123, 200),), ((1, 47),),
    ((54, 120),), ((64, 138),), ((45, 175),), ((31, 200),), ((16, 107),), ((8, 165),),
    ((50, 171),), ((40, 135),), ((77, 144),), ((10, 122),), ((105, 200),), ((1, 15), (45, 113)),
    ((175, 200),), ((1, 180),), ((1, 52), (65, 115)), ((5, 165),), ((1, 121),), ((86, 200),),
    ((15, 108),),
)
# There is another copy of these ranges, with 1-162 for clip 6.
PED2_RANGES: tuple[tuple[Range, ...], ...] = (
    ((61, 180),), ((95, 180),), ((1, 146),), ((31, 180),), ((1, 129),), ((1, 159),), ((46, 180),),
    ((1, 180),), ((1, 120),), ((1, 150),), ((1, 180),), ((88, 180),),
)
# The annotation of Hasan et al. 2016, as in avenue.mat of ano_pred_cvpr2018 and used by MNAD.
AVENUE_RANGES: tuple[tuple[Range, ...], ...] = (
    ((78, 120), (392, 422), (503, 666), (868, 910), (932, 1101)),
    ((273, 320), (724, 764), (1051, 1100)),
    ((295, 340), (582, 622)),
    ((380, 428), (649, 692)),
    ((469, 786),),
    ((345, 625), (856, 1007)),
    ((423, 494), (563, 595)),
    ((21, 30),),
    ((136, 183), (496, 566), (741, 755), (875, 981), (1013, 1044), (1104, 1163)),
    ((571, 607), (637, 656), (678, 713), (724, 755), (783, 818)),
    ((21, 164), (308, 346)),
    ((539, 617), (645, 729), (759, 843)),
    ((259, 286), (458, 510)),
    ((399, 455), (485, 500)),
    ((498, 587),),
    ((632, 730),),
    ((21, 56), (99, 420)),
    ((21, 285),),
    ((109, 240),),
    ((65, 144), (168, 241)),
    ((14, 66),),
)
_AVENUE_LENGTHS = (
    1439, 1211, 923, 947, 1007, 1283, 605, 36, 1175, 841, 472,
    1271, 549, 507, 1001, 740, 426, 294, 248, 273, 76,
)

KNOWN = {
    "ped1": Facts(
        34, 6800, 36, 7200, 4045, 10.0, (200,) * 36, PED1_RANGES,
        (238, 158), frozenset({"size"}),
    ),
    "ped2": Facts(
        16, 2550, 12, 2010, 1648, 10.0,
        (180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180), PED2_RANGES, (360, 240),
    ),
    "avenue": Facts(16, 15328, 21, 15324, 3867, 25.0, _AVENUE_LENGTHS, AVENUE_RANGES, (640, 360)),
    "avenue@owner": Facts(
        16, 15328, 21, 15324, 3820, 25.0, _AVENUE_LENGTHS, (), (640, 360),
        frozenset({"abnormal frames"}),
    ),
    "shanghaitech": Facts(
        330, 274515, 107, 40791, 17326, 24.0, (), (), (856, 480), frozenset({"size"})
    ),
}
# fmt: on


def differences(
    name: str, facts: Facts, train: Sequence[Clip], test: Sequence[Clip]
) -> Iterator[str]:
    """A sentence for each count, length and label range that is not as known."""
    lengths = [clip.length for clip in test]
    arrays = [clip.labels for clip in test if clip.labels is not None]
    found = (
        len(train),
        sum(clip.length for clip in train),
        len(lengths),
        sum(lengths),
        sum(int(array.sum()) for array in arrays),
    )
    known = (
        facts.train_clips,
        facts.train_frames,
        facts.test_clips,
        facts.test_frames,
        facts.abnormal_frames if arrays else None,
    )
    for here, there, what in zip(found, known, _COUNTS, strict=True):
        if there is None or here == there:
            continue
        if what in facts.reported:
            yield f"{name} has {here} {what} here; {there} are reported."
        elif what == "abnormal frames":
            yield f"{name} has {here} {what} here, not {there}."
        else:
            yield f"{name} has {here} {what} here, the official one {there}."
    for clip in test:
        number = number_of(clip.name)
        if number is None or not 1 <= number <= len(facts.test_lengths):
            continue
        length = facts.test_lengths[number - 1]
        if clip.length != length:
            yield f"{name}: test clip {clip.name} has {clip.length} frames here, not {length}."
        elif clip.labels is not None and facts.ranges:
            here_ranges = [(a + 1, b + 1) for a, b in intervals_of(clip.labels)]
            ranges = list(facts.ranges[number - 1])
            if here_ranges != ranges:
                yield (
                    f"{name}: test clip {clip.name} is abnormal in frames {_told(here_ranges)} "
                    f"here, not in {_told(ranges)} (from 1)."
                )


def _told(ranges: Iterable[Range]) -> str:
    return ", ".join(f"{first}-{last}" for first, last in ranges) or "none"


def numbering(root: Path, clips: Iterable[Clip], base: int | None = 0) -> Iterator[str]:
    """Where frames are missing, what moves jumps; another base than usual is harmless but told.

    Args:
        root: of the data set, for the sentences.
        clips: of which those that are folders of images are looked at.
        base: number of the first frame in the layout; None where nothing is known of the names, so
            that numbers may be times and only those that mostly count by one have gaps.
    """
    bases = set()
    for clip in clips:
        numbers = frame_numbers(clip)
        bases.update(numbers[:1])
        below = clip.path != root and clip.path.is_relative_to(root)  # not so of a pattern
        name = clip.path.relative_to(root) if below else clip.path
        gaps = bool(numbers) and numbers[-1] - numbers[0] + 1 != len(numbers)
        if gaps and (base is not None or _mostly_by_one(numbers)):
            yield (
                f"{name} has {len(numbers)} frames numbered from {numbers[0]} to {numbers[-1]}: "
                "some are missing or there twice."
            )
        if 0 < len(numbers) < clip.length:
            strange = next(f for f in images_in(clip.path) if number_of(f.stem) is None)
            yield (
                f"{name} has {strange.name} among its numbered frames, and counts it as one: move "
                "it away if it is none."
            )
    if base is not None and bases - {base}:
        yield (
            f"Frames in {root} are numbered from {', '.join(map(str, sorted(bases)))}, not all "
            f"from {base}: labels are matched by order, not by number."
        )


def _mostly_by_one(numbers: list[int]) -> bool:
    steps = np.diff(numbers)
    return bool((steps >= 0).all() and 2 * (steps == 1).sum() > len(steps))


def frame_numbers(clip: Clip) -> list[int]:
    """The numbers in the names of a clip's images, in order; empty for a video."""
    if not clip.path.is_dir():
        return []
    numbers = (number_of(file.stem) for file in images_in(clip.path))
    return [number for number in numbers if number is not None]


def ranges_as_labels(ranges: Sequence[Range], length: int) -> NDArray[np.uint8]:
    """Labels uint8 (length,) of 1-based inclusive ranges; what lies beyond the end is cut off."""
    labels = np.zeros(length, np.uint8)
    for first, last in ranges:
        labels[first - 1 : last] = 1
    return labels
