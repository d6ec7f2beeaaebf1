"""How a frame is shown: what is not looked at hidden, heat where it is unusual, boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnad.models.folder import Model
from mnad.reports.heat import HOTTEST, ErrorScale, heat_map, marked_map
from mnad.reports.overlay import draw_boxes
from mnad.scoring.where import paper_map
from mnad.stream import FrameScore
from mnad.video.source import Frame
from mnad.watch.options import Kind

Picture = NDArray[np.uint8]


class Painter:
    """Paints the frames of one source.

    Args:
        model: what scores them.
        kind: see `mnad.watch.options.WatchOptions`.
    """

    def __init__(self, model: Model, kind: Kind) -> None:
        self._regions, self._kind = model.regions, kind
        reference = model.reference
        self._scale = ErrorScale() if reference is None else ErrorScale(floor=reference.error_peak)

    def paint(self, frame: Frame, latest: FrameScore | None, always: bool) -> Picture:
        """The frame for the eye.

        Args:
            frame: as decoded.
            latest: what is known of it.
            always: show the heat of normal frames too.

        Returns:
            (H, W, 3) uint8 RGB, a new array, of `PICTURE` rows and columns at most.
        """
        picture = frame.picture
        if self._regions is not None:
            picture = self._regions.hide(picture)
        if latest is None or not (always or latest.abnormal):
            return picture
        inner = picture if self._regions is None else self._regions.crop_of(picture)
        if self._kind == "paper":
            score, mark = paper_map(latest.error)
            inner[:] = marked_map(inner, score, mark)
        elif latest.heat is not None:
            inner[:] = heat_map(inner, latest.heat, HOTTEST)
        else:
            inner[:] = heat_map(inner, latest.error, self._scale.update(latest.error))
        draw_boxes(picture, latest.boxes)
        return picture if self._regions is None else self._regions.hide(picture)
