"""
How a hole closes
=================

:class:`inpaintx.ops.PartialConv2d` sees known pixels only and hands on which of its outputs have seen any. Layer by
layer the hole shrinks. :func:`inpaintx.ops.spd_map` is PD-GAN's softer account of the same: how far a pixel is from
what is known.
"""

import matplotlib.pyplot as plt
import torch

from inpaintx.data.sampler import parse_mask_spec
from inpaintx.ops import partial_conv2d, spd_map

hole = torch.from_numpy(parse_mask_spec("strokes:ratio=0.4-0.5", size=128)((0, 3)))
mask = hole[None, None].float()
x, weight = torch.rand(1, 1, 128, 128), torch.ones(1, 1, 5, 5) / 25

pictures, here = {"hole": mask}, mask
for layer in (1, 2, 3):
    x, here = partial_conv2d(x, here, weight, padding=2)
    pictures[f"after {layer} layer{'s' * (layer > 1)}"] = here
pictures["spd_map, hard"] = spd_map(mask, 8)
pictures["spd_map, improved"] = spd_map(mask, 8, kind="improved")

_, axes = plt.subplots(2, 3, figsize=(9, 6.2), layout="constrained")
for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
    axis.imshow(picture[0, 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(title)
    axis.axis("off")
