"""Squares laid over damaged faces by a network that sees known pixels alone."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from inpaintx.data.align import AlignedCrop
from inpaintx.data.face_windows import AROUND, SIDE, reduced
from inpaintx.inference import visibility
from inpaintx.io.opencv import import_cv2
from inpaintx.nn.aligner import FaceAligner, load_aligner
from inpaintx.plugin.weight_lookup import find_file

__all__ = ["FILE", "FaceSquares", "Laid", "Sight", "find_aligner", "find_squares"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
FILE = "aligner96.safetensors"
ROUNDS = 3  # times that a square is moved
BATCH = 16  # windows of one call
MOST = 2.0  # times that a square grows or shrinks at once, whatever a window without a face gives
FINE = 2  # a window is cut with so many pixels to one of the network's, in either direction


class Laid(NamedTuple):
    """A square over a face, how far off its eyes and mouth may be (in sides), and how likely it is one."""

    cut: AlignedCrop
    error: float
    score: float


class Sight:
    """What is known of a photo, at full size, half, a quarter and so on, each made when it is first asked for.

    Parameters
    ----------
    pixels
        ``[H,W]`` or ``[H,W,C]``: uint8, uint16 or floating in [0,1], with or without alpha.
    hole
        ``[H,W]``, True = hidden.
    """

    def __init__(self, pixels: Array, hole: Bools) -> None:
        self.pixels, self.hole = pixels, hole
        self.levels: list[tuple[Array, ...]] = []

    def window(self, cut: AlignedCrop) -> Array:
        """Cut out what the network sees of the window around a square, ``[4,96,96]``; outside the photo is hidden."""
        cv2 = import_cv2()
        if not self.levels:
            known = (~self.hole).view(np.uint8) * np.uint8(255)
            self.levels.append((visibility.known_bytes(self.pixels, self.hole), known))
        size = FINE * SIDE
        side = cut.side * AROUND
        level = max(0, int(np.floor(np.log2(max(side, 1) / size))))
        while len(self.levels) <= level and min(self.levels[-1][1].shape) > 1:
            height, width = self.levels[-1][1].shape
            half = (width + 1) // 2, (height + 1) // 2
            self.levels.append(tuple(cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in self.levels[-1]))
        level = min(level, len(self.levels) - 1)
        colors, known = self.levels[level]
        scale = np.array(known.shape[::-1]) / self.levels[0][1].shape[::-1]  # halves of odd sides are a little more
        x, y = (np.array([cut.x, cut.y]) + 0.5) * scale - 0.5
        matrix = AlignedCrop(float(x), float(y), side * float(scale.mean()), cut.angle).matrix(size)
        shown, share = (cv2.warpAffine(part, matrix, (size, size), flags=cv2.INTER_LINEAR) for part in (colors, known))
        return reduced(shown, share.astype(np.float32) / 255)


class FaceSquares:
    """Moves squares to the faces beside them.

    Parameters
    ----------
    net
        Says where in its window a face is.
    device
        Where it runs.
    """

    def __init__(self, net: FaceAligner, device: torch.device) -> None:
        self.net, self.device = net.to(device), device
        self.mirrored = torch.tensor([1, -1, -1, 1, 1, 1], device=device)  # turn and shift to the right change sign

    def __call__(self, sight: Sight, cuts: Sequence[AlignedCrop]) -> list[Laid]:
        """Lay squares anew, each from its own place; the mean of what is said of a window and of its mirror image.

        Parameters
        ----------
        sight
            Of the photo.
        cuts
            Squares in its pixels.

        Returns
        -------
        list of Laid
            One for each of ``cuts``.
        """
        return [laid for first in range(0, len(cuts), BATCH) for laid in self._lay(sight, cuts[first : first + BATCH])]

    def _lay(self, sight: Sight, cuts: Sequence[AlignedCrop]) -> list[Laid]:
        moved = list(cuts)
        for _ in range(ROUNDS):
            windows = torch.from_numpy(np.stack([sight.window(cut) for cut in moved])).to(self.device)
            with torch.inference_mode():
                placed = (self.net(windows) + self.net(windows.flip(3)) * self.mirrored) / 2
            values = placed.cpu().double().numpy()
            moved = [_moved(cut, *place[:4]) for cut, place in zip(moved, values, strict=True)]
        scores = 1 / (1 + np.exp(-values[:, 5]))
        return [Laid(c, float(np.exp(e)), float(s)) for c, e, s in zip(moved, values[:, 4], scores, strict=True)]


def _moved(cut: AlignedCrop, a: float, b: float, x: float, y: float) -> AlignedCrop:
    """The square that a similarity of the network's makes of one."""
    turn = complex(1 + a, b)
    shift = complex(x, y) * cut.side * np.exp(1j * cut.angle)
    side = cut.side * float(np.clip(abs(turn), 1 / MOST, MOST))
    return AlignedCrop(float(cut.x + shift.real), float(cut.y + shift.imag), side, float(cut.angle + np.angle(turn)))


def find_aligner() -> Path | None:
    """Where the network's file is: in ``$INPAINTX_WEIGHTS``, else in the package of weights, else in torch's cache."""
    own = os.environ.get("INPAINTX_WEIGHTS")
    return find_file(FILE, *([Path(own)] if own else []))


def find_squares(device: torch.device) -> FaceSquares | None:
    """Make one with the network that is found; None where there is none."""
    path = find_aligner()
    return None if path is None else FaceSquares(load_aligner(path), device)
