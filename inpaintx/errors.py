"""What the library raises and warns of: input at fault, weights that are missing, names that have changed."""

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from inpaintx.io.names import printable

__all__ = ["InpaintxError", "UntrainedWarning", "renamed", "warn_renamed"]

P = ParamSpec("P")
R = TypeVar("R")


class InpaintxError(ValueError):
    """Something a user can mend: the message says what came, what was expected and what to do.

    It is one printable line, whatever names it quotes.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class UntrainedWarning(UserWarning):
    """A learned method runs with random weights: its fills mean nothing."""


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn that a name of an earlier version, taken for one release, has another one now."""
    warnings.warn(f"{old} is deprecated and goes in 0.3; use {new}", DeprecationWarning, stacklevel=stacklevel)


def renamed(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keywords by their old names too: ``@renamed(old="new")``."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in names.items():
                if old in kwargs:
                    warn_renamed(f"{function.__qualname__}({old}=)", f"{new}=")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
