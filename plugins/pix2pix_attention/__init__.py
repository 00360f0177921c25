"""Pix2Pix with self-attention: a conditional GAN from the image with a white hole to the face."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inpaintx import Method, hookimpl

from .config import Pix2PixAttentionConfig
from .method import Pix2PixAttention

if TYPE_CHECKING:
    from .attention import attention_map

__all__ = ["Pix2PixAttention", "Pix2PixAttentionConfig", "attention_map", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(Pix2PixAttention)


def __getattr__(name: str) -> Any:
    """Load what needs torch at its first use."""
    if name == "attention_map":
        from .attention import attention_map

        return attention_map
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
