"""The portraits' faces by a method's default weights: ``python docs/fills.py METHOD`` writes plugins/METHOD/fills.jpg.

From the left: the hole, the fill pasted, the fill as the method's blend joins it, the truth; at the network's size.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import inpaintx
from inpaintx.demo import HERE, PORTRAITS
from inpaintx.io.atomic import atomic_write
from inpaintx.io.photo import read_photo
from inpaintx.plugin.registry import registry
from inpaintx.viz.contact_sheet import Cell, contact_sheet, show_hole

SQUARES = {"eileen_collins": (150, 36, 150), "grace_hopper": (122, 64, 284)}  # left, top, side
SIZE, TILE, QUALITY = 128, 220, 95


def row(name: str, method: str) -> list[Cell]:
    """The cells of a portrait."""
    left, top, side = SQUARES[name]
    at = slice(top, top + side), slice(left, left + side)
    photo = read_photo(HERE / f"{name}{PORTRAITS[name]}").pixels[at]
    mask = read_photo(HERE / f"{name}_mask.png").pixels[at]
    truth = cv2.resize(photo, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    hole = cv2.resize(mask if mask.ndim == 2 else mask[..., 0], (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 127
    cells = [Cell(show_hole(truth, hole), [name.replace("_", " "), f"hole {hole.mean():.0%}"])]
    for words, blend in (("pasted", "none"), ("blended", registry().method(method).blend)):
        fill = inpaintx.inpaint(truth, hole, method, blend=blend, faces=[(0, 0, SIZE)])
        error = np.square((fill[hole].astype(float) - truth[hole]) / 255).mean()
        cells.append(Cell(fill, [words, f"hole PSNR {-10 * np.log10(error):.2f} dB"]))
    return [*cells, Cell(truth, ["truth"])]


def main() -> None:
    """Write the picture."""
    method = sys.argv[1]
    sheet = contact_sheet([row(name, method) for name in PORTRAITS], tile=TILE)
    _, data = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    with atomic_write(Path(__file__).parents[1] / "plugins" / method / "fills.jpg") as file:
        file.write_bytes(data.tobytes())


if __name__ == "__main__":
    main()
