"""Which part of one's own footage is kept from training, and how to know footage again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mnad.errors import UsageError

Frames = NDArray[np.uint8]

PIECES = 15
"""Pieces that a few long clips are cut into, so that what is kept back is spread over time."""
MOST_KNOWN = 20_000
"""Frames whose fingerprints are kept."""


def hold_out(
    clips: Sequence[Frames], share: float, window: int
) -> tuple[list[Frames], list[Frames]]:
    """Split footage into what is trained on and what is kept back.

    Whole clips are kept back, evenly spread, where there are enough of them and none is longer than
    two on average; else clips are cut into pieces first, which are kept back by their length, and
    the frames just before a piece kept back are dropped from training.

    Args:
        clips: (T, H, W, c) uint8.
        share: of the clips or pieces to keep back, 0..0.5.
        window: frames that a window spans; no piece is shorter than four of them.

    Returns:
        Clips to train on and clips kept back, views into `clips`.
    """
    cut = [[clip] for clip in clips]
    lengths = [len(clip) for clip in clips]
    alike = len(clips) * max(lengths, default=0) <= 2 * sum(lengths)
    whole = alike and len(clips) * share >= 2
    if not whole:
        counts = [-(-PIECES * length // max(1, sum(lengths))) for length in lengths]
        cut = [_cut(clip, n, 4 * window) for clip, n in zip(clips, counts, strict=True)]
    pieces = [piece for of_clip in cut for piece in of_clip]
    if share == 0 or len(pieces) < 2:
        return list(clips), []
    # What is too short to be scored must not be found out after the training.
    long = [len(piece) > window for piece in pieces]
    sizes = [1 if whole else len(piece) for piece in pieces]
    kept: list[bool] = []
    seen = held = 0
    for size, enough in zip(sizes, long, strict=True):
        seen += size
        # Kept back where at least half of it is still owed.
        kept.append(enough and share * seen - held >= size / 2 - 1e-9)
        held += size * kept[-1]
    if not any(kept):
        kept[-1] = long[-1]
    goes_on = [i < len(of_clip) for of_clip in cut for i in range(1, len(of_clip) + 1)]
    train = [
        piece[:-window] if goes_on[i] and kept[i + 1] else piece
        for i, piece in enumerate(pieces)
        if not kept[i]
    ]
    return train, [piece for piece, own in zip(pieces, kept, strict=True) if own]


def _cut(clip: Frames, count: int, shortest: int) -> list[Frames]:
    count = max(1, min(count, len(clip) // shortest))
    edges = np.linspace(0, len(clip), count + 1).astype(int)
    return [clip[a:b] for a, b in pairwise(edges)]


def fingerprints(clips: Sequence[Frames]) -> NDArray[np.uint64]:
    """Fingerprints (n,) of at most `MOST_KNOWN` frames, evenly spread, sorted."""
    total = sum(map(len, clips))
    every = max(1, -(-total // MOST_KNOWN))
    found = [fingerprint(frame) for clip in clips for frame in clip[::every]]
    return np.sort(np.array(found, np.uint64))


def fingerprint(frame: Frames) -> int:
    """64 bits that only the same pixels have."""
    digest = blake2b(np.ascontiguousarray(frame).data, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def known_share(clips: Sequence[Frames], known: NDArray[np.uint64]) -> float:
    """Share of the frames that are among those of which `fingerprints` made `known`, 0..1.

    Of long footage only every n-th frame has a fingerprint, and there are at least half of
    `MOST_KNOWN`. The least distance between two known frames here is taken for n, and the frames
    between them are counted as known.
    """
    if not len(known):
        return 0.0
    found = [
        np.flatnonzero(np.isin(np.array([fingerprint(frame) for frame in clip], np.uint64), known))
        for clip in clips
    ]
    apart = [int(np.diff(own).min()) for own in found if len(own) > 1]
    # Of short footage every frame is known, and two that are far apart are just two.
    every = min(apart, default=1) if 2 * len(known) >= MOST_KNOWN else 1
    return min(1.0, every * sum(map(len, found)) / sum(map(len, clips)))


def trained_share(clips: Sequence[Frames], known: NDArray[np.uint64], accepted: bool) -> float:
    """Share of the frames that were trained on, 0..1.

    Args:
        clips: normal footage that is to say how normal footage scores.
        known: fingerprints of frames that were trained on.
        accepted: whether such frames may be among them.

    Raises:
        UsageError: there are some, and they may not.
    """
    share = known_share(clips, known)
    if share > 0 and not accepted:
        raise UsageError(
            f"{100 * share:.0f} % of this footage was trained on, so that it cannot say how normal "
            "footage scores: give other footage, or accept that by --trained_on."
        )
    return share
