"""What is kept back from training, and how footage is known again."""

from __future__ import annotations

import numpy as np
import pytest

from mnad.calibration.holdout import MOST_KNOWN, fingerprint, fingerprints, hold_out, known_share

WINDOW = 5


def numbered(*lengths: int) -> list[np.ndarray]:
    """Clips (T, 2, 2, 1) whose pixels spell the clip and the number of the frame."""
    clips = []
    for number, length in enumerate(lengths):
        clip = np.zeros((length, 2, 2, 1), np.uint8)
        clip[:, 0, 0, 0] = number
        clip[:, 1, 0, 0], clip[:, 1, 1, 0] = np.divmod(np.arange(length), 256)
        clips.append(clip)
    return clips


def frames(clips: list[np.ndarray]) -> list[tuple[int, int]]:
    """Clip and number of every frame, in order."""
    return [(int(f[0, 0, 0]), 256 * int(f[1, 0, 0]) + int(f[1, 1, 0])) for c in clips for f in c]


UNEVEN = ((9000, 60, 60, 60, 60) * 6, (60, 60, 9000, 60, 60) * 6, (900, 900, 8, *(900,) * 4, 8))
HOLES = (30,) * 12
CASES = [(1000,), (400, 300), (3000, 40), (60,) * 16, (100,) * 40, (50, 8)]
CASES += [(*HOLES, 8400), (8400, *HOLES)]


@pytest.mark.parametrize("lengths", CASES)
@pytest.mark.parametrize("share", [0.1, 0.2, 0.35, 0.5])
def test_the_two_parts_are_the_share_apart_and_in_order(
    lengths: tuple[int, ...], share: float
) -> None:
    clips = numbered(*lengths)
    train, held = hold_out(clips, share, WINDOW)
    trained, kept = frames(train), frames(held)
    assert train and held and not set(trained) & set(kept)
    assert trained == sorted(trained) and kept == sorted(kept)
    # Within one piece of the share, and only the frames before what is kept back are given up.
    largest = max(len(piece) for piece in [*train, *held]) + WINDOW
    assert abs(len(kept) - share * sum(lengths)) <= largest
    assert len(trained) + len(kept) >= sum(lengths) - WINDOW * len(held)
    assert min(len(piece) for piece in [*train, *held]) >= min(3 * WINDOW, *lengths)
    for piece in [*train, *held]:
        numbers = frames([piece])
        clip, first = numbers[0]
        assert numbers == [(clip, first + i) for i in range(len(piece))]
        assert any(np.shares_memory(piece, clip) for clip in clips)


@pytest.mark.parametrize("lengths", [*UNEVEN, *CASES[-2:]])
def test_the_share_is_one_of_the_length_however_clips_differ(lengths: tuple[int, ...]) -> None:
    held = hold_out(numbered(*lengths), 0.2, WINDOW)[1]
    # To half of a piece, of which there are fifteen or more.
    assert sum(map(len, held)) / sum(lengths) == pytest.approx(0.2, abs=1 / 30 + 0.001)


@pytest.mark.parametrize("lengths", CASES[:3])
def test_training_ends_a_window_before_a_piece_kept_back(lengths: tuple[int, ...]) -> None:
    train, held = hold_out(numbered(*lengths), 0.2, WINDOW)
    firsts = {frames([piece])[0] for piece in held if frames([piece])[0][1] > 0}
    trained = set(frames(train))
    assert firsts
    for clip, first in firsts:
        assert not trained & {(clip, first - back) for back in range(1, WINDOW + 1)}
    assert all(len(piece) >= 2 * WINDOW for piece in [*train, *held])


def test_whole_clips_are_kept_back_evenly_where_there_are_enough() -> None:
    clips = numbered(*(60,) * 16)
    train, held = hold_out(clips, 0.2, WINDOW)
    assert [piece[0, 0, 0, 0] for piece in held] == [2, 7, 12]
    assert all(len(piece) == 60 for piece in [*train, *held]) and len(train) == 13


def test_nothing_is_kept_back_of_nothing_asked_or_of_one_short_clip() -> None:
    for lengths, share in (((100, 30), 0.0), ((20,), 0.2), ((30,), 0.5)):
        train, held = hold_out(numbered(*lengths), share, WINDOW)
        assert [len(piece) for piece in train] == list(lengths) and held == []


def test_a_small_share_of_few_pieces_keeps_one_back() -> None:
    train, held = hold_out(numbered(40, 40), 0.05, WINDOW)
    assert len(held) == 1 and frames(held)[-1] == (1, 39) and train


def test_a_clip_too_short_to_be_scored_is_never_kept_back() -> None:
    clips = numbered(*(60, 60, 5) * 5)
    train, held = hold_out(clips, 0.2, WINDOW)
    assert [piece[0, 0, 0, 0] for piece in held] == [3, 7, 12]  # and not 2
    assert min(map(len, held)) == 60 and len(train) + len(held) == 15


def test_footage_is_known_again_by_its_pixels_alone() -> None:
    clips = numbered(300, 200)
    known = fingerprints(clips)
    assert known.dtype == np.uint64 and len(np.unique(known)) == 500
    assert (np.diff(known.astype(object)) > 0).all()
    assert known_share(clips, known) == 1
    assert known_share([clips[1][50:80, :, ::-1][:, :, ::-1]], known) == 1  # views, cuts
    other = numbered(0, 0, 100)[2]
    assert known_share([other], known) == 0
    assert known_share([other, clips[0][:100]], known) == 0.5
    assert known_share(clips, np.empty(0, np.uint64)) == 0
    changed = clips[0][7].copy()
    changed[1, 1, 0] ^= 1
    assert fingerprint(changed) != fingerprint(clips[0][7]) == fingerprint(clips[0][7].copy())


def test_long_footage_leaves_evenly_spread_fingerprints() -> None:
    clip = np.arange(2 * MOST_KNOWN + 1, dtype=np.uint32).view(np.uint8).reshape(-1, 2, 2, 1)
    known = fingerprints([clip])
    assert MOST_KNOWN / 2 < len(known) <= MOST_KNOWN
    # One frame in three is known, and those between them were trained on as well.
    assert {known_share([clip[s : s + 3000]], known) for s in (0, 9000, 36000)} == {1}
    other = np.full((9000, 2, 2, 1), 255, np.uint8)
    assert known_share([clip[:3000], other], known) == 0.25


def test_two_frames_far_apart_that_are_known_are_two() -> None:
    """As a picture without signal, which looks the same in any footage."""
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (100, 4, 4, 1), np.uint8)
    trained = rng.integers(0, 256, (50, 4, 4, 1), np.uint8)
    clip[[10, 90]] = 0
    trained[7] = 0
    assert known_share([clip], fingerprints([trained])) == pytest.approx(0.02)
