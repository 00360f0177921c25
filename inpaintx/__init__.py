"""inpaintx: an image and a hole go in, pass through one method, and come out whole."""

from inpaintx._build import build_info  # first: it refuses a torch that the extension was not built against

# isort: split
from inpaintx import ops, testing
from inpaintx.errors import InpaintxError, UntrainedWarning
from inpaintx.evaluation.job import evaluate
from inpaintx.inference.pipeline import inpaint
from inpaintx.ops.poisson import PoissonSolver
from inpaintx.plugin.hookspecs import hookimpl
from inpaintx.plugin.method import Config, LearnedConfig, Method, Trainer, Weights
from inpaintx.plugin.registry import methods
from inpaintx.training.export import export
from inpaintx.training.loop import train

__version__ = "0.1.0"
__all__ = [
    "Config",
    "InpaintxError",
    "LearnedConfig",
    "Method",
    "PoissonSolver",
    "Trainer",
    "UntrainedWarning",
    "Weights",
    "build_info",
    "evaluate",
    "export",
    "hookimpl",
    "inpaint",
    "methods",
    "ops",
    "testing",
    "train",
]
