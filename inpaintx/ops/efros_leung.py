"""Inpainting by non-parametric sampling, one pixel after the other."""

import math

import torch
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.errors import renamed
from inpaintx.ops._native import check_same_device, has_kernel
from inpaintx.ops.poisson import poisson_blend_ref

__all__ = ["EfrosLeung", "efros_leung", "efros_leung_ref"]


@renamed(window="kernel_size")
def efros_leung(image: Tensor, mask: Tensor, kernel_size: int = 11, seed: int = 0, reach: int = 0) -> Tensor:
    """Fill holes pixel by pixel with the centres of windows that look alike.

    Ring by ring from the rim, the pixel with most filled pixels in its window first (ties at random): the known and
    filled pixels of its window are compared with every fully known window of the image, by squared differences that
    a Gaussian of standard deviation ``kernel_size``/6.4 weighs, divided by the weights' sum and the channels. One of
    the windows within 1.1 times the least distance, and below the limit 0.3, is drawn, and its centre copied. A
    pixel without such a window waits for the next round; when a round fills none, the limit grows by 1.1.

    Among scattered pixels there are hardly any fully known windows (less than one for 16 hole pixels, even of 3 x 3:
    thin lines every few pixels, a checkerboard, 80 % of noise). There the hole is first interpolated smoothly (the
    harmonic fill of :func:`poisson_blend`), every known pixel whose window lies inside the image may be drawn, and
    windows are compared in all their pixels, interpolated ones included.

    Parameters
    ----------
    image
        ``[B,C,H,W]``, floating point, in [0,1]. What lies under the hole does not matter. No gradient.
    mask
        ``[B,1,H,W]`` or ``[1,1,H,W]``, any real dtype; 1 = hole (above 0.5).
    kernel_size
        Side of the window in pixels, odd. An image with less than one fully known window of this size for 16 hole
        pixels takes the largest smaller size, from 3 on, of which it has as many; among scattered pixels, the largest
        up to this one with as many known pixels inside.
    seed
        Of the random numbers, which are a function of (seed, row, column).
    reach
        How many rows and columns from a pixel the centres of the windows may lie; where there are less than 256, twice
        as many, and so on. 0: anywhere.

    Returns
    -------
    Tensor
        ``[B,C,H,W]`` in the dtype of ``image``; computed in float32 (float64 for float64). Every filled pixel is a
        copy of a known one; known pixels are the image's. 0.5 where an image has no known pixel.

    Raises
    ------
    ValueError
        A shape, dtype or option that does not fit.

    Notes
    -----
    On another device than the CPU the tensors are carried to the CPU and the result back, which waits for the device.
    Time grows with hole pixels times known pixels; with a reach, times its square. The same result on any number of
    threads.

    References
    ----------
    Efros and Leung, "Texture Synthesis by Non-parametric Sampling", ICCV 1999, and the pseudo-code on its web page.

    Examples
    --------
    >>> stripes = (torch.arange(24) % 4 < 2).float().expand(1, 1, 24, 24)
    >>> mask = torch.zeros(1, 1, 24, 24)
    >>> mask[..., 9:15, 9:15] = 1
    >>> torch.equal(efros_leung(stripes, mask, kernel_size=5), stripes)
    True
    """
    if is_dynamo_compiling():
        result: Tensor = torch.ops.inpaintx.efros_leung(image, mask, kernel_size, seed, reach)
    elif has_kernel("efros_leung", image):
        result = _C.efros_leung(image, mask, kernel_size, seed, reach)
    else:
        result = efros_leung_ref(image, mask, kernel_size, seed, reach)
    return result


@renamed(window="kernel_size")
def efros_leung_ref(image: Tensor, mask: Tensor, kernel_size: int = 11, seed: int = 0, reach: int = 0) -> Tensor:
    """Slow reference of :func:`efros_leung`, a Python loop over pixels, with the same random numbers."""
    holes = (mask > 0.5).expand(image.shape[0], 1, -1, -1)
    out = torch.where(holes, 0.5, image.detach())
    for b in range(image.shape[0]):
        wide = torch.promote_types(image.dtype, torch.float32)
        filled = _fill_ref(out[b].to(wide).cpu(), holes[b, 0].cpu(), kernel_size, seed, reach)
        out[b] = torch.where(holes[b], filled.to(out), out[b])
    return out


def _fill_ref(image: Tensor, hole: Tensor, kernel_size: int, seed: int, reach: int) -> Tensor:
    image, known = image.clone(), ~hole
    height, width = hole.shape
    if bool(hole.all()):
        return image
    centers, kernel_size, scattered = _candidates_ref(hole, min(kernel_size, (min(height, width) - 1) // 2 * 2 + 1))
    if scattered:  # what is unknown is interpolated, and compared like what is known
        gray = torch.full_like(image, 0.5)[None]
        image = poisson_blend_ref(gray, image[None], hole[None, None], tol=1e-13)[0]
    r = kernel_size // 2
    # [N, C, k, k]
    windows = image.unfold(1, kernel_size, 1).unfold(2, kernel_size, 1)
    patches = windows[:, centers[:, 0], centers[:, 1]].transpose(0, 1).clone()
    along = torch.arange(-r, r + 1, dtype=torch.float64)
    gauss = torch.exp(-(along[:, None] ** 2 + along**2) / (2 * (kernel_size / 6.4) ** 2))
    limit = 0.3
    while not bool(known.all()):
        ring = []
        for y, x in (~known).nonzero().tolist():
            if known[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].any():
                count = int(known[max(0, y - r) : y + r + 1, max(0, x - r) : x + r + 1].sum())
                ring.append((-count, random_bits(seed, 0, y, x, 0), y, x))
        progress = False
        for _, _, y, x in sorted(ring):
            top, left, bottom, right = max(0, y - r), max(0, x - r), min(height, y + r + 1), min(width, x + r + 1)
            rows, columns = slice(top - y + r, bottom - y + r), slice(left - x + r, right - x + r)
            weight = gauss[rows, columns] * (known[top:bottom, left:right] | scattered)
            d = (patches[..., rows, columns] - image[:, top:bottom, left:right]).double().square()
            d = (d * weight).sum((1, 2, 3)) / max(float(weight.sum()) * len(image), 1e-300)
            d[~_near_ref(centers + r, y, x, reach, max(height, width))] = math.inf
            if float(d.min()) >= limit:
                continue
            chosen = ((d <= 1.1 * d.min()) & (d < limit)).nonzero()[:, 0]
            pick = chosen[random_bits(seed, 1, y, x, 0) * len(chosen) >> 32]
            image[:, y, x] = patches[pick, :, r, r]
            known[y, x] = progress = True
        if not progress:
            limit *= 1.1
        if math.isinf(limit):
            break
    return image


def _near_ref(centers: Tensor, y: int, x: int, reach: int, longest: int) -> Tensor:
    """Which windows may be drawn for a pixel."""
    apart = (centers - torch.tensor([y, x])).abs().amax(1)
    while 0 < reach < longest:
        if int((apart <= reach).sum()) >= 256:
            return apart <= reach
        reach *= 2
    return torch.ones_like(apart, dtype=torch.bool)


def _candidates_ref(hole: Tensor, widest: int) -> tuple[Tensor, int, bool]:
    """Upper left corners of the windows that may be drawn, their side, and whether holes are among them."""
    enough = max(int(hole.sum()), 1) / 16
    for scattered in (False, True):
        for kernel_size in range(widest, 0 if scattered or widest < 3 else 2, -2):
            windows = (~hole).unfold(0, kernel_size, 1).unfold(1, kernel_size, 1)
            r = kernel_size // 2
            centers = (windows[..., r, r] if scattered else windows.flatten(2).all(2)).nonzero()
            if len(centers) >= enough or (scattered and kernel_size == 1):
                return centers, kernel_size, scattered
    raise AssertionError("a window of one pixel always does")


def random_bits(seed: int, iteration: int, y: int, x: int, k: int) -> int:
    """The 32 random bits that csrc/common/random.h gives for the same arguments."""
    golden, all_bits = 0x9E3779B97F4A7C15, 2**64 - 1

    def mix(v: int) -> int:
        v &= all_bits
        v ^= v >> 30
        v = v * 0xBF58476D1CE4E5B9 & all_bits
        v ^= v >> 27
        v = v * 0x94D049BB133111EB & all_bits
        return v ^ v >> 31

    v = mix(seed + golden)
    for part in (iteration, y << 32 | x, k):
        v = mix(v + part + golden)
    return v >> 32


class EfrosLeung(nn.Module):
    """Layer of :func:`efros_leung` with fixed options."""

    @renamed(window="kernel_size")
    def __init__(self, kernel_size: int = 11, seed: int = 0, reach: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.seed, self.reach = kernel_size, seed, reach

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """``[B,C,H,W]`` and ``[B,1,H,W]`` (1 = hole) to ``[B,C,H,W]``."""
        return efros_leung(image, mask, self.kernel_size, self.seed, self.reach)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return f"kernel_size={self.kernel_size}, seed={self.seed}, reach={self.reach}"


@torch.library.register_fake("inpaintx::efros_leung")
def _fake(image: Tensor, mask: Tensor, kernel_size: int = 11, seed: int = 0, reach: int = 0) -> Tensor:
    check_same_device("efros_leung", image, mask=mask)
    return image.new_empty(image.shape)
