"""PD-GAN for faces: several fills for one hole, and the improvements of the face paper as options."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inpaintx import Method, hookimpl

from .config import PDGANConfig
from .landmark_error import LandmarkError
from .method import PDGAN

if TYPE_CHECKING:
    import typer

    from .official import load_official

__all__ = [
    "PDGAN",
    "PDGANConfig",
    "inpaintx_register_commands",
    "inpaintx_register_methods",
    "inpaintx_register_metrics",
    "load_official",
]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(PDGAN)


@hookimpl
def inpaintx_register_metrics(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Register the distances between landmarks, which are measured on request."""
    register("landmarks", LandmarkError(in_hole=False))
    register("landmarks_in_hole", LandmarkError(in_hole=True))


@hookimpl
def inpaintx_register_commands(app: "typer.Typer") -> None:
    """Add ``inpaintx import-pdgan`` and ``inpaintx train-fan``."""
    from .commands import import_pdgan, train_fan

    app.command()(import_pdgan)
    app.command()(train_fan)


def __getattr__(name: str) -> Any:
    """Load what needs torch at its first use."""
    if name == "load_official":
        from .official import load_official

        return load_official
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
