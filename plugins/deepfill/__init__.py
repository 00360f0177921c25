"""DeepFill v1 (contextual attention) and v2 (gated convolution)."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .config import DeepFillConfig
from .method import DeepFill
from .official import load_official

__all__ = ["DeepFill", "DeepFillConfig", "inpaintx_register_methods", "load_official"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(DeepFill)
