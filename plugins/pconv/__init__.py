"""Partial convolutions: Liu's U-Net."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inpaintx import Method, hookimpl

from .config import PConvConfig
from .method import PConv

if TYPE_CHECKING:
    import typer

    from .official import load_official

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


def __getattr__(name: str) -> Any:
    """Load what needs torch at its first use."""
    if name == "load_official":
        from .official import load_official

        return load_official
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
