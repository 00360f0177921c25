"""Where the faces of a damaged photo are, as squares placed as those of training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.crops import Box
from inpaintx.data.align import YuNet, cut_by_points
from inpaintx.data.cv import import_cv2
from inpaintx.errors import InpaintxError

__all__ = ["FaceFinder", "squares"]

LARGEST = 640  # side in pixels at which faces are looked for


def squares(faces: Sequence[tuple[int, int, int]], height: int, width: int) -> list[Box]:
    """Make boxes of (left, top, side) in pixels.

    Raises
    ------
    InpaintxError
        Not three whole numbers, or a square that does not lie in the photo.
    """
    for face in faces:
        if len(face) != 3 or not all(isinstance(v, int) for v in face):
            raise InpaintxError(f"a face is (left, top, side) in whole pixels, got {face!r}")
        left, top, side = face
        if side < 1 or min(left, top) < 0 or left + side > width or top + side > height:
            raise InpaintxError(
                f"face {left},{top},{side} (left, top, side) does not lie in the photo of {width} x {height} pixels"
            )
    return [Box(top, left, top + side, left + side) for left, top, side in faces]


class FaceFinder:
    """Finds faces although they are damaged: the holes are first filled roughly.

    Parameters
    ----------
    model
        File of OpenCV's face detector YuNet (``face_detection_yunet_*.onnx`` of OpenCV's zoo).

    Raises
    ------
    InpaintxError
        No such file, or OpenCV does not take it.
    """

    def __init__(self, model: str | Path) -> None:
        self.detector = YuNet(Path(model))

    def __call__(self, pixels: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> list[Box]:
        """Find the faces that have a hole.

        Parameters
        ----------
        pixels
            ``[H,W]``, ``[H,W,2]``, ``[H,W,3]`` or ``[H,W,4]``: uint8, uint16 or floating in [0,1].
        hole
            ``[H,W]``, True = hole.

        Returns
        -------
        list of Box
            Upright squares with each face as :func:`inpaintx.data.align.cut_by_points` places it, but not turned, and
            moved into the photo where they would reach beyond it; the surest first.
        """
        cv2 = import_cv2()
        height, width = hole.shape
        scale = min(1.0, LARGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0
        colours = pixels[..., None] if pixels.ndim == 2 else pixels[..., : 1 if pixels.shape[2] == 2 else 3]
        small = []
        for c in range(colours.shape[2]):
            plane = np.where(hole, 0, colours[..., c]).astype(np.float32)
            small.append(cv2.resize(plane, size, interpolation=cv2.INTER_AREA) * (255 / top))
        picture = np.stack(small * (3 // len(small)), -1).clip(0, 255).astype(np.uint8)
        gaps = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        picture = cv2.inpaint(picture, gaps.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        boxes = []
        for points in self.detector.all(picture):
            cut = cut_by_points((points + 0.5) / scale - 0.5)
            if cut is None:
                continue
            side = min(round(cut.side), height, width)
            top_left = (round(cut.y + 0.5 - side / 2), round(cut.x + 0.5 - side / 2))
            box = Box(*top_left, top_left[0] + side, top_left[1] + side).squared(side, height, width)
            if hole[box.at].any():
                boxes.append(box)
        return boxes
