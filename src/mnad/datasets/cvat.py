"""Annotations of CVAT: "CVAT for video" and "CVAT for images", XML 1.1.

Every annotated thing is abnormal, unless its label is ``normal``. Boxes, polygons, ellipses and
brush masks become pixels; a tag on an image says that the frame is abnormal and not where. Between
two shapes of a track that are further apart than a frame, a box moves evenly, as in CVAT, and any
other shape stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from mnad.datasets.masks import Mask
from mnad.errors import MnadError

_SHAPES = ("box", "polygon", "ellipse", "mask")
_WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton")
_NORMAL = "normal"


class Shape(NamedTuple):
    """One shape in one frame.

    Attributes:
        kind: box, polygon, ellipse or mask.
        values: box (left, top, right, bottom); polygon (x, y, x, y, ...); ellipse (x, y, rx, ry);
            mask (left, top, width, height, then run lengths, the first of what is not masked).
    """

    kind: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class ShapeMasks:
    """Shapes of the annotated frames, drawn when asked for.

    Args:
        size: rows and columns of the frame.
        shapes: of each frame that has any.
        tagged: frames that are abnormal without a shape.
    """

    size: tuple[int, int]
    shapes: Mapping[int, tuple[Shape, ...]]
    tagged: frozenset[int]

    def at(self, frame: int) -> Mask | None:
        """See `mnad.datasets.masks.Masks.at`."""
        shapes = self.shapes.get(frame, ())
        if not shapes and frame in self.tagged:
            return None
        canvas = np.zeros(self.size, np.uint8)
        for shape in shapes:
            _draw(canvas, shape)
        return canvas.astype(bool)

    def labels(self, length: int) -> NDArray[np.uint8]:
        """Frame labels uint8 (length,): 1 where there is a shape or a tag."""
        labels = np.zeros(length, np.uint8)
        labels[sorted({*self.shapes, *self.tagged})] = 1
        return labels


def read_cvat(file: Path, length: int, numbers: Mapping[str, int]) -> ShapeMasks:
    """Read the annotation of one clip.

    Args:
        file: the XML file.
        length: frames of the clip.
        numbers: frame number of each image of a clip that is a folder, by file name; empty for a
            video, whose images are then taken by their id.

    Raises:
        MnadError: no such XML, a shape that has no area, or a frame that the clip does not have.
    """
    try:
        root = ElementTree.parse(file).getroot()
        size = _size(root)
        lines = {
            e.tag
            for part in (*root.iter("track"), *root.iter("image"))
            for e in part
            if e.tag in _WITHOUT_AREA and _NORMAL not in (part.get("label"), e.get("label"))
        }
        shapes: dict[int, list[Shape]] = {}
        tagged: set[int] = set()
        strange: list[str] = []
        for track in root.iter("track"):
            if track.get("label") != _NORMAL:
                for frame, shape in _of_track(track):
                    shapes.setdefault(frame, []).append(shape)
        for image in root.iter("image"):
            wanted = [e for e in image if e.get("label") != _NORMAL]
            name = Path(image.attrib["name"]).name
            if wanted and numbers and name not in numbers:
                strange.append(name)
            frame = numbers.get(name, int(image.attrib["id"]))
            if any(element.tag == "tag" for element in wanted):
                tagged.add(frame)
            for element in wanted:
                if element.tag in _SHAPES:
                    shapes.setdefault(frame, []).append(_shape(element))
    except (ElementTree.ParseError, OSError, KeyError, ValueError) as error:
        raise MnadError(
            f"{file} cannot be read as an annotation: export it as CVAT for video 1.1 or CVAT for "
            "images 1.1."
        ) from error
    if lines:
        raise MnadError(
            f"{file} annotates with {', '.join(sorted(lines))}, from which no pixels are known: "
            "annotate boxes, polygons, ellipses or masks, or tag the image."
        )
    if strange:
        raise MnadError(
            f"{file} annotates the image {strange[0]}, which its clip does not have: take the "
            "annotation that belongs to the clip."
        )
    beyond = [frame for frame in {*shapes, *tagged} if not 0 <= frame < length]
    if beyond:
        raise MnadError(
            f"{file} annotates frame {max(beyond)} but its clip has {length} frames: take the "
            "annotation that belongs to the clip."
        )
    return ShapeMasks(size, {f: tuple(s) for f, s in shapes.items()}, frozenset(tagged))


def _size(root: ElementTree.Element) -> tuple[int, int]:
    original, image = root.find(".//original_size"), root.find("image")
    if original is not None:
        return int(original.findtext("height", "")), int(original.findtext("width", ""))
    if image is not None:
        return int(image.attrib["height"]), int(image.attrib["width"])
    raise ValueError("no size")


def _of_track(track: ElementTree.Element) -> Iterator[tuple[int, Shape]]:
    """The shapes of a track by frame, gaps filled; a shape that is outside ends a stretch."""
    before: tuple[int, Shape] | None = None
    found = [element for element in track if element.tag in _SHAPES]
    for element in sorted(found, key=lambda e: int(e.attrib["frame"])):
        frame, shape = int(element.attrib["frame"]), _shape(element)
        outside = element.get("outside") == "1"
        if before is not None:
            first, old = before
            for between in range(first + 1, frame):
                share = (between - first) / (frame - first)
                moves = old.kind == shape.kind == "box" and not outside
                yield between, _between(old, shape, share) if moves else old
        if not outside:
            yield frame, shape
        before = None if outside else (frame, shape)


def _between(old: Shape, new: Shape, share: float) -> Shape:
    pairs = zip(old.values, new.values, strict=True)
    return Shape("box", tuple(a + share * (b - a) for a, b in pairs))


def _shape(element: ElementTree.Element) -> Shape:
    names: dict[str, tuple[str, ...]] = {
        "box": ("xtl", "ytl", "xbr", "ybr"),
        "ellipse": ("cx", "cy", "rx", "ry"),
        "mask": ("left", "top", "width", "height"),
    }
    if element.tag == "polygon":
        pairs = element.attrib["points"].replace(";", ",").split(",")
        return Shape("polygon", tuple(map(float, pairs)))
    values = [float(element.attrib[name]) for name in names[element.tag]]
    turn = float(element.get("rotation", 0))
    if element.tag == "mask":
        runs = list(map(float, element.attrib["rle"].split(",")))
        if sum(runs) != values[2] * values[3]:
            raise ValueError("run lengths of another size")
        values += runs
    elif turn:
        return Shape("polygon", _turned(element.tag, values, turn))
    return Shape(element.tag, tuple(values))


def _turned(kind: str, values: list[float], degrees: float) -> tuple[float, ...]:
    """A box or an ellipse turned about its middle, clockwise as CVAT has it, as a polygon."""
    if kind == "box":
        left, top, right, bottom = values
        middle = np.array([(left + right) / 2, (top + bottom) / 2])
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        offsets = np.array(corners) - middle
    else:
        middle = np.array(values[:2])
        steps = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        offsets = np.stack([values[2] * np.cos(steps), values[3] * np.sin(steps)], axis=1)
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    turned = offsets @ np.array([[cosine, sine], [-sine, cosine]]) + middle
    return tuple(turned.reshape(-1).tolist())


def _draw(canvas: NDArray[np.uint8], shape: Shape) -> None:
    """Draw a shape: a pixel belongs to a box if its middle lies in it."""
    values = shape.values
    if shape.kind == "box":
        left, top, right, bottom = (max(0, round(value)) for value in values)
        canvas[top : max(bottom, top + 1), left : max(right, left + 1)] = 1
    elif shape.kind == "polygon":
        points = np.round(np.asarray(values).reshape(-1, 1, 2)).astype(np.int32)
        drawn: Any = canvas
        cv2.fillPoly(drawn, [points], 1)
    elif shape.kind == "ellipse":
        x, y, rx, ry = values
        rows, columns = np.indices(canvas.shape) + 0.5
        inside = ((columns - x) / max(rx, 0.5)) ** 2 + ((rows - y) / max(ry, 0.5)) ** 2 <= 1
        canvas[inside] = 1
    else:
        left, top, width, height = map(int, values[:4])
        runs = np.asarray(values[4:], int)
        bits = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
        canvas[top : top + height, left : left + width] |= bits.astype(np.uint8)
