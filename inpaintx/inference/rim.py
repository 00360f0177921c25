"""A network's fill of a face, mixed near its rim with one that goes on from there."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from inpaintx.io.opencv import import_cv2

__all__ = ["mixed"]

MOST = 0.5  # share of the other fill at the rim
REACH = 1 / 16  # how far from the rim, in sides of the face's square, its share falls to 1/e of that


def mixed(filled: Iterable[Tensor], other: Iterable[Tensor], hole: Tensor, side: float) -> Iterator[Tensor]:
    """Mix two fills plane by plane.

    At the rim a fill that continues what is known there is as near to the truth as a network's, deep inside the network
    alone knows what to do. Where both are as near, their mean is nearer than either.

    Parameters
    ----------
    filled, other
        Planes ``[h,w]`` of the network's fill, and of the other.
    hole
        ``[h,w]`` bool, True = hole.
    side
        Of the face's square in pixels.
    """
    deep = import_cv2().distanceTransform(hole.cpu().numpy().astype(np.uint8), import_cv2().DIST_L2, 5)
    share = torch.from_numpy(np.float32(MOST) * np.exp((1 - deep) / np.float32(REACH * side)).clip(0, 1))
    for mine, theirs in zip(filled, other, strict=True):
        yield torch.lerp(mine, theirs.to(mine), share.to(mine))
