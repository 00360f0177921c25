"""The five papers' figures, drawn from the weights that ship: ``inpaintx figures``."""

from typing import TYPE_CHECKING

from inpaintx import hookimpl

if TYPE_CHECKING:
    import typer

__all__ = ["inpaintx_register_commands"]


@hookimpl
def inpaintx_register_commands(app: "typer.Typer") -> None:
    """Add ``inpaintx figures``."""
    from .commands import figures

    app.command()(figures)
