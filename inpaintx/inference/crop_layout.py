"""Where on a photo a method is put to work: crops around the holes.

A photo of any size with any hole becomes a bounded amount of work: holes whose surroundings overlap share a crop, a
crop that is larger than the method can take is worked on at a reduced scale, and a large crop whose holes are thin
(scratches, specks, text) is cut into windows instead, each at a scale at which its holes can still be seen.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.inference.canvas import ArrayCanvas, Canvas, TensorCanvas, extract, resize_planes
from inpaintx.inference.crops import Box, Crop
from inpaintx.io.opencv import import_cv2

__all__ = [
    "ArrayCanvas",
    "Box",
    "Canvas",
    "Crop",
    "TensorCanvas",
    "extract",
    "in_rounds",
    "plan",
    "resize_planes",
    "whole",
]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

CELL = 16  # holes are grouped on a grid of such cells: 50 megapixels are 200,000 of them
CONTEXT = 32  # least surroundings of a hole, in pixels
WHOLE = 512 * 512  # a photo of at most so many pixels is not cropped
WORKING = 4 * 2**20  # most pixels of one call of a method that names no limit of its own


def plan(
    hole: Bools,
    size: int | None = None,
    max_pixels: int | None = None,
    unseen: Bools | None = None,
) -> list[list[Crop]]:
    """Lay crops over a hole.

    Parameters
    ----------
    hole
        ``[H,W]`` bool, True = hole.
    size
        Side of the square that the method wants, or None for any size.
    max_pixels
        Most pixels that the method should get in one call; None: 4 megapixels. Not used where ``size`` is given.
    unseen
        ``[H,W]`` bool, True = not to be filled, but not known either (fully transparent): a crop that would show
        nothing else reaches as far as the next known pixels.

    Returns
    -------
    list of list of Crop
        Rounds, as few as the overlaps allow. No crop of a round shows pixels that another one of it fills, so they
        can be worked on together; those of a later round see what earlier ones filled. Every hole pixel lies in the
        write box of exactly one crop.
    """
    height, width = hole.shape
    limit = size * size if size else max_pixels or WORKING
    frame = Box(0, 0, height, width)
    small = max(height, width) <= size if size else height * width <= min(WHOLE, limit)
    if small:
        return [[Crop(frame, frame, _input_size(frame, size, limit))]] if hole.any() else []
    crops = [crop for box in _groups(hole, size) for crop in _cut(hole, box, size, limit)]
    if unseen is not None:
        hidden = hole | unseen
        crops = [_reaching(crop, hidden, size, limit) for crop in crops]
    return in_rounds(crops, height, width)


def whole(box: Box, max_pixels: int | None = None) -> Crop:
    """A crop that shows a box at once to a method of any size, reduced where that takes no more pixels."""
    return Crop(box, box, _input_size(box, None, max_pixels or WORKING))


def in_rounds(crops: Sequence[Crop], height: int, width: int) -> list[list[Crop]]:
    """Put each crop into the first round after those that it overlaps with and that stand before it in the list."""
    rounds: list[list[Crop]] = []
    written = np.zeros((-(-height // CELL), -(-width // CELL)), np.int32)  # the first round after a cell's last filling
    shown = np.zeros_like(written)  # and after its last showing
    for crop in crops:
        box, write_box = _cells(crop.box), _cells(crop.write_box)
        number = int(max(written[box].max(), shown[write_box].max()))
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(crop)
        written[write_box] = number + 1
        np.maximum(shown[box], number + 1, out=shown[box])
    return rounds


def _cells(box: Box) -> tuple[slice, slice]:
    """Index of the cells that a box touches."""
    return slice(box.top // CELL, -(-box.bottom // CELL)), slice(box.left // CELL, -(-box.right // CELL))


def _reaching(crop: Crop, hidden: Bools, size: int | None, limit: int) -> Crop:
    """The crop, grown until it shows a known pixel."""
    height, width = hidden.shape
    box, by = crop.box, CONTEXT
    while hidden[box.at].all() and (box.height, box.width) != (height, width):
        box, by = crop.box.grown(by, height, width), 2 * by
        box = box.squared(size, height, width) if size else box
    return crop if box == crop.box else Crop(box, crop.write_box, _input_size(box, size, limit))


def _groups(hole: Bools, size: int | None) -> list[Box]:
    """Boxes with context around the holes, merged until none overlap."""
    cv2 = import_cv2()
    height, width = hole.shape
    rows, columns = -(-height // CELL), -(-width // CELL)
    cells = np.zeros((rows, columns), np.uint8)
    for row in range(rows):  # row by row: no copy of a 50-megapixel mask
        strip = hole[row * CELL : (row + 1) * CELL].any(0)
        cells[row] = np.logical_or.reduceat(strip, np.arange(0, width, CELL))
    # holes closer than two contexts share a crop in any case; counting them as one keeps a million specks cheap
    reach = CONTEXT // CELL
    _, labels = cv2.connectedComponents(cv2.dilate(cells, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)))
    ys, xs = np.nonzero(cells)
    boxes = _bounds(labels[ys, xs], np.stack([ys, xs, ys + 1, xs + 1], 1))
    while True:
        crops = [_with_context(Box(*(int(v) * CELL for v in b)), size, height, width) for b in boxes]
        cover = np.zeros((rows, columns), np.uint8)
        for crop in crops:
            cover[_cells(crop)] = 1
        count, labels = cv2.connectedComponents(cover, connectivity=4)
        if count - 1 == len(boxes):
            return crops
        boxes = _bounds(np.array([labels[c.top // CELL, c.left // CELL] for c in crops]), boxes)


def _bounds(labels: Array, boxes: Array) -> Array:
    """The bounding box of the boxes of each label, in order of the labels."""
    _, group = np.unique(labels, return_inverse=True)
    result = np.empty((group.max(initial=-1) + 1, 4), np.int64)
    result[:, :2], result[:, 2:] = np.iinfo(np.int64).max, -1
    np.minimum.at(result[:, :2], group, boxes[:, :2])
    np.maximum.at(result[:, 2:], group, boxes[:, 2:])
    return result


def _with_context(box: Box, size: int | None, height: int, width: int) -> Box:
    box = Box(box.top, box.left, min(box.bottom, height), min(box.right, width))
    around = max(CONTEXT, 3 * min(box.height, box.width) // 4)
    box = box.grown(-(-around // CELL) * CELL, height, width)
    return box.squared(size, height, width) if size else box


def _input_size(box: Box, size: int | None, limit: int) -> tuple[int, int]:
    """The size at which a crop is worked on."""
    if size:
        return size, size
    scale = math.sqrt(limit / (box.height * box.width))
    if scale >= 1:
        return box.height, box.width
    return max(1, int(box.height * scale)), max(1, int(box.width * scale))


def _cut(hole: Bools, box: Box, size: int | None, limit: int) -> list[Crop]:
    """One crop, or windows where the holes are thin against it."""
    at_once = [Crop(box, box, _input_size(box, size, limit))]
    side = size or math.isqrt(limit)
    if max(box.height, box.width) <= side or (size is None and box.height * box.width <= limit):
        return at_once
    depth = _depth(hole[box.at])
    window = max(side, 5 * depth)
    unreduced = size is None and window == side  # thin holes of a method of any size
    if not unreduced and max(box.height, box.width) <= 1.5 * max(window, 5 * depth + 2 * (CONTEXT + CELL)):
        return at_once  # about as compact as a hole of this depth with its context can be
    context = max(min(CONTEXT, window // 4), 3 * depth // 2)
    step = max(window - 2 * context, CELL)
    height, width = hole.shape
    crops = []
    # as a chessboard, not row by row: windows of one turn do not overlap, so that they can be worked on together
    for row, column in itertools.product((0, 1), repeat=2):
        for top in range(box.top + row * step, box.bottom, 2 * step):
            for left in range(box.left + column * step, box.right, 2 * step):
                write_box = Box(top, left, min(top + step, box.bottom), min(left + step, box.right))
                if hole[write_box.at].any():
                    shown = write_box.grown(context, height, width)
                    shown = shown.squared(window, height, width) if size else shown
                    crops.append(Crop(shown, write_box, _input_size(shown, size, limit)))
    return crops


def _depth(hole: Bools) -> int:
    """How far, in pixels, the deepest pixel of the hole lies from a known one (about; seen on at most a megapixel)."""
    cv2 = import_cv2()
    step = max(1, math.ceil(math.sqrt(hole.size / 2**20)))
    sample = np.ascontiguousarray(hole[::step, ::step])
    if sample.all():
        return max(hole.shape)
    distance = cv2.distanceTransform(sample.view(np.uint8), cv2.DIST_L2, 3)
    return int(np.ceil(distance.max())) * step
