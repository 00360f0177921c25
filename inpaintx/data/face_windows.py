"""Windows around damaged faces that lie beside their middle: what a face aligner is trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inpaintx.data.align import AlignedCrop
from inpaintx.io.opencv import import_cv2

__all__ = ["AROUND", "POINTS", "SIDE", "FaceWindow", "FaceWindows", "reduced"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

SIDE = 96  #: side in pixels of what the network sees
AROUND = 1.4  #: side of the window, in sides of the square in its middle
#: where the eyes and the mouth are in a square as training has it, from its middle, in its sides
POINTS: Array = np.array([[-0.147, -0.07], [0.147, -0.07], [0, 0.24]], np.float32)
FINE = 2 * SIDE  # side at which windows are put together
NOTHING, FAR = 0.17, 0.3  # shares of windows without a face, and, with those, without one that is to be found


class FaceWindow(NamedTuple):
    """A sample: what the network sees ``[4,96,96]``, where eyes and mouth are ``[3,2]``, and whether they count.

    Points are in sides of the square in the window's middle, from there. A window does not count that has no face, or
    one that is too far off to be found from it.
    """

    shown: Array
    points: Array
    face: bool


@dataclass(frozen=True)
class FaceWindows:
    """Draws windows: a face as a finder would have it, more or less beside its square, or none.

    Aligned pictures end where their square does. What lies beyond is mirrored, hidden, or another picture, from a line
    on that is drawn anew each time, so that it does not tell where the square is. Faces differ in tone, sharpness,
    grain and JPEG's traces.

    Parameters
    ----------
    read
        Gives ``[S,S,3]`` uint8 of an index below ``count``: a face, aligned as training data is.
    count
        Number of faces.
    holes
        Gives ``[T,T]`` bool of a key, True = hole; it is laid over the face.
    photos
        ``[H,W,3]`` uint8 without faces, for surroundings. Corners of faces' pictures and plain colours are taken beside
        them.
    """

    read: Callable[[int], Array]
    count: int
    holes: Callable[[tuple[int, ...]], Bools]
    photos: Sequence[Array] = ()

    def __call__(self, key: tuple[int, ...]) -> FaceWindow:
        """Draw a window; a pure function of the key (integers >= 0)."""
        rng = np.random.default_rng([len(key), *key])
        kind = rng.random()
        face = self._face(rng)
        side = len(face)
        square = _square(rng, side, far=kind < FAR)
        if kind < NOTHING:
            image, hidden = self._scene(rng), np.zeros((FINE, FINE), bool)
        else:
            image, hidden = self._set_in(rng, face, square)
        if rng.random() < 0.9:
            for _ in range(1 + (rng.random() < 0.3)):
                hidden |= self._hole(rng, square, side)
        if rng.random() < 0.15:  # the photo ends
            np.rot90(hidden, int(rng.integers(4)))[: int(FINE * rng.uniform(0.02, 0.3))] = True
        points = square.place(POINTS * side + np.float32((side - 1) / 2), 1)
        known = ~hidden
        shown = reduced(_worn(rng, image) * known[..., None], known)
        return FaceWindow(shown, points, bool(kind >= FAR))

    def _face(self, rng: np.random.Generator) -> Array:
        """A face, mirrored or not, in other light."""
        face = self.read(int(rng.integers(self.count)))
        light = face[:, ::-1].astype(np.float32) / 255 if rng.random() < 0.5 else face.astype(np.float32) / 255
        if rng.random() < 0.25:
            light = light.mean(2, keepdims=True) * rng.uniform(0.8, 1, 3).astype(np.float32)  # old photos' paper
        light = light ** np.float32(np.exp(rng.normal(0, 0.25))) * np.float32(rng.uniform(0.7, 1.15))
        light = (light + np.float32(rng.uniform(-0.08, 0.08))) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
        return np.asarray(light.clip(0, 1) * 255).astype(np.uint8)

    def _set_in(self, rng: np.random.Generator, face: Array, square: AlignedCrop) -> tuple[Array, Bools]:
        """The window ``[192,192,3]`` around a square of a face's picture, and which pixels the picture lacks."""
        cv2 = import_cv2()
        matrix = square._replace(side=square.side * AROUND).matrix(FINE)
        image = cv2.warpAffine(face, matrix, (FINE, FINE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        none = np.zeros((FINE, FINE), bool)
        how = rng.random()
        if how > 0.75:
            return image, none
        soft = int(rng.integers(0, 5)) * 4 + 1
        region = cv2.blur(_region(rng, len(face)), (soft, soft))
        share = cv2.warpAffine(region, matrix, (FINE, FINE), flags=cv2.INTER_LINEAR)
        if how > 0.5:
            return image, share < 0.5
        return (image * share[..., None] + self._scene(rng) * (1 - share[..., None])).astype(np.uint8), none

    def _scene(self, rng: np.random.Generator) -> Array:
        """``[192,192,3]`` uint8 without a face that could be found."""
        cv2 = import_cv2()
        kind = rng.random()
        if kind < 0.2 or (kind >= 0.45 and not self.photos):
            first, last = rng.integers(0, 256, (2, 3))
            ramp = np.linspace(0, rng.random(), FINE)[:, None, None]
            plain = first + (last - first) * ramp + rng.normal(0, rng.uniform(0, 12), (FINE, FINE, 3))
            return np.rot90(plain.clip(0, 255).astype(np.uint8), int(rng.integers(4)))
        if kind < 0.45:  # hair, clothes, walls
            picture = np.rot90(self.read(int(rng.integers(self.count))), int(rng.integers(4)))
            height, width = (int(len(picture) * rng.uniform(0.19, 0.37)) for _ in range(2))
            part = picture[:height, :width]
        else:
            picture = self.photos[int(rng.integers(len(self.photos)))]
            side = max(1, int(min(picture.shape[:2]) * rng.uniform(0.15, 1)))
            top, left = (int(rng.integers(extent - side + 1)) for extent in picture.shape[:2])
            part = np.rot90(picture[top : top + side, left : left + side], int(rng.integers(4)))
            part = part[..., rng.permutation(3)] if rng.random() < 0.5 else part
        way = cv2.INTER_AREA if len(part) > FINE else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(np.ascontiguousarray(part), (FINE, FINE), interpolation=way))

    def _hole(self, rng: np.random.Generator, square: AlignedCrop, side: int) -> Bools:
        """A hole over a face's picture of that side, somewhat moved, larger and turned; as the window shows it."""
        cv2 = import_cv2()
        hole = np.rot90(self.holes((int(rng.integers(2**31)),)), int(rng.integers(4)))
        moved = rng.normal(0, 0.12, 2) if rng.random() < 0.7 else rng.uniform(-0.3, 0.3, 2)
        # the square in the hole's own pixels: the hole covers the picture where it is not moved
        scale = len(hole) / side / rng.uniform(0.85, 1.6)
        x, y = (np.array([square.x, square.y]) - (side - 1) / 2) * scale + (len(hole) - 1) / 2 - moved * len(hole)
        turn = float(square.angle + rng.normal(0, 0.2))
        matrix = AlignedCrop(float(x), float(y), square.side * scale * AROUND, turn).matrix(FINE)
        return np.asarray(cv2.warpAffine(hole.astype(np.uint8), matrix, (FINE, FINE), flags=cv2.INTER_NEAREST) > 0)


def _square(rng: np.random.Generator, side: int, *, far: bool) -> AlignedCrop:
    """A square beside the one of a picture of that side: nearly right, as far as a finder errs, or too far."""
    if far:
        right, down, size, turn = 0.0, 0.0, 0.0, rng.uniform(-0.8, 0.8)
        while np.hypot(right, down) < 0.5 * max(1, np.exp(size)) and abs(size) < 0.75:
            right, down = rng.uniform(-1.1, 1.1, 2)
            size = rng.uniform(-1.2, 1.2)
    elif rng.random() < 0.35:
        right, down, size, turn = rng.normal(0, [0.035, 0.035, 0.06, 0.08])
    else:
        way, distance = rng.uniform(0, 2 * np.pi), 0.33 * np.sqrt(rng.random())
        right, down = distance * np.cos(way), distance * np.sin(way)
        size, turn = rng.uniform(-0.45, 0.45), rng.uniform(-0.8, 0.8)
    middle = (side - 1) / 2
    return AlignedCrop(
        float(middle + right * side), float(middle + down * side), float(side * np.exp(size)), float(turn)
    )


def _region(rng: np.random.Generator, side: int) -> Array:
    """The part of a picture that is shown, ``[side,side]`` float32: a turned superellipse that touches no edge."""
    grid = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    turn = rng.uniform(-0.6, 0.6) if rng.random() < 0.4 else 0.0
    x = grid[None] * np.cos(turn) - grid[:, None] * np.sin(turn)
    y = grid[None] * np.sin(turn) + grid[:, None] * np.cos(turn)
    left, right, top, bottom = 0.5 - rng.uniform(0, 0.12, 4) * (rng.random() < 0.8)
    power = rng.choice([2, 3, 4, 8, 40])
    inside = np.abs(x / np.where(x < 0, left, right)) ** power + np.abs(y / np.where(y < 0, top, bottom)) ** power < 1
    inside[[0, -1]] = inside[:, [0, -1]] = False
    return inside.astype(np.float32)


def _worn(rng: np.random.Generator, image: Array) -> Array:
    """A window that is blurred, coarse, noisy or through JPEG, or none of it."""
    cv2 = import_cv2()
    worn = rng.random()
    if worn < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 3))
    elif worn < 0.45:
        small = cv2.resize(image, (int(rng.integers(16, 64)),) * 2, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, (FINE, FINE), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    if rng.random() < 0.4:
        grain = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 14))
        image = (image + grain).clip(0, 255).astype(np.uint8)
    return np.asarray(image)


def reduced(colors: Array, known: Array) -> Array:
    """Make what the network sees of a window.

    Parameters
    ----------
    colors
        ``[S,S,3]`` RGB of 0 to 255, S a multiple of 96; times ``known``.
    known
        ``[S,S]`` float32: share of the pixel that is known.

    Returns
    -------
    ndarray
        ``[4,96,96]`` float32, see :class:`inpaintx.nn.aligner.FaceAligner`: each colour is the mean of what is known
        under the pixel, which is hidden where that is less than half.
    """
    cv2 = import_cv2()
    share, mean = (
        cv2.resize(layer.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for layer in (known, colors)
    )
    mean /= np.maximum(share, 1e-6)[..., None]
    seen = share >= 0.5
    planes = np.dstack([np.where(seen[..., None], mean / 127.5 - 1, 0), np.where(seen, 1, -1)])
    return planes.astype(np.float32).transpose(2, 0, 1)
