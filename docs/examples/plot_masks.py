"""
Holes to train and to test on
=============================

A source of holes is a word: a generator, options after a colon, several joined by ``+``. Each hole is a function of its
key, here the pair (seed, number), so that every run sees the same ones.
"""

import matplotlib.pyplot as plt

from inpaintx.data.sampler import parse_mask_spec

drawn = ("strokes:ratio=0.2-0.3", "walk:ratio=0.2-0.3", "quickdraw", "discard")
specs = ("center", "box:low=0.2,high=0.6", "half", *drawn, "strokes+box")
_, axes = plt.subplots(2, 4, figsize=(9, 5), layout="constrained")
for axis, spec in zip(axes.flat, specs, strict=True):
    hole = parse_mask_spec(spec, size=128)((0, 7))
    axis.imshow(hole, cmap="gray")
    axis.set_title(f"{spec}\n{hole.mean():.0%} hole", fontsize=9)
    axis.axis("off")
