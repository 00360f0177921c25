"""Faces cut out of pictures upright and at one scale: by landmarks, by a detector's, or in the middle."""

import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from inpaintx.data.landmarks import Points, eye_mouth_points
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import check_file
from inpaintx.io.opencv import import_cv2

__all__ = ["AlignedCrop", "Found", "YuNet", "cut_by_points", "cut_middle"]

Array = npt.NDArray[Any]
MOST_OVERSAMPLING = 16


class AlignedCrop(NamedTuple):
    """A turned square of a picture: centre and side in its pixels, angle in radians (clockwise on the screen)."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self, size: int) -> Array:
        """From the picture's pixels to the square's of ``size``; pixel centres at whole numbers in both."""
        scale = size / self.side
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = np.array([size / 2, size / 2]) - turn @ np.array([self.x + 0.5, self.y + 0.5])
        return np.column_stack([turn, turn @ np.array([0.5, 0.5]) + shift - 0.5])

    def image(self, picture: Array, size: int) -> Array:
        """Cut ``[size,size,...]`` uint8 out of a picture, antialiased; what lies outside of it is mirrored in."""
        cv2 = import_cv2()
        fine = int(np.clip(np.ceil(self.side / size), 1, MOST_OVERSAMPLING))
        matrix = self.matrix(size * fine)
        cut = cv2.warpAffine(
            picture, matrix, (size * fine, size * fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(cut if fine == 1 else cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA))

    def region(self, inside: npt.NDArray[np.bool_], picture: tuple[int, int], size: int) -> npt.NDArray[np.bool_]:
        """Cut a region ``[H,W]`` of a picture (of that width and height; its own size may differ); outside: none."""
        cv2 = import_cv2()
        scale = inside.shape[1] / picture[0]
        moved = AlignedCrop((self.x + 0.5) * scale - 0.5, (self.y + 0.5) * scale - 0.5, self.side * scale, self.angle)
        return np.asarray(
            cv2.warpAffine(inside.view(np.uint8), moved.matrix(size), (size, size), flags=cv2.INTER_NEAREST) > 0
        )

    def place(self, points: Points, size: int) -> Points:
        """Take points ``[N,2]`` from the picture to the square of ``size``."""
        matrix = self.matrix(size)
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)

    def within(self, square: "AlignedCrop", size: int) -> "AlignedCrop":
        """Bring this one, which lies in a square shown at ``size``, to the pixels of that square's picture."""
        scale = square.side / size
        x, y = ((v + 0.5 - size / 2) * scale for v in (self.x, self.y))
        cos, sin = np.cos(square.angle), np.sin(square.angle)
        at = square.x + x * cos - y * sin, square.y + x * sin + y * cos
        return AlignedCrop(float(at[0]), float(at[1]), self.side * scale, self.angle + square.angle)

    def outside(self, width: int, height: int) -> float:
        """The share of the square that lies outside the picture (and is filled by mirroring)."""
        grid = (np.arange(64) + 0.5) / 64 - 0.5
        across, down = np.meshgrid(grid * self.side, grid * self.side)
        x = self.x + across * np.cos(self.angle) - down * np.sin(self.angle)
        y = self.y + across * np.sin(self.angle) + down * np.cos(self.angle)
        return float(np.mean((x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)))


def cut_middle(width: int, height: int, crop: int | None = None) -> AlignedCrop:
    """The middle square of a picture, of side ``crop`` or the shorter side."""
    side = min(width, height, crop or width)
    left, top = (width - side) // 2, (height - side) // 2
    return AlignedCrop(left + side / 2 - 0.5, top + side / 2 - 0.5, side, 0.0)


def cut_by_points(points: Points) -> AlignedCrop | None:
    """Place a face as ``FFHQ`` does, a little closer; None where the landmarks do not tell.

    The eyes lie level; the side is 0.85 x 2 x max(2.0 x distance of the eyes, 1.8 x eyes to mouth), the centre a fifth
    of the way from the eyes to the mouth (FFHQ: factor 1 and a tenth; Karras et al., CVPR 2019, appendix C).
    """
    where = eye_mouth_points(points)
    if where is None:
        return None
    across = where.right_eye - where.left_eye
    middle = (where.left_eye + where.right_eye) / 2
    down = where.mouth - middle
    side = 0.85 * 2 * max(2.0 * float(np.hypot(*across)), 1.8 * float(np.hypot(*down)))
    if side < 8:
        return None
    x, y = middle + 0.2 * down
    return AlignedCrop(float(x), float(y), side, float(np.arctan2(across[1], across[0])))


class Found(NamedTuple):
    """A face: five points ``[5,2]`` (eyes, nose, corners of the mouth; image left first) and how sure it is, 0 to 1."""

    points: Points
    score: float


class YuNet:
    """OpenCV's YuNet detector (Wu et al., 2023), with its model file; gives five points of each face.

    Raises
    ------
    InpaintxError
        No such file, or OpenCV does not take it.
    """

    def __init__(self, model: Path) -> None:
        cv2 = import_cv2()
        if not model.is_file():
            raise InpaintxError(
                f"YuNet's model {model} does not exist: a file face_detection_yunet_*.onnx of OpenCV's zoo, which "
                "'inpaintx fetch yunet' fetches"
            )
        check_file(model, "YuNet's model")
        if not hasattr(cv2, "FaceDetectorYN"):
            raise InpaintxError(f"OpenCV {cv2.__version__} has no YuNet detector; leave --yunet out")
        try:
            self.net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), 0.6)
        except cv2.error as error:
            raise InpaintxError(f"OpenCV does not take {model} as YuNet's model: {error.err!r}") from None
        self.lock = threading.Lock()  # one net, several reading threads

    def all(self, picture: Array) -> list[Found]:
        """Find all faces in ``[H,W,3]`` uint8 RGB, the surest first; points: eyes, nose, mouth corners (left first)."""
        cv2 = import_cv2()
        height, width = picture.shape[:2]
        scale = min(1.0, 640 / max(height, width))
        small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        with self.lock:
            self.net.setInputSize((small.shape[1], small.shape[0]))
            _, found = self.net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if found is None or len(found) == 0:
            return []
        sure = found[np.argsort(-found[:, 14], kind="stable")]
        return [
            Found(np.asarray((face[4:14].reshape(5, 2) + 0.5) / scale - 0.5, np.float32), float(face[14]))
            for face in sure
        ]
