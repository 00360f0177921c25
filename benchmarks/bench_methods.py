"""Whole methods on a 256x256 portrait with a 30 % hole, in images per second; a third party's method joins by name.

``INPAINTX_BENCH_METHODS=a,b`` narrows; every registered method that can run is taken otherwise.
"""

import os
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import inpaintx
from inpaintx.io.photo import read_photo

NAMES = os.environ.get("INPAINTX_BENCH_METHODS", ",".join(inpaintx.methods())).split(",")


@pytest.fixture(scope="module")
def portrait():
    """``[1,3,256,256]`` and a mask with a box and strokes over 30 % of it."""
    pixels = read_photo(Path(inpaintx.__file__).parent / "demo" / "eileen_collins.png").pixels[..., :3]
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    image = F.interpolate(image, (256, 256), mode="bilinear", antialias=True).clamp(0, 1)
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 60:190, 70:190] = 1
    for k in range(0, 256, 32):
        mask[..., k : k + 3, :] = 1
    return image, mask


@pytest.mark.parametrize("name", NAMES)
def test_method(versus, threads, benchmark, portrait, name):
    image, mask = portrait
    peers = {"telea": lambda: inpaintx.inpaint(image, mask, "telea")} if name != "telea" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        versus(lambda: inpaintx.inpaint(image, mask, name), peers, size=65536, op="methods", rounds=3)
    benchmark.extra_info["hole"] = mask.mean().item()
