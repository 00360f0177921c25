"""DeepFill v1 (contextual attention) and v2 (gated convolution)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inpaintx import Method, hookimpl

from .config import DeepFillConfig
from .method import DeepFill

if TYPE_CHECKING:
    from .official import load_official

__all__ = ["DeepFill", "DeepFillConfig", "inpaintx_register_methods", "load_official"]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(DeepFill)


def __getattr__(name: str) -> Any:
    """Load what needs torch at its first use."""
    if name == "load_official":
        from .official import load_official

        return load_official
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
