"""Known windows: what there is to copy from."""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["known_windows", "plentiful"]

SCARCE = 16  # hole pixels for one known window, above which smaller windows are taken


def known_windows(hole: Tensor, side: int) -> int:
    """How many windows of a side lie inside the image ``[H,W]`` without touching the hole."""
    if min(hole.shape) < side:
        return 0
    return int((F.max_pool2d(hole[None, None].float(), side, 1) == 0).sum())


def plentiful(hole: Tensor, side: int) -> int:
    """The largest odd side up to ``side`` whose known windows are not scarce for the hole ``[H,W]``, or 1."""
    while side > 1 and known_windows(hole, side) * SCARCE < hole.sum():
        side -= 2
    return side
