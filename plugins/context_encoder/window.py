"""What the network is shown: the picture with its hole in the mean colour, or with the square in the middle hidden."""

from types import EllipsisType

import torch
from torch import Tensor

__all__ = ["shown_to_network", "square"]

MEAN = (123 / 255, 117 / 255, 104 / 255)  # ImageNet's, R, G, B; the authors' code has it in another order


def square(size: int, inset: int = 0) -> tuple[EllipsisType, slice, slice]:
    """Index of the square of half the side in the middle, less ``inset`` pixels all around."""
    inside = slice(size // 4 + inset, size - size // 4 - inset)
    return ..., inside, inside


def shown_to_network(image: Tensor, hole: Tensor) -> Tensor:
    """``[B,3,H,W]`` in [0,1] and ``[B,1,H,W]`` bool to the network's input in [-1,1]."""
    mean = torch.tensor(MEAN, device=image.device).view(3, 1, 1)
    return 2 * torch.where(hole, mean, image) - 1
