"""Where a face lies in its filled square, by its landmarks."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inpaintx.data.align import AlignedCrop
from inpaintx.io.opencv import import_cv2
from inpaintx.nn.fan import FAN, landmarks_of, load_fan, load_shape
from inpaintx.plugin.weight_lookup import find_file

__all__ = ["FaceShape", "find_shape"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
FILE = "fan128.safetensors"
AROUND = 7 / 128  # side of the window, in sides of the square, that tells whether a landmark can be seen
FITS = 0.03  # most distance between landmarks and the shape, root of the mean square, in sides
LEAST = 0.1  # weight of a landmark in the hole, whose place is the fill's; one that can be seen has 1 more


class FaceShape:
    """Lays the mean shape of training faces over the landmarks that a FAN finds.

    Parameters
    ----------
    fan, shape
        The network, and where its landmarks are in training's squares in the mean, ``[N,2]`` in its pixels.
    device
        Where it runs.
    """

    def __init__(self, fan: FAN, shape: Array, device: torch.device) -> None:
        self.fan, self.shape, self.device = fan.to(device), shape, device

    def __call__(self, square: Array, hole: Bools) -> AlignedCrop | None:
        """Find training's square of the face.

        Parameters
        ----------
        square
            ``[S,S,3]`` uint8, filled, with the face about where training has it.
        hole
            ``[S,S]``, True = what was filled.

        Returns
        -------
        AlignedCrop or None
            In pixels of the square: the similarity that brings the mean shape nearest to the landmarks, with those that
            can be seen counted most. None where they do not fit: no face that the network knows, such as a drawn one.
        """
        cv2 = import_cv2()
        size = self.fan.size
        small = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(small).permute(2, 0, 1)[None].to(self.device).float() / 255
        with torch.inference_mode():
            points = landmarks_of(self.fan(image)[-1], size)[0].cpu().numpy()
        known = cv2.resize((~hole).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        window = max(1, round(AROUND * size))
        x, y = points.round().astype(int).clip(0, size - 1).T
        weight = LEAST + cv2.blur(known, (window, window))[y, x]
        cut, apart = _laid(self.shape, points, weight, size)
        if apart > FITS * size:
            return None
        whole = AlignedCrop((len(square) - 1) / 2, (len(square) - 1) / 2, len(square), 0.0)
        return cut.within(whole, size)


def _laid(shape: Array, points: Array, weight: Array, size: int) -> tuple[AlignedCrop, float]:
    """The square of side ``size`` around ``shape``, moved as brings that nearest to ``points``; the distance left."""
    before, after = (p[:, 0] + 1j * p[:, 1] for p in (shape, points))
    weight = weight / weight.sum()
    middle, there = weight @ before, weight @ after
    turn = np.vdot(before - middle, weight * (after - there)) / np.vdot(before - middle, weight * (before - middle))
    at = there + turn * ((size - 1) / 2 * (1 + 1j) - middle)
    apart = np.sqrt(weight @ np.abs(there + turn * (before - middle) - after) ** 2)
    return AlignedCrop(float(at.real), float(at.imag), size * float(abs(turn)), float(np.angle(turn))), float(apart)


def find_shape(device: torch.device) -> FaceShape | None:
    """Make one with the FAN of the package of weights; None where that is not installed."""
    path = find_file(FILE)
    shape = load_shape(str(path)) if path else None
    if shape is None:
        return None
    fan, _ = load_fan(path=str(path))
    assert fan is not None
    return FaceShape(fan, shape.numpy(), device)
