"""Contact sheets: pictures in rows with captions under them, for a look at results side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2

__all__ = ["Cell", "contact_sheet", "show_hole"]

Pixels = npt.NDArray[Any]
PAPER, INK, FAINT = 250, 30, 110
GAP, LINE, FONT_SIZE = 12, 20, 0.45


@dataclass
class Cell:
    """One picture and the lines under it; the first line is printed darker.

    Parameters
    ----------
    picture
        ``[H,W]``, ``[H,W,3]`` or ``[H,W,4]``, uint8, uint16 or floating in [0,1]; None leaves the place empty.
    caption
        Lines of text (ASCII; OpenCV's built-in letters know no others).
    """

    picture: Pixels | None
    caption: Sequence[str] = field(default_factory=tuple)


def contact_sheet(rows: Sequence[Sequence[Cell]], *, tile: int = 256, title: str = "") -> npt.NDArray[np.uint8]:
    """Draw rows of captioned pictures on one sheet.

    Parameters
    ----------
    rows
        The cells, row by row; rows may differ in length.
    tile
        Side in pixels of the square that each picture is fitted into, keeping its proportions.
    title
        A line at the top.

    Returns
    -------
    ndarray
        ``[H,W,3]`` uint8 RGB.

    Raises
    ------
    InpaintxError
        No cell at all, or a picture of another shape or type.

    Examples
    --------
    >>> import numpy as np
    >>> grey = np.full((64, 64), 128, np.uint8)
    >>> contact_sheet([[Cell(grey, ["telea", "30.1 dB"]), Cell(grey)]], tile=64).shape
    (128, 164, 3)
    """
    columns = max(map(len, rows), default=0)
    if columns == 0:
        raise InpaintxError("a contact sheet needs at least one cell")
    cv2 = import_cv2()
    heights = [tile + LINE * max(len(cell.caption) for cell in row) + GAP if row else 0 for row in rows]
    top = GAP + (LINE + GAP if title else 0)
    sheet = np.full((top + sum(heights), GAP + columns * (tile + GAP), 3), PAPER, np.uint8)
    if title:
        _text(cv2, sheet, title, GAP, GAP + LINE - 5, INK, sheet.shape[1] - 2 * GAP, 1.2)
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            left = GAP + column * (tile + GAP)
            if cell.picture is not None:
                picture = _fitted(cv2, cell.picture, tile)
                y, x = top + tile - picture.shape[0], left  # standing on its caption
                sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
            for line, words in enumerate(cell.caption):
                base = top + tile + LINE * (line + 1) - 5
                _text(cv2, sheet, words, left, base, FAINT if line else INK, tile, 1.0)
        top += height
    return sheet


def show_hole(image: Pixels, mask: npt.NDArray[np.bool_], color: tuple[int, int, int] = (228, 40, 90)) -> Pixels:
    """The photo ``[H,W,3]`` uint8 with its hole (``mask`` ``[H,W]``, True = hole) painted in one colour."""
    shown = image.copy()
    shown[mask] = color
    return shown


def _fitted(cv2: Any, picture: Pixels, tile: int) -> Pixels:
    """The picture as RGB uint8, scaled to fit the tile: averaged where it shrinks, pixels kept apart where it grows."""
    if picture.dtype.kind == "f":
        picture = np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)
    elif picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, 2)
    if picture.ndim != 3 or picture.shape[2] not in (3, 4) or picture.dtype != np.uint8 or picture.size == 0:
        raise InpaintxError(
            f"a cell's picture must be [H,W], [H,W,3] or [H,W,4], got {list(picture.shape)} {picture.dtype}"
        )
    if picture.shape[2] == 4:  # over the paper
        alpha = picture[..., 3:].astype(np.float32) / 255
        picture = np.rint(picture[..., :3] * alpha + PAPER * (1 - alpha)).astype(np.uint8)
    scale = tile / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST if scale >= 3 else cv2.INTER_CUBIC
    fitted: Pixels = cv2.resize(np.ascontiguousarray(picture), size, interpolation=way)
    return fitted


def _text(cv2: Any, sheet: Pixels, words: str, x: int, y: int, gray: int, room: int, scale: float) -> None:
    """One line, made smaller where it is longer than its room, and cut off at the end where that is not enough."""
    words = words.encode("ascii", "replace").decode()
    size = FONT_SIZE * scale

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])

    if width(words) > room:
        size = max(0.75 * size, size * room / width(words))
    if width(words) > room:
        while words and width(words + "...") > room:
            words = words[:-1]
        words += "..."
    cv2.putText(sheet, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (gray,) * 3, 1, cv2.LINE_AA)
