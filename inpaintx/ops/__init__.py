"""Native ops: one file an op, with the public function, its Module, its shape rules and its slow reference."""

from inpaintx.ops._native import ReferenceOpWarning
from inpaintx.ops.hog import HOG, HOGImage, hog, hog_image, hog_ref
from inpaintx.ops.partial_conv import PartialConv2d, partial_conv2d, partial_conv2d_ref
from inpaintx.ops.poisson import PoissonBlend, PoissonSolver, poisson_blend, poisson_blend_ref
from inpaintx.ops.spd_map import SPDMap, spd_map, spd_map_ref

__all__ = [
    "HOG",
    "HOGImage",
    "PartialConv2d",
    "PoissonBlend",
    "PoissonSolver",
    "ReferenceOpWarning",
    "SPDMap",
    "hog",
    "hog_image",
    "hog_ref",
    "partial_conv2d",
    "partial_conv2d_ref",
    "poisson_blend",
    "poisson_blend_ref",
    "spd_map",
    "spd_map_ref",
]
