"""Where the faces of a damaged photo are, as squares placed as those of training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inpaintx.data.align import AlignedCrop, Found, YuNet, cut_by_points
from inpaintx.data.mtcnn import MTCNN, installed
from inpaintx.errors import InpaintxError
from inpaintx.inference import visibility
from inpaintx.inference.crop_layout import Box, Crop, in_rounds
from inpaintx.inference.face_squares import FaceSquares, Laid, Sight
from inpaintx.io.opencv import import_cv2

__all__ = ["Face", "FaceFinder", "find_by", "rounds_of", "squares"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Lay = Callable[[list[AlignedCrop]], list[Laid]]

ROUGH = 640  # side in pixels at which holes are filled roughly
SMALLEST = 40  # side in pixels of the smallest face
TURNS = (-45.0, 45.0)  # degrees by which the photo is turned where no face is sure and upright
SURE, UPRIGHT = 0.95, 0.5  # score, and turn in radians
LEAST = 0.45  # score of a face that counts
UNSEEN = 0.5  # what the score of a face is multiplied by that is not found again in its own square
AGAIN = 256  # side of the square in which a face is looked for again
NEAR = 0.25  # in sides of the square: a face that is found again farther away is another one
STILL = 0.02  # in sides: a square that moved less stays
ROUNDS = 2  # most times that a face is looked for again
LOOSE = (0.3, 0.1, 0.5)  # least scores where part of a face is enough; O-net's is not asked
GUESSES = 64  # most of them, the surest: in a photo full of scratches many patterns look like part of a face
GUESS, VAGUE = 0.996, 0.035  # least score and most error of a face that is laid into such a square
OFF = 0.1  # most error of a square that replaces the detector's
HIDDEN = 0.15  # least share of the hole in that face's square: else the detector would have found it


class Detector(Protocol):
    """Finds faces in ``[H,W,3]`` uint8 RGB, the surest first."""

    def __call__(self, picture: Array, smallest: float, proposals: Array | None = None) -> list[Found]:
        """Find those of at least ``smallest`` pixels, among MTCNN's proposals where they are given."""


@dataclass(frozen=True)
class Face:
    """A turned square with eyes and mouth where training had them, and how sure the finder is (1: by hand)."""

    cut: AlignedCrop
    score: float = 1.0

    def box(self, height: int, width: int) -> Box:
        """The part of the photo that the square touches, as far as it lies in the photo."""
        reach = self.cut.side / 2 * (abs(np.cos(self.cut.angle)) + abs(np.sin(self.cut.angle)))
        x, y = self.cut.x + 0.5, self.cut.y + 0.5
        top, left = max(0, int(np.floor(y - reach))), max(0, int(np.floor(x - reach)))
        return Box(top, left, min(height, int(np.ceil(y + reach))), min(width, int(np.ceil(x + reach))))

    def distance(self, box: Box) -> Array:
        """How far ``[h,w]`` each pixel of a box lies from the square's middle; 0.5 at its sides."""
        x = (np.arange(box.left, box.right, dtype=np.float32) - self.cut.x)[None] / self.cut.side
        y = (np.arange(box.top, box.bottom, dtype=np.float32) - self.cut.y)[:, None] / self.cut.side
        cos, sin = np.float32(np.cos(self.cut.angle)), np.float32(np.sin(self.cut.angle))
        return np.maximum(np.abs(x * cos + y * sin), np.abs(y * cos - x * sin))

    def hole(self, hole: Bools) -> Bools:
        """The square's own view of the hole ``[H,W]``, upright, of the side at which faces are looked for again."""
        return np.asarray(self.cut.image(hole.view(np.uint8) * 255, AGAIN) > 127)

    def damaged(self, hole: Bools) -> bool:
        """Whether the hole ``[H,W]`` reaches into the square."""
        box = self.box(*hole.shape)
        return box.height > 0 and box.width > 0 and bool((hole[box.at] & (self.distance(box) <= 0.5)).any())


def squares(faces: Sequence[tuple[int, int, int]], height: int, width: int) -> list[Face]:
    """Make faces of (left, top, side) in pixels.

    Raises
    ------
    InpaintxError
        Not three whole numbers, or a square that does not lie in the photo.
    """
    for face in faces:
        if len(face) != 3 or not all(isinstance(v, int) for v in face):
            raise InpaintxError(f"a face is (left, top, side) in whole pixels, got {face!r}")
        left, top, side = face
        if side < 1 or min(left, top) < 0 or left + side > width or top + side > height:
            raise InpaintxError(
                f"face {left},{top},{side} (left, top, side) does not lie in the photo of {width} x {height} pixels"
            )
    return [Face(AlignedCrop(left + side / 2 - 0.5, top + side / 2 - 0.5, side, 0.0)) for left, top, side in faces]


def find_by(faces: str | Path) -> "tuple[FaceFinder | None, str]":
    """Make the finder that a user names: ``"auto"`` (MTCNN, where installed), ``"none"``, or YuNet's model file.

    Returns
    -------
    FaceFinder or None, str
        And why there is none, in words; empty where none was wanted.

    Raises
    ------
    InpaintxError
        No such file, or OpenCV does not take it.
    """
    if faces == "none":
        return None, ""
    if faces != "auto":
        net = YuNet(Path(faces))
        return FaceFinder(lambda picture, smallest, proposals=None: net.all(picture), files=[Path(faces)]), ""
    models = installed()
    if models is None:
        return None, "faces were not looked for: the extra [faces] is not installed (pip install 'inpaintx[faces]')"
    return FaceFinder(MTCNN(), MTCNN(thresholds=LOOSE), list(models.values())), ""


class FaceFinder:
    """Finds faces although they are damaged.

    Parameters
    ----------
    detector
        What finds faces in undamaged pictures; holes are filled roughly for it.
    loose
        MTCNN with lower thresholds than the detector (then MTCNN too): it takes part of a face for one. Its squares are
        guesses, which count where a face is laid into them.
    files
        The detector's model files.
    """

    def __init__(self, detector: Detector, loose: MTCNN | None = None, files: Sequence[Path] = ()) -> None:
        self.detector, self.loose, self.files = detector, loose, files

    def __call__(self, pixels: Array, hole: Bools, lay: FaceSquares | None = None) -> list[Face]:
        """Find the faces that have a hole.

        Parameters
        ----------
        pixels
            ``[H,W]`` or ``[H,W,C]``: uint8, uint16 or floating in [0,1], with or without alpha.
        hole
            ``[H,W]``, True = hole.
        lay
            What lays squares over the faces beside them; without it they stay where the detector has them.

        Returns
        -------
        list of Face
            The surest first. Squares may reach beyond the photo.
        """
        if not hole.any() or hole.all():
            return []
        picture = _roughly_filled(pixels, hole)
        laid = partial(lay, Sight(pixels, hole)) if lay else None
        proposals = self.loose.propose(picture, SMALLEST) if self.loose and laid else None
        faces = self._placed(self._look(picture, proposals), picture, hole, laid)
        if self.loose and laid:
            guesses = _guessed(self.loose.squares(picture, SMALLEST, proposals), hole, laid)
            faces += [guess for guess in guesses if not any(_part_of(guess, face) for face in faces)]
        if not any(face.score > SURE and abs(face.cut.angle) < UPRIGHT for face in faces):
            turned = [face for turn in TURNS for face in self._look_turned(picture, turn)]
            faces += self._placed(turned, picture, hole, laid)
        return [face for face in _different(faces) if face.damaged(hole)]

    def _look(self, picture: Array, proposals: Array | None = None) -> list[Face]:
        cuts = [(cut_by_points(found.points), found.score) for found in self.detector(picture, SMALLEST, proposals)]
        return [Face(cut, score) for cut, score in cuts if cut is not None]

    def _look_turned(self, picture: Array, degrees: float) -> list[Face]:
        """Look in the photo turned about its middle, at a reduced size."""
        height, width = picture.shape[:2]
        angle = np.radians(degrees)
        side = float(np.hypot(height, width))
        whole = AlignedCrop((width - 1) / 2, (height - 1) / 2, side, float(angle))
        size = min(ROUGH * 2, int(np.ceil(side)))
        seen = self._look(whole.image(picture, size))
        return [replace(face, cut=face.cut.within(whole, size)) for face in seen]

    def _placed(self, faces: list[Face], picture: Array, hole: Bools, laid: Lay | None) -> list[Face]:
        """Move the squares of faces that the detector found to their places."""
        faces = [face for face in faces if _wider(face).damaged(hole)]
        new = laid([face.cut for face in faces]) if laid else [None] * len(faces)
        return [
            replace(face, cut=square.cut)
            if square and square.score > LEAST and square.error < OFF and _near(square.cut, face.cut)
            else self._settled(face, picture, hole)  # no face that the network knows, such as a drawn one
            for face, square in zip(faces, new, strict=True)
        ]

    def _settled(self, face: Face, picture: Array, hole: Bools) -> Face:
        """Look again in the face's own square, upright."""
        for _ in range(ROUNDS):
            if not face.damaged(hole):
                return face
            seen = self.detector(face.cut.image(picture, AGAIN), AGAIN * 0.35)
            cuts = [cut_by_points(found.points) for found in seen]
            inside = [cut.within(face.cut, AGAIN) for cut in cuts if cut is not None]
            near = [cut for cut in inside if _near(cut, face.cut)]
            if not near:
                return replace(face, score=face.score * UNSEEN)
            moved = near[0]
            still = max(np.hypot(moved.x - face.cut.x, moved.y - face.cut.y), abs(moved.side - face.cut.side))
            turned = abs(moved.angle - face.cut.angle)
            face = Face(moved, face.score)
            if still < STILL * moved.side and turned < STILL:
                return face
        return face


def _guessed(guesses: list[tuple[AlignedCrop, float]], hole: Bools, laid: Lay) -> list[Face]:
    """Find the faces in squares of which much is hidden."""
    squares = laid([cut for cut, _ in guesses if Face(cut).damaged(hole)][:GUESSES])
    faces = [Face(square.cut, square.score) for square in squares if square.score > GUESS and square.error < VAGUE]
    return [face for face in faces if face.hole(hole).mean() > HIDDEN]


def _wider(face: Face) -> Face:
    """A face with room for where its square may be moved."""
    return replace(face, cut=face.cut._replace(side=1.5 * face.cut.side))


def _near(cut: AlignedCrop, other: AlignedCrop) -> bool:
    """Whether a square that was found beside another one can be the same face's."""
    far = np.hypot(cut.x - other.x, cut.y - other.y)
    return bool(far < NEAR * other.side and 0.6 < cut.side / other.side < 1.6)


def _same(face: Face, other: Face) -> bool:
    """Whether the middle of one square lies well inside the other: they are the same face, or one is none."""
    return bool(np.hypot(face.cut.x - other.cut.x, face.cut.y - other.cut.y) < 0.3 * max(face.cut.side, other.cut.side))


def _part_of(guess: Face, face: Face) -> bool:
    """Whether a small square lies in a face's own or at its rim: a badge of the cap, an eye."""
    apart = np.hypot(guess.cut.x - face.cut.x, guess.cut.y - face.cut.y)
    return bool(guess.cut.side < 0.5 * face.cut.side and apart < 0.65 * face.cut.side)


def _different(faces: list[Face]) -> list[Face]:
    """Those that count, one of each, the surest."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if face.score > LEAST and not any(_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _roughly_filled(pixels: Array, hole: Bools) -> Array:
    """The photo as ``[H,W,3]`` uint8 whose holes are filled by Telea's method at a reduced size."""
    cv2 = import_cv2()
    height, width = hole.shape
    scale = min(1.0, ROUGH / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = visibility.known_bytes(pixels, hole)
    gaps = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = cv2.inpaint(small, gaps.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    if small.shape == picture.shape:
        return np.asarray(small)
    rough = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    picture[hole] = rough[hole]
    return picture


def rounds_of(faces: Sequence[Face], hole: Bools, size: int) -> tuple[list[list[Crop]], Bools]:
    """Make the crops of faces for a method of a fixed size.

    Parameters
    ----------
    faces
        Where two overlap, a pixel belongs to the one whose middle is nearer in sides of its square.
    hole
        ``[H,W]``, True = hole that the method is to fill.
    size
        Side of the square that the method wants.

    Returns
    -------
    list of list of Crop, ndarray
        Rounds, as of :func:`inpaintx.inference.crop_layout.plan`, and ``[H,W]`` bool: the holes that no face has.
    """
    height, width = hole.shape
    nearest = np.full(hole.shape, np.inf, np.float32)
    owner = np.full(hole.shape, -1, np.int16)
    boxes = [face.box(height, width) for face in faces]
    for number, (face, box) in enumerate(zip(faces, boxes, strict=True)):
        distance = face.distance(box)
        better = (distance <= 0.5) & (distance < nearest[box.at]) & hole[box.at]
        nearest[box.at][better] = distance[better]
        owner[box.at][better] = number
    crops = []
    for number, (face, box) in enumerate(zip(faces, boxes, strict=True)):
        mine = owner[box.at] == number
        if mine.any():
            upright = face.cut.angle == 0 and box.height == box.width == face.cut.side
            crops.append(Crop(box, box, (size, size), cut=None if upright else face.cut, only=mine))
    return in_rounds(crops, height, width), hole & (owner < 0)
