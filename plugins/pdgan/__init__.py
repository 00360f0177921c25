"""PD-GAN for faces: several fills for one hole, and the improvements of the face paper as options."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from inpaintx import Method, hookimpl

from .config import PDGANConfig
from .method import PDGAN
from .official import load_official

if TYPE_CHECKING:
    import typer

__all__ = ["PDGAN", "PDGANConfig", "inpaintx_register_commands", "inpaintx_register_methods", "load_official"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(PDGAN)


@hookimpl
def inpaintx_register_commands(app: "typer.Typer") -> None:
    """Add ``inpaintx import-pdgan`` and ``inpaintx train-fan``."""
    from .commands import import_pdgan, train_fan

    app.command()(import_pdgan)
    app.command()(train_fan)
