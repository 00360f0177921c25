"""A network's fill of a face, mixed near its rim with one that goes on from there."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from inpaintx.inference.detail import low_pass
from inpaintx.io.opencv import import_cv2

__all__ = ["mixed"]

MOST = 0.5  # share of the other fill at the rim
REACH = 1 / 16  # how far from the rim, in sides of the face's square, its share falls to 1/e of that
AROUND = 1 / 64  # standard deviation, in sides, of the means that are compared
APART = 0.07  # standard deviation of their difference, of colours in [0,1], at which the network is believed


def mixed(filled: Iterable[Tensor], other: Iterable[Tensor], hole: Tensor, side: float) -> Tensor:
    """Mix two fills.

    At the rim a fill that continues what is known there is as near to the truth as a network's, and where both are as
    near their mean is nearer than either. Deep inside the network alone knows what to do, and also where the two are
    far from one another: what was continued then is hair over a cheek.

    Parameters
    ----------
    filled, other
        Planes ``[h,w]`` of the network's fill, and of the other.
    hole
        ``[h,w]`` bool, True = hole.
    side
        Of the face's square in pixels.

    Returns
    -------
    Tensor
        ``[3,h,w]``; the share of the other is ``0.5 exp(-16 distance / side) exp(-difference² / (2 · 0.07²))``.
    """
    network = torch.stack(list(filled))
    gap = torch.stack(list(other)).to(network) - network
    inside = hole.cpu().numpy().astype(np.float32)
    weight = np.maximum(low_pass(inside, AROUND * side), np.float32(1e-3))
    apart = sum(np.square(low_pass(plane.cpu().numpy() * inside, AROUND * side) / weight) for plane in gap) / len(gap)
    cv2 = import_cv2()
    deep = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    share = MOST * np.exp((1 - deep) / np.float32(REACH * side) - apart / np.float32(2 * APART**2)) * inside
    return network + torch.from_numpy(share).to(gap) * gap
