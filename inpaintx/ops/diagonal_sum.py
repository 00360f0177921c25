"""Sums along diagonals of a matrix, without copies of it forward and backward."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["diagonal_sum"]


def diagonal_sum(x: Tensor, first: int, count: int, step: int, reach: int) -> Tensor:
    """Sum along the diagonal: y[i, j] = Σ_d x[first + i + d·step, j + d] for |d| <= reach, 0 from beyond the ends.

    Parameters
    ----------
    x
        ``[R,M]``, floating point, with ``first`` >= ``reach``·``step`` and R >= ``first`` + ``count`` +
        ``reach``·``step``. Differentiable.

    Returns
    -------
    Tensor
        ``[count,M]``.
    """
    if torch.compiler.is_exporting():
        shifted = (F.pad(x[first + d * step :][:count], (-d, d)) for d in range(-reach, reach + 1))
        return reduce(torch.add, shifted)
    found: Tensor = _DiagonalSum.apply(x, first, count, step, reach)
    return found


class _DiagonalSum(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, first: int, count: int, step: int, reach: int) -> Tensor:
        y = x.new_zeros(count, x.shape[1])
        for from_x, to_y in _pairs(x, y, first, step, reach):
            to_y += from_x
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.rows, ctx.first, _, ctx.step, ctx.reach = inputs[0].shape[0], *inputs[1:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        x = grad.new_zeros(ctx.rows, grad.shape[1])
        for to_x, from_grad in _pairs(x, grad, ctx.first, ctx.step, ctx.reach):
            to_x += from_grad
        return x, None, None, None, None


def _pairs(x: Tensor, y: Tensor, first: int, step: int, reach: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For each shift the parts of ``x`` and ``y`` that belong together."""
    count, width = y.shape
    for d in range(-reach, reach + 1):
        left, right = max(0, -d), max(0, d)
        both = max(0, width - abs(d))
        yield x[first + d * step :][:count, right : right + both], y[:, left : left + both]
