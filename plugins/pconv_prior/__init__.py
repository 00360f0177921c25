"""The network of partial convolutions that PD-GAN takes as its prior, and the face paper as its baseline."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inpaintx import Method, hookimpl

from .config import PConvPriorConfig
from .method import PConvPrior

if TYPE_CHECKING:
    import typer

    from .official import load_official

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


def __getattr__(name: str) -> Any:
    """Load what needs torch at its first use."""
    if name == "load_official":
        from .official import load_official

        return load_official
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
