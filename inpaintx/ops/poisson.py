"""Poisson blending: a fill takes the tone of the photo around it, and keeps its own detail."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, has_kernel, under_transforms

__all__ = ["PoissonBlend", "PoissonSolver", "poisson_blend", "poisson_blend_ref"]

PoissonSolver = _C.PoissonSolver


def poisson_blend(
    fill: Tensor, image: Tensor, mask: Tensor, *, tol: float = 1e-6, max_iter: int | None = None
) -> Tensor:
    """Blend ``fill`` into the hole of ``image`` so that no seam shows.

    Inside the hole the result has the gradients of ``fill``, at the rim it meets ``image``: on every hole pixel p
    with neighbours N_p inside the photo,
    ``|N_p| F_p - sum(F_q, hole q) = sum(image_q, known q) + sum(fill_p - fill_q)``.

    Parameters
    ----------
    fill
        ``[B,C,H,W]``, float16, bfloat16, float32 or float64. Counts inside the hole and on the known pixels next to
        it.
    image
        ``[B,C,H,W]``, floating point. What it holds under the hole does not matter, NaN included.
    mask
        ``[B,1,H,W]`` (batch 1 serves all), 1 = hole (above 0.5), any real dtype or bool. No gradient.
    tol
        The largest error is at most 2 ``tol`` times the largest difference of image and fill on the rim, for each image
        and channel and on any mask: half a level of 255 takes 1e-3. The residual is at most ``tol`` times the
        right-hand side of the equation for F - fill. float32 ends at a residual of some 1e-7 and an error of 2e-5, and
        where hardly a pixel is known of up to 5e-4 (1e-11 in float64).
    max_iter
        Multigrid cycles at most; each divides the error by about ten, or by three where a single pixel is known. Two
        leave less than half a grey level of 255 in holes with smooth rims. Over 600 irregular masks on portraits of
        256 x 256 pixels the worst pixel was off by half a level in the median, by 1.0 in one of ten and by 3.3 at most
        (three cycles: 0.02, 0.08 and 0.3); single known pixels in a hole leave more. None: no limit but progress.

    Returns
    -------
    Tensor
        ``[B,C,H,W]`` in the dtype of ``image``; known pixels equal those of ``image`` to the last bit. Not clamped.

    Raises
    ------
    ValueError
        A shape, dtype, device, ``tol`` or ``max_iter`` that does not fit; names the argument and what came.

    Notes
    -----
    The hole's rim is a Dirichlet condition, the photo's edge a Neumann condition: neighbours outside the photo are
    dropped. An image without any known pixel has no solution of its own and returns ``fill``. float16 and bfloat16
    are computed in float32. Values may have any scale: each channel is solved in units of its own, so that a power of
    two changes no bit until the dtype's range ends. Gradients reach ``fill`` and ``image`` through the adjoint
    equation, solved to ``tol``.
    Where image or fill is NaN or infinite on a known pixel next to the hole, the whole hole is NaN in that channel, and
    no other channel or image is touched; on other known pixels such values do not matter, and in the hole those of fill
    stay where they are. Of a gradient that is NaN or infinite in the hole the channel's gradients at the rim are NaN.
    The result does not depend on the number of threads, nor on the other images of the batch. On CUDA cycles are steps
    of conjugate gradients, preconditioned by multigrid. How many are launched is fixed by ``tol`` and ``max_iter``
    beforehand (6 for 1e-3, 10 for 1e-6), as many as the most difficult masks take; the device itself ends a channel
    that is done before. So nothing waits for the device, and a CUDA graph can capture the call.

    References
    ----------
    Pérez, Gangnet, Blake, "Poisson Image Editing", SIGGRAPH 2003, eq. 7.

    Examples
    --------
    >>> image, mask = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    >>> mask[..., 4:12, 4:12] = 1
    >>> blended = poisson_blend(image + 0.2, image, mask)
    >>> bool((blended - image).abs().max() < 1e-5)
    True
    """
    if is_dynamo_compiling():
        compiled: Tensor = torch.ops.inpaintx.poisson_blend(fill, image, mask, tol, max_iter)
        return compiled
    if not has_kernel("poisson_blend", image):
        return poisson_blend_ref(fill, image, mask, tol=tol, max_iter=max_iter)
    if under_transforms():
        transformed: Tensor = _Blend.apply(fill, image, mask, tol, max_iter)
        return transformed
    result: Tensor = _C.poisson_blend(fill, image, mask, tol, max_iter)
    return result


class _Blend(torch.autograd.Function):
    """The op as :mod:`torch.func` and tangents know it: linear in ``fill`` and ``image``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(fill: Tensor, image: Tensor, mask: Tensor, tol: float, max_iter: int | None) -> Tensor:
        result: Tensor = _C.poisson_blend(fill, image, mask, tol, max_iter)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        fill, image, mask, *ctx.options = inputs
        ctx.save_for_backward(mask)
        ctx.save_for_forward(fill, image, mask)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        fill, image = _Adjoint.apply(grad_output, *ctx.saved_tensors, *ctx.options)
        return fill, image, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        *values, mask = ctx.saved_tensors
        pair = (torch.zeros_like(v) if t is None else t for v, t in zip(values, tangents[:2], strict=True))
        result: Tensor = _Blend.apply(*pair, mask, *ctx.options)
        return result


class _Adjoint(torch.autograd.Function):
    """Gradients of ``fill`` and ``image``; its own adjoint is the blend."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad_output: Tensor, mask: Tensor, tol: float, max_iter: int | None) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = torch.ops.inpaintx.poisson_blend_backward(grad_output, mask, tol, max_iter)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, mask, *ctx.options = inputs
        ctx.save_for_backward(mask)
        ctx.save_for_forward(mask)

    @staticmethod
    def backward(ctx: Any, fill: Tensor, image: Tensor) -> tuple[Tensor | None, ...]:
        grad = _Blend.apply(fill, image, *ctx.saved_tensors, *ctx.options)
        return grad, None, None, None

    @staticmethod
    def jvp(ctx: Any, grad_output: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = _Adjoint.apply(grad_output, *ctx.saved_tensors, *ctx.options)
        return result


def _neighbor_sum(x: Tensor) -> Tensor:
    """Sum over the four neighbours, zero outside."""
    p = F.pad(x, (1, 1, 1, 1))
    return p[..., :-2, 1:-1] + p[..., 2:, 1:-1] + p[..., 1:-1, :-2] + p[..., 1:-1, 2:]


def poisson_blend_ref(
    fill: Tensor, image: Tensor, mask: Tensor, *, tol: float = 1e-6, max_iter: int | None = None
) -> Tensor:
    """Slow reference of :func:`poisson_blend`: conjugate gradients in plain PyTorch, on any device.

    ``max_iter`` counts cycles of the native solver, each taken as 100 steps of this one.
    """
    dtype = torch.float64 if torch.float64 in (fill.dtype, image.dtype) else torch.float32
    hole = mask > 0.5
    zero = torch.zeros((), dtype=dtype, device=image.device)
    # Without a known pixel there is nothing to solve for: the unknown F - fill stays zero.
    inner = (hole & ~hole.flatten(1).all(1)[:, None, None, None]).to(dtype)
    neighbors = _neighbor_sum(torch.ones_like(inner))
    rim = ~hole & (_neighbor_sum(inner) > 0)
    data = torch.where(rim, image.to(dtype) - fill.to(dtype), zero)
    peak = data.detach().abs().amax((2, 3), keepdim=True)
    spoilt = ~peak.isfinite()
    scale = torch.where(spoilt | (peak == 0), 1, peak)  # squares would leave the range
    data = torch.where(spoilt, zero, data / scale)
    b = inner * _neighbor_sum(data)

    def norm2(x: Tensor) -> Tensor:
        return x.square().sum((2, 3), keepdim=True)

    v, r, p = torch.zeros_like(b), b, b
    rr = norm2(b)
    goal = rr * tol**2
    steps = 100 * max_iter if max_iter is not None else 10 * (b.shape[2] + b.shape[3]) + 100
    for _ in range(steps):
        if not (rr > goal).any():
            break
        q = inner * (neighbors * p - _neighbor_sum(p))
        curvature = (p * q).sum((2, 3), keepdim=True)
        alpha = torch.where(curvature > 0, rr / curvature, 0)
        v, r = v + alpha * p, r - alpha * q
        before, rr = rr, norm2(r)
        p = r + torch.where(before > 0, rr / before, 0) * p
    v = torch.where(spoilt, torch.nan, v * scale)
    return torch.where(hole, fill.to(dtype) + v, image.to(dtype)).to(image.dtype)


class PoissonBlend(nn.Module):
    """Module of :func:`poisson_blend`.

    Parameters
    ----------
    tol, max_iter
        As there.
    """

    def __init__(self, *, tol: float = 1e-6, max_iter: int | None = None) -> None:
        super().__init__()
        self.tol, self.max_iter = tol, max_iter

    def forward(self, fill: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """Blend ``fill`` into the hole of ``image``."""
        return poisson_blend(fill, image, mask, tol=self.tol, max_iter=self.max_iter)

    def extra_repr(self) -> str:
        """Tolerance and limit, for printing."""
        return f"tol={self.tol}, max_iter={self.max_iter}"


@torch.library.register_fake("inpaintx::poisson_blend")
def _fake(
    fill: Tensor,
    image: Tensor,
    mask: Tensor,
    tol: float = 1e-6,
    max_iter: int | None = None,
    hierarchy: Tensor | None = None,
) -> Tensor:
    torch._check(fill.shape == image.shape, lambda: f"poisson_blend: fill must have the shape of image {image.shape}")
    check_same_device("poisson_blend", image, fill=fill, mask=mask)
    return image.new_empty(image.shape)


@torch.library.register_fake("inpaintx::poisson_blend_backward")
def _fake_backward(
    grad_output: Tensor, mask: Tensor, tol: float, max_iter: int | None, hierarchy: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    return grad_output.new_empty(grad_output.shape), grad_output.new_empty(grad_output.shape)


@torch.library.register_fake("inpaintx::poisson_hierarchy")
def _fake_hierarchy(mask: Tensor, wide: bool) -> Tensor:
    masks, _, height, width = mask.shape
    coarse = height * width // 3 + height + width + 24  # csrc/poisson/cuda/device_batch.cpp, coarse_pixels
    return mask.new_empty(
        masks * (4 * height * ((width + 31) // 32) + coarse * (41 if wide else 21)), dtype=torch.uint8
    )
