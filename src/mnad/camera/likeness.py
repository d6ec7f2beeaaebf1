"""How the picture of a camera compares with the one that was learnt."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mnad.camera.sight import Edges, Floats, Glance, blocks

ANGLES = (-8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8)
"""Turns about the line of sight that are tried, in degrees; in between, edges still half match."""


class Likeness(NamedTuple):
    """How a running mean compares with the learnt picture.

    Attributes:
        match: cosine of the angle between the two maps of edges, -1..1; 1 is the same.
        structure: size of the map of edges as a multiple of the learnt one, 0 and more.
        coarse: correlation of the block means, -1..1; 1 is the same.
        bare: share of the picture that has lost most of its detail, of that which had any.
        sharpness: fine detail at the learnt edges over coarser detail there, 0 and more.
        brightness: median over the blocks of the binary logarithm of the ratio of their means.
        contrast: likewise, of their middling detail.
        colour: as in `Glance`.
    """

    match: float
    structure: float
    coarse: float
    bare: float
    sharpness: float
    brightness: float
    contrast: float
    colour: float


class Background:
    """The learnt picture, ready to be compared with."""

    def __init__(self, learnt: Glance) -> None:
        fine, middling = _details(learnt.grey)
        self._edges = learnt.edges
        self._norm = _norm(learnt.edges)
        self._means = blocks(learnt.grey)
        self._fine, self._middling = blocks(fine), blocks(middling)
        # The half of the blocks with more detail: an empty sky cannot lose any.
        self._rich = self._fine >= np.median(self._fine)
        height, width = learnt.grey.shape
        self._weight = cv2.resize(np.abs(learnt.edges), (width, height))
        self._at_edges = float(np.vdot(middling, self._weight))

    def likeness(self, now: Glance) -> Likeness:
        """Compare what is seen now, of the same size."""
        means = blocks(now.grey)
        fine, middling = _details(now.grey)
        gain = np.log2((blocks(middling) + 0.5) / (self._middling + 0.5))
        # The last trace of the old picture in the mean must not pass for a likeness.
        size = _norm(now.edges)
        product = float(np.vdot(self._edges, now.edges).real)
        # A strong blur takes the middling detail, too; only the coarse contrast then stays.
        left = min(1.0, float(means.std()) / max(float(self._means.std()), 1e-9))
        middle = float(np.vdot(middling, self._weight)) + 0.2 * left * self._at_edges
        return Likeness(
            match=product / max(math.hypot(size, 0.2 * self._norm) * self._norm, 1e-9),
            structure=size / max(self._norm, 1e-9),
            coarse=_correlation(means, self._means),
            bare=float((blocks(fine) < 0.3 * self._fine)[self._rich].mean()),
            sharpness=float(np.vdot(fine, self._weight)) / max(middle, 1e-9),
            brightness=float(np.median(np.log2((means + 8) / (self._means + 8)))),
            contrast=float(np.median(gain[self._rich])),
            colour=now.colour,
        )


class Shift(NamedTuple):
    """How the picture lies over the learnt one.

    Attributes:
        match: as in `Likeness`, once the move is undone.
        across: to the right, as a share of the width.
        down: as a share of the width too.
        angle: degrees, counter-clockwise.
    """

    match: float
    across: float
    down: float
    angle: float

    @property
    def size(self) -> float:
        """How far pixels moved, roughly, as a share of the width."""
        return math.hypot(self.across, self.down) + math.radians(abs(self.angle)) / 4


class Aligner:
    """Finds how far the picture has shifted and turned: correlation of the maps of edges by FFT.

    The maps (Fitch et al. 2002, Orientation correlation) hardly know light and contrast; here with
    the doubled angle, so that edges whose sides swap dark and bright, as under infrared, still fit.
    """

    def __init__(self, learnt: Edges) -> None:
        height, width = learnt.shape
        # A quarter of empty margin: shifts up to that do not wrap onto the far side.
        self._size = (fft.next_fast_len(height * 5 // 4), fft.next_fast_len(width * 5 // 4))
        turned = [_turned(learnt, angle) for angle in ANGLES]
        self._templates = [
            np.conj(fft.fft2(edges / max(_norm(edges), 1e-9), self._size)) for edges in turned
        ]

    def find(self, now: Edges) -> Shift:
        """The shift and turn with the best match."""
        rows, columns = self._size
        spectrum = fft.fft2(now / max(_norm(now), 1e-9), self._size)
        best = Shift(-1.0, 0.0, 0.0, 0.0)
        for angle, template in zip(ANGLES, self._templates, strict=True):
            found = fft.ifft2(spectrum * template).real
            down, across = np.unravel_index(int(found.argmax()), found.shape)
            match = float(found[down, across])
            if match > best.match:
                right = int(across) - (columns if across > columns // 2 else 0)
                below = int(down) - (rows if down > rows // 2 else 0)
                best = Shift(match, right / now.shape[1], below / now.shape[1], angle)
        return best


def _turned(edges: Edges, angle: float) -> Edges:
    height, width = edges.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    parts = [
        cv2.warpAffine(np.ascontiguousarray(part), turn, (width, height))
        for part in (edges.real, edges.imag)
    ]
    # Rows run downwards, so turning the picture counter-clockwise lowers the angle of its edges.
    return np.asarray((parts[0] + 1j * parts[1]) * np.exp(-2j * np.radians(angle)), np.complex64)


def _norm(edges: Edges) -> float:
    return float(np.sqrt(np.vdot(edges, edges).real))


def _correlation(a: Floats, b: Floats) -> float:
    x, y = a.ravel() - a.mean(), b.ravel() - b.mean()
    # Two grey levels of doubt: next to nothing correlates with anything.
    doubt = np.float32(4 * len(x))
    return float(x @ y) / float(np.sqrt((x @ x + doubt) * (y @ y + doubt)))


def _details(grey: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Detail of about 1 and of about 3 pixels, each (h, w) and 0 or more."""
    middle = cv2.GaussianBlur(grey, (0, 0), 1.2)
    wide = cv2.GaussianBlur(middle, (0, 0), 3.0)
    return cv2.absdiff(grey, middle), cv2.absdiff(middle, wide)
