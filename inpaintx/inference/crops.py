"""Parts of a photo: boxes of pixels, and the crops that a method is put to work on."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from inpaintx.data.align import AlignedCrop

__all__ = ["Box", "Crop"]


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
    """One piece of work: what is shown to the method (``box``), at which size, and whose hole pixels are taken.

    With ``cut``, that turned square is shown; ``box`` is what it covers of the photo. Of the hole pixels in
    ``write_box``, ``only`` (``[h,w]`` bool over ``write_box``) are taken, if given.
    """

    box: Box
    write_box: Box
    input_size: tuple[int, int]
    cut: AlignedCrop | None = None
    only: npt.NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)

    @property
    def square(self) -> bool:
        """Whether what is shown is a square."""
        return self.cut is not None or self.box.height == self.box.width

    @property
    def scale(self) -> float:
        """How many pixels of the photo one of the method's is wide."""
        return (max(self.box.height, self.box.width) if self.cut is None else self.cut.side) / max(self.input_size)

    def moved(self, by: float) -> "Crop":
        """The crop with its square moved down and to the right, by so many of the method's pixels."""
        side = self.box.width
        cut = self.cut or AlignedCrop(self.box.left + (side - 1) / 2, self.box.top + (side - 1) / 2, side, 0.0)
        step, cos, sin = by * self.scale, float(np.cos(cut.angle)), float(np.sin(cut.angle))
        return replace(self, cut=cut._replace(x=cut.x + step * (cos - sin), y=cut.y + step * (cos + sin)))
