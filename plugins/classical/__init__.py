"""The classical methods: Navier-Stokes, Telea, harmonic with and without texture, TV, Efros-Leung, PatchMatch."""

from collections.abc import Callable

from inpaintx import Method, hookimpl

from .efros_leung import EfrosLeung
from .harmonic import Harmonic
from .harmonic_texture import HarmonicTexture
from .opencv import NavierStokes, Telea
from .patchmatch import PatchMatch
from .tv import TV

__all__ = [
    "TV",
    "EfrosLeung",
    "Harmonic",
    "HarmonicTexture",
    "NavierStokes",
    "PatchMatch",
    "Telea",
    "inpaintx_register_methods",
]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the seven methods."""
    for method in (NavierStokes, Telea, Harmonic, TV, EfrosLeung, PatchMatch, HarmonicTexture):
        register(method)
