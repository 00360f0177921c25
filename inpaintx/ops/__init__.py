"""Native ops: one file an op, with the public function, its Module, its shape rules and its slow reference."""

from typing import Any

from inpaintx.errors import warn_renamed
from inpaintx.ops._native import ReferenceOpWarning
from inpaintx.ops.boundary_weight import boundary_weight
from inpaintx.ops.context_weight import context_weight
from inpaintx.ops.contextual_attention import ContextualAttention, contextual_attention, contextual_attention_ref
from inpaintx.ops.conv3x3 import WinogradConv2d, conv3x3, conv3x3_ref
from inpaintx.ops.detail_transfer import DetailTransfer, detail_transfer, detail_transfer_ref
from inpaintx.ops.efros_leung import EfrosLeung, efros_leung, efros_leung_ref
from inpaintx.ops.hog import HOG, HOGImage, hog, hog_image, hog_ref
from inpaintx.ops.memory import empty_cache
from inpaintx.ops.partial_conv import PartialConv2d, partial_conv2d, partial_conv2d_ref
from inpaintx.ops.partial_conv_fused import partial_conv_kernel
from inpaintx.ops.patchmatch import PatchMatch, patchmatch, patchmatch_ref
from inpaintx.ops.poisson import PoissonBlend, PoissonSolver, poisson_blend, poisson_blend_ref
from inpaintx.ops.self_attention import SelfAttention, self_attention, self_attention_ref
from inpaintx.ops.spd_map import SPDMap, spd_map, spd_map_ref
from inpaintx.ops.spd_norm import SPDNorm, spd_norm, spd_norm_ref
from inpaintx.ops.ssim import SSIM, ssim, ssim_ref
from inpaintx.ops.tv import TVInpaint, tv_inpaint, tv_inpaint_ref

__all__ = [
    "HOG",
    "SSIM",
    "ContextualAttention",
    "DetailTransfer",
    "EfrosLeung",
    "HOGImage",
    "PartialConv2d",
    "PatchMatch",
    "PoissonBlend",
    "PoissonSolver",
    "ReferenceOpWarning",
    "SPDMap",
    "SPDNorm",
    "SelfAttention",
    "TVInpaint",
    "WinogradConv2d",
    "boundary_weight",
    "context_weight",
    "contextual_attention",
    "contextual_attention_ref",
    "conv3x3",
    "conv3x3_ref",
    "detail_transfer",
    "detail_transfer_ref",
    "efros_leung",
    "efros_leung_ref",
    "empty_cache",
    "hog",
    "hog_image",
    "hog_ref",
    "partial_conv2d",
    "partial_conv2d_ref",
    "partial_conv_kernel",
    "patchmatch",
    "patchmatch_ref",
    "poisson_blend",
    "poisson_blend_ref",
    "self_attention",
    "self_attention_ref",
    "spd_map",
    "spd_map_ref",
    "spd_norm",
    "spd_norm_ref",
    "ssim",
    "ssim_ref",
    "tv_inpaint",
    "tv_inpaint_ref",
]

_RENAMED = {"Conv2d": "WinogradConv2d", "yeh_weight": "context_weight"}


def __getattr__(name: str) -> Any:
    """Names of earlier versions."""
    if name in _RENAMED:
        warn_renamed(f"inpaintx.ops.{name}", f"inpaintx.ops.{_RENAMED[name]}")
        return globals()[_RENAMED[name]]
    raise AttributeError(f"module 'inpaintx.ops' has no attribute {name!r}")
