"""Curves over hole ratio, drawn by OpenCV so that an evaluation needs no plotting library."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.io.opencv import import_cv2

__all__ = ["Curve", "Panel", "draw"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, LINE = 620, 520, 70, 20, 50, 60, 24
COLORS = (  # RGB; Okabe and Ito's, which colour-blind readers can tell apart, and thirteen more
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 0, 0),
    (150, 110, 60), (120, 120, 120), (110, 60, 160), (190, 20, 60), (150, 190, 40), (0, 80, 60), (250, 160, 150),
    (30, 200, 200), (90, 40, 20), (220, 200, 0), (0, 0, 150), (255, 80, 200), (170, 170, 215),
)  # fmt: skip
GRAY, PALE = (90, 90, 90), (225, 225, 225)


@dataclass
class Curve:
    """A method's points: x, mean, and the interval's ends; a mark for methods without trained weights."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    dashed: bool = False


@dataclass
class Panel:
    """A pair of axes with their curves."""

    title: str
    curves: Sequence[Curve]


def draw(panels: Sequence[Panel], *, x_label: str, y_label: str) -> npt.NDArray[np.uint8]:
    """Draw panels side by side over one legend.

    Parameters
    ----------
    panels
        Curves of one label have one colour in all of them.

    Returns
    -------
    ndarray
        ``[H,W,3]`` uint8 RGB.
    """
    cv2 = import_cv2()
    labels = list(dict.fromkeys(c.label for p in panels for c in p.curves))
    columns = max(1, len(panels) * WIDTH // 260)
    height = HEIGHT + LINE * -(-len(labels) // columns) + 10
    sheet = np.full((height, max(1, len(panels)) * WIDTH, 3), 255, np.uint8)
    colors = {label: COLORS[i % len(COLORS)] for i, label in enumerate(labels)}
    dashed = {c.label for p in panels for c in p.curves if c.dashed}
    for i, panel in enumerate(panels):
        _panel(cv2, sheet[:HEIGHT, i * WIDTH : (i + 1) * WIDTH], panel, colors, x_label, y_label)
    for i, label in enumerate(labels):
        x, y = LEFT + i % columns * 250, HEIGHT + LINE * (i // columns) + 12
        _line(cv2, sheet, (x, y), (x + 36, y), colors[label], dashed=label in dashed)
        _text(cv2, sheet, label, x + 44, y + 5)
    return sheet


def _panel(
    cv2: Any,
    area: npt.NDArray[np.uint8],
    panel: Panel,
    colors: Mapping[str, tuple[int, ...]],
    x_label: str,
    y_label: str,
) -> None:
    xs = np.concatenate([c.x for c in panel.curves])
    ys = np.concatenate([[*c.low, *c.high] for c in panel.curves])
    x_ticks, y_ticks = _ticks(0, float(xs.max()) * 1.05), _ticks(float(ys.min()), float(ys.max()))
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(x: float) -> int:
        return LEFT + round((x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * wide)

    def down(y: float) -> int:
        return TOP + tall - round((y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * tall)

    for x in x_ticks:
        cv2.line(area, (across(x), TOP), (across(x), TOP + tall), PALE, 1)
        _text(cv2, area, f"{x:g}", across(x), TOP + tall + 20, centered=True)
    for y in y_ticks:
        cv2.line(area, (LEFT, down(y)), (LEFT + wide, down(y)), PALE, 1)
        _text(cv2, area, f"{y:g}", LEFT - 45, down(y) + 5)
    _text(cv2, area, panel.title, LEFT + wide // 2, 20, centered=True)
    _text(cv2, area, x_label, LEFT + wide // 2, HEIGHT - 14, centered=True)
    _text(cv2, area, y_label, 8, TOP - 12)
    for curve in panel.curves:
        color = colors[curve.label]
        points = [(across(x), down(y)) for x, y in zip(curve.x, curve.y, strict=True)]
        for a, b in itertools.pairwise(points):
            _line(cv2, area, a, b, color, dashed=curve.dashed)
        for point, low, high in zip(points, curve.low, curve.high, strict=True):
            cv2.line(area, (point[0], down(low)), (point[0], down(high)), color, 1, cv2.LINE_AA)
            cv2.circle(area, point, 4, color, -1, cv2.LINE_AA)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from below ``low`` to above ``high``, four to nine of them."""
    span = max(high - low, 1e-3)
    step = 10.0 ** np.floor(np.log10(span))
    step *= next(f for f in (0.2, 0.5, 1, 2) if span / (step * f) <= 6)
    first, last = np.floor(low / step), np.ceil(high / step)
    return [round(float(n * step), 10) for n in np.arange(first, max(last, first + 1) + 1)]


def _line(cv2: Any, area: npt.NDArray[np.uint8], a: Any, b: Any, color: Any, *, dashed: bool) -> None:
    a, b = np.array(a, float), np.array(b, float)
    pieces = max(1, round(float(np.hypot(*(b - a))) / 12)) if dashed else 1
    for n in range(pieces):
        start, end = a + (b - a) * n / pieces, a + (b - a) * (n + (0.6 if dashed else 1)) / pieces
        cv2.line(area, tuple(map(int, start.round())), tuple(map(int, end.round())), color, 2, cv2.LINE_AA)


def _text(cv2: Any, area: npt.NDArray[np.uint8], words: str, x: int, y: int, *, centered: bool = False) -> None:
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.48
    words = words.encode("ascii", "replace").decode()
    if centered:
        x -= cv2.getTextSize(words, font, size, 1)[0][0] // 2
    cv2.putText(area, words, (x, y), font, size, GRAY, 1, cv2.LINE_AA)
