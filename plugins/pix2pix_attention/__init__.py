"""Pix2Pix with self-attention: a conditional GAN from the image with a white hole to the face."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .config import Pix2PixAttentionConfig
from .method import Pix2PixAttention, attention_map

__all__ = ["Pix2PixAttention", "Pix2PixAttentionConfig", "attention_map", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(Pix2PixAttention)
