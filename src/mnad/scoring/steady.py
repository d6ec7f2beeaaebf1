"""Frames of a shaking camera moved back to where they were.

On a pole in the wind every edge of the scene is out of its place by a pixel or two, and every frame
errs everywhere. How far a frame is off the mean of those before it is estimated by least squares
over the brightness of all pixels (Lucas and Kanade 1981), leaving out those that do not fit, such
as those of what moves. Frames of a camera that stands still are left as they are, and so are those
that no small move explains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.scoring.smooth import newest_weight

STILL = 0.12
"""Pixels that the first step of the estimate may be on a camera that stands still: it is 0.06 at
most in normal clips of UCSD Ped2, and mostly above 0.3 in copies of them that were moved by one."""
LEAST, MOST = 0.2, 4.0
"""Pixels of the network between which it is a shake: less does no harm, more is another view."""
STEPS, SETTLED = 10, 0.03
"""Most steps of the estimate, and pixels of a step that are its last."""
TILES, SURE = 4, 0.05
"""Tiles in each direction, of which the quarter that tells most is left out to see whether the rest
agrees; and pixels that the standard error of the rest may be."""
EXPLAINED = 0.95
"""Of the difference from the mean, what may be left once the frame is moved."""
SECONDS = 2.0
"""Time over which the mean is taken; slower drift is followed, the network does not mind it."""
SMOOTH, LINES = 1.5, 2
"""Standard deviation in pixels of the smoothing before an estimate, so that slopes reach further;
every which line is looked at: the others tell next to nothing more."""
OUTLIER, NOISE, STEP = 3.0, 2.0, 10.0
"""Times the median difference from which on a pixel does not count, the least that is taken for
such, and the most that a pixel's difference counts for in `EXPLAINED`; grey levels."""

Grey = NDArray[np.float32]
Pixel = TypeVar("Pixel", np.uint8, np.float32)


class Steadied(NamedTuple):
    """A frame (H, W, c) where those before it were.

    Attributes:
        frame: itself where it was there.
        shake: how many pixels to the right and down it lay off, as far as it was moved back.
    """

    frame: NDArray[np.uint8]
    shake: tuple[float, float]


class Steady:
    """Follows one stream of frames of one size; called, it gives `push`'s frame alone."""

    def __init__(self) -> None:
        self._mean: Grey | None = None
        self._middle = np.zeros(2)
        """Of the shake, pixels to the right and down of the mean."""
        self._seen = 0
        self._last = 0.0

    def __call__(self, frame: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        """See `push`."""
        return self.push(frame, seconds).frame

    def push(self, frame: NDArray[np.uint8], seconds: float) -> Steadied:
        """Move a frame to where those before it were.

        Args:
            frame: (H, W, c), the next one of the stream.
            seconds: its time.
        """
        grey = frame[..., 0] if frame.shape[-1] == 1 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        now: Grey = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), SMOOTH)
        if self._mean is None:
            self._mean, self._seen, self._last = now, 1, seconds
            return Steadied(frame, (0.0, 0.0))
        off = np.array(shift(self._mean, now))
        self._seen += 1
        newest = newest_weight(seconds - self._last, SECONDS)
        self._last = seconds
        self._middle += newest * (off - self._middle)
        shake = 0.0, 0.0
        if math.hypot(*off) >= LEAST:
            # Bit by bit to the middle of the shake: the first frame may have lain at its border.
            right, down = newest * self._middle
            self._mean = moved_back(self._mean, (-right, -down))
            shake = float(off[0] - right), float(off[1] - down)
            self._middle -= right, down
        cv2.accumulateWeighted(moved_back(now, shake), self._mean, max(1 / self._seen, newest))
        return Steadied(moved_back(frame, shake), shake)


def shift(mean: Grey, frame: Grey) -> tuple[float, float]:
    """How many pixels to the right and down in `frame` that lies which `mean` shows.

    Args:
        mean: (h, w) smooth grey levels of 0..255.
        frame: (h, w).

    Returns:
        (0, 0) for a frame that is next to still, and where no small move surely explains it.
    """
    inner = np.s_[4:-4:LINES, 4:-4]
    slopes = [cv2.Sobel(mean, cv2.CV_32F, *way, scale=1 / 8)[inner] for way in ((1, 0), (0, 1))]
    if not slopes[0].size:
        return 0.0, 0.0

    def difference(x: float, y: float) -> _Difference:
        return _Difference.of(slopes, (mean - moved_back(frame, (x, y)))[inner])

    x = y = 0.0
    unmoved = difference(x, y)
    step = unmoved.equations().solution()
    if step is None or math.hypot(*step) < STILL:
        return 0.0, 0.0
    for _ in range(STEPS - 1):
        x, y = x + step[0], y + step[1]
        if math.hypot(x, y) > MOST:
            break
        left = difference(x, y)
        step = left.equations().solution()
        if step is None:
            break
        if math.hypot(*step) <= SETTLED:
            sure = left.size() <= EXPLAINED * unmoved.size() and left.settled_elsewhere()
            return (x + step[0], y + step[1]) if sure else (0.0, 0.0)
    return 0.0, 0.0


class _Difference(NamedTuple):
    """Of the mean and a frame, each (h, w).

    Attributes:
        slopes: of the mean, to the right and down.
        off: by which the mean is brighter.
        fits: pixels that count.
    """

    slopes: Sequence[Grey]
    off: Grey
    fits: NDArray[np.bool_]

    @classmethod
    def of(cls, slopes: Sequence[Grey], off: Grey) -> _Difference:
        size = np.abs(off)
        return cls(slopes, off, size <= max(NOISE, OUTLIER * float(np.median(size[::2, ::3]))))

    def size(self) -> float:
        """Mean over all pixels, those that do not fit included."""
        return float(np.minimum(np.abs(self.off), STEP).mean())

    def equations(self) -> _Equations:
        """Of a step that makes it the least."""
        x, y, e = (one.ravel() for one in (*self.slopes, self.off))
        a, b = x * self.fits.ravel(), y * self.fits.ravel()
        return _Equations(*(float(p @ q) for p, q in ((a, x), (a, y), (b, y), (a, e), (b, e))))

    def settled_elsewhere(self) -> bool:
        """Whether the frame is at its place without the tiles that tell most.

        On a plain lawn or road that is the one thing that moves over it, and takes the estimate
        along.
        """
        rows, columns = (n // TILES for n in self.off.shape)
        if not rows or not columns:
            return False
        x, y, e, one = (
            (self.fits * image)[: rows * TILES, : columns * TILES]
            .reshape(TILES, rows, TILES, columns)
            .swapaxes(1, 2)
            .reshape(TILES * TILES, -1)
            for image in (*self.slopes, self.off, np.ones_like(self.off))
        )
        sums = np.stack([(p * q).sum(1) for p, q in ((x, x), (x, y), (y, y), (x, e), (y, e))], 1)
        kept = np.argsort(sums[:, 0] + sums[:, 2])[: -(TILES * TILES // 4)]
        rest = _Equations(*map(float, sums[kept].sum(0)))
        step = rest.solution()
        if step is None:
            return False
        # So many of these pixels tell as much as one that is not smoothed with its neighbours.
        alike = 4 * math.pi * SMOOTH**2 / LINES
        spread = float(np.square(e[kept]).sum()) / max(float(one[kept].sum()), 1.0)
        error = math.sqrt(alike * spread / rest.smaller_eigenvalue())
        return error <= SURE and math.hypot(*step) <= LEAST / 2


class _Equations(NamedTuple):
    """The normal equations of the least squares: sums of products of slopes and differences."""

    xx: float
    xy: float
    yy: float
    ex: float
    ey: float

    def smaller_eigenvalue(self) -> float:
        """What tells least: the move along stripes, or any move of a plain ground."""
        return (self.xx + self.yy) / 2 - math.hypot((self.xx - self.yy) / 2, self.xy)

    def solution(self) -> tuple[float, float] | None:
        """None where there is nothing to hold on to in one direction or in both."""
        xx, xy, yy, ex, ey = self
        if not self.smaller_eigenvalue() > 1e-3 * (xx + yy + 1):
            return None
        flat = xx * yy - xy * xy
        return (yy * ex - xy * ey) / flat, (xx * ey - xy * ex) / flat


def moved_back(image: NDArray[Pixel], shake: tuple[float, float]) -> NDArray[Pixel]:
    """(h, w) or (h, w, c), moved left and up by `shake`; itself where that is nothing.

    Cubic between pixels (Keys 1981, a = -0.75); at the borders the outermost are repeated.
    """
    x, y = shake
    if not x and not y:
        return image
    # Not cv2.warpAffine: that of OpenCV 4 knows places to 1/32 of a pixel only, so that the steps
    # of an estimate do not settle.
    back = cv2.sepFilter2D(image, -1, _taps(x), _taps(y), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(back).reshape(image.shape)


def _taps(move: float) -> Grey:
    """Weights of the pixels around one, in the middle, that give what lies `move` after it."""
    radius = math.ceil(abs(move)) + 2
    off = np.abs(np.arange(-radius, radius + 1) - move)
    near, far = (1.25 * off - 2.25) * off * off + 1, ((-0.75 * off + 3.75) * off - 6) * off + 3
    return np.asarray(np.select([off <= 1, off < 2], [near, far], 0.0), np.float32)
