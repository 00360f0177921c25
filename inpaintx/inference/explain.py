"""Pictures of what was done where, and of what the network was shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from inpaintx.inference import visibility
from inpaintx.inference.crop_layout import Canvas, Crop
from inpaintx.inference.photo_plan import Plan, Saw
from inpaintx.io.atomic import make_folder
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import write_photo

__all__ = ["Beside", "explained"]

Array = npt.NDArray[Any]
COLORS = [(228, 40, 90), (40, 120, 228), (60, 180, 75), (245, 170, 30)]  # of the first, second, ... method
FACE = (255, 225, 25)


def explained(pixels: Array, hole: npt.NDArray[np.bool_], plan: Plan) -> Array:
    """Draw a photo whose hole has a colour for each method, with the squares of the faces and a legend.

    Parameters
    ----------
    pixels
        ``[H,W]``, ``[H,W,3]``, or either with alpha: uint8, uint16 or floating in [0,1].
    hole
        ``[H,W]``, True = hole.

    Returns
    -------
    ndarray
        ``[H+legend,W,3]`` uint8.
    """
    cv2 = import_cv2()
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0
    planes = (visibility.channel(pixels, c) for c in range(3))
    picture = np.stack([p if p.dtype == np.uint8 else np.rint(p * (255 / top)).astype(np.uint8) for p in planes], -1)
    height, width = hole.shape
    line = max(1, min(height, width) // 300)
    legend = []
    for (name, mine), color in zip(plan.owners(hole), COLORS, strict=False):
        picture[mine] = color
        legend.append((f"{name}: {np.count_nonzero(mine)} pixels", color))
    for face in plan.faces:
        corners = cv2.boxPoints(((face.cut.x, face.cut.y), (face.cut.side,) * 2, float(np.degrees(face.cut.angle))))
        cv2.polylines(picture, [np.rint(corners).astype(np.int32)], True, FACE, line, cv2.LINE_AA)
        legend.append((f"face, score {face.score:.2f}", FACE))
    row = 18 * line
    paper = np.full((row * max(1, len(legend)), width, 3), 30, np.uint8)
    for number, (words, color) in enumerate(legend):
        at = (6 * line, row * number + 13 * line)
        cv2.putText(paper, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * line, color, line, cv2.LINE_AA)
    return np.concatenate([picture, paper])


class Beside:
    """Writes pictures beside the results, if asked to.

    Parameters
    ----------
    explain
        Folder for ``NAME-explained.png`` (:func:`explained`), or None.
    save_crops
        Folder for ``NAME-crop.png``, ``NAME-crop-2.png``, …: what a network was shown, the hole in grey, and what it
        gave (of two views the first); or None.
    overwrite
        Whether files that exist are replaced.

    Raises
    ------
    InpaintxError
        A folder cannot be made.
    """

    def __init__(self, explain: str | Path | None, save_crops: str | Path | None, *, overwrite: bool) -> None:
        self.explain, self.save_crops = (None if f is None else Path(f) for f in (explain, save_crops))
        self.overwrite = overwrite
        self.count: dict[Path, int] = {}
        for folder in (self.explain, self.save_crops):
            if folder is not None:
                make_folder(folder)

    def plan(self, photo: str, pixels: Array, hole: npt.NDArray[np.bool_], plan: Plan) -> None:
        """Write the plan of a photo."""
        if self.explain is not None:
            self._write(self.explain, f"{Path(photo).name}-explained", explained(pixels, hole, plan))

    def crops(self, photos: Sequence[tuple[Canvas, str]]) -> Saw | None:
        """Make what writes the crops of canvases."""
        if self.save_crops is None:
            return None
        folder, names = self.save_crops, {id(canvas): Path(photo).name for canvas, photo in photos}

        def saw(canvas: Canvas, crop: Crop, shown: Tensor, hole: Tensor, filled: Tensor) -> None:
            pair = [x.permute(1, 2, 0).cpu().numpy() for x in (shown.masked_fill(hole, 0.5), filled)]
            picture = np.rint(np.concatenate(pair, 1) * 255).astype(np.uint8)
            self._write(folder, f"{names[id(canvas)]}-crop", picture)

        return saw

    def _write(self, folder: Path, name: str, picture: Array) -> None:
        """Write ``NAME.png``, then ``NAME-2.png``: photos of several folders may have one name."""
        number = self.count[folder / name] = self.count.get(folder / name, 0) + 1
        path = folder / f"{name}{f'-{number}' * (number > 1)}.png"
        write_photo(path, picture, overwrite=self.overwrite)
