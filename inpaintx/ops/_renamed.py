"""Names that earlier versions had, taken for one release with a :class:`DeprecationWarning`."""

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["renamed", "warn_of"]

P = ParamSpec("P")
R = TypeVar("R")


def warn_of(old: str, new: str, stacklevel: int = 3) -> None:
    """Say that a name has another one now."""
    warnings.warn(f"{old} is deprecated and goes in 0.3; use {new}", DeprecationWarning, stacklevel=stacklevel)


def renamed(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keywords by their old names too: ``@renamed(old="new")``."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in names.items():
                if old in kwargs:
                    warn_of(f"{function.__qualname__}({old}=)", f"{new}=")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
