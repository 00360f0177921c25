"""Where on a photo a method is put to work: crops around the holes, and the canvases they are cut from.

A photo of any size with any hole becomes a bounded amount of work: holes whose surroundings overlap share a crop, a
crop that is larger than the method can take is worked on at a reduced scale, and a large crop whose holes are thin
(scratches, specks, text) is cut into windows instead, each at a scale at which its holes can still be seen.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.data.cv import import_cv2

__all__ = ["ArrayCanvas", "Box", "Canvas", "Crop", "TensorCanvas", "plan", "stretch", "take"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

CELL = 16  # holes are grouped on a grid of such cells: 50 megapixels are 200,000 of them
CONTEXT = 32  # least surroundings of a hole, in pixels
WHOLE = 512 * 512  # a photo of at most so many pixels is not cropped
WORKING = 4 * 2**20  # most pixels of one call of a method that names no limit of its own


@dataclass(frozen=True)
class Box:
    """Rows ``top:bottom`` and columns ``left:right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def at(self) -> tuple[slice, slice]:
        """Index of an ``[H,W]`` array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, outer: "Box") -> tuple[slice, slice]:
        """Index of this box in an array cut out by ``outer``."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def grown(self, by: int, height: int, width: int) -> "Box":
        """The box with ``by`` pixels more on each side, as far as the frame reaches."""
        return Box(
            max(0, self.top - by), max(0, self.left - by), min(height, self.bottom + by), min(width, self.right + by)
        )

    def squared(self, side: int, height: int, width: int) -> "Box":
        """The square around the box of at least ``side`` pixels, moved and cut to lie in the frame."""
        side = max(side, self.height, self.width)
        rows, columns = min(side, height), min(side, width)
        top = min(max(0, (self.top + self.bottom - rows) // 2), height - rows)
        left = min(max(0, (self.left + self.right - columns) // 2), width - columns)
        return Box(top, left, top + rows, left + columns)


@dataclass(frozen=True)
class Crop:
    """One piece of work: what is shown to the method (``box``), at which size, and whose hole pixels are taken."""

    box: Box
    core: Box
    work: tuple[int, int]


def plan(
    hole: Bools, size: int | None = None, max_pixels: int | None = None, faces: Sequence[Box] = ()
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
    faces
        Squares that a method of a fixed ``size`` is shown first, one after the other; what they leave follows.

    Returns
    -------
    list of list of Crop
        Rounds. The crops of a round do not overlap, so they can be worked on together; those of a later round see
        what earlier ones filled. Every hole pixel lies in the core of exactly one crop (of at least one,
        with ``faces``).
    """
    if size and faces:
        left, first = hole.copy(), []
        for face in faces:
            if left[face.at].any():
                first.append([Crop(face, face, (size, size))])
                left[face.at] = False
        return first + plan(left, size)
    height, width = hole.shape
    limit = size * size if size else max_pixels or WORKING
    frame = Box(0, 0, height, width)
    small = max(height, width) <= size if size else height * width <= min(WHOLE, limit)
    if small:
        return [[Crop(frame, frame, _work(frame, size, limit))]] if hole.any() else []
    rounds: list[list[Crop]] = []
    for box in _groups(hole, size):
        for i, crop in enumerate(_cut(hole, box, size, limit)):
            if i == len(rounds):
                rounds.append([])
            rounds[i].append(crop)
    return rounds


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
            cover[crop.top // CELL : -(-crop.bottom // CELL), crop.left // CELL : -(-crop.right // CELL)] = 1
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


def _work(box: Box, size: int | None, limit: int) -> tuple[int, int]:
    """The size at which a crop is worked on."""
    if size:
        return size, size
    scale = math.sqrt(limit / (box.height * box.width))
    if scale >= 1:
        return box.height, box.width
    return max(1, int(box.height * scale)), max(1, int(box.width * scale))


def _cut(hole: Bools, box: Box, size: int | None, limit: int) -> list[Crop]:
    """One crop, or windows where the holes are thin against it."""
    whole = [Crop(box, box, _work(box, size, limit))]
    side = size or math.isqrt(limit)
    if max(box.height, box.width) <= side or (size is None and box.height * box.width <= limit):
        return whole
    depth = _depth(hole[box.at])
    window = max(side, 5 * depth)
    if max(box.height, box.width) <= 1.5 * max(window, 5 * depth + 2 * (CONTEXT + CELL)):
        return whole  # about as compact as a hole of this depth with its context can be
    context = max(min(CONTEXT, window // 4), 3 * depth // 2)
    step = max(window - 2 * context, CELL)
    height, width = hole.shape
    crops = []
    for top in range(box.top, box.bottom, step):
        for left in range(box.left, box.right, step):
            core = Box(top, left, min(top + step, box.bottom), min(left + step, box.right))
            if hole[core.at].any():
                shown = core.grown(context, height, width)
                shown = shown.squared(window, height, width) if size else shown
                crops.append(Crop(shown, core, _work(shown, size, limit)))
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


class Canvas(Protocol):
    """A photo that is being filled; ``raw`` is None, or the same photo with the method's raw output in it."""

    @property
    def raw(self) -> Any:
        """See the class."""

    def holes(self, box: Box, device: torch.device) -> Tensor:
        """Cut out ``[h,w]`` bool, True = still hole."""

    def plane(self, box: Box, channel: int, device: torch.device) -> Tensor:
        """Cut out one colour, ``[h,w]`` float32 in [0,1]; what lies under the hole is not to be used."""

    def put(self, crop: Crop, fill: Iterable[Tensor], raw: Iterable[Tensor]) -> None:
        """Write a fill, three planes ``[h,w]`` of the size of ``crop.box``, into the hole pixels of ``crop.core``."""


class ArrayCanvas:
    """A NumPy photo: ``[H,W]``, ``[H,W,3]`` or ``[H,W,4]``, integer or floating; only hole pixels are written."""

    def __init__(self, pixels: Array, hole: Bools, *, raw: bool = False) -> None:
        self.pixels = pixels.copy()
        self.raw = pixels.copy() if raw else None
        self.left = hole.copy()
        self.top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0

    def holes(self, box: Box, device: torch.device) -> Tensor:
        """See :meth:`Canvas.holes`."""
        return torch.from_numpy(self.left[box.at].copy()).to(device)

    def plane(self, box: Box, channel: int, device: torch.device) -> Tensor:
        """See :meth:`Canvas.plane`."""
        cut = self.pixels[box.at] if self.pixels.ndim == 2 else self.pixels[..., channel][box.at]
        return torch.from_numpy(cut.astype(np.float32)).to(device).div_(self.top)

    def put(self, crop: Crop, fill: Iterable[Tensor], raw: Iterable[Tensor]) -> None:
        """See :meth:`Canvas.put`."""
        hole = self.left[crop.core.at]
        self._write(self.pixels, crop, fill, hole)
        if self.raw is not None:
            self._write(self.raw, crop, raw, np.ones_like(hole))
        hole[...] = False

    def _write(self, target: Array, crop: Crop, planes: Iterable[Tensor], where: Bools) -> None:
        rows, columns = crop.core.within(crop.box)
        grey = []
        for channel, plane in enumerate(planes):
            values: Array = plane[rows, columns].cpu().numpy()[where]
            if target.ndim == 2:
                grey.append(values)
            else:
                target[..., channel][crop.core.at][where] = self._levels(values)
        if grey:
            target[crop.core.at][where] = self._levels(np.mean(grey, 0))

    def _levels(self, values: Array) -> Array:
        return np.rint(values * self.top) if self.pixels.dtype.kind in "ui" else values


class TensorCanvas:
    """One image ``[3,H,W]`` of a batch; known pixels, dtype and device stay."""

    def __init__(self, image: Tensor, hole: Tensor, *, raw: bool = False) -> None:
        self.pixels = image.detach().clone()
        self.raw = self.pixels.clone() if raw else None
        self.left = hole[0].clone()

    def holes(self, box: Box, device: torch.device) -> Tensor:
        """See :meth:`Canvas.holes`."""
        return self.left[box.at].to(device, copy=True)

    def plane(self, box: Box, channel: int, device: torch.device) -> Tensor:
        """See :meth:`Canvas.plane`."""
        return self.pixels[channel][box.at].to(device, torch.float32, copy=True)

    def put(self, crop: Crop, fill: Iterable[Tensor], raw: Iterable[Tensor]) -> None:
        """See :meth:`Canvas.put`."""
        rows, columns = crop.core.within(crop.box)
        hole = self.left[crop.core.at]
        for channel, plane in enumerate(fill):
            target = self.pixels[channel][crop.core.at]
            target.copy_(torch.where(hole, plane[rows, columns].to(target), target))
        if self.raw is not None:
            for channel, plane in enumerate(raw):
                self.raw[channel][crop.core.at] = plane[rows, columns].to(self.raw)
        hole.zero_()


def take(canvas: Canvas, box: Box, device: torch.device, work: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Cut a box out of a canvas and bring it to the method's size.

    Known pixels are averaged among themselves; what lies under the hole has no part in it. A large box is brought
    down colour by colour, so that no more than a plane of it is there in floating point.

    Returns
    -------
    Tensor, Tensor
        ``[3,*work]`` float32 with 0 in the hole, and ``[1,*work]`` bool; a pixel is hole where less than half of it
        is known.
    """
    hole = canvas.holes(box, device)
    planes = (canvas.plane(box, channel, device).masked_fill_(hole, 0.0) for channel in range(3))
    if hole.shape == work:
        return torch.stack(list(planes)), hole[None]
    known = _resize((~hole).float(), work, "bilinear")
    mean = torch.stack([_resize(plane, work, "bilinear") for plane in planes]) / known.clamp_min(1e-6)
    small = known < 0.5
    if small.all() and known.max() > 0:  # dense specks: the least hidden pixels are what there is to go by
        small = known < known.max()
    return mean.clamp_(0, 1).masked_fill_(small, 0.0), small[None]


def stretch(image: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """Bring a fill ``[3,h,w]`` back to the crop's size, plane by plane."""
    for plane in image:
        yield plane if plane.shape == size else _resize(plane, size, "bicubic").clamp_(0, 1)


def _resize(plane: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return F.interpolate(plane[None, None].float(), size, mode=mode, align_corners=False, antialias=True)[0, 0]
