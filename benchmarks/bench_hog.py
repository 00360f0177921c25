"""hog against OpenCV 4's HOGDescriptor, in an environment of its own, and scikit-image, grey."""

import pytest
import torch
from peers import opencv4

from inpaintx.benchmark import optional
from inpaintx.ops import hog

skimage = optional("skimage.feature")


@pytest.mark.parametrize("side", [128, 256, 512, 1024])
def test_hog(versus, threads, side):
    torch.manual_seed(0)
    x = torch.rand(1, 1, side, side)
    array = x[0, 0].numpy()
    descriptor = opencv4.HOGDescriptor(side, threads) if opencv4.available() else None
    versus(
        lambda: hog(x),
        {
            "cv2.HOGDescriptor 4.x": descriptor,
            "skimage": (lambda: skimage.hog(array, 9, (8, 8), (2, 2))) if skimage and side <= 512 else None,
        },
        goal={"cv2.HOGDescriptor 4.x": 1 / 2, "skimage": 1 / 40} if side == 256 else {},
        size=x.numel(),
    )
    if descriptor:
        descriptor.close()
