"""Foreground-guided inpainting: losses weighted by skin and hair."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .config import ForegroundConfig
from .method import Foreground

__all__ = ["Foreground", "ForegroundConfig", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(Foreground)
