"""Two stages: complete the map of oriented gradients, then paint with it as guidance."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .config import HOGGuidedConfig
from .method import HOGGuided

__all__ = ["HOGGuided", "HOGGuidedConfig", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(HOGGuided)
