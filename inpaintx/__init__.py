"""inpaintx: an image and a hole go in, pass through one method, and come out whole.

Names are loaded at their first use: ``import inpaintx`` alone loads neither torch nor the ops. Where torch is loaded
already, the ops are registered with it at once, as ``torch.ops.inpaintx``; else ``import inpaintx.ops`` does that.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from inpaintx._build import build_info  # first: it refuses a torch that the extension was not built against

# isort: split
from inpaintx.errors import InpaintxError, UntrainedWarning

if TYPE_CHECKING:
    from inpaintx import ops, testing
    from inpaintx.evaluation.job import evaluate
    from inpaintx.inference.pipeline import Model, inpaint, load
    from inpaintx.ops.poisson import PoissonSolver
    from inpaintx.plugin.hookspecs import hookimpl
    from inpaintx.plugin.method import Config, LearnedConfig, Method, Weights
    from inpaintx.plugin.registry import methods
    from inpaintx.plugin.trainer import Trainer
    from inpaintx.training.export import export
    from inpaintx.training.loop import train

__version__ = "0.2.0.dev0"
__all__ = [
    "Config",
    "InpaintxError",
    "LearnedConfig",
    "Method",
    "Model",
    "PoissonSolver",
    "Trainer",
    "UntrainedWarning",
    "Weights",
    "build_info",
    "evaluate",
    "export",
    "hookimpl",
    "inpaint",
    "load",
    "methods",
    "ops",
    "testing",
    "train",
]
_MODULES = {
    "inpaintx.evaluation.job": ("evaluate",),
    "inpaintx.inference.pipeline": ("Model", "inpaint", "load"),
    "inpaintx.ops.poisson": ("PoissonSolver",),
    "inpaintx.plugin.hookspecs": ("hookimpl",),
    "inpaintx.plugin.method": ("Config", "LearnedConfig", "Method", "Weights"),
    "inpaintx.plugin.registry": ("methods",),
    "inpaintx.plugin.trainer": ("Trainer",),
    "inpaintx.training.export": ("export",),
    "inpaintx.training.loop": ("train",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in ("ops", "testing"):
        value = importlib.import_module(f"inpaintx.{name}")
    else:
        raise AttributeError(f"module 'inpaintx' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "torch" in sys.modules:
    importlib.import_module("inpaintx.ops")
