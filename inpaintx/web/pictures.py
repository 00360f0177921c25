"""What the page shows: small pictures of photos, masks and fills."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.inference.mask_finder import rgb_of
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import Photo, write_photo

__all__ = [
    "COLOR",
    "PREVIEW",
    "difference",
    "framed",
    "hole_up",
    "layer",
    "painted_on",
    "reduced",
    "scaled",
    "write_preview",
    "zoomed",
]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
PREVIEW = 1024  # the longer side of what is shown, in pixels
COLOR = (228, 40, 90)  # of the hole that is painted
ZOOM, PIXELS = 4, 160  # how large a pixel is shown, and the side of what is shown so


def reduced(size: tuple[int, int]) -> tuple[int, int]:
    """The size, (height, width), at which a photo is shown."""
    scale = min(1.0, PREVIEW / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def write_preview(path: Path, photo: Photo) -> None:
    """Write a photo at the size at which it is shown, over grey where it is transparent."""
    write_photo(path, _small(over_grey(photo)), overwrite=True)


def over_grey(photo: Photo) -> Array:
    """The colors of a photo ``[H,W,3]`` uint8; what is transparent over middle grey."""
    rgb = rgb_of(photo)
    if photo.alpha is None:
        return rgb
    opacity = (photo.alpha.astype(np.float32) / np.iinfo(photo.alpha.dtype).max)[..., None]
    return np.rint(rgb * opacity + 128 * (1 - opacity)).astype(np.uint8)


def _small(rgb: Array) -> Array:
    size = reduced(rgb.shape[:2])
    if size == rgb.shape[:2]:
        return rgb
    return np.asarray(import_cv2().resize(rgb, size[::-1], interpolation=import_cv2().INTER_AREA))


def scaled(hole: Bools, size: tuple[int, int]) -> Bools:
    """Reduce a hole: a pixel that any hole touches is hole."""
    if hole.shape == size:
        return hole
    cv2 = import_cv2()
    return np.asarray(cv2.resize(hole.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) > 1e-6)


def hole_up(shown: Bools, size: tuple[int, int]) -> Bools:
    """Bring a hole that was painted on the preview up to the photo's size: each pixel becomes what it covers."""
    if shown.shape == size:
        return shown
    cv2 = import_cv2()
    up = cv2.resize(shown.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(up.view(np.bool_))


def layer(hole: Bools) -> Array:
    """A hole ``[h,w]`` as the layer ``[h,w,4]`` that is painted on."""
    rgba = np.zeros((*hole.shape, 4), np.uint8)
    rgba[hole] = (*COLOR, 255)
    return rgba


def painted_on(rgba: Array) -> Bools:
    """What is painted on a layer ``[h,w,4]``: pixels that are covered by half or more."""
    return (
        np.asarray(rgba[..., 3] > 127) if rgba.ndim == 3 and rgba.shape[2] == 4 else np.zeros(rgba.shape[:2], np.bool_)
    )


def difference(before: Photo, after: Photo) -> Array:
    """How much each pixel was changed, small, ``[h,w,3]``: black where nothing was, brightest where it was most."""
    cv2 = import_cv2()
    changed = cv2.absdiff(rgb_of(before), rgb_of(after)).max(2)
    small = _small(np.dstack([changed] * 3))[..., 0]
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(small, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB))


def zoomed(before: Photo, after: Photo, middle: tuple[int, int]) -> Array:
    """The same pixels (around row, column) before and after, side by side, each :data:`ZOOM` times as large."""
    cv2 = import_cv2()
    parts = []
    for photo in (before, after):
        rgb = over_grey(photo)
        height, width = rgb.shape[:2]
        rows, columns = min(PIXELS, height), min(PIXELS, width)
        top, left = (
            int(np.clip(m - n // 2, 0, most - n))
            for m, n, most in zip(middle, (rows, columns), (height, width), strict=True)
        )
        part = rgb[top : top + rows, left : left + columns]
        parts.append(cv2.resize(np.ascontiguousarray(part), None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST))
    gap = np.full((parts[0].shape[0], 2 * ZOOM, 3), 255, np.uint8)
    return np.concatenate([parts[0], gap, parts[1]], 1)


def framed(preview: Array, faces: list[tuple[int, int, int]], scale: float) -> Array:
    """Draw the squares of faces, (left, top, side) in pixels of the photo, over its preview ``[h,w,3]``."""
    cv2 = import_cv2()
    picture = np.ascontiguousarray(preview)
    for left, top, side in faces:
        corners = [round(v * scale) for v in (left, top, left + side, top + side)]
        cv2.rectangle(picture, corners[:2], corners[2:], (255, 225, 25), 3, cv2.LINE_AA)
    return picture
