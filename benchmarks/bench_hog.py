"""hog against OpenCV's HOGDescriptor (4.x only) and scikit-image, grey."""

import numpy as np
import pytest
import torch

from inpaintx.benchmark import optional
from inpaintx.ops import hog

cv2, skimage = optional("cv2"), optional("skimage.feature")


@pytest.mark.parametrize("side", [128, 256, 512, 1024])
def test_hog(versus, threads, side):
    torch.manual_seed(0)
    x = torch.rand(1, 1, side, side)
    array = x[0, 0].numpy()
    bytes_ = (array * 255).astype(np.uint8)
    descriptor = None
    if cv2 and hasattr(cv2, "HOGDescriptor"):
        hand = cv2.HOGDescriptor((side, side), (16, 16), (8, 8), (8, 8), 9)
        descriptor = lambda: hand.compute(bytes_)  # noqa: E731
    versus(
        lambda: hog(x),
        {
            "cv2.HOGDescriptor": descriptor,
            "skimage": (lambda: skimage.hog(array, 9, (8, 8), (2, 2))) if skimage and side <= 512 else None,
        },
        goal={"cv2.HOGDescriptor": 1 / 2, "skimage": 1 / 40} if side == 256 else {},
        size=x.numel(),
    )
