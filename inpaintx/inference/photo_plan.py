"""What is to be done on one photo."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from inpaintx.inference.crop_layout import Canvas, Crop
from inpaintx.inference.faces import Face

__all__ = ["Plan", "Saw"]

Bools = npt.NDArray[np.bool_]
Saw = Callable[[Canvas, Crop, Tensor, Tensor, Tensor], None]
"""Gets a canvas, a crop of it, and at the method's size the image shown, its hole, and the image filled."""


@dataclass
class Plan:
    """Crops in rounds, for each of an inpainter's methods in turn; and what is to be said of them.

    Attributes
    ----------
    stages
        The rounds of each method by its name, as of :func:`inpaintx.inference.crop_layout.plan`.
    faces
        The damaged faces that are shown whole.
    notes
        What a user should know.
    """

    stages: dict[str, list[list[Crop]]]
    faces: list[Face] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def crops(self) -> int:
        """Number of crops."""
        return sum(len(crops) for stage in self.stages.values() for crops in stage)

    def owners(self, hole: Bools) -> Iterator[tuple[str, Bools]]:
        """Give for each method ``[H,W]`` bool: which hole pixels are its own."""
        left = hole.copy()
        for name, rounds in self.stages.items():
            mine = np.zeros_like(hole)
            for crop in (crop for crops in rounds for crop in crops):
                taken = left[crop.write_box.at] if crop.only is None else left[crop.write_box.at] & crop.only
                mine[crop.write_box.at] |= taken
            left &= ~mine
            yield name, mine

    def places(self) -> list[dict[str, Any]]:
        """The faces in plain values: middle and side of the square in pixels, turn in degrees, score."""
        return [
            {
                "x": round(face.cut.x, 2),
                "y": round(face.cut.y, 2),
                "side": round(face.cut.side, 2),
                "turn": round(float(np.degrees(face.cut.angle)), 2),
                "score": round(face.score, 4),
            }
            for face in self.faces
        ]
