"""Scratches of a photo: thin, long lines that are brighter or darker than both of their sides, and of no color."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.io.opencv import import_cv2

__all__ = ["find_scratches"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

# Chosen on 50 faces with drawn scratches, measured on 50 others (tests/test_mask_finder.py).
FINEST, COARSEST = (
    2048,
    640,
)  # the longer side of the finest level, the shorter side below which there is no coarser one
RADIUS = 3  # half the width in pixels of the widest line of a level
STRAIGHT = 0.12  # of the shorter side: the length over which a line is about straight
MOST_STRAIGHT = 97  # pixels; the time grows with it
LENGTH = 0.15  # of the shorter side: extent of the shortest scratch
ANGLES = 24
AROUND = 0.1  # of the shorter side: the neighborhood whose lines a scratch is held against
STRONG, STRONG_RATIO = 38, 3.0  # contrast of a seed: in levels of 255, and against the mean of the neighborhood
WEAK, WEAK_RATIO = 26, 2.0  # of what is connected to one
NEUTRAL, EXTREME, LEAST = 0.5, 0.25, 44  # how a line is judged: see _lines


def find_scratches(rgb: Array) -> Bools:
    """Find thin bright or dark lines.

    Parameters
    ----------
    rgb
        ``[H,W,3]`` uint8.

    Returns
    -------
    ndarray
        ``[H,W]`` bool.

    Notes
    -----
    On each level of a pyramid: a top-hat by a disk keeps what is narrower than the disk; openings by straight lines in
    24 directions keep what goes on; hysteresis joins weak pixels to strong ones, both measured against the
    lines of the neighborhood, so that hair and fabric are not taken for scratches.
    """
    cv2 = import_cv2()
    height, width = rgb.shape[:2]
    found = np.zeros((height, width), np.bool_)
    for level in _levels(cv2, rgb):
        lines = np.zeros(level.shape[:2], np.bool_)
        color = (level.max(2) - level.min(2)).astype(np.float32)
        # white raises the least of the three channels most, black lowers the greatest
        for channel in (level.min(2), 255 - level.max(2)):
            lines |= _lines(cv2, channel, color)
        found |= cv2.resize(lines.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    return found


def _levels(cv2: Any, rgb: Array) -> Iterator[Array]:
    """The photo at halved sizes, the finest first."""
    scale = min(1.0, FINEST / max(rgb.shape[:2]))
    while True:
        size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
        yield rgb if scale == 1 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        if min(size) < COARSEST:
            return
        scale /= 2


def _lines(cv2: Any, channel: Array, color: Array) -> Bools:
    """The bright lines of ``channel`` ``[h,w]`` uint8.

    A line counts by the mean over its strong pixels of contrast, less ``NEUTRAL`` of the color (``color``, ``[h,w]``:
    the spread of the channels), plus ``EXTREME`` of how far the channel lies above 190.
    """
    side = min(channel.shape)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RADIUS + 1, 2 * RADIUS + 1))
    near = np.ones((3, 3), np.uint8)
    contrast = cv2.morphologyEx(channel, cv2.MORPH_TOPHAT, disk)
    wide = cv2.dilate(contrast, near)  # so that a curve does not leave the straight line by a pixel
    straight = np.zeros_like(contrast)
    length = min(MOST_STRAIGHT, max(9, round(side * STRAIGHT)) | 1)
    for angle in np.arange(ANGLES) * np.pi / ANGLES:
        np.maximum(straight, cv2.morphologyEx(wide, cv2.MORPH_OPEN, _line(cv2, length, angle)), out=straight)
    straight = np.minimum(straight, contrast)
    window = max(15, round(side * AROUND)) | 1
    around = cv2.blur(straight.astype(np.float32), (window, window))
    strong = straight > np.maximum(STRONG, STRONG_RATIO * around)
    weak = straight > np.maximum(WEAK, WEAK_RATIO * around)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(weak.view(np.uint8), connectivity=8)
    score = straight - NEUTRAL * color + EXTREME * (channel.astype(np.float32) - 190)
    pixels = np.bincount(labels[strong], minlength=count)
    mean = np.bincount(labels[strong], score[strong], count) / np.maximum(pixels, 1)
    extent = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    taken = (pixels > 0) & (mean > LEAST) & (extent > LENGTH * side)
    taken[0] = False  # what is no line
    lines: Bools = taken[labels]
    rim = cv2.dilate(lines.view(np.uint8), near).astype(np.bool_)
    return lines | (rim & (contrast > WEAK))


def _line(cv2: Any, length: int, angle: float) -> Array:
    """A straight line through the middle of a square, as a structuring element."""
    element = np.zeros((length, length), np.uint8)
    middle = length // 2
    x, y = round(np.cos(angle) * middle), round(np.sin(angle) * middle)
    cv2.line(element, (middle - x, middle - y), (middle + x, middle + y), 1)
    return element
