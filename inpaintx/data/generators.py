"""Holes that are drawn: ``f(rng, height, width, **options)`` gives ``[height,width]`` bool, True = hole.

Lengths are shares of the picture's side, so a generator draws the same kind of hole at every size. What is drawn
depends on ``rng`` alone. Third parties add theirs by the hook ``inpaintx_register_masks``.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2

__all__ = [
    "ACCUMULATIVE",
    "GENERATORS",
    "Bools",
    "Generator",
    "box",
    "center",
    "discard",
    "half",
    "quickdraw",
    "strokes",
    "walk",
]

#: ``[height,width]``, True = hole.
Bools = npt.NDArray[np.bool_]
#: ``f(rng, height, width, **options)`` gives :data:`Bools`; ``rng`` is a :class:`numpy.random.Generator`.
Generator = Callable[..., Bools]
Side = Literal["any", "left", "right", "top", "bottom"]


def center(rng: np.random.Generator, height: int, width: int, *, side: float = 0.5) -> Bools:
    """Draw a rectangle in the middle; ``side``: its share of the picture's height and width, in (0,1)."""
    _check_share("side", side)
    rows, columns = max(1, round(height * side)), max(1, round(width * side))
    top, left = (height - rows) // 2, (width - columns) // 2
    hole = np.zeros((height, width), bool)
    hole[top : top + rows, left : left + columns] = True
    return hole


def box(
    rng: np.random.Generator, height: int, width: int, *, low: float = 0.25, high: float = 0.5, square: bool = False
) -> Bools:
    """Draw one rectangle anywhere; its sides are uniform between ``low`` and ``high`` (shares of the picture's)."""
    _check_share("low", low)
    _check_share("high", high)
    if low > high:
        raise InpaintxError(f"box: low must not exceed high, got {low} and {high}")
    down, across = rng.uniform(low, high, 2)
    rows = max(1, round(height * down))
    columns = rows if square else max(1, round(width * across))
    columns = min(columns, width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    hole = np.zeros((height, width), bool)
    hole[top : top + rows, left : left + columns] = True
    return hole


def half(rng: np.random.Generator, height: int, width: int, *, side: Side = "any") -> Bools:
    """Take one half of the picture: ``left``, ``right``, ``top``, ``bottom``, or ``any`` of the four by chance."""
    sides = ("left", "right", "top", "bottom")
    if side not in (*sides, "any"):
        raise InpaintxError(f"half: side must be any, {', '.join(sides)}; got {side!r}")
    if side == "any":
        side = sides[int(rng.integers(4))]  # type: ignore[assignment]
    hole = np.zeros((height, width), bool)
    if side in ("top", "bottom"):
        hole[: height // 2] = True
    else:
        hole[:, : width // 2] = True
    return hole[::-1, ::-1].copy() if side in ("right", "bottom") else hole


def strokes(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    low: float = 12 / 256,
    high: float = 40 / 256,
    most: int = 4,
) -> Bools:
    """Draw brush strokes that turn back and forth, and mirror the whole by chance.

    Parameters
    ----------
    rng, height, width
        See the module.
    low, high
        The brush's width, uniform, as a share of the shorter side.
    most
        Most strokes; their number is uniform from 1.

    Notes
    -----
    The paper's algorithm 1 with the constants of its code: 4 to 12 vertices a stroke, turning angles around 2 pi / 5
    on alternating sides, lengths N(r, r/2) in [0, 2r] with r an eighth of the diagonal. The code's mirroring has no
    effect there (its result is thrown away); here it is applied, as the algorithm means it.

    References
    ----------
    Yu et al., "Free-form image inpainting with gated convolution", ICCV 2019, supplementary algorithm 1.
    """
    _check_share("low", low)
    _check_share("high", high)
    if most < 1:
        raise InpaintxError(f"strokes: most must be at least 1, got {most}")
    cv2 = import_cv2()
    canvas = np.zeros((height, width), np.uint8)
    radius = np.hypot(height, width) / 8
    for _ in range(int(rng.integers(1, most + 1))):
        spread = rng.uniform(0, 2 * np.pi / 15, 2)
        count = int(rng.integers(4, 13))
        angles = rng.uniform(2 * np.pi / 5 - spread[0], 2 * np.pi / 5 + spread[1], count)
        angles[::2] = 2 * np.pi - angles[::2]
        lengths = np.clip(rng.normal(radius, radius / 2, count), 0, 2 * radius)
        points = [np.array([rng.uniform(0, width), rng.uniform(0, height)])]
        for angle, length in zip(angles, lengths, strict=True):
            step = length * np.array([np.cos(angle), np.sin(angle)])
            points.append(np.clip(points[-1] + step, 0, (width, height)))
        brush = rng.uniform(low, high) * min(height, width)
        _draw(cv2, canvas, np.array(points), brush)
    mirrored = canvas[:: -1 if rng.random() < 0.5 else 1, :: -1 if rng.random() < 0.5 else 1]
    return np.ascontiguousarray(mirrored > 0)


def walk(rng: np.random.Generator, height: int, width: int, *, steps: float = 1.0) -> Bools:
    """Mark the pixels that a random walk visits, from a random start; ``steps``: their number / pixels.

    Each step goes one pixel up, down, left or right; the picture's border reflects.
    """
    if not 0 < steps <= 100:
        raise InpaintxError(f"walk: steps must lie in (0, 100], got {steps}")
    count = max(1, round(steps * height * width))
    moves = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])[rng.integers(0, 4, count)]
    start = np.array([rng.integers(height), rng.integers(width)])
    path = start + np.cumsum(moves, axis=0)
    hole = np.zeros((height, width), bool)
    hole[_reflect(path[:, 0], height), _reflect(path[:, 1], width)] = True
    return hole


def _reflect(at: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """Fold an unbounded walk into 0..length-1: the same chances as a walk between mirrors."""
    at = at % (2 * length)
    return np.asarray(np.where(at < length, at, 2 * length - 1 - at))


def quickdraw(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    mean: float = 4,
    sd: float = 2,
    low: float = 5 / 512,
    high: float = 15 / 512,
) -> Bools:
    """Draw thin curved lines as of a quick drawing, enlarged by U(1, 1.5) around the middle.

    Parameters
    ----------
    rng, height, width
        See the module.
    mean, sd
        Of the number of lines, normal, at least 1.
    low, high
        Width of a line, uniform, as a share of the shorter side before the enlargement.

    Notes
    -----
    Number, width and enlargement follow the generator of QD-IMD. That one takes its lines from people's drawings
    (the Quick, Draw! data); here they are smooth random curves, so the holes are like its, not of its.
    """
    _check_share("low", low)
    _check_share("high", high)
    cv2 = import_cv2()
    canvas = np.zeros((height, width), np.uint8)
    zoom = rng.uniform(1, 1.5)
    middle = np.array([width, height]) / 2
    for _ in range(max(1, round(rng.normal(mean, sd)))):
        count = int(rng.integers(8, 40))
        turns = np.cumsum(rng.normal(rng.normal(0, 0.25), 0.25, count)) + rng.uniform(0, 2 * np.pi)
        length = rng.uniform(0.02, 0.05) * min(height, width)
        steps = length * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        start = middle + rng.uniform(-0.5, 0.5, 2) * (width, height) / zoom  # within what remains visible
        points = np.vstack([start, start + np.cumsum(steps, axis=0)])
        brush = rng.uniform(low, high) * min(height, width)
        _draw(cv2, canvas, (points - middle) * zoom + middle, brush * zoom)
    return np.asarray(canvas > 0)


def discard(rng: np.random.Generator, height: int, width: int, *, p: float = 0.2) -> Bools:
    """Drop each pixel by itself with probability ``p``, in (0,1)."""
    _check_share("p", p)
    return np.asarray(rng.random((height, width)) < p)


def _draw(cv2: Any, canvas: npt.NDArray[np.uint8], points: npt.NDArray[np.float64], brush: float) -> None:
    """A line through points (x, y in pixels), with round joints and ends, ``brush`` pixels wide."""
    corners = np.round(points).astype(np.int32).reshape(-1, 1, 2)
    thickness = max(1, round(brush))
    cv2.polylines(canvas, [corners], False, 255, thickness)
    if thickness > 2:
        for x, y in corners[:, 0]:
            cv2.circle(canvas, (int(x), int(y)), thickness // 2, 255, -1)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InpaintxError(f"{name} must lie between 0 and 1, both excluded; got {value}")


#: The project's own generators by name.
GENERATORS: dict[str, Generator] = {f.__name__: f for f in (center, box, half, strokes, walk, quickdraw, discard)}
ACCUMULATIVE = frozenset({strokes, walk, quickdraw})
"""Generators whose holes may be laid over each other and remain of their kind, to reach a large ratio."""
