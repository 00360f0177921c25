"""
Pasted and blended
==================

A fill of the wrong tone shows its rim. :func:`inpaintx.ops.poisson_blend` keeps the gradients of the fill and takes the
tone from the known pixels around the hole.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import torch

from inpaintx.io.photo import read_photo
from inpaintx.ops import poisson_blend

pixels = read_photo(files("inpaintx") / "demo" / "eileen_collins.png").pixels[20:260, 110:350]
image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
mask = torch.zeros(1, 1, *image.shape[2:])
mask[..., 45:200, 40:200] = 1

fill = (0.75 * image + torch.tensor([0.2, 0.12, 0.0]).view(1, 3, 1, 1)).clamp(0, 1)  # the face itself, in another tone
pasted = torch.where(mask > 0, fill, image)
blended = poisson_blend(fill, image, mask).clamp(0, 1)

_, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for axis, title, picture in zip(axes, ("photo", "pasted", "blended"), (image, pasted, blended), strict=True):
    axis.imshow(picture[0].permute(1, 2, 0))
    axis.set_title(title)
    axis.axis("off")
