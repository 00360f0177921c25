"""Two stages: complete the map of oriented gradients, then paint with it as guidance."""

from collections.abc import Callable
from typing import Any

from inpaintx import Method, hookimpl

from .config import HOGGuidedConfig
from .identity import IdentityDistance
from .method import HOGGuided

__all__ = [
    "HOGGuided",
    "HOGGuidedConfig",
    "IdentityDistance",
    "inpaintx_register_methods",
    "inpaintx_register_metrics",
]


@hookimpl
def inpaintx_register_methods(register: Callable[[type[Method]], None]) -> None:
    """Register the method."""
    register(HOGGuided)


@hookimpl
def inpaintx_register_metrics(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Register the metric of identity, which the paper claims to keep."""
    register("identity", IdentityDistance())
