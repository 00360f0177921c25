"""Filling a hole by searching the latent space of a DCGAN: Yeh et al. (2017) and Qiang et al. (2019)."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .method import Qiang, Yeh

__all__ = ["Qiang", "Yeh", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Called once, when plugins are loaded."""
    register(Yeh)
    register(Qiang)
