"""The network of partial convolutions that PD-GAN takes as its prior, and the face paper as its baseline."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from inpaintx import Method, hookimpl

from .config import PConvPriorConfig
from .method import PConvPrior
from .official import load_official

if TYPE_CHECKING:
    import typer

__all__ = [
    "PConvPrior",
    "PConvPriorConfig",
    "inpaintx_register_commands",
    "inpaintx_register_methods",
    "load_official",
]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(PConvPrior)


@hookimpl
def inpaintx_register_commands(app: "typer.Typer") -> None:
    """Add ``inpaintx import-pconv-prior``."""
    from .commands import import_pconv_prior

    app.command()(import_pconv_prior)
