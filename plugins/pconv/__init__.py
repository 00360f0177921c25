"""Partial convolutions: Liu's U-Net."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from inpaintx import Method, hookimpl

from .config import PConvConfig
from .method import PConv
from .official import load_official

if TYPE_CHECKING:
    import typer

__all__ = ["PConv", "PConvConfig", "inpaintx_register_commands", "inpaintx_register_methods", "load_official"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(PConv)


@hookimpl
def inpaintx_register_commands(app: "typer.Typer") -> None:
    """Add ``inpaintx import-pconv``."""
    from .commands import import_pconv

    app.command()(import_pconv)
