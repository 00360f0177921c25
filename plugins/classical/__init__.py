"""The classical methods: Navier-Stokes, Telea, harmonic, total variation, Efros-Leung, PatchMatch. Nothing to train."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .efros_leung import EfrosLeung
from .harmonic import Harmonic
from .opencv import NavierStokes, Telea
from .patchmatch import PatchMatch
from .tv import TV

__all__ = ["TV", "EfrosLeung", "Harmonic", "NavierStokes", "PatchMatch", "Telea", "inpaintx_register_methods"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the six methods."""
    for method in (NavierStokes, Telea, Harmonic, TV, EfrosLeung, PatchMatch):
        register(method)
