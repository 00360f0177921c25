"""Crops moved, scaled and turned at random, with all that belongs to them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.io.opencv import import_cv2

__all__ = ["Jitter"]

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Jitter:
    """By how much a crop is moved, scaled and turned at most.

    Each is the cube of an even draw from -1 to 1, times the most: as with faces that a detector cuts, most are nearly
    right (half of them within an eighth of the most), and a few are not. With even draws (``power=1``) a network that
    knew where the eyes of aligned faces are blurred them.

    Parameters
    ----------
    share
        Of the side, for the shift of either axis; of the scale, which lies between 1 - share and 1 + share.
    angle
        In degrees.
    power
        Odd, of the even draw.
    part
        Share of the samples that are moved at all; the others stay as the set has them.
    """

    share: float = 0.0
    angle: float = 0.0
    power: int = 3
    part: float = 1.0

    def __bool__(self) -> bool:
        return self.share > 0 or self.angle > 0

    def draw(self, generator: np.random.Generator, size: int) -> Matrix:
        """Draw a similarity ``[2,3]``: from a pixel (x, y; centre of the first = 0) of the sample to its new place."""
        right, down, larger, turn = generator.uniform(-1, 1, 4) ** self.power
        angle, scale = np.deg2rad(turn * self.angle), 1 + larger * self.share
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.full(2, (size - 1) / 2)
        shift = middle - linear @ middle + self.share * size * np.array([right, down])
        return np.column_stack([linear, shift])

    def __call__(self, sample: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
        """Warp a sample of :meth:`inpaintx.data.dataset.FaceDataset.read`; what comes in from beyond is mirrored.

        Pictures are interpolated by Lanczos windows, which keep them sharp; regions take the nearest pixel.
        """
        if generator.random() >= self.part:
            return sample
        cv2 = import_cv2()
        size = len(sample["image"])
        matrix = self.draw(generator, size)

        def warp(pixels: npt.NDArray[np.uint8], how: int) -> npt.NDArray[Any]:
            warped = cv2.warpAffine(pixels, matrix, (size, size), flags=how, borderMode=cv2.BORDER_REFLECT_101)
            return np.asarray(warped)

        moved: dict[str, Any] = {}
        for key, value in sample.items():
            if key == "name":
                moved[key] = value
            elif key == "landmarks":
                moved[key] = (value @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
            elif key == "image":
                moved[key] = warp(value, cv2.INTER_LANCZOS4)
            else:
                moved[key] = warp(value.astype(np.uint8), cv2.INTER_NEAREST).astype(bool)
        return moved
