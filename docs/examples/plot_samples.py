"""
Several fills for one hole
==========================

``pdgan`` draws its fills at random. Fill number k is made with ``seed + k``, so each can be had again. The
weights that ship were trained on a CPU for a day or so, which is little: a mouth is suggested, not drawn.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np

import inpaintx
from inpaintx.io.photo import read_photo

photo = read_photo(files("inpaintx") / "demo" / "eileen_collins.png").pixels[20:260, 110:350]
hole = np.zeros(photo.shape[:2], bool)
hole[112:165, 75:150] = True

model = inpaintx.load("pdgan")
fills = model(photo, hole, samples=3, seed=0)

pictures = {"hole": np.where(hole[..., None], 255, photo), **{f"seed {k}": fill for k, fill in enumerate(fills)}}
_, axes = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")

# %%
# How far the fills are from each other, in levels of 255:

float(np.std(np.stack(fills).astype(float), axis=0)[hole].mean())
