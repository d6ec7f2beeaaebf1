"""Anti-aliased text on arrays, fast enough for every frame of a video."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Picture = NDArray[np.uint8]


class Font:
    """A font at one size, each of its characters drawn once.

    Args:
        name: file name of a font that comes with matplotlib.
        pixels: its size, the em.
    """

    def __init__(self, name: str, pixels: int) -> None:
        import matplotlib
        from PIL import ImageFont

        # The fonts of matplotlib look the same on every machine; their digits are equally wide.
        file = Path(matplotlib.get_data_path(), "fonts", "ttf", name)
        self._face = ImageFont.truetype(str(file), pixels, layout_engine=ImageFont.Layout.BASIC)
        self._above, self._below = pixels, math.ceil(0.3 * pixels)
        self._cells: dict[str, Picture] = {}

    def _cell(self, character: str) -> Picture:
        """Coverage 0..255 of one character, as wide as it advances."""
        if character not in self._cells:
            from PIL import Image, ImageDraw

            width = round(self._face.getlength(character))
            picture = Image.new("L", (width, self._above + self._below))
            pen = ImageDraw.Draw(picture)
            pen.text((0, self._above), character, fill=255, font=self._face, anchor="ls")
            self._cells[character] = np.asarray(picture)
        return self._cells[character]

    def width(self, text: str) -> int:
        """Columns that `text` takes."""
        return sum(self._cell(c).shape[1] for c in text)

    def put(self, image: Picture, text: str, x: int, baseline: int, colour: Colour) -> int:
        """Draw `text` in place, cut at the borders; return the column behind it."""
        ink = np.hstack([self._cell(c) for c in text])
        x, top = max(0, x), baseline - self._above
        ink = ink[max(0, -top) :]
        under = image[max(0, top) : baseline + self._below, x : x + ink.shape[1]]
        share = ink[: under.shape[0], : under.shape[1], None].astype(np.float32) / 255
        under[:] = np.rint(under + (np.asarray(colour, np.float32) - under) * share)
        return x + int(ink.shape[1])
