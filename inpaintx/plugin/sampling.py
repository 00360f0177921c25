"""Several fills of the same images: what does not depend on the draw is computed once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["compute_once", "shared_samples"]

MOST = 64 << 20  # bytes that are kept at most: beyond them it is computed anew

Compute: TypeAlias = Callable[..., Tensor]
_kept: ContextVar[list[tuple[Compute, tuple[Tensor, ...], Tensor]] | None] = ContextVar("kept", default=None)


@contextmanager
def shared_samples() -> Iterator[None]:
    """Keep what :func:`compute_once` computes until the end of the block or function, for this thread alone.

    Weights must not change meanwhile.
    """
    token = _kept.set([])
    try:
        yield
    finally:
        _kept.reset(token)


def compute_once(compute: Compute, *inputs: Tensor) -> Tensor:
    """Call ``compute(*inputs)``; in :func:`shared_samples` only if it was not called with equal inputs before.

    Parameters
    ----------
    compute
        A function without random draws, for one the prior network of a method; the same object in each call.
    inputs
        Tensors of any shape and dtype; equal to the last bit is equal.

    Returns
    -------
    Tensor
        The result, without gradient where it is kept; not to be written to.
    """
    kept = _kept.get()
    if kept is None:
        return compute(*inputs)
    for other, given, result in kept:
        if other is compute and len(given) == len(inputs) and all(map(_equal, given, inputs)):
            return result
    given = tuple(x.detach().clone() for x in inputs)  # the caller may write to its own
    result = compute(*inputs).detach()
    entry = (compute, given, result)
    if sum(t.nbytes for _, given, made in [*kept, entry] for t in (*given, made)) <= MOST:
        kept.append(entry)
    return result


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
