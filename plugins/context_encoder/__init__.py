"""Context Encoder: Pathak et al. (2016)."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .method import ContextEncoder

__all__ = ["ContextEncoder", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(ContextEncoder)
