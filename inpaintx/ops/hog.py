"""Histograms of oriented gradients, and the picture of them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling

from inpaintx import _C
from inpaintx.ops._native import has_kernel

__all__ = ["HOG", "HOGImage", "hog", "hog_image", "hog_ref"]


def hog(
    x: Tensor,
    cell: int = 8,
    block: int = 2,
    bins: int = 9,
    clip: float = 0.2,
    *,
    transform_sqrt: bool = False,
    return_blocks: bool = False,
) -> Tensor:
    """Histogram of oriented gradients of each cell, in five stages.

    1. Global image normalization, if ``transform_sqrt``: the square root of each value, so that light and dark parts
       have edges of like strength.
    2. Image gradients: [-1,0,1], zero at the outer rows and columns, of the channel where they are largest.
    3. Gradient histograms: unsigned orientation in hard bins, magnitudes averaged over the cell.
    4. Normalization across blocks of cells: L2-Hys.
    5. Collection: each cell's histogram averaged over the blocks that contain it, or with ``return_blocks`` the blocks'
       vectors, which flattened are the feature vector.

    Parameters
    ----------
    x
        ``[B,C,H,W]``, floating point, in [0,1]. No gradient. Pixels beyond the last whole cell are not used, except
        as neighbours.
    cell, block, bins
        Cell side in pixels, block side in cells, number of orientations over 180 degrees (at most 64).
    clip
        Limit of L2-Hys.
    transform_sqrt
        Whether the first stage is run; what is below 0 counts as 0 then.
    return_blocks
        Return the block vectors, ``[B,By,Bx,block,block,bins]``, as ``skimage.feature.hog`` does.

    Returns
    -------
    Tensor
        ``[B,Cy,Cx,bins]``, each cell's histogram averaged over the blocks that contain it; computed in float32
        (float64 for float64), in the dtype of ``x``.

    Raises
    ------
    ValueError
        A shape or option that does not fit, an image smaller than one block among them.

    References
    ----------
    Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005; as scikit-image has it.

    Examples
    --------
    >>> ramp = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)  # brightness grows to the right: bin 0 alone
    >>> hog(ramp).shape, int(hog(ramp).sum((0, 1, 2)).argmax())
    (torch.Size([1, 2, 2, 9]), 0)
    """
    if transform_sqrt:
        x = _normalized(x)
    if is_dynamo_compiling():
        cells, blocks = torch.ops.inpaintx.hog(x, cell, block, bins, clip)
    elif has_kernel("hog", x):
        cells, blocks = _C.hog(x, cell, block, bins, clip)
    else:
        return hog_ref(x, cell, block, bins, clip, return_blocks=return_blocks)
    result: Tensor = blocks if return_blocks else cells
    return result


def _normalized(x: Tensor) -> Tensor:
    """The first stage: power law compression of each channel."""
    return x.detach().clamp_min(0).sqrt()


def hog_ref(
    x: Tensor,
    cell: int = 8,
    block: int = 2,
    bins: int = 9,
    clip: float = 0.2,
    *,
    transform_sqrt: bool = False,
    return_blocks: bool = False,
) -> Tensor:
    """Slow reference of :func:`hog` in plain PyTorch, on any device."""
    x = _normalized(x) if transform_sqrt else x
    dtype = x.dtype if x.dtype == torch.float64 else torch.float32
    image = x.detach().to(dtype)
    down, right = torch.zeros_like(image), torch.zeros_like(image)
    down[:, :, 1:-1] = image[:, :, 2:] - image[:, :, :-2]
    right[..., 1:-1] = image[..., 2:] - image[..., :-2]
    magnitude, channel = (down.square() + right.square()).sqrt().max(1)  # ONNX has no hypot, no rad2deg
    down, right = (g.gather(1, channel[:, None])[:, 0] for g in (down, right))
    angle = torch.atan2(down, right) * (180 / math.pi) % 180
    index = (angle * bins / 180).floor().long().clamp(max=bins - 1)
    height, width = x.shape[2] // cell * cell, x.shape[3] // cell * cell
    votes = F.one_hot(index, bins) * magnitude[..., None]
    cells = votes[:, :height, :width].unflatten(2, (-1, cell)).unflatten(1, (-1, cell)).mean((2, 4))
    blocks = cells.unfold(1, block, 1).unfold(2, block, 1).permute(0, 1, 2, 4, 5, 3)
    for last in (False, True):
        blocks = blocks / (blocks.square().sum((3, 4, 5), keepdim=True) + 1e-10).sqrt()
        blocks = blocks if last else blocks.clamp(max=clip)
    if return_blocks:
        return blocks.to(x.dtype).contiguous()
    total, count = torch.zeros_like(cells), torch.zeros_like(cells)
    by, bx = blocks.shape[1:3]
    for v in range(block):
        for u in range(block):
            total[:, v : v + by, u : u + bx] += blocks[:, :, :, v, u]
            count[:, v : v + by, u : u + bx] += 1
    return (total / count).to(x.dtype)


def hog_image(
    x: Tensor, cell: int = 8, block: int = 2, bins: int = 9, clip: float = 0.2, *, transform_sqrt: bool = False
) -> Tensor:
    """Draw each cell's histogram as lines along the edges, that is perpendicular to the gradients.

    A line has the profile max(0, 1 - distance), half-length cell/2 - 1 and the weight of its bin in :func:`hog`.
    There is no scaling by the image's own maximum, which would tell of pixels that are hidden.

    Parameters
    ----------
    x, cell, block, bins, clip, transform_sqrt
        As in :func:`hog`.

    Returns
    -------
    Tensor
        ``[B,1,H,W]`` in [0,1], in the dtype of ``x``; 0 beyond the last whole cell.

    Examples
    --------
    >>> hog_image(torch.rand(1, 3, 20, 33)).shape
    torch.Size([1, 1, 20, 33])
    """
    cells = hog(x, cell, block, bins, clip, transform_sqrt=transform_sqrt)
    lines = _lines(cell, bins).to(cells)
    drawn = torch.einsum("bijk,kyx->biyjx", cells, lines).clamp(0, 1).flatten(3, 4).flatten(1, 2)[:, None]
    return F.pad(drawn, (0, x.shape[3] - drawn.shape[3], 0, x.shape[2] - drawn.shape[2]))


def _lines(cell: int, bins: int) -> Tensor:
    """``[bins,cell,cell]``: the line of each bin in a cell."""
    angle = math.pi * (torch.arange(bins, dtype=torch.float64) + 0.5) / bins + math.pi / 2
    along_x, along_y = angle.cos()[:, None, None], angle.sin()[:, None, None]
    offset = torch.arange(cell, dtype=torch.float64) - (cell - 1) / 2
    y, x = offset[:, None], offset[None, :]
    half = max(cell / 2 - 1, 0)
    along = (x * along_x + y * along_y).clamp(-half, half)
    distance = ((x - along * along_x).square() + (y - along * along_y).square()).sqrt()
    return (1 - distance).clamp(min=0)


class HOG(nn.Module):
    """Layer of :func:`hog` with fixed options."""

    def __init__(
        self, cell: int = 8, block: int = 2, bins: int = 9, clip: float = 0.2, *, transform_sqrt: bool = False
    ) -> None:
        super().__init__()
        self.cell, self.block, self.bins, self.clip = cell, block, bins, clip
        self.transform_sqrt = transform_sqrt

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,H,W]`` to ``[B,Cy,Cx,bins]``."""
        return hog(x, self.cell, self.block, self.bins, self.clip, transform_sqrt=self.transform_sqrt)

    def extra_repr(self) -> str:
        """Options, for printing."""
        options = f"cell={self.cell}, block={self.block}, bins={self.bins}, clip={self.clip:g}"
        return options + (", transform_sqrt=True" if self.transform_sqrt else "")


class HOGImage(HOG):
    """Layer of :func:`hog_image` with fixed options."""

    def forward(self, x: Tensor) -> Tensor:
        """``[B,C,H,W]`` to ``[B,1,H,W]``."""
        return hog_image(x, self.cell, self.block, self.bins, self.clip, transform_sqrt=self.transform_sqrt)


@torch.library.register_fake("inpaintx::hog")
def _fake(x: Tensor, cell: int = 8, block: int = 2, bins: int = 9, clip: float = 0.2) -> tuple[Tensor, Tensor]:
    batch, (cy, cx) = x.shape[0], (x.shape[2] // cell, x.shape[3] // cell)
    blocks = (batch, cy - block + 1, cx - block + 1, block, block, bins)
    return x.new_empty((batch, cy, cx, bins)), x.new_empty(blocks)
