"""The classical methods: Navier-Stokes, Telea, total variation, Efros-Leung and PatchMatch. Nothing to train."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .efros_leung import EfrosLeung
from .opencv import NavierStokes, Telea
from .patchmatch import PatchMatch
from .tv import TV

__all__ = ["TV", "EfrosLeung", "NavierStokes", "PatchMatch", "Telea", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the five methods."""
    for method in (NavierStokes, Telea, TV, EfrosLeung, PatchMatch):
        register(method)
