"""Inpainting by least total variation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import check_same_device, has_kernel

__all__ = ["TVInpaint", "total_variation", "tv_inpaint", "tv_inpaint_ref"]


def tv_inpaint(image: Tensor, mask: Tensor, tol: float = 1e-4, max_iter: int = 10000) -> Tensor:
    """Fill holes with the values of least total variation, each channel for itself.

    Minimises the isotropic sum of gradient lengths over the hole and its rim, forward differences, with the known
    pixels fixed and no condition at the photo's edge (Neumann), by the primal-dual iteration of Chambolle and Pock,
    from coarse to fine.

    Parameters
    ----------
    image
        ``[B,C,H,W]``, floating point, any range. What lies under the hole does not matter. No gradient.
    mask
        ``[B,1,H,W]`` or ``[1,1,H,W]``, any real dtype; 1 = hole (above 0.5).
    tol
        The iteration ends when the gap between the energy and its dual bound falls below ``tol`` times the energy.
    max_iter
        Or after so many iterations on each level of the pyramid.

    Returns
    -------
    Tensor
        ``[B,C,H,W]`` in the dtype of ``image``; computed in float32 (float64 for float64). Known pixels are the
        image's; values in the hole lie between those of the known pixels of the hole's bounding box. 0.5 where an
        image has no known pixel.

    Raises
    ------
    ValueError
        A shape, dtype or option that does not fit.

    Notes
    -----
    On another device than the CPU the tensors are carried to the CPU and the result back, which waits for the device.
    The iterate of least energy is returned, so that the energy is never above the start's, which is the coarser
    level's result, bilinearly interpolated. Each channel is one serial computation, whatever the number of threads.

    References
    ----------
    Chan and Shen, "Mathematical models for local nontexture inpaintings", SIAM J. Appl. Math. 62(3), 2002, with
    infinite lambda. Chambolle and Pock, "A first-order primal-dual algorithm for convex problems with applications to
    imaging", JMIV 40, 2011, algorithm 1.

    Examples
    --------
    >>> ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    >>> mask = torch.zeros(1, 1, 32, 32)
    >>> mask[..., 10:20, 8:24] = 1
    >>> bool((tv_inpaint(ramp, mask, 1e-6) - ramp).abs().max() < 1e-3)
    True
    """
    if is_dynamo_compiling():
        result: Tensor = torch.ops.inpaintx.tv_inpaint(image, mask, tol, max_iter)
    elif has_kernel("tv_inpaint", image):
        result = _C.tv_inpaint(image, mask, tol, max_iter)
    else:
        result = tv_inpaint_ref(image, mask, max_iter=max_iter)
    return result


def tv_inpaint_ref(image: Tensor, mask: Tensor, max_iter: int = 2000) -> Tensor:
    """Slow reference of :func:`tv_inpaint` in plain PyTorch: one level, mid-grey start, a fixed number of steps."""
    x = image.detach().to(torch.promote_types(image.dtype, torch.float32))
    hole = (mask > 0.5).expand(x.shape[0], 1, -1, -1)
    active = hole | _shifted(hole, 0, 1) | _shifted(hole, 1, 0)
    u = torch.where(hole, 0.5, x)
    bar, px, py = u, torch.zeros_like(u), torch.zeros_like(u)
    sigma = 1.5
    tau = 1 / (8 * sigma)
    for _ in range(max_iter):
        px = px + sigma * active * F.pad(bar[..., 1:] - bar[..., :-1], (0, 1))
        py = py + sigma * active * F.pad(bar[..., 1:, :] - bar[..., :-1, :], (0, 0, 0, 1))
        norm = torch.hypot(px, py).clamp(min=1)
        px, py = px / norm, py / norm
        divergence = px - F.pad(px[..., :-1], (1, 0)) + py - F.pad(py[..., :-1, :], (0, 0, 1, 0))
        new = torch.where(hole, u + tau * divergence, u)
        u, bar = new, 2 * new - u
    return torch.where(hole, u.to(image.dtype), image.detach())


def total_variation(image: Tensor, mask: Tensor) -> Tensor:
    """Energy that :func:`tv_inpaint` minimises, ``[B,C]``: gradient lengths where a hole pixel enters the gradient."""
    hole = (mask > 0.5).expand(image.shape[0], 1, -1, -1)
    active = hole | _shifted(hole, 0, 1) | _shifted(hole, 1, 0)
    dx = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
    dy = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
    return (torch.hypot(dx, dy) * active).sum((2, 3))


def _shifted(x: Tensor, down: int, right: int) -> Tensor:
    """The neighbour below and to the right, False beyond the edge."""
    return F.pad(x[..., down:, right:], (0, right, 0, down))


class TVInpaint(nn.Module):
    """Layer of :func:`tv_inpaint` with fixed options."""

    def __init__(self, tol: float = 1e-4, max_iter: int = 10000) -> None:
        super().__init__()
        self.tol, self.max_iter = tol, max_iter

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """``[B,C,H,W]`` and ``[B,1,H,W]`` (1 = hole) to ``[B,C,H,W]``."""
        return tv_inpaint(image, mask, self.tol, self.max_iter)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"tol={self.tol:g}, max_iter={self.max_iter}"


@torch.library.register_fake("inpaintx::tv_inpaint")
def _fake(image: Tensor, mask: Tensor, tol: float = 1e-4, max_iter: int = 10000) -> Tensor:
    check_same_device("tv_inpaint", image, mask=mask)
    return image.new_empty(image.shape)
