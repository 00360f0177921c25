"""Every hook of inpaintx, on one page. A plugin implements those it needs with :data:`inpaintx.hookimpl`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import typer

    from inpaintx.plugin.method import Method

__all__ = ["hookimpl"]

GROUP = "inpaintx"
hookspec = pluggy.HookspecMarker(GROUP)
#: Marks a function of a plugin as one of the hooks: ``@inpaintx.hookimpl``.
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def inpaintx_register_methods(register: "Callable[[type[Method]], None]") -> None:
    """Call ``register(MyMethod)`` for each method. Called once, when plugins are loaded."""


@hookspec
def inpaintx_register_masks(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Call ``register(name, generator)`` for each mask generator. Called once, when plugins are loaded.

    ``generator(rng, height, width, **options)`` draws one hole from a :class:`numpy.random.Generator`, its only source
    of chance: ``[height,width]`` bool, True = hole. Options have defaults, of whose kind the values are that users
    write as ``name:option=value``.
    """


@hookspec
def inpaintx_register_metrics(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Call ``register(name, metric)`` for each metric. Called once, when plugins are loaded.

    ``metric(result, truth, mask)`` compares composites ``[B,3,H,W]`` with the truth, both RGB in [0,1]; ``mask``
    ``[B,1,H,W]``, 1 = hole; it gives ``[B]``, one value an image, NaN where there is none. Evaluation and the
    validation of a training report it as ``full/NAME``. Less is better unless the function has an attribute
    ``higher_is_better = True``; training keeps the best checkpoint by it with ``best=full/NAME``. With an attribute
    ``on_request = True`` it is measured only where its name is given (``inpaintx evaluate --metrics NAME``,
    ``best=full/NAME``); an attribute ``missing``, called without arguments, says why it cannot be measured ("" where
    it can), and ``weight_file`` gives the path of the weights that it rests on (None where they are not found): the
    protocol of an evaluation holds their SHA-256, and each machine of a cluster is held against it.
    """


@hookspec
def inpaintx_register_commands(app: "typer.Typer") -> None:
    """Add commands to the command line's ``app``. Called once, when the command line starts."""
