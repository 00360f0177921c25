"""Skin and foreground of a face from its landmarks, for sets that come without parsing masks: a guess, named so."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inpaintx.data.landmarks import EyeMouthPoints, Points, eye_mouth_points
from inpaintx.io.opencv import import_cv2

__all__ = ["Regions", "derive_regions"]

Bools = npt.NDArray[np.bool_]
LARGEST = 96  # side at which regions are worked out
ROUNDS = 3

# Outlines in the face's own coordinates: across in distances between the eyes, down in distances from eyes to mouth,
# both from the middle between the eyes. Average proportions, read off portraits by eye.
FACE = [(0.0, -1.0), (0.55, -0.9), (0.92, -0.4), (1.0, 0.2), (0.9, 0.95), (0.6, 1.45), (0.25, 1.68), (0.0, 1.72)]
HEAD = [(0.0, -1.75), (0.9, -1.5), (1.4, -0.8), (1.5, 0.2), (1.35, 1.0), (0.9, 1.6), (0.3, 1.75), (0.0, 1.8)]
HAIR = [(0.0, -2.3), (1.2, -2.1), (1.9, -1.0), (2.1, 0.3), (2.1, 2.0), (1.9, 3.0), (0.0, 3.0)]
CORE = [(0.0, -0.45), (0.55, -0.35), (0.7, 0.2), (0.6, 0.9), (0.35, 1.3), (0.0, 1.4)]
CROWN = [(0.0, -1.45), (0.6, -1.3), (1.0, -0.9), (1.0, -0.6), (0.6, -0.8), (0.0, -0.9)]
NECK = [(0.0, 1.1), (0.75, 1.1), (0.85, 1.5), (1.2, 4.0), (0.0, 4.0)]


class Regions(NamedTuple):
    """``[S,S]`` bool each: skin of the face, its eyes, brows and mouth included; and that with the hair."""

    skin: Bools
    foreground: Bools


def derive_regions(pixels: npt.NDArray[np.uint8], points: Points) -> Regions | None:
    """Guess skin and foreground: an outline around the landmarks, refined by the colours (GrabCut).

    Parameters
    ----------
    pixels
        ``[S,S,3]`` uint8 RGB.
    points
        ``[N,2]`` landmarks of a known layout (x, y; centre of the first pixel = 0).

    Returns
    -------
    Regions or None
        None where the landmarks do not tell where the face is. The same input gives the same regions.

    Notes
    -----
    The hull of the landmarks is widened to jaw and forehead by average proportions along the face's own axes. What
    lies well inside is face for certain, what lies outside a head's outline for certain is not; GrabCut (Rother et
    al., SIGGRAPH 2004) decides on the rest, first skin against all else, then the head with its hair.
    """
    cv2 = import_cv2()
    size = len(pixels)
    work = min(size, LARGEST)
    scale = work / size
    small = pixels if work == size else cv2.resize(pixels, (work, work), interpolation=cv2.INTER_AREA)
    points = np.asarray((points + 0.5) * scale - 0.5, np.float32)
    where = eye_mouth_points(points)
    if where is None or np.hypot(*(where.right_eye - where.left_eye)) < 2 or not _inside(where, work):
        return None
    shapes = (FACE, CORE, HEAD, CROWN, HAIR, NECK)
    face, core, head, crown, hair, neck = (_polygon(cv2, where, shape, work) for shape in shapes)
    known = points[np.isfinite(points).all(1)]
    hull = _filled(cv2, cv2.convexHull(np.round(known).astype(np.int32)), work)
    face |= hull
    unit = max(1, round(work / 48))
    certain = core & face | hull
    neck &= ~face
    # the neck has the face's colours: painted over, it does not speak for what is outside
    without_neck = small.copy()
    without_neck[neck] = np.median(small[~(hair | face)], axis=0) if bool((~(hair | face)).any()) else 0
    skin = _grab(cv2, without_neck, certain, face, _grown(cv2, face, 3 * unit))
    skin = _tidy(cv2, skin | certain, certain, unit)
    foreground = _grab(cv2, small, skin | crown, (head | skin) & ~neck, (hair | skin) & ~neck)
    foreground = _tidy(cv2, foreground | skin | crown, skin, unit)
    if work == size:
        return Regions(skin, foreground)
    return Regions(
        *(cv2.resize(_bytes(r), (size, size), interpolation=cv2.INTER_LINEAR) > 127 for r in (skin, foreground))
    )


def _inside(where: EyeMouthPoints, size: int) -> bool:
    """Whether the face's middle lies in the picture."""
    return bool(all(-size / 4 <= v < 1.25 * size for point in where for v in point))


def _polygon(cv2: Any, where: EyeMouthPoints, half: list[tuple[float, float]], size: int) -> Bools:
    """Fill an outline that is given by its right half in the face's coordinates.

    A face that turns shows more of the side that its nose points away from.
    """
    across = where.right_eye - where.left_eye
    middle = (where.left_eye + where.right_eye) / 2
    down = where.mouth - middle
    turn = float(np.clip((where.nose - middle - 0.6 * down) @ across / (across @ across), -0.4, 0.4))
    whole = [*half, *((-x, y) for x, y in reversed(half))]
    corners = np.array([middle + x * (1 - turn * np.sign(x)) * across + y * down for x, y in whole])
    return _filled(cv2, np.round(corners).astype(np.int32), size)


def _filled(cv2: Any, corners: Any, size: int) -> Bools:
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [corners], 1)
    return canvas.view(bool)


def _bytes(region: Bools) -> npt.NDArray[np.uint8]:
    return region.view(np.uint8) * np.uint8(255)


def _grown(cv2: Any, region: Bools, radius: int) -> Bools:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(region.view(np.uint8), disc) > 0)


def _grab(cv2: Any, pixels: Any, certain: Bools, likely: Bools, possible: Bools) -> Bools:
    """Split by colour; outside ``possible`` nothing belongs, between it and ``likely`` probably not."""
    labels = np.full(pixels.shape[:2], cv2.GC_BGD, np.uint8)
    labels[possible] = cv2.GC_PR_BGD
    labels[likely] = cv2.GC_PR_FGD
    labels[certain] = cv2.GC_FGD
    if bool((labels == cv2.GC_FGD).all()) or not bool(np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD)).any()):
        return likely
    cv2.setRNGSeed(0)  # GrabCut's clusters begin at random: the same picture must give the same mask
    cv2.grabCut(pixels, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _tidy(cv2: Any, region: Bools, seed: Bools, radius: int) -> Bools:
    """Smooth, keep what hangs together with ``seed``, and close its inner gaps."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    smooth = cv2.morphologyEx(region.view(np.uint8), cv2.MORPH_OPEN, disc)
    smooth = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, disc) | seed.view(np.uint8)
    _, parts = cv2.connectedComponents(smooth, connectivity=4)
    kept = np.isin(parts, np.unique(parts[seed])) & (smooth > 0)
    outside, regions = cv2.connectedComponents((~kept).view(np.uint8), connectivity=4)
    rim = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    gaps = [label for label in range(1, outside) if label not in rim]
    return np.asarray(kept | np.isin(regions, gaps))
