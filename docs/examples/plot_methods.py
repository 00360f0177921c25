"""
One hole, several methods
=========================

A method is chosen by its name. The three in the middle take no training; the last two know what faces look like.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np

import inpaintx
from inpaintx.io.masks import read_mask
from inpaintx.io.photo import read_photo

demo = files("inpaintx") / "demo"
photo = read_photo(demo / "grace_hopper.jpg").pixels[20:380, 60:420]
hole = read_mask(demo / "grace_hopper_mask.png").hole[20:380, 60:420]

pictures = {"hole": np.where(hole[..., None], 255, photo)}
for method in ("telea", "harmonic", "patchmatch", "pconv_prior", "pdgan"):
    pictures[method] = inpaintx.inpaint(photo, hole, method)

# %%
# Known pixels are the photo's own, to the last bit, whatever the method.

for method, picture in pictures.items():
    assert (picture[~hole] == photo[~hole]).all(), method

_, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
