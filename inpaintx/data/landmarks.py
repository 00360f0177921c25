"""Landmarks: read from CSV files and from CelebA's lists, and mirrored with their image."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.text_files import read_csv, read_text

__all__ = [
    "MIRRORED",
    "EyeMouthPoints",
    "Points",
    "eye_mouth_points",
    "mirrored",
    "read_celeba_landmarks",
    "read_landmarks",
]

#: ``[N,2]``: x and y in pixels.
Points = npt.NDArray[np.float32]
FARTHEST = 10**6  # pixels; beyond it lie slips of a program

# iBUG's 68 points, mirrored: jaw 0-16, brows 17-26, nose 27-30 and 31-35, eyes 36-47, outer lip 48-59, inner lip 60-67
_IBUG = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
]  # fmt: skip


def _part(kept: list[int]) -> list[int]:
    """Mirror order of a layout that keeps some of the 68 points."""
    return [kept.index(_IBUG[point]) for point in kept]


MIRRORED: dict[int, list[int]] = {
    5: [1, 0, 2, 4, 3],  # eyes, nose, corners of the mouth, each from image left to right
    49: _part([*range(17, 60), 61, 62, 63, 65, 66, 67]),
    51: _part([*range(17, 68)]),
    68: _IBUG,
}
"""Which point takes whose place in the mirror, by the number of points."""


def mirrored(points: Points, size: int) -> Points:
    """Mirror points ``[N,2]`` of an image of ``size`` left to right; those of the two sides change places.

    Raises
    ------
    InpaintxError
        N is no layout whose sides are known (see :data:`MIRRORED`).
    """
    if len(points) not in MIRRORED:
        raise InpaintxError(f"cannot mirror {len(points)} landmarks: known layouts have {sorted(MIRRORED)} points")
    swapped = points[MIRRORED[len(points)]].copy()
    swapped[:, 0] = size - 1 - swapped[:, 0]
    return swapped


def read_landmarks(path: Path) -> dict[str, Points]:
    """Read a CSV file: a header line, then ``name,x0,y0,x1,y1,...`` a line.

    Coordinates are pixels of the image file, centre of the first pixel = 0; an empty cell or ``nan`` is unknown.

    Raises
    ------
    InpaintxError
        A line with another number of cells than the header, with something that is no number or infinite, or with a
        name that has other points by an earlier line; it is named.
    """
    points: dict[str, Points] = {}
    rows = read_csv(path)
    _, header = next(rows, (1, []))
    if len(header) < 3 or len(header) % 2 == 0 or header[0].lower() not in ("name", "file", "image"):
        raise InpaintxError(
            f"{path}: the first line must be name,x0,y0,x1,y1,... as a header; it has {len(header)} cells and "
            f"begins {','.join(header[:3])!r}"
        )
    for number, line in rows:
        if len(line) != len(header):
            raise InpaintxError(f"{path}, line {number}: {len(line)} cells, the header has {len(header)}")
        try:
            numbers = [float(cell) if cell else np.nan for cell in line[1:]]
        except ValueError as error:
            raise InpaintxError(f"{path}, line {number}: {error}") from None
        if any(abs(value) > FARTHEST for value in numbers):
            raise InpaintxError(
                f"{path}, line {number}: a coordinate lies beyond {FARTHEST} pixels; leave unknown ones empty"
            )
        one = np.array(numbers, np.float32).reshape(-1, 2)
        if not np.array_equal(points.setdefault(line[0], one), one, equal_nan=True):
            raise InpaintxError(f"{path}, line {number}: {line[0]} has other points by an earlier line")
    return points


def read_celeba_landmarks(path: Path) -> dict[str, Points]:
    """Read CelebA's five points from its list (or the same as CSV): eyes, nose, corners of the mouth."""
    points: dict[str, Points] = {}
    for cells in read_table(path):
        try:
            numbers = [float(cell) for cell in cells[1:]]
        except ValueError:
            continue  # the header of the CSV
        if len(numbers) != 10:
            raise InpaintxError(f"{path}: expected a name and 10 numbers a line, got {' '.join(cells)!r}")
        points[cells[0]] = np.array(numbers, np.float32).reshape(5, 2)
    return points


def read_table(path: Path) -> list[list[str]]:
    """Read the lines that begin with a file's name, split at commas or blanks."""
    lines = read_text(path).splitlines()
    rows = [re.split(r"[,\s]+", line.strip()) for line in lines]
    return [row for row in rows if len(row) > 1 and "." in row[0]]


class EyeMouthPoints(NamedTuple):
    """Four points that every known layout gives, each (x, y): what a face's place, size and turn follow from."""

    left_eye: Points
    right_eye: Points
    nose: Points
    mouth: Points


def eye_mouth_points(points: Points) -> EyeMouthPoints | None:
    """Centres of the eyes (image left, right), tip of the nose, centre of the mouth, of points ``[N,2]``.

    None where N is no known layout or a point that counts is NaN.
    """
    count = len(points)
    if count == 5:
        found = EyeMouthPoints(points[0], points[1], points[2], points[3:5].mean(0))
    elif count in (49, 51, 68):
        brow = 17 if count == 68 else 0  # index of the first brow point
        inner = points[brow:]
        found = EyeMouthPoints(inner[19:25].mean(0), inner[25:31].mean(0), inner[13], inner[31:43].mean(0))
    else:
        return None
    return found if bool(np.isfinite(np.stack(found)).all()) else None
